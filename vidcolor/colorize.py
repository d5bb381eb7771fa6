"""The network's stage: small frames in batches, their colours out, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import ColoredFrame, SmallFrame
from vidcolor.models.colorizer import Colorizer

Float32 = NDArray[np.float32]


def colorize(
    frames: Iterable[SmallFrame], colorizer: Colorizer, batch_size: int, rotation: int = 0
) -> Iterator[ColoredFrame]:
    """Give each frame its ab, one frame independent of the next.

    ``rotation`` is the film's display rotation in degrees counter-clockwise: the network is shown
    the picture upright, as it was shown photos, and its colours are turned back.
    """
    turns = round(rotation / 90) % 4
    batch: list[SmallFrame] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == batch_size:
            yield from _run(batch, colorizer, turns)
            batch = []
    if batch:
        yield from _run(batch, colorizer, turns)


def _run(batch: list[SmallFrame], colorizer: Colorizer, turns: int) -> Iterator[ColoredFrame]:
    lightness = np.stack([item.lightness for item in batch])
    if turns:
        lightness = np.rot90(lightness, turns, axes=(1, 2))
    ab = colorizer.colors(np.ascontiguousarray(lightness))
    if turns:
        ab = np.ascontiguousarray(np.rot90(ab, -turns, axes=(2, 3)))
    for item, colors in zip(batch, ab, strict=True):
        yield ColoredFrame(item.frame, item.lightness, colors, item.cut)
