"""The same thing in another picture: sure matches between features.

A match is sure if the two places are each other's best, and are alike enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.models.features import STEP

Float32: TypeAlias = NDArray[np.float32]
Indices: TypeAlias = NDArray[np.intp]

ALIKE = 0.55
"""Product of two features from which on they may be of the same thing. At that the matches between
a clip's first frame and its fortieth were 2 to 6 units of ab from the truth, on six clips."""
STRANGE = 0.3
"""Below this a tracked point has come off its thing."""
_AT_ONCE = 1024
"""Points compared with a picture at a time: the comparison is a number for each of its cells."""
_NEAR = 1.5
"""Cells by which the way there and back may miss."""


@dataclass(frozen=True, slots=True)
class Source:
    """Known colours of a picture: a hinted frame, or a still.

    ``features`` (h, w, C) are the picture's; ``places`` (N, 2) y and x of the known points in its
    cells, ``colors`` (N, 2) their ab, ``share`` how much of their colour counts, 0 … 1.
    """

    features: Float32
    places: Float32
    colors: Float32
    share: float = 1.0

    @property
    def known(self) -> Float32:
        """The features (N, C) of the known points."""
        return sample(self.features, self.places)


def cells(points: Float32) -> Float32:
    """Pixels y, x (N, 2) as places in the grid of features."""
    return np.asarray((points + 0.5) / STEP - 0.5, np.float32)


def pixels(places: Float32) -> Float32:
    """The inverse of `cells`."""
    return np.asarray((places + 0.5) * STEP - 0.5, np.float32)


def sample(planes: Float32, places: Float32) -> Float32:
    """``planes`` (h, w) or (h, w, C) at ``places`` (N, 2) y, x, linear between pixels.

    Places outside take the border's values.
    """
    height, width = planes.shape[:2]
    y = np.clip(places[:, 0], 0, height - 1)
    x = np.clip(places[:, 1], 0, width - 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, along = y - top, x - left
    if planes.ndim == 3:
        down, along = down[:, None], along[:, None]
    upper = planes[top, left] * (1 - along) + planes[top, right] * along
    lower = planes[below, left] * (1 - along) + planes[below, right] * along
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def find(source: Source, wanted: Indices, features: Float32) -> tuple[Indices, Float32]:
    """Which of the points ``wanted`` of a source are surely in the picture of ``features``.

    The indices found, and their places (M, 2) there, in cells.
    """
    found = [
        _find(source, wanted[start : start + _AT_ONCE], features)
        for start in range(0, max(len(wanted), 1), _AT_ONCE)
    ]
    indices, places = zip(*found, strict=True)
    return np.concatenate(indices), np.concatenate(places)


def _find(source: Source, wanted: Indices, features: Float32) -> tuple[Indices, Float32]:
    _, width, channels = features.shape
    there = features.reshape(-1, channels)
    alike = source.known[wanted] @ there.T
    best = alike.argmax(axis=1)
    likeness = np.take_along_axis(alike, best[:, None], 1)[:, 0]
    del alike
    back = there[best] @ source.features.reshape(-1, channels).T
    rows, columns = np.divmod(back.argmax(axis=1), source.features.shape[1])
    missed = np.maximum(
        np.abs(rows - source.places[wanted, 0]), np.abs(columns - source.places[wanted, 1])
    )
    sure = (likeness > ALIKE) & (missed <= _NEAR)
    places = np.stack(np.divmod(best[sure], width), axis=1).astype(np.float32)
    return wanted[sure], places


def grid(features: Float32, ab: Float32, share: float) -> Source:
    """The source of a still: every cell of its ``features`` with the ``ab`` (2, h, w) there.

    More planes than two go along.
    """
    height, width, _ = features.shape
    small = cv2.resize(
        np.ascontiguousarray(ab.transpose(1, 2, 0)), (width, height), interpolation=cv2.INTER_AREA
    )
    places = np.indices((height, width)).reshape(2, -1).T.astype(np.float32)
    return Source(features, places, np.asarray(small.reshape(len(places), -1), np.float32), share)
