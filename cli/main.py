"""``vidcolor``: finds the command, runs it, and makes every error one line and an exit code."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import typer

from vidcolor.errors import TargetError, VidcolorError
from vidcolor.memory import few_arenas
from vidcolor.report import visible

from . import batch, colorize, evaluate, models, preview, probe, shots, studio, train, verify
from .signals import ENDED, heeded

COMMANDS = ("batch", "eval", "models", "preview", "probe", "shots", "studio", "train", "verify")
"""A first word that is none of these is the name of a film."""

_INTERRUPTED = 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

film = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
film.command(epilog=colorize.EPILOG)(colorize.colorize)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command("batch")(batch.batch)
app.command("eval")(evaluate.evaluate)
app.add_typer(models.app, name="models")
app.command("preview")(preview.preview)
app.command("probe")(probe.probe)
app.command("shots")(shots.shots)
app.command("studio")(studio.studio)
app.command("train")(train.train)
app.command("verify")(verify.verify)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit the process with its code."""
    few_arenas()
    _open_standard_streams()
    code = run(sys.argv[1:] if arguments is None else arguments)
    # At its end Python would look through everything that was imported for what could be freed,
    # which takes as long as colouring some frames.
    gc.freeze()
    sys.exit(code)


def _open_standard_streams() -> None:
    """To nowhere, where whoever called us closed them.

    Else the first files opened would take their numbers, and what a library writes to its standard
    error would end up in a film.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Gets the lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    # Names may hold what no encoding has; standard error is so by itself.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; messages go to stderr."""
    words = list(arguments) or ["--help"]
    chosen = app if words[0] in COMMANDS else film
    # A training run keeps what it has saved so far.
    lost = ": the target was not written" if chosen is film else ""
    try:
        with heeded():
            code = chosen(words, prog_name="vidcolor", standalone_mode=False)
        sys.stdout.flush()
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        _say(f"interrupted{lost}")
        return _INTERRUPTED
    except SystemExit as ended:
        if ended.code in ENDED:
            _say(f"terminated{lost}")
        raise
    except VidcolorError as error:
        _say(str(error))
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone.
        _close_output()
        return 1
    except OSError as error:
        # All that the work itself raises is an error of ours, and a file's fault has its name.
        if error.filename is not None or error.errno not in _FULL:
            raise
        _close_output()
        _say(f"standard output cannot be written: {error.strerror}")
        return TargetError.exit_code
    except Exception as error:
        # The parser's own errors, under whichever name this version of typer keeps them.
        tell = getattr(error, "format_message", None)
        if tell is None:
            raise
        _say(f"{tell()} See vidcolor --help.")
        return 2


def _close_output() -> None:
    """Keep Python from complaining at exit of what it could not write."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> None:
    with suppress(OSError):  # The terminal may be gone.
        print("vidcolor:", visible(" ".join(message.split())), file=sys.stderr)
