"""Who colours the films of a batch: this process, or several others with one film each."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from vidcolor.device import share_cores
from vidcolor.errors import UsageError
from vidcolor.jobs.film import Colorist, Outcome, Work
from vidcolor.jobs.processes import Ended, Processes
from vidcolor.report import Progress

Tell = Callable[[Work, Progress], None]


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


def make_crew(
    count: int, cluster: str | None = None, device: str = "auto", most: int | None = None
) -> Crew:
    """This process for one, that many processes for more, or the Ray ``cluster`` of that address.

    There will be ``most`` films, if that is known: as processes share the cores, those without a
    film would keep theirs from the others. Raises UsageError where both are wanted.
    """
    if cluster is None:
        processes = count if most is None else min(count, max(1, most))
        return Workers(processes) if count > 1 else Alone()
    if count > 1:
        raise UsageError("--workers and --cluster: give one of them")
    from vidcolor.jobs.clustered import Clustered

    return Clustered(cluster, device)


class Alone:
    """Colours the films itself, one after the other."""

    def __init__(self) -> None:
        self._colorist = Colorist()

    def __enter__(self) -> Self:
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


class Workers(Processes[Work, Outcome]):
    """Several processes. One that dies, of a full memory say, costs its film and no other."""

    def __init__(self, count: int) -> None:
        super().__init__(count, partial(_colorist, count))

    def color(self, works: Iterator[Work], tell: Tell) -> Iterator[tuple[Work, Outcome]]:
        for work, outcome in self.work(works, tell):
            if isinstance(outcome, Ended):
                outcome = Outcome(
                    f"its worker ended with code {outcome.code}; was the memory full? "
                    "Try fewer --workers",
                    passing=outcome.code == -signal.SIGKILL,
                )
            yield work, outcome


def _colorist(count: int, number: int) -> Callable[[Work, Callable[[Progress], None]], Outcome]:
    share_cores(number, count)
    return Colorist().color
