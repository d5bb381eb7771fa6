"""Ctrl-C and SIGTERM, kept waiting until the step they came in is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType


class Interruption:
    """While it is entered, the first signal is only noted; who asks between steps lets it go on.

    The second one goes on at once. So does the first outside the main thread, which alone can catch
    signals, and where a signal would have ended the process without a word to it.
    """

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], object]] = {}
        self._number: int | None = None

    @property
    def came(self) -> bool:
        """Whether a signal waits."""
        return self._number is not None

    def go_on(self) -> None:
        """Let a signal that waits do what it would have done, which usually is to raise."""
        number, self._number = self._number, None
        if number is not None:
            self._before[number](number, None)

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                handler = signal.getsignal(number)
                if callable(handler):
                    self._before[number] = handler
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._give_back()
        if error is None:
            self.go_on()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._number = number
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
