"""The chunks of films on a Ray cluster that is there already.

One worker, an actor with the network in it, takes all the CPUs of a node, or one of its GPUs, and
does one chunk after the other. A chunk whose worker is lost, or the whole node, is done again by
another. All nodes must see the film and the folder of finished work under the same path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

from vidcolor.chunkwork import ChunkTask
from vidcolor.errors import DeviceError, UsageError, VidcolorError
from vidcolor.jobs.connection import connect, load_ray
from vidcolor.jobs.pool import Retries
from vidcolor.jobs.roster import LOOK, Roster, Worker
from vidcolor.prefetch import Prefetch
from vidcolor.records import DoneChunk
from vidcolor.settings import Settings

_AHEAD = 16
"""Chunks planned ahead for each film."""


class Cluster:
    """A Ray cluster's workers, see `vidcolor.chunkwork.Hands`; several films may use them at once.

    ``address`` is that of the cluster's head, or ``auto`` for the one this machine is part of; none
    is ever started. ``device`` is as in `vidcolor.device`; with ``auto``, GPUs if there are any.
    Raises UsageError without Ray, DeviceError if there is no such cluster or it has no workers.
    """

    def __init__(self, address: str, device: str = "auto") -> None:
        if address == "local":
            raise UsageError("--cluster local: no cluster is started here; give auto or an address")
        self._address = address
        self.stopped = threading.Event()
        """Once set, films that wait give up."""
        self._roster = Roster(address, device, self.stopped)

    def __enter__(self) -> Self:
        self._ours = connect(self._address)
        self._ray = load_ray()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopped.set()
        self._roster.drop_all()
        if self._ours:
            self._ray.shutdown()

    def model(self, settings: Settings) -> Mapping[str, str]:
        """The description of the colorizer that the first worker has for ``settings``."""
        worker = self._roster.take()
        try:
            found = self._ray.get(worker.actor.model.remote(settings))
        except self._ray.exceptions.RayError as error:
            self._roster.drop(worker)
            raise DeviceError(f"a worker of the cluster was lost at its start: {error}") from error
        self._roster.put_back(worker)
        if isinstance(found, VidcolorError):
            raise found
        description: dict[str, str] = found
        return description

    def chunks(
        self, tasks: Iterable[ChunkTask], told: Callable[[int], None]
    ) -> Generator[DoneChunk]:
        """Each chunk when it is finished; as many are under way as there are workers. Raises what
        the first failure raised."""
        tally = Retries(told)
        ended: Queue[tuple[ChunkTask, Any]] = Queue()
        # By chunk: a worker may have its next one before what came of the last is looked at.
        busy: dict[int, Worker] = {}
        again: list[ChunkTask] = []
        try:
            with Prefetch(lambda: tasks, _AHEAD, "plan") as coming:
                while True:
                    task = again.pop() if again else next(coming, None)
                    if task is not None:
                        worker = self._roster.take()
                        busy[task.start.index] = worker
                        self._send(worker, task, ended)
                    elif not busy:
                        return
                    while not ended.empty() or (task is None and busy and not again):
                        done, result = self._wait(ended)
                        del busy[done.start.index]
                        if isinstance(result, DoneChunk):
                            yield result
                            told(len(result.segment.pts))
                        elif isinstance(result, self._ray.exceptions.RayError):
                            tally.lost(done, f"its worker was lost ({type(result).__name__})")
                            again.append(done)
                        else:
                            raise result
        finally:
            for worker in busy.values():
                self._roster.drop(worker)

    def _send(self, worker: Worker, task: ChunkTask, ended: Queue[tuple[ChunkTask, Any]]) -> None:
        def came(future: Any) -> None:
            """In a thread of Ray's."""
            error = future.exception()
            if error is None:
                self._roster.put_back(worker)
            else:
                self._roster.forget(worker)
            ended.put((task, future.result() if error is None else error))

        worker.actor.do.remote(task).future().add_done_callback(came)

    def _wait(self, ended: Queue[tuple[ChunkTask, Any]]) -> tuple[ChunkTask, Any]:
        while not self.stopped.is_set():
            try:
                return ended.get(timeout=LOOK)
            except Empty:
                continue
        raise VidcolorError("stopped")
