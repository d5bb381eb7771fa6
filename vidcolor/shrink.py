"""From a film's native luma to the small lightness image that the network and the flow see."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.color import lightness_from_luma
from vidcolor.frames import Frame

MULTIPLE = 32
"""Sides of the small image are multiples of this: the network halves its picture five times."""
LONGEST = 4
"""The long side is at most so many short sides, lest a banner exhaust the memory."""


def working_size(
    width: int, height: int, sample_aspect_ratio: Fraction, short_side: int
) -> tuple[int, int]:
    """(h, w) of the small image of a film of ``width`` x ``height`` stored pixels.

    Its shape is that of the picture as displayed, as near as multiples of 32 allow; its short side
    is ``short_side`` pixels, also where that enlarges the film: the network knows things at the
    size it was trained on. A sample aspect ratio of 0 means unknown and counts as square.
    """
    if width <= 0 or height <= 0:
        raise ValueError(f"a picture of {width}x{height} has no working size")
    if short_side < MULTIPLE or short_side % MULTIPLE:
        raise ValueError(f"short_side must be a multiple of {MULTIPLE}, not {short_side}")
    square = sample_aspect_ratio if sample_aspect_ratio > 0 else Fraction(1)
    aspect = Fraction(width, height) * square
    stretch = min(max(aspect, 1 / aspect), Fraction(LONGEST))
    long_side = max(short_side, MULTIPLE * round(short_side * stretch / MULTIPLE))
    return (short_side, long_side) if aspect >= 1 else (long_side, short_side)


def shrink(frame: Frame, size: tuple[int, int]) -> NDArray[np.float32]:
    """The frame's lightness at ``size`` (h, w): float32 L*, 0 … 100.

    Of an interlaced frame, that of its first field: the other is another moment, and both together
    show everything that moves twice.

    Averaging by halves first (a box of 2x2 costs next to nothing), then whatever is left, as a rule
    less than two to one. No sample of the film is skipped, so fine patterns turn grey instead of
    shimmering, which would unsettle both network and flow.
    """
    height, width = size
    codes = frame.luma
    if frame.first_field is not None:
        codes = codes[frame.first_field == "bottom" :: 2]
    while codes.shape[0] >= 2 * height and codes.shape[1] >= 2 * width:
        rows, columns = codes.shape[0] // 2, codes.shape[1] // 2
        even = codes[: 2 * rows, : 2 * columns]
        codes = cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    light = lightness_from_luma(codes, frame.color)
    if light.shape == size:
        return light
    ratio = max(light.shape[0] / height, light.shape[1] / width)
    if 1.25 <= ratio <= 2:
        # Twice as large as wanted first, which enlarges it, then half of that: a fair share of
        # every pixel, in half the time of a mean over uneven parts of pixels.
        light = np.asarray(cv2.resize(light, (2 * width, 2 * height)), np.float32)
    # Up to here a linear kernel, two pixels wide, still touches every pixel with fair weight.
    how = cv2.INTER_LINEAR if ratio < 1.25 else cv2.INTER_AREA
    return np.asarray(cv2.resize(light, (width, height), interpolation=how), np.float32)
