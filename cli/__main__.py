"""``python -m vidcolor_cli``."""

from .main import main

main()
