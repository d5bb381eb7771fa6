"""How much a few colour points help: patches of the true colour, at random places.

The measure of Zhang et al., "Real-time user-guided image colorization with learned deep priors"
(2017): PSNR against the number of points.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.evaluate.photos import Case, shown_psnr
from vidcolor.models.colorizer import Colorizer

Float32 = NDArray[np.float32]

COUNTS = (0, 1, 5, 10, 50, 100)
"""Numbers of points that are tried."""
PATCH = 5
"""Side of a point's square, in pixels of the picture the network sees."""


@dataclass(frozen=True, slots=True)
class Point:
    """A colour given by hand: ``ab`` in the square whose upper left pixel is (row, column)."""

    row: int
    column: int
    ab: tuple[float, float]


def random_points(name: str, ab: Float32, count: int) -> list[Point]:
    """``count`` points with the mean colours that the true ``ab`` (h, w, 2) has there.

    Squares lie wholly within the picture, uniformly at random and perhaps one over another. The
    name alone decides where: fewer points are the first of more.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode("utf-8", "surrogateescape")))
    room = np.array(ab.shape[:2]) - PATCH + 1
    points = []
    for row, column in (rng.random((count, 2)) * room).astype(int).tolist():
        a, b = ab[row : row + PATCH, column : column + PATCH].mean((0, 1)).tolist()
        points.append(Point(row, column, (a, b)))
    return points


def color_with_points(colorizer: Colorizer, lightness: Float32, points: Sequence[Point]) -> Float32:
    """The network's ab (2, h, w) for ``lightness`` (h, w) L*, told the colours of ``points``."""
    hints = np.zeros((1, 3, *lightness.shape), np.float32)
    for point in points:
        rows = slice(point.row, point.row + PATCH)
        columns = slice(point.column, point.column + PATCH)
        hints[0, :, rows, columns] = np.array((*point.ab, 1), np.float32)[:, None, None]
    colours = colorizer.colors(lightness[None], hints if points else None)
    return np.asarray(colours[0], np.float32)


def psnr_by_points(colorizer: Colorizer, case: Case, unaided: Float32) -> dict[int, float]:
    """PSNR in dB after each of `COUNTS` points; ``unaided`` is the network's ab without any."""
    height, width = case.lightness.shape
    small = cv2.resize(case.lab[..., 1:], (width, height), interpolation=cv2.INTER_AREA)
    points = random_points(case.name, np.asarray(small, np.float32), max(COUNTS))
    found = {}
    for count in COUNTS:
        given = points[:count]
        ab = color_with_points(colorizer, case.lightness, given) if given else unaided
        found[count] = shown_psnr(case, ab)
    return found
