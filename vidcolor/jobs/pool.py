"""The chunks of one film, shared among processes of this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Self

from vidcolor.chunkwork import ChunkTask, colorize_chunk
from vidcolor.device import share_cores
from vidcolor.errors import VidcolorError
from vidcolor.jobs.film import Loaded
from vidcolor.jobs.processes import Ended, Processes
from vidcolor.prefetch import Prefetch
from vidcolor.records import DoneChunk
from vidcolor.settings import Settings

RETRIES = 2
"""How often a chunk is done again whose worker has died."""


class ChunkHand:
    """Does one chunk after the other in its own process, with its part of the cores."""

    def __init__(self, number: int, count: int) -> None:
        share_cores(number, count)
        self._loaded = Loaded()

    def __call__(self, task: ChunkTask, told: Callable[[int], None]) -> DoneChunk | VidcolorError:
        return do_chunk(task, self._loaded, told)


def do_chunk(
    task: ChunkTask, loaded: Loaded, told: Callable[[int], None] = lambda frames: None
) -> DoneChunk | VidcolorError:
    """`colorize_chunk`, with whatever goes wrong given back instead of raised."""
    try:
        return colorize_chunk(task, loaded.colorizer(task.job.settings), told)
    except VidcolorError as error:
        return error
    except Exception as error:
        where = f"{task.job.info.path}: frame {task.start.index}"
        return VidcolorError(f"{where}: went wrong unexpectedly: {type(error).__name__}: {error}")


class Pool:
    """``count`` processes with one network each, see `vidcolor.chunkwork.Hands`.

    A chunk whose process dies, of a full memory say, is done again, twice at most.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: Processes[ChunkTask, DoneChunk | VidcolorError] = Processes(
            count, partial(ChunkHand, count=count)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._processes.__exit__(kind, error, trace)

    def model(self, settings: Settings) -> Mapping[str, str]:
        """The description of the colorizer for ``settings``, which is not kept here."""
        return Loaded().colorizer(settings).description

    def chunks(
        self, tasks: Iterable[ChunkTask], told: Callable[[int], None]
    ) -> Generator[DoneChunk]:
        """Each chunk when it is finished. Raises what the first failure raised."""
        tally = Retries(told)
        with Prefetch(lambda: tasks, 2 * self._count, "plan") as coming:
            for task, result in self._processes.work(coming, tally.told):
                if isinstance(result, Ended):
                    tally.lost(task, f"its worker ended with code {result.code}")
                    self._processes.again(task)
                elif isinstance(result, VidcolorError):
                    raise result
                else:
                    tally.done(task)
                    yield result


class Retries:
    """Counts the frames that are under way, and how often a chunk was lost."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self._told = told
        self._frames: Counter[int] = Counter()
        self._lost: Counter[int] = Counter()

    def told(self, task: ChunkTask, frames: int) -> None:
        """So many more are done of this chunk."""
        self._frames[task.start.index] += frames
        self._told(frames)

    def done(self, task: ChunkTask) -> None:
        """It is finished."""
        del self._frames[task.start.index]

    def lost(self, task: ChunkTask, why: str) -> None:
        """It was lost half done. Raises VidcolorError if that was once too often."""
        index = task.start.index
        self._told(-self._frames.pop(index, 0))
        self._lost[index] += 1
        if self._lost[index] > RETRIES:
            raise VidcolorError(
                f"{task.job.info.path}: the part from frame {index} was tried "
                f"{RETRIES + 1} times: {why}; was the memory full? Try fewer --workers"
            )
