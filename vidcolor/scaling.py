"""Pictures at another size."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", np.uint8, np.float32)


def scaled(picture: NDArray[Sample], size: tuple[int, ...]) -> NDArray[Sample]:
    """``picture`` (h, w, …) at ``size`` (h, w), of its own type.

    Where a side becomes shorter a pixel is the mean of what it covers, so that none is skipped;
    else it is linear between the centres of those around it.
    """
    smaller = size[0] < picture.shape[0] or size[1] < picture.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=how), picture.dtype)
