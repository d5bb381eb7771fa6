"""From small colour to the film's chroma planes, along the edges of its own luma.

As in a fast guided filter (He, Sun, Tang: Guided Image Filtering, PAMI 2013; He, Sun: Fast Guided
Filter, arXiv 1505.00996) chroma is taken, in every small window, for a linear function of
lightness; the slope is found at the small size, scaled up, and applied to the film's own lightness
at the size of the chroma planes. Unlike there, only what the colour *lacks* comes from the guide:
networks give colour at a quarter of the small size, so the slope carries over the lightness detail
finer than that, and all else of the colour stays as it was. The plain filter, which replaces the
colour by its fit, lost 5 dB of chroma against bilinear scaling; this gains one.
No full-size RGB or Lab picture exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.color import (
    Codes,
    chroma_from_lab,
    chroma_scale,
    lightness_table,
    luma_scale,
    quantise,
    rgb_factors,
)
from vidcolor.flow import half_size
from vidcolor.frames import ColoredFrame, ColorSpec, PaintedFrame

Float32 = NDArray[np.float32]

RADIUS = 2
"""Of the window, in pixels of the half-size small image."""
COLOR_SCALE = 4
"""Small pixels per pixel of colour, as the networks give it: finer detail comes from the luma."""
SMOOTHNESS = 9.0
"""The filter's epsilon, in L* squared: fainter edges than its root do not hold colour."""


class Painter:
    """Paints the frames of one film. Holds no state between frames.

    ``chroma_shape`` is (height, width) of the target's chroma planes, ``saturation`` a factor on
    the colour, 0 (grey) to 2.
    """

    def __init__(self, chroma_shape: tuple[int, int], saturation: float = 1.0) -> None:
        if min(chroma_shape) < 1:
            raise ValueError(f"a chroma plane of {chroma_shape} holds nothing")
        if not 0 <= saturation <= 2:
            raise ValueError(f"saturation must be 0 to 2, not {saturation}")
        self._shape = chroma_shape
        self._saturation = np.float32(saturation)

    def paint(self, frame: ColoredFrame) -> PaintedFrame:
        """The frame with its Cb and Cr planes, in the codes of ``frame.frame.color``."""
        spec = frame.frame.color
        ab = frame.ab * self._saturation
        chroma = chroma_from_lab(frame.lightness, ab, spec)
        luma = self._luma(frame.frame.luma)
        planes = self._lift(frame.lightness, chroma, _look_up(luma, lightness_table(spec)))
        self._guard(planes, luma, spec)
        cb, cr = (self._codes(plane, spec) for plane in planes)
        return PaintedFrame(frame.frame, cb, cr)

    def _luma(self, luma: Codes) -> Codes:
        """The film's luma codes at the size of its chroma planes."""
        height, width = self._shape
        if luma.shape == self._shape:
            return luma
        rows, columns = luma.shape[0] // height, luma.shape[1] // width
        even = luma[: rows * height, : columns * width] if rows and columns else luma
        return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]

    def _lift(self, lightness: Float32, chroma: Float32, guide: Float32) -> list[Float32]:
        slopes, offsets = _coefficients(lightness, chroma)
        size = self._shape[::-1]
        planes = []
        for slope, offset in zip(slopes, offsets, strict=True):
            plane = cv2.resize(slope, size, interpolation=cv2.INTER_LINEAR)
            plane *= guide
            plane += cv2.resize(offset, size, interpolation=cv2.INTER_LINEAR)
            planes.append(np.asarray(plane, np.float32))
        return planes

    def _guard(self, planes: list[Float32], luma: Codes, spec: ColorSpec) -> None:
        """Shrink chroma, in place, to what the luma of each pixel carries, its hue unchanged."""
        cb, cr = planes
        r_cr, b_cb, g_cb, g_cr = rgb_factors(spec.matrix)
        red, blue = cr * np.float32(r_cr), cb * np.float32(b_cb)
        green = cv2.addWeighted(cb, g_cb, cr, g_cr, 0)
        top = cv2.max(cv2.max(red, blue), green)
        bottom = cv2.min(cv2.min(red, blue), green)
        over, under = _headroom(spec)
        top *= _look_up(luma, over)
        bottom *= _look_up(luma, under)
        excess = cv2.max(top, bottom)
        np.maximum(excess, 1, out=excess)
        cb /= excess
        cr /= excess

    def _codes(self, plane: Float32, spec: ColorSpec) -> Codes:
        if spec.depth == 8:
            neutral, span = chroma_scale(spec)
            return cv2.addWeighted(plane, span, plane, 0, neutral, dtype=cv2.CV_8U)  # type: ignore[return-value]
        return quantise(plane, spec)


def paint(
    frames: Iterable[ColoredFrame], chroma_shape: tuple[int, int], saturation: float = 1.0
) -> Iterator[PaintedFrame]:
    """Each frame with its chroma planes; see `Painter`."""
    painter = Painter(chroma_shape, saturation)
    for frame in frames:
        yield painter.paint(frame)


def _coefficients(lightness: Float32, chroma: Float32) -> tuple[list[Float32], list[Float32]]:
    """Slope and offset, at the small size, of Cb and of Cr as functions of the full-size L*."""
    size = lightness.shape[::-1]
    half = half_size(lightness)
    guide = cv2.resize(lightness, half, interpolation=cv2.INTER_AREA)
    mean = _box(guide)
    spread = _box(guide * guide) - mean * mean
    spread += SMOOTHNESS
    coarse = tuple(max(1, side // COLOR_SCALE) for side in size)
    known = cv2.resize(cv2.resize(lightness, coarse, interpolation=cv2.INTER_AREA), size)
    slopes, offsets = [], []
    for plane in chroma:
        small = cv2.resize(plane, half, interpolation=cv2.INTER_AREA)
        slope = _box((_box(guide * small) - mean * _box(small)) / spread)
        slope = np.asarray(cv2.resize(slope, size), np.float32)
        slopes.append(slope)
        offsets.append(plane - slope * known)
    return slopes, offsets


def _box(image: Float32) -> Float32:
    side = 2 * RADIUS + 1
    return np.asarray(cv2.boxFilter(image, -1, (side, side)), np.float32)


@lru_cache(maxsize=16)
def _headroom(spec: ColorSpec) -> tuple[Float32, Float32]:
    """For each luma code, 1 / (room up to white) and -1 / (room down to black)."""
    black, span = luma_scale(spec)
    luma = np.clip((np.arange(1 << spec.depth) - black) / span, 1e-4, 1 - 1e-4)
    return (1 / (1 - luma)).astype(np.float32), (-1 / luma).astype(np.float32)


def _look_up(codes: Codes, table: Float32) -> Float32:
    if codes.dtype == np.uint8:
        return np.asarray(cv2.LUT(codes, table), np.float32)
    return np.asarray(np.take(table, codes, mode="clip"), np.float32)
