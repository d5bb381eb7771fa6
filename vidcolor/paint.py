"""From small colour to the film's chroma planes, along the edges of its own luma.

As in a fast guided filter (He, Sun, Tang: Guided Image Filtering, PAMI 2013; He, Sun: Fast Guided
Filter, arXiv 1505.00996) chroma is taken, in every small window, for a linear function of
lightness; the slope is found at half the small size, scaled up, and applied to the film's own
lightness at the size of the chroma planes. Unlike there, only what the colour *lacks* comes from
the guide: networks give colour at a quarter of the small size, so the slope carries over the
lightness detail finer than that, and all else of the colour stays as it was. What it gains and
costs is in benchmarks/RESULTS.md.
No full-size RGB or Lab picture exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias, cast

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
)
from vidcolor.flow import half_size
from vidcolor.frames import ColoredFrame, ColorSpec, PaintedFrame
from vidcolor.gamut import rgb_factors
from vidcolor.tint import kept

Float32: TypeAlias = NDArray[np.float32]

RADIUS = 2
"""Of the window, in pixels of the half-size small image."""
COLOR_SCALE = 2
"""Its pixels per pixel of colour, as the networks give it: finer detail comes from the luma."""
SMOOTHNESS = 60.0
"""The filter's epsilon, in L* squared: fainter edges than its root do not hold colour."""
MOST = 1 << 23
"""Pixels painted at once: a film's frame whole, up to 3840x2160 without subsampling; of a large
photo so many rows, whose floats would fill gigabytes otherwise."""


class Painter:
    """Paints the frames of one film. Its buffers make it unfit for two threads at once.

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
        height, width = chroma_shape
        self._rows = min(height, max(1, MOST // width))
        # At full size fresh memory costs more than the arithmetic done in it.
        self._buffers = [np.empty((self._rows, width), np.float32) for _ in range(6)]

    def paint(self, frame: ColoredFrame) -> PaintedFrame:
        """The frame with its Cb and Cr planes, in the codes of ``frame.frame.color``: painted, or
        its own, see `vidcolor.tint`."""
        if frame.frame.keeps_color:
            return kept(frame.frame, self._shape)
        spec = frame.frame.color
        size = half_size(frame.lightness)
        guide, *colors = (
            np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
            for plane in (frame.lightness, *frame.ab)
        )
        chroma = chroma_from_lab(guide, np.stack(colors) * self._saturation, spec)
        # From here on what Cb adds to blue, and Cr to red: cheaper here than at full size.
        r_cr, b_cb, *_ = rgb_factors(spec.matrix)
        chroma *= np.array([[[b_cb]], [[r_cr]]], np.float32)
        luma = self._luma(frame.frame.luma)
        slopes, offsets = _coefficients(guide, chroma)
        cb, cr = (np.empty(self._shape, luma.dtype) for _ in range(2))
        for top in range(0, self._shape[0], self._rows):
            rows = slice(top, min(top + self._rows, self._shape[0]))
            self._paint_rows(luma[rows], rows, slopes, offsets, spec, (cb[rows], cr[rows]))
        return PaintedFrame(frame.frame, cb, cr)

    def _paint_rows(
        self,
        luma: Codes,
        rows: slice,
        slopes: list[Float32],
        offsets: list[Float32],
        spec: ColorSpec,
        out: tuple[Codes, Codes],
    ) -> None:
        blue, red, *spare = (buffer[: len(luma)] for buffer in self._buffers)
        _look_up(luma, lightness_table(spec), spare[0])
        for plane, slope, offset in zip((blue, red), slopes, offsets, strict=True):
            self._enlarge(slope, rows, plane)
            cv2.multiply(plane, spare[0], dst=plane)
            cv2.add(plane, self._enlarge(offset, rows, spare[1]), dst=plane)
        _guard(blue, red, luma, spec, spare)
        r_cr, b_cb, *_ = rgb_factors(spec.matrix)
        for plane, factor, codes in zip((blue, red), (b_cb, r_cr), out, strict=True):
            _fill_codes(plane, 1 / factor, spec, codes)

    def _enlarge(self, small: Float32, rows: slice, out: Float32) -> Float32:
        """These rows of what ``small`` is at the planes' size, bilinear, into ``out``."""
        height, width = self._shape
        if self._rows == height:
            return np.asarray(cv2.resize(small, (width, height), dst=out), np.float32)
        last = len(small) - 1
        place = (np.arange(rows.start, rows.stop) + 0.5) * (len(small) / height) - 0.5
        place = np.clip(place, 0, last)
        above = place.astype(np.intp)
        share = (place - above).astype(np.float32)[:, None]
        across = np.asarray(cv2.resize(small, (width, len(small))), np.float32)
        np.take(across, above, 0, out=out, mode="clip")
        step = np.take(across, np.minimum(above + 1, last), 0)
        np.subtract(step, out, out=step)
        np.multiply(step, share, out=step)
        return np.add(out, step, out=out)

    def _luma(self, luma: Codes) -> Codes:
        """The film's luma codes at the size of its chroma planes."""
        height, width = self._shape
        if luma.shape == self._shape:
            return luma
        rows, columns = -(-luma.shape[0] // height), -(-luma.shape[1] // width)
        below, beside = rows * height - luma.shape[0], columns * width - luma.shape[1]
        if below or beside:  # An odd size, whose last chroma sample has but half its luma.
            edge = cv2.BORDER_REPLICATE
            luma = cast(Codes, cv2.copyMakeBorder(luma, 0, below, 0, beside, edge))
        return cast(Codes, cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA))


def paint(
    frames: Iterable[ColoredFrame], chroma_shape: tuple[int, int], saturation: float = 1.0
) -> Iterator[PaintedFrame]:
    """Each frame with its chroma planes; see `Painter`."""
    painter = Painter(chroma_shape, saturation)
    for frame in frames:
        yield painter.paint(frame)


def _coefficients(guide: Float32, chroma: Float32) -> tuple[list[Float32], list[Float32]]:
    """Slope and offset of Cb and of Cr as functions of the full-size L*, from ``guide`` (h, w) and
    ``chroma`` (2, h, w) at half the small size."""
    size = guide.shape[::-1]
    mean = _box(guide)
    spread = _box(guide * guide) - mean * mean + np.float32(SMOOTHNESS)
    coarse = tuple(max(1, side // COLOR_SCALE) for side in size)
    known = cv2.resize(cv2.resize(guide, coarse, interpolation=cv2.INTER_AREA), size)
    slopes, offsets = [], []
    for small in chroma:
        fit = (_box(guide * small) - mean * _box(small)) / spread
        slope = _box(fit.astype(np.float32, copy=False))
        slopes.append(slope)
        offsets.append(small - slope * known)
    return slopes, offsets


def _guard(blue: Float32, red: Float32, luma: Codes, spec: ColorSpec, spare: list[Float32]) -> None:
    """Shrink chroma, in place, to what the luma of each pixel carries, its hue unchanged. It is
    given as what it adds to blue and to red."""
    r_cr, b_cb, g_cb, g_cr = rgb_factors(spec.matrix)
    green, top, bottom, room = spare[:4]
    cv2.addWeighted(blue, g_cb / b_cb, red, g_cr / r_cr, 0, dst=green)
    over, under = _headroom(spec)
    # The channel farthest up and the one farthest down are the ones that leave the cube first.
    cv2.max(cv2.max(red, blue, dst=top), green, dst=top)
    cv2.min(cv2.min(red, blue, dst=bottom), green, dst=bottom)
    cv2.multiply(top, _look_up(luma, over, room), dst=top)
    cv2.multiply(bottom, _look_up(luma, under, room), dst=bottom)
    excess = cv2.max(cv2.max(top, bottom, dst=top), 1.0, dst=top)  # type: ignore[call-overload]
    cv2.divide(blue, excess, dst=blue)
    cv2.divide(red, excess, dst=red)


def _fill_codes(plane: Float32, share: float, spec: ColorSpec, out: Codes) -> None:
    """Fill ``out`` with the codes of ``share`` times ``plane``."""
    if spec.depth == 8:
        # The guard keeps chroma within 0.5, so the legal codes of studio range need no second look.
        neutral, span = chroma_scale(spec)
        cv2.convertScaleAbs(plane, dst=out, alpha=share * span, beta=neutral)
    else:
        out[:] = quantise(plane * np.float32(share), spec)


def _box(image: Float32) -> Float32:
    side = 2 * RADIUS + 1
    return np.asarray(cv2.boxFilter(image, -1, (side, side)), np.float32)


@lru_cache(maxsize=16)
def _headroom(spec: ColorSpec) -> tuple[Float32, Float32]:
    """For each luma code, 1 / (room up to white) and -1 / (room down to black)."""
    black, span = luma_scale(spec)
    luma = np.clip((np.arange(1 << spec.depth) - black) / span, 1e-4, 1 - 1e-4)
    return (1 / (1 - luma)).astype(np.float32), (-1 / luma).astype(np.float32)


def _look_up(codes: Codes, table: Float32, out: Float32) -> Float32:
    if codes.dtype == np.uint8:
        cv2.LUT(codes, table, dst=out)
    else:
        np.take(table, codes, mode="clip", out=out)
    return out
