"""How much a few colour points help: patches of the true colour, at random places.

The measure of Zhang et al., "Real-time user-guided image colorization with learned deep priors"
(2017): PSNR against the number of points.
"""

from __future__ import annotations

import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.evaluate.photos import Case, shown_psnr
from vidcolor.hints import PATCH, color_with_points
from vidcolor.models.colorizer import Colorizer

Float32 = NDArray[np.float32]

COUNTS = (0, 1, 5, 10, 50, 100)
"""Numbers of points that are tried."""


def random_points(name: str, ab: Float32, count: int) -> Float32:
    """``count`` points (count, 4): y, x, and the mean colours the true ``ab`` (h, w, 2) has there.

    Each point's square lies wholly within the picture, uniformly at random and perhaps one over
    another. The name alone decides where: fewer points are the first of more.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode("utf-8", "surrogateescape")))
    half = PATCH // 2
    room = np.array(ab.shape[:2]) - 2 * half
    places = (rng.random((count, 2)) * room).astype(int) + half
    colors = [ab[y - half : y + half + 1, x - half : x + half + 1].mean((0, 1)) for y, x in places]
    return np.concatenate((places, np.reshape(colors, (count, 2))), axis=1).astype(np.float32)


def psnr_by_points(colorizer: Colorizer, case: Case, unaided: Float32) -> dict[int, float]:
    """PSNR in dB after each of `COUNTS` points; ``unaided`` is the network's ab without any."""
    height, width = case.lightness.shape
    small = cv2.resize(case.lab[..., 1:], (width, height), interpolation=cv2.INTER_AREA)
    points = random_points(case.name, np.asarray(small, np.float32), max(COUNTS))
    return {
        count: shown_psnr(
            case, color_with_points(colorizer, case.lightness, points[:count], unaided)
        )
        for count in COUNTS
    }
