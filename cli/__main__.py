"""``vidcolor``, and ``python -m vidcolor_cli``."""

import sys


def main() -> None:
    """Run the command line and exit the process with its code."""
    try:
        # Here, as it takes a while in which people notice what they have typed.
        from .main import main as begin
    except KeyboardInterrupt:
        print("vidcolor: interrupted", file=sys.stderr)
        sys.exit(130)
    begin()


if __name__ == "__main__":
    main()
