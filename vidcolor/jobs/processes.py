"""Processes that do one task each at a time, and may die of it."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

from vidcolor.memory import few_arenas

Task = TypeVar("Task")
Result = TypeVar("Result")

Make: TypeAlias = Callable[[int], Callable[[Any, Callable[[Any], None]], Any]]
"""Called in each process once, with its number from 0; gives what does the tasks: a function of the
task and of another function, which tells how it gets on. All of it must survive pickling."""

_GRACE = 20.0
"""Seconds a process has to clean up after itself."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The process ended with ``code`` instead of its task."""

    code: int | None


class Processes(Generic[Task, Result]):
    """``count`` processes, started when there is work for them; told to end, and waited for, on
    leaving."""

    def __init__(self, count: int, make: Make) -> None:
        self._count, self._make = count, make
        self._idle: list[Connection] = []
        self._processes: dict[Connection, BaseProcess] = {}
        self._again: deque[Task] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(list(self._processes))

    def work(
        self, tasks: Iterator[Task], tell: Callable[[Task, Any], None]
    ) -> Generator[tuple[Task, Result | Ended]]:
        """Every task with what came of it, as it comes; ``tell`` is told how they get on.

        A task is asked for when a process is free for it. Closed early, this ends those at work.
        """
        busy: dict[Connection, Task] = {}
        coming: Iterator[Task] = iter(tasks)
        try:
            while True:
                while len(busy) < self._count:
                    if self._again:
                        task = self._again.popleft()
                    else:
                        try:
                            task = next(coming)
                        except StopIteration:
                            coming = iter(())
                            break
                    connection = self._free()
                    busy[connection] = task
                    # If it has died meanwhile, `_receive` meets that too.
                    with suppress(OSError):
                        connection.send(task)
                if not busy:
                    return
                for ready in wait(list(busy)):
                    assert isinstance(ready, Connection)
                    final, value = self._receive(ready)
                    if not final:
                        tell(busy[ready], value)
                        continue
                    if ready in self._processes:
                        self._idle.append(ready)
                    yield busy.pop(ready), value
        finally:
            self._again.clear()
            self._end([connection for connection in busy if connection in self._processes])

    def again(self, task: Task) -> None:
        """Have a task done once more, before all others."""
        self._again.append(task)

    def _free(self) -> Connection:
        """One that waits, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if self._processes[connection].is_alive():
                return connection
            # Killed while it had nothing to do, for its memory say.
            self._processes.pop(connection).join()
            connection.close()
        return self._start()

    def _receive(self, connection: Connection) -> tuple[bool, Any]:
        try:
            final, value = connection.recv()
        except (EOFError, OSError):
            process = self._processes.pop(connection)
            process.join()
            connection.close()
            return True, Ended(process.exitcode)
        return final, value

    def _start(self) -> Connection:
        # Forking a process that runs threads, as OpenVINO and PyTorch do, may lock up.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        taken = {process.name for process in self._processes.values()}
        number = next(n for n in range(self._count) if str(n) not in taken)
        process = context.Process(
            target=serve, args=(theirs, self._make, number), name=str(number), daemon=True
        )
        with _deaf():
            process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def _end(self, connections: list[Connection]) -> None:
        for connection in connections:
            self._processes[connection].terminate()
        for connection in connections:
            process = self._processes.pop(connection)
            process.join(_GRACE)
            if process.is_alive():
                process.kill()
                process.join()
            connection.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started within take no notice of Ctrl-C, which goes to all of a terminal: the
    one that started them decides what becomes of them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may say so; the process itself does, a moment later.
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def serve(connection: Connection, make: Make, number: int) -> None:
    """The life of a process: it ends when it is told to, or when nobody is there to tell it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    few_arenas()
    do = make(number)

    def tell(value: object) -> None:
        try:
            connection.send((False, value))
        except OSError:
            raise SystemExit(1) from None

    with suppress(EOFError, OSError):
        while True:
            connection.send((True, do(connection.recv(), tell)))


def _leave(number: int, frame: object) -> None:
    raise SystemExit(0)
