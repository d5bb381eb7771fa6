"""The one long piece of work at a time: finding shots, a clip, the film. It goes on without a page.

A job is stopped at the next frame; what it has finished is kept, as with Ctrl-C.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from vidcolor.errors import VidcolorError
from vidcolor.report import Progress
from vidcolor.studio.faults import ConflictError

_WARNINGS = 20
"""Of a piece of work that are kept: the first ones."""
_NAMES = {"shots": "the shots are being found", "clip": "a clip is being made"}


class _Stopped(Exception):  # noqa: N818 - no error
    """Raised within the work when it is to stop."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is, or was last, under way. ``state``: running, done, failed, stopped."""

    kind: str
    number: int
    state: str = "running"
    phase: str = ""
    done: int = 0
    total: int | None = None
    seconds: float = 0.0
    message: str = ""
    warnings: tuple[str, ...] = ()
    more_warnings: int = 0
    """How many there were besides."""
    result: Any = None


class Shown:
    """Where a piece of work tells how it goes; raises within it when it is to stop."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def progress(self, progress: Progress, phase: str = "") -> None:
        if self._worker.stopping:
            raise _Stopped
        self._worker.tell(done=progress.done, total=progress.total, phase=phase)

    def warn(self, line: str) -> None:
        self._worker.warn(line)


class Worker:
    """Does one piece of work at a time, in a thread of its own. ``version`` grows with news."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._begun = 0.0
        self.stopping = False
        self.version = 0
        self.work: Work | None = None

    @property
    def running(self) -> bool:
        return self.work is not None and self.work.state == "running"

    @property
    def what(self) -> str:
        """The work as words, such as "a clip is being made"."""
        kind = "" if self.work is None else self.work.kind
        return _NAMES.get(kind, "the film is being coloured")

    def start(self, kind: str, do: Callable[[Shown], tuple[str, Any]]) -> int:
        """Begin to ``do`` it; it returns a line to tell and its result. Returns the work's number.

        Raises ConflictError if something is under way.
        """
        with self._lock:
            if self.work is not None and self.work.state == "running":
                raise ConflictError(f"{self.what}; wait for that, or stop it")
            number = 1 if self.work is None else self.work.number + 1
            self.stopping = False
            self._begun = time.monotonic()
            self.work = Work(kind, number)
            self.version += 1
            self._thread = threading.Thread(target=self._run, args=(do,), name="vidcolor-studio")
            self._thread.start()
            return number

    def stop(self, *, wait: bool = False) -> None:
        """Have it stop; with ``wait``, return when it has."""
        self.stopping = True
        thread = self._thread
        if wait and thread is not None:
            thread.join()

    def tell(self, **news: Any) -> None:
        assert self.work is not None
        seconds = time.monotonic() - self._begun
        self.work = replace(self.work, seconds=round(seconds, 1), **news)
        self.version += 1

    def warn(self, line: str) -> None:
        work = self.work
        assert work is not None
        if len(work.warnings) < _WARNINGS:
            self.tell(warnings=(*work.warnings, line))
        else:
            self.tell(more_warnings=work.more_warnings + 1)

    def _run(self, do: Callable[[Shown], tuple[str, Any]]) -> None:
        try:
            message, result = do(Shown(self))
            self.tell(state="done", message=message, result=result)
        except _Stopped:
            self.tell(state="stopped", message="stopped")
        except VidcolorError as error:
            self.tell(state="failed", message=str(error))
        except Exception as error:
            # A page would else wait for ever; the server's own log has the rest.
            self.tell(state="failed", message=f"{type(error).__name__}: {error}")
            raise
