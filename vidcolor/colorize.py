"""The network's stage: the frames it is asked about in batches, all frames out, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from vidcolor.hints import color_frames, turned
from vidcolor.keyframes import LinkedFrame
from vidcolor.models.colorizer import Colorizer

Float32 = NDArray[np.float32]

_WAIT = 3
"""Frames that may wait for each place of a batch, lest a calm film fill the memory."""


def colorize(
    frames: Iterable[LinkedFrame], colorizer: Colorizer, batch_size: int, turns: int = 0
) -> Iterator[tuple[LinkedFrame, Float32 | None]]:
    """Give each frame that the network is asked about its ab (2, h, w), the others None.

    ``turns`` are the quarters, counter-clockwise, by which a player turns the film: the network is
    shown the picture upright, as it was shown photos, and its colours are turned back.
    """
    waiting: list[LinkedFrame] = []
    keys = 0
    for frame in frames:
        waiting.append(frame)
        keys += frame.key
        if keys == batch_size or len(waiting) >= _WAIT * batch_size:
            yield from _run(waiting, colorizer, turns)
            waiting, keys = [], 0
    yield from _run(waiting, colorizer, turns)


def _run(
    waiting: list[LinkedFrame], colorizer: Colorizer, turns: int
) -> Iterator[tuple[LinkedFrame, Float32 | None]]:
    keys = [item for item in waiting if item.key]
    if keys:
        lightness = np.stack([item.small.lightness for item in keys])
        size = keys[0].small.lightness.shape
        points = [None if it.points is None else turned(it.points, size, turns) for it in keys]
        if turns:
            lightness = np.rot90(lightness, turns, axes=(1, 2))
        ab = color_frames(colorizer, np.ascontiguousarray(lightness), points)
        if turns:
            ab = np.ascontiguousarray(np.rot90(ab, -turns, axes=(2, 3)))
        guesses = iter(ab)
    for item in waiting:
        yield item, next(guesses) if item.key else None
