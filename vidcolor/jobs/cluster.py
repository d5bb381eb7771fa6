"""The chunks of films on a Ray cluster that is there already.

One worker, an actor with the network in it, takes all the CPUs of a node, or one of its GPUs, and
does one chunk after the other. A chunk whose worker is lost, or the whole node, is done again by
another. All nodes must see the film and the folder of finished work under the same path.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

from vidcolor.chunkwork import ChunkTask
from vidcolor.device import share_cores
from vidcolor.errors import DeviceError, UsageError, VidcolorError
from vidcolor.jobs.film import Loaded
from vidcolor.jobs.pool import RETRIES, Retries, do_chunk
from vidcolor.prefetch import Prefetch
from vidcolor.records import DoneChunk
from vidcolor.settings import Settings
from vidcolor.workfolder import is_kept

_AHEAD = 16
"""Chunks planned ahead for each film."""
_LOOK = 2.0
"""Seconds between two looks for new nodes."""
_PATIENCE = 60.0
"""Seconds without a single worker before a film is given up."""
_ANSWER = 5.0
"""Seconds within which a cluster must answer."""
_SHOWN = 10
"""Seconds that a new folder may take to show on all nodes."""


def load_ray() -> Any:
    """The module ``ray``, without its reports to its makers. Raises UsageError if it is missing."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("--cluster needs Ray: pip install 'vidcolor[cluster]'") from error
    return ray


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself, when it is imported and when it connects; here it is taken
    back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


class ChunkActor:
    """What runs on the nodes: ``number`` of ``count`` such on its own."""

    def __init__(self, number: int, count: int) -> None:
        share_cores(number, count)
        self._loaded = Loaded()

    def ready(self) -> str:
        """The version of vidcolor here, once all is imported."""
        return version("vidcolor")

    def model(self, settings: Settings) -> dict[str, str] | VidcolorError:
        """The description of the colorizer for ``settings``."""
        try:
            return self._loaded.colorizer(settings).description
        except VidcolorError as error:
            return error

    def do(self, task: ChunkTask) -> DoneChunk | VidcolorError:
        """Do a chunk, if all that it takes is here."""
        job = task.job
        for path, there in ((job.info.path, Path.is_file), (job.folder, is_kept)):
            if not _shows(path, there):
                return VidcolorError(
                    f"{path}: not to be seen on node {socket.gethostname()}; the film and the "
                    "target, or --work-dir, must be in folders that all nodes share"
                )
        own = self.model(job.settings)
        if isinstance(own, VidcolorError):
            return own
        differs = [key for key in own if key != "device" and own[key] != job.model.get(key)]
        if differs:
            return VidcolorError(
                f"node {socket.gethostname()}: another {' and '.join(differs)} than elsewhere; "
                "all nodes need the same model and the same installation"
            )
        return do_chunk(task, self._loaded)


def _shows(path: Path, there: Callable[[Path], bool]) -> bool:
    for _ in range(_SHOWN):
        if there(path):
            return True
        time.sleep(1)
    return False


@dataclass(frozen=True, slots=True)
class _Worker:
    actor: Any
    node: str
    number: int


class Cluster:
    """A Ray cluster's workers, see `vidcolor.chunkwork.Hands`; several films may use them at once.

    ``address`` is that of the cluster's head, or ``auto`` for the one this machine is part of; none
    is ever started. ``device`` is as in `vidcolor.device`; with ``auto``, GPUs if there are any.
    Raises UsageError without Ray, DeviceError if there is no such cluster or it has no workers.
    """

    def __init__(self, address: str, device: str = "auto") -> None:
        if address == "local":
            raise UsageError("--cluster local: no cluster is started here; give auto or an address")
        self._address, self._device = address, device
        self._lock = threading.Lock()
        self._free: Queue[_Worker] = Queue()
        self._workers: dict[tuple[str, int], _Worker] = {}
        self._failed: Counter[tuple[str, int]] = Counter()
        self._fault = ""
        self._looked = 0.0
        self._alive = time.monotonic()
        self.stopped = threading.Event()
        """Once set, films that wait give up."""

    def __enter__(self) -> Self:
        with _own_signals():
            self._connect()
        return self

    def _connect(self) -> None:
        self._ray = ray = load_ray()
        self._ours = not ray.is_initialized()
        if self._ours:
            try:
                self._knock()
                ray.init(address=self._address, log_to_driver=False, logging_level="error")
            except (ConnectionError, ValueError, RuntimeError, OSError) as error:
                raise DeviceError(
                    f"--cluster {self._address}: no Ray cluster to be reached there; start one "
                    "with ray start --head, and join this machine to it"
                ) from error

    def _knock(self) -> None:
        """Raise OSError if nobody is there: Ray itself would go on trying for minutes."""
        host, colon, port = self._address.rpartition(":")
        if colon and port.isdecimal():
            host = host.rpartition("//")[2].strip("[]")
            socket.create_connection((host, int(port)), _ANSWER).close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopped.set()
        for worker in list(self._workers.values()):
            self._drop(worker)
        if self._ours:
            self._ray.shutdown()

    def model(self, settings: Settings) -> Mapping[str, str]:
        """The description of the colorizer that the first worker has for ``settings``."""
        worker = self._take()
        try:
            found = self._ray.get(worker.actor.model.remote(settings))
        except self._ray.exceptions.RayError as error:
            self._drop(worker)
            raise DeviceError(f"a worker of the cluster was lost at its start: {error}") from error
        self._free.put(worker)
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
        busy: dict[int, _Worker] = {}
        again: list[ChunkTask] = []
        try:
            with Prefetch(lambda: tasks, _AHEAD, "plan") as coming:
                while True:
                    task = again.pop() if again else next(coming, None)
                    if task is not None:
                        worker = self._take()
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
                self._drop(worker)

    def _send(self, worker: _Worker, task: ChunkTask, ended: Queue[tuple[ChunkTask, Any]]) -> None:
        def came(future: Any) -> None:
            """In a thread of Ray's."""
            error = future.exception()
            if error is None:
                self._free.put(worker)
            else:
                self._forget(worker)
            ended.put((task, future.result() if error is None else error))

        worker.actor.do.remote(task).future().add_done_callback(came)

    def _wait(self, ended: Queue[tuple[ChunkTask, Any]]) -> tuple[ChunkTask, Any]:
        while not self.stopped.is_set():
            try:
                return ended.get(timeout=_LOOK)
            except Empty:
                continue
        raise VidcolorError("stopped")

    def _take(self) -> _Worker:
        """A worker that is free, when there is one. Raises DeviceError if there is none at all."""
        while not self.stopped.is_set():
            self._look()
            try:
                worker = self._free.get(timeout=_LOOK)
            except Empty:
                continue
            if self._workers.get((worker.node, worker.number)) is worker:
                return worker
        raise VidcolorError("stopped")

    def _look(self) -> None:
        """Start workers where there are none yet."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked < _LOOK and self._looked:
                return
            self._looked = now
            nodes = [node for node in self._ray.nodes() if node["Alive"]]
            gpus = self._device.startswith("cuda") or (
                self._device == "auto" and any(node["Resources"].get("GPU") for node in nodes)
            )
            for node in nodes:
                resources = node["Resources"]
                cpus = int(resources.get("CPU", 0))
                count = int(resources.get("GPU", 0)) if gpus else min(cpus, 1)
                for number in range(count):
                    place = node["NodeID"], number
                    if place not in self._workers and self._failed[place] <= RETRIES:
                        self._start(*place, count, cpus, gpus=gpus)
            if self._workers:
                self._alive = now
            elif self._fault or now - self._alive > _PATIENCE:
                kind = "GPU" if gpus else "CPU"
                raise DeviceError(
                    f"--cluster {self._address}: "
                    + (self._fault or f"no node with a {kind} is there")
                )

    def _start(self, node: str, number: int, count: int, cpus: int, *, gpus: bool) -> None:
        ray = self._ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = (
            ray.remote(ChunkActor)
            .options(
                num_cpus=cpus // count,
                num_gpus=int(gpus),
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            )
            .remote(number, count)
        )
        worker = _Worker(actor, node, number)
        self._workers[node, number] = worker

        def came(future: Any) -> None:
            error = future.exception()
            found = None if error is not None else future.result()
            if found == version("vidcolor"):
                self._failed.pop((node, number), None)
                self._fault = ""
                self._free.put(worker)
                return
            if error is None:
                self._fault = f"a node has vidcolor {found}, here it is {version('vidcolor')}"
            else:
                self._fault = f"a node cannot start a worker: {str(error).strip().splitlines()[-1]}"
            self._failed[node, number] += 1
            self._forget(worker)

        actor.ready.remote().future().add_done_callback(came)

    def _forget(self, worker: _Worker) -> None:
        """It is lost; another one is started in its place when one is wanted."""
        if self._workers.get((worker.node, worker.number)) is worker:
            del self._workers[worker.node, worker.number]

    def _drop(self, worker: _Worker) -> None:
        """End a worker in the middle of its work. Not from a thread of Ray's, which would wait for
        itself."""
        self._forget(worker)
        self._ray.kill(worker.actor)
