"""Where the time goes: seconds of work by stage, without the stages it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Stopwatch:
    """Adds up wall seconds by stage, over all threads.

    A stage that pulls from another in the same thread is not charged for it: each thread keeps a
    stack, and only the innermost entry runs. Names starting with ``wait`` are times spent waiting
    for another thread.
    """

    def __init__(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}
        self._begun = time.perf_counter()

    @property
    def total(self) -> float:
        """Seconds since the stopwatch was made."""
        return time.perf_counter() - self._begun

    def seconds(self) -> dict[str, float]:
        """A copy of the sums so far, by stage."""
        with self._lock:
            return dict(self._seconds)

    @contextmanager
    def running(self, stage: str) -> Generator[None]:
        """Charge the block's time to ``stage``, less what inner blocks are charged with."""
        stack: list[float] = self._local.__dict__.setdefault("stack", [])
        started = time.perf_counter()
        stack.append(0.0)
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            inner = stack.pop()
            if stack:
                stack[-1] += spent
            with self._lock:
                self._seconds[stage] = self._seconds.get(stage, 0.0) + spent - inner

    def timed(self, stage: str, items: Iterable[T]) -> Generator[T]:
        """Pass ``items`` on, charging the time each takes to come to ``stage``."""
        source = iter(items)
        try:
            while True:
                with self.running(stage):
                    try:
                        item = next(source)
                    except StopIteration:
                        return
                yield item
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    def charged(self, stage: str, pool: Executor) -> Executor:
        """``pool``, whose work is charged to ``stage``."""
        return _Charged(self, stage, pool)


class _Charged(Executor):
    def __init__(self, watch: Stopwatch, stage: str, pool: Executor) -> None:
        self._watch, self._stage, self._pool = watch, stage, pool

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._pool.submit(self._watch.running(self._stage)(fn), *args, **kwargs)
