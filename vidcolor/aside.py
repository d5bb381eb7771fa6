"""Settings of the whole process that are put aside for a while, by several at once."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Usual = TypeVar("Usual")


class Aside(Generic[Usual]):
    """A setting that the first who needs it changed puts aside, and the last puts back.

    If each put back what it had found, two threads, or two generators that end in the order they
    began in, would leave the change behind them for good, and take it from each other meanwhile.

    ``change`` makes the change and returns what was there before, ``put_back`` is given that.
    """

    def __init__(self, change: Callable[[], Usual], put_back: Callable[[Usual], object]) -> None:
        self._change, self._put_back = change, put_back
        # A generator that holds it may be collected, and end, while its own thread is in here.
        self._lock = threading.RLock()
        self._usual: list[Usual] = []
        self._holders = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """The setting is changed as long as anybody is in such a block."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._usual.append(self._change())
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._put_back(self._usual.pop())


def _silence() -> warnings.catch_warnings[None]:
    before = warnings.catch_warnings()
    before.__enter__()
    warnings.simplefilter("ignore")
    return before


no_warnings = Aside(_silence, lambda before: before.__exit__(None, None, None))
"""For libraries that warn of files in lines of their own."""
