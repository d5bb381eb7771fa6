"""The network's stage: the frames it is asked about in batches, all frames out, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future

import numpy as np
from numpy.typing import NDArray

from vidcolor.hints import color_frames, turned
from vidcolor.keyframes import LinkedFrame
from vidcolor.models.colorizer import Colorizer

Float32 = NDArray[np.float32]

_WAIT = 2
"""Frames that may wait for each place of a batch, lest a calm film fill the memory."""


def colorize(
    frames: Iterable[LinkedFrame],
    colorizer: Colorizer,
    batch_size: int,
    turns: int = 0,
    pool: Executor | None = None,
) -> Iterator[tuple[LinkedFrame, Float32 | None]]:
    """Give each frame that the network is asked about its ab (2, h, w), the others None.

    ``turns`` are the quarters, counter-clockwise, by which a player turns the film: the network is
    shown the picture upright, as it was shown photos, and its colours are turned back. With a
    ``pool`` of one thread the network sees the next batch while the last one is passed on, and the
    frames of both are in memory.
    """
    last: tuple[list[LinkedFrame], Future[Float32 | None]] | None = None
    for batch in _batches(frames, batch_size):
        if pool is None:
            yield from _given(batch, _guesses(batch, colorizer, turns))
            continue
        under_way = pool.submit(_guesses, batch, colorizer, turns)
        if last is not None:
            yield from _given(last[0], last[1].result())
        last = batch, under_way
    if last is not None:
        yield from _given(last[0], last[1].result())


def _batches(frames: Iterable[LinkedFrame], size: int) -> Iterator[list[LinkedFrame]]:
    """The frames in lists with at most ``size`` that the network is asked about."""
    waiting: list[LinkedFrame] = []
    keys = 0
    for frame in frames:
        waiting.append(frame)
        keys += frame.key
        if keys == size or len(waiting) >= _WAIT * size:
            yield waiting
            waiting, keys = [], 0
    if waiting:
        yield waiting


def _guesses(frames: list[LinkedFrame], colorizer: Colorizer, turns: int) -> Float32 | None:
    """The network's ab (N, 2, h, w) of those it is asked about; None if there are none."""
    keys = [item for item in frames if item.key]
    if not keys:
        return None
    lightness = np.stack([item.small.lightness for item in keys])
    size = keys[0].small.lightness.shape
    points = [None if it.points is None else turned(it.points, size, turns) for it in keys]
    if turns:
        lightness = np.rot90(lightness, turns, axes=(1, 2))
    ab = color_frames(colorizer, np.ascontiguousarray(lightness), points)
    return np.ascontiguousarray(np.rot90(ab, -turns, axes=(2, 3))) if turns else ab


def _given(
    frames: list[LinkedFrame], guesses: Float32 | None
) -> Iterator[tuple[LinkedFrame, Float32 | None]]:
    """Each frame with its guess."""
    found = iter(() if guesses is None else guesses)
    for item in frames:
        yield item, next(found) if item.key else None
