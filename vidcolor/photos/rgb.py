"""R'G'B' codes of a photo to its luma and chroma, and back with every luma kept.

A few rows at a time: what is computed in floats never has the size of the photo.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vidcolor.color import Codes, chroma_scale, quantise
from vidcolor.frames import ColorSpec
from vidcolor.gamut import LUMA_WEIGHTS, rgb_factors

Float64 = NDArray[np.float64]

_ROWS = 128
_PULL = 0.97
"""Factor on the chroma of a pixel whose rounding would change its luma, until it does not."""


def split_rgb(rgb: Codes, color: ColorSpec) -> tuple[Codes, Codes, Codes]:
    """Y', Cb and Cr (h, w) of full-range codes (h, w, 3), rounded, in the codes of ``color``."""
    height, width, _ = rgb.shape
    luma, cb, cr = (np.empty((height, width), rgb.dtype) for _ in range(3))
    red, blue = LUMA_WEIGHTS[color.matrix]
    for rows in _bands(height):
        codes = rgb[rows].astype(np.float64)
        y = _weighted(codes, color)
        luma[rows] = np.rint(y)
        span = chroma_scale(color)[1]
        for plane, channel, weight in ((cb, 2, blue), (cr, 0, red)):
            signed = (codes[..., channel] - y) / (2 * (1 - weight) * span)
            plane[rows] = quantise(signed.astype(np.float32), color)
    return luma, cb, cr


def join_rgb(luma: Codes, cb: Codes, cr: Codes, color: ColorSpec) -> Codes:
    """Full-range R'G'B' (h, w, 3), whose luma as `split_rgb` rounds it is ``luma``, every sample.

    Red and blue are rounded, and green is what luma then asks for: its weight, more than a half,
    makes the difference less than a rounding. The few pixels at the rim of the gamut for which that
    is not enough lose some of their chroma.
    """
    picture: Codes = np.empty((*luma.shape, 3), luma.dtype)
    neutral, span = chroma_scale(color)
    for rows in _bands(luma.shape[0]):
        y = luma[rows].astype(np.float64)
        u, v = ((plane[rows].astype(np.float64) - neutral) / span for plane in (cb, cr))
        found = _joined(y, u, v, color)
        wrong = np.rint(_weighted(found, color)) != y
        share = np.ones(np.count_nonzero(wrong))
        while wrong.any():
            share *= _PULL
            found[wrong] = _joined(y[wrong], share * u[wrong], share * v[wrong], color)
            still = np.rint(_weighted(found[wrong], color)) != y[wrong]
            wrong[wrong], share = still, share[still]
        picture[rows] = found
    return picture


def _joined(y: Float64, u: Float64, v: Float64, color: ColorSpec) -> Float64:
    """Whole codes (…, 3) of luma codes ``y`` and signed chroma."""
    top = float((1 << color.depth) - 1)
    r_cr, b_cb, _, _ = rgb_factors(color.matrix)
    weight, other = LUMA_WEIGHTS[color.matrix]
    red = np.rint(np.clip(y + r_cr * v * top, 0, top))
    blue = np.rint(np.clip(y + b_cb * u * top, 0, top))
    green = (y - weight * red - other * blue) / (1 - weight - other)
    return np.stack([red, np.rint(np.clip(green, 0, top)), blue], axis=-1)


def _weighted(codes: Float64, color: ColorSpec) -> Float64:
    red, blue = LUMA_WEIGHTS[color.matrix]
    return np.asarray(codes @ np.array([red, 1 - red - blue, blue]), np.float64)


def _bands(height: int) -> Iterator[slice]:
    for top in range(0, height, _ROWS):
        yield slice(top, top + _ROWS)
