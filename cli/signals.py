"""Ctrl-C, SIGTERM and SIGHUP, even where the exception that they raise gets lost.

Compiled libraries may drop what is raised while they put together an exception of their own: PyAV
does, as Cython runs Python code to give it a traceback. So what came is also remembered, and who
gets on with the work asks for it now and then.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = [
    number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
]
"""Windows knows no closed terminal."""
ENDED = tuple(128 + number for number in _ENDING)
"""The exit codes of a job that such a signal has ended."""

_came: int | None = None


@contextmanager
def heeded() -> Iterator[None]:
    """Within, a job that is told to stop cleans up after itself, by Ctrl-C, SIGTERM or the end of
    its terminal.

    Who has one ignored, as what runs in the background of a script or by nohup has, keeps that.
    """
    global _came
    _came = None
    numbers = [number for number in _ENDING if signal.getsignal(number) != signal.SIG_IGN]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, _told) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def heed() -> None:
    """Raise what a signal raised before and nobody saw: KeyboardInterrupt or SystemExit."""
    if _came is not None:
        _raise(_came)


def _told(number: int, frame: FrameType | None) -> None:
    global _came
    _came = number
    _raise(number)


def _raise(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
