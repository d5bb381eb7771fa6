"""One chunk of a film, in whichever process: plain data in, its packets and its record out.

``colorize_chunk`` may be called for any chunk at any time, and again; what it leaves is what a job
that does the whole film leaves of that chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vidcolor.chunks import ChunkLength
from vidcolor.flow import single_threaded_cv2
from vidcolor.frames import ChunkStart, Frame, VideoInfo
from vidcolor.media.encoders import Choice
from vidcolor.media.segments import SegmentWriter
from vidcolor.models.colorizer import Colorizer
from vidcolor.noticed import mended
from vidcolor.pipeline import Pipeline
from vidcolor.records import DoneChunk, enter, packets_of
from vidcolor.settings import Settings


@dataclass(frozen=True, slots=True)
class ChunkJob:
    """What all chunks of a film have in common.

    ``container`` is FFmpeg's name of the muxer, ``model`` the description of the colorizer that
    they are all to be coloured with, ``folder`` where finished chunks go.
    """

    info: VideoInfo
    settings: Settings
    choice: Choice
    container: str
    length: ChunkLength
    model: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """One chunk to do; ``seeks`` is False where the file's times do not tell which frame is
    meant."""

    job: ChunkJob
    start: ChunkStart
    seeks: bool


class Hands(Protocol):
    """Others who do chunks in this process's place, several at once."""

    def model(self, settings: Settings) -> Mapping[str, str]:
        """The description of the colorizer they have for ``settings``."""
        ...

    def chunks(
        self, tasks: Iterable[ChunkTask], told: Callable[[int], None]
    ) -> Generator[DoneChunk]:
        """The finished chunks in any order; ``told`` how many frames more are done, fewer than
        none where some are lost. Closing it gives up what is not finished."""
        ...


def colorize_chunk(
    task: ChunkTask, colorizer: Colorizer, told: Callable[[int], None] = lambda frames: None
) -> DoneChunk:
    """Colour one chunk, which ends where it finds its end, and enter it in the job's folder.

    ``told`` is called with 1 for every frame. Raises the errors of `vidcolor.errors`.
    """
    job, start = task.job, task.start
    path = packets_of(job.folder, start)
    first = start.index == (job.settings.range.first_frame or 0)
    with ExitStack() as stack:
        segment = SegmentWriter(path, job.info, job.choice, job.container)
        stack.callback(segment.discard)
        stack.enter_context(single_threaded_cv2())
        pipeline = Pipeline(job.info, job.settings, colorizer, length=job.length)
        pipeline.seeks = task.seeks
        shape, marks = segment.chroma_shape, job.choice.fields
        after: Frame | None = None
        for painted in pipeline.painted(shape, marks, stack, None if first else start, once=True):
            if painted.frame.start not in (None, start):
                after = painted.frame
                break
            if painted.frame.start is not None and not first:
                pipeline.begin(painted.frame)
            segment.write(painted)
            told(1)
        done = segment.finish(None if after is None else after.pts)
        following = None if after is None else after.start
        chunk = DoneChunk(start, done, following, pipeline.notes(after))
    enter(job.folder, chunk)
    return chunk


def tasks(job: ChunkJob, done: Mapping[int, DoneChunk]) -> Generator[ChunkTask]:
    """The chunks that are not ``done`` (by the number of their first frame), each as soon as it is
    known where it begins: what is not done is decoded for that, and its shots found."""
    seeks, resume = True, None
    known = done.get(job.settings.range.first_frame or 0)
    while True:
        while known is not None:
            seeks, resume = seeks and not mended(known.notes), known.following
            if resume is None:
                return
            known = done.get(resume.index)
        planner = Pipeline(job.info, job.settings, None, length=job.length)
        planner.seeks = seeks
        with closing(planner.starts(resume)) as starts:
            for start, seeks in starts:
                known = done.get(start.index)
                if known is not None:
                    break
                yield ChunkTask(job, start, seeks)
            else:
                return
