"""Cutting long work into chunks, each of which can be done, kept and done again by itself.

A chunk is a run of frames that becomes one closed piece of the target. It begins where a shot does,
so that no colour has to cross its edge. A shot that will not end is split: the chunk before the
split goes on for a few frames more, and the one after it begins a while earlier. These spare frames
are coloured like any other, so that the memory of colours is there on both sides of the split, and
then thrown away.

Where a chunk ends follows from the frames since its start alone. So a film that is coloured in one
go, one that is resumed in the middle and one that is shared out among machines have the same
chunks, and the same frame has the same colour in each.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import ChunkStart, ColoredFrame, Frame, Place, SmallFrame

WARM_UP = 48
"""Frames before a split that the chunk after it goes through first: several times what the colours'
memory and the cut detector hold, but for what `Place` tells."""
RUN_OUT = 8
"""Frames after a split that the chunk before it looks at: as many as the steadying looks ahead."""


@dataclass(frozen=True, slots=True)
class ChunkLength:
    """In frames. A chunk ends at the first cut after ``least``; without one, after ``most``."""

    least: int = 480
    most: int = 1440

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most - WARM_UP:
            raise ValueError(f"a chunk of {self.least} to {self.most} frames cannot be")


def in_chunks(
    frames: Iterable[SmallFrame],
    length: ChunkLength = ChunkLength(),
    resume: ChunkStart | None = None,
    *,
    once: bool = False,
) -> Iterator[SmallFrame]:
    """The frames, with the first one of every chunk marked by its ``start``, and spare ones added.

    With ``resume``, ``frames`` begin at its ``warm_up``, and the chunk there is the first. With
    ``once`` that is the only one: what comes ends with the first frame of the one after it.
    Up to `RUN_OUT` frames wait here, and the lightness of `WARM_UP` is kept.
    """
    past: deque[SmallFrame] = deque(maxlen=WARM_UP)
    coming = _Ahead(frames)
    since = 0
    for frame in coming:
        index = frame.frame.index
        if resume is not None and index < resume.index:
            past.append(_spare(frame))
            continue
        split = resume is not None and resume.split
        if resume is None and past:
            split = since >= length.most and not frame.cut and not coming.cut_within(RUN_OUT)
            if not split and not (frame.cut and since >= length.least):
                since += 1
                past.append(_spare(frame))
                yield frame
                continue
            if split:
                yield from (_spare(later) for later in (frame, *coming.next(RUN_OUT - 1)))
        first = past[0] if past else frame
        start = ChunkStart(index, split, _place(first)) if resume is None else resume
        if once and since:
            yield dataclasses.replace(frame, frame=_marked(frame, start), cut=True)
            return
        resume, since = None, 1
        if split:
            yield from (dataclasses.replace(one, cut=n == 0) for n, one in enumerate(past))
        past.append(_spare(frame))
        yield dataclasses.replace(frame, frame=_marked(frame, start))


def kept(frames: Iterable[ColoredFrame]) -> Iterator[ColoredFrame]:
    """Without the spare ones."""
    return (frame for frame in frames if not frame.frame.spare)


def check(lightness: NDArray[np.float32]) -> int:
    """A number that tells a frame from others: CRC-32 of its small lightness."""
    return zlib.crc32(np.ascontiguousarray(lightness).tobytes())


def _place(frame: SmallFrame) -> Place:
    return Place(
        frame.frame.index,
        frame.frame.pts,
        check(frame.lightness),
        frame.flat,
        frame.in_color,
        frame.frame.keeps_color,
    )


def _marked(frame: SmallFrame, start: ChunkStart) -> Frame:
    return dataclasses.replace(frame.frame, start=start)


def _spare(frame: SmallFrame) -> SmallFrame:
    """Without its luma, which is large and of no use: it is not painted."""
    nothing = frame.frame.luma[:0, :0].copy()
    bare = dataclasses.replace(frame.frame, luma=nothing, owner=None, spare=True)
    return dataclasses.replace(frame, frame=bare, cut=False)


class _Ahead(Iterator[SmallFrame]):
    """An iterator of frames that can be looked into."""

    def __init__(self, frames: Iterable[SmallFrame]) -> None:
        self._frames = iter(frames)
        self._waiting: deque[SmallFrame] = deque()

    def __next__(self) -> SmallFrame:
        return self._waiting.popleft() if self._waiting else next(self._frames)

    def next(self, count: int) -> list[SmallFrame]:
        """The next ``count`` frames, or as many as there are; they stay where they are."""
        while len(self._waiting) < count:
            frame = next(self._frames, None)
            if frame is None:
                break
            self._waiting.append(frame)
        return list(self._waiting)[:count]

    def cut_within(self, count: int) -> bool:
        """Whether one of the next ``count`` frames begins a shot, or the film ends before them."""
        coming = self.next(count)
        return len(coming) < count or any(frame.cut for frame in coming)
