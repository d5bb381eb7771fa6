"""The workers of a cluster: started on its nodes, taken and put back, lost and started again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from queue import Empty, Queue
from typing import Any

from vidcolor.errors import DeviceError, VidcolorError
from vidcolor.jobs.actor import ChunkActor
from vidcolor.jobs.connection import load_ray
from vidcolor.jobs.pool import RETRIES

LOOK = 2.0
"""Seconds between two looks for new nodes, or for whether to stop."""
_PATIENCE = 60.0
"""Seconds without a single worker before a film is given up."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One `ChunkActor`, by Ray's handle on it: ``number`` of those on the node of this ID."""

    actor: Any
    node: str
    number: int


class Roster:
    """The workers of the cluster that this process is connected with; for several threads at once.

    ``address`` and ``device`` are as for `vidcolor.jobs.cluster.Cluster`. Once ``stopped`` is set,
    nobody waits any more.
    """

    def __init__(self, address: str, device: str, stopped: threading.Event) -> None:
        self._address, self._device, self._stopped = address, device, stopped
        self._lock = threading.Lock()
        self._free: Queue[Worker] = Queue()
        self._workers: dict[tuple[str, int], Worker] = {}
        self._failed: Counter[tuple[str, int]] = Counter()
        self._fault = ""
        self._looked = 0.0
        self._alive = time.monotonic()

    def take(self) -> Worker:
        """A worker that is free, when there is one. Raises DeviceError if there is none at all,
        VidcolorError once it is stopped."""
        while not self._stopped.is_set():
            self._look()
            try:
                worker = self._free.get(timeout=LOOK)
            except Empty:
                continue
            if self._workers.get((worker.node, worker.number)) is worker:
                return worker
        raise VidcolorError("stopped")

    def put_back(self, worker: Worker) -> None:
        """It is free again."""
        self._free.put(worker)

    def forget(self, worker: Worker) -> None:
        """It is lost; another one is started in its place when one is wanted."""
        if self._workers.get((worker.node, worker.number)) is worker:
            del self._workers[worker.node, worker.number]

    def drop(self, worker: Worker) -> None:
        """End a worker in the middle of its work. Not from a thread of Ray's, which would wait for
        itself."""
        self.forget(worker)
        load_ray().kill(worker.actor)

    def drop_all(self) -> None:
        """`drop` every one."""
        for worker in list(self._workers.values()):
            self.drop(worker)

    def _look(self) -> None:
        """Start workers where there are none yet."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked < LOOK and self._looked:
                return
            self._looked = now
            nodes = [node for node in load_ray().nodes() if node["Alive"]]
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
        ray = load_ray()
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
        worker = Worker(actor, node, number)
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
            self.forget(worker)

        actor.ready.remote().future().add_done_callback(came)
