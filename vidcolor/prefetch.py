"""A thread boundary between two stages, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class _End:
    """Follows the last item; carries what the stage raised, if anything."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetch(Generic[T]):
    """Runs a stage in a thread of its own, at most ``depth`` items ahead.

    A context manager and an iterator, or run in an ``ExitStack``. Leaving it stops the stage,
    closes its generator in the thread that ran it, and joins the thread, whatever happened. An
    error of the stage is raised where its items are read.
    """

    def __init__(self, stage: Callable[[], Iterable[T]], depth: int, name: str) -> None:
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self._queue: Queue[T | _End] = Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(stage,), name=f"vidcolor-{name}", daemon=True
        )
        self._done = False

    def run_in(self, stack: ExitStack) -> Prefetch[T]:
        """Start; it is stopped with ``stack``, also where a Ctrl-C comes in while it starts."""
        stack.callback(self.stop)
        self._thread.start()
        return self

    def __enter__(self) -> Prefetch[T]:
        try:
            self._thread.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the stage and join its thread; may be called at any time, and again."""
        self._stopped.set()
        self._done = True
        # The thread may be waiting for room; it looks at the event as soon as there is some.
        while self._thread.is_alive():
            try:
                self._queue.get_nowait()
            except Empty:
                self._thread.join(0.02)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._done:
            raise StopIteration
        item = self._queue.get()
        if isinstance(item, _End):
            self._done = True
            if item.error is not None:
                raise item.error
            raise StopIteration
        return item

    def _work(self, stage: Callable[[], Iterable[T]]) -> None:
        error: BaseException | None = None
        try:
            items = iter(stage())
            # Generators are closed here; plain iterators have nothing to close.
            with closing(cast("_Closable", items)) if hasattr(items, "close") else _Nothing():
                for item in items:
                    if not self._put(item):
                        return
        except BaseException as caught:
            error = caught
        self._put(_End(error))

    def _put(self, item: T | _End) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except Full:
                continue
        return False


class _Closable:
    def close(self) -> None: ...


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *args: object) -> None: ...
