"""The films of a batch on a Ray cluster: some at once, so that its workers always have chunks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import Queue
from types import TracebackType
from typing import Self

from vidcolor.flow import single_threaded_cv2
from vidcolor.jobs.cluster import Cluster
from vidcolor.jobs.film import Colorist, Outcome, Work
from vidcolor.jobs.workers import Tell
from vidcolor.report import Progress

_FILMS = 4
"""Films at once: while one is joined, others are decoded to find their chunks."""


class Clustered:
    """Has the cluster at ``address`` colour the films, see `vidcolor.jobs.workers.Crew`."""

    def __init__(self, address: str, device: str) -> None:
        self._cluster = Cluster(address, device)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # For all films together: each on its own would set back what the others need.
            stack.enter_context(single_threaded_cv2())
            stack.enter_context(self._cluster)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def color(self, works: Iterator[Work], tell: Tell) -> Iterator[tuple[Work, Outcome]]:
        """Each film with its outcome. Closed early, it has films under way keep what they have."""
        said: Queue[tuple[Work, Progress | Outcome]] = Queue()

        def film(work: Work) -> None:
            colorist = Colorist(self._cluster)
            said.put((work, colorist.color(work, lambda progress: said.put((work, progress)))))

        running, more = 0, True
        with ThreadPoolExecutor(_FILMS, "vidcolor-film") as threads:
            try:
                while more or running:
                    while more and running < _FILMS:
                        work = next(works, None)
                        if work is None:
                            more = False
                            break
                        threads.submit(film, work)
                        running += 1
                    if not running:
                        return
                    work, told = said.get()
                    if isinstance(told, Outcome):
                        running -= 1
                        yield work, told
                    else:
                        tell(work, told)
            except BaseException:
                self._cluster.stopped.set()
                raise
