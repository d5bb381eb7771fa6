"""Who colours the films of a batch: this process, or several others with one film each."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Protocol

from vidcolor.jobs.film import Colorist, Outcome, Work
from vidcolor.report import Progress

Tell = Callable[[Work, Progress], None]

_GRACE = 20.0
"""Seconds a worker has to clean up after itself."""


class Crew(Protocol):
    """Takes work when it has a hand free, and gives back outcomes as they come."""

    def __enter__(self) -> Crew: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def color(self, works: Iterator[Work], tell: Tell) -> Iterator[tuple[Work, Outcome]]: ...


def make_crew(count: int) -> Crew:
    """This process for one, that many processes for more."""
    return Workers(count) if count > 1 else Alone()


class Alone:
    """Colours the films itself, one after the other."""

    def __init__(self) -> None:
        self._colorist = Colorist()

    def __enter__(self) -> Alone:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def color(self, works: Iterator[Work], tell: Tell) -> Iterator[tuple[Work, Outcome]]:
        for work in works:
            yield work, self._colorist.color(work, partial(tell, work))


class Workers:
    """Several processes. One that dies, of a full memory say, costs its film and no other.

    They are started when there is work for them, and told to end, and waited for, on leaving.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._idle: list[Connection] = []
        self._processes: dict[Connection, BaseProcess] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes.values():
            process.terminate()
        for connection, process in self._processes.items():
            process.join(_GRACE)
            if process.is_alive():
                process.kill()
                process.join()
            connection.close()
        self._processes.clear()

    def color(self, works: Iterator[Work], tell: Tell) -> Iterator[tuple[Work, Outcome]]:
        busy: dict[Connection, Work] = {}
        more = True
        while more or busy:
            while more and len(busy) < self._count:
                work = next(works, None)
                if work is None:
                    more = False
                    break
                connection = self._idle.pop() if self._idle else self._start()
                busy[connection] = work
                # If it has died meanwhile, `_receive` meets that too.
                with suppress(OSError):
                    connection.send(work)
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                connection = ready
                told = self._receive(connection)
                if isinstance(told, Outcome):
                    if connection in self._processes:
                        self._idle.append(connection)
                    yield busy.pop(connection), told
                else:
                    tell(busy[connection], told)

    def _receive(self, connection: Connection) -> Progress | Outcome:
        try:
            told = connection.recv()
        except (EOFError, OSError):
            process = self._processes.pop(connection)
            process.join()
            connection.close()
            return Outcome(
                f"its worker ended with code {process.exitcode}; was the memory full? "
                "Try fewer --workers"
            )
        assert isinstance(told, Progress | Outcome)
        return told

    def _start(self) -> Connection:
        # Forking a process that runs threads, as OpenVINO and PyTorch do, may lock up.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _deaf():
            process.start()
        theirs.close()
        self._processes[ours] = process
        return ours


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started within take no notice of Ctrl-C, which goes to all of a terminal: the
    batch decides what becomes of its workers."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may say so; the worker itself does, a moment later.
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(connection: Connection) -> None:
    """The life of a worker: it ends when it is told to, or when the batch is no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    colorist = Colorist()

    def tell(progress: Progress) -> None:
        try:
            connection.send(progress)
        except OSError:
            raise SystemExit(1) from None

    with suppress(EOFError, OSError):
        while True:
            connection.send(colorist.color(connection.recv(), tell))


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)
