"""L*a*b* to Y'CbCr and back: every matrix, range and depth a film may come in.

The display model is sRGB's: D65 white, sRGB transfer; for HDR and BT.2020's primaries see
`vidcolor.transfer`. Y' is the film's own luma in 0 … 1, Cb and Cr
are signed and lie in -0.5 … 0.5, as in ITU-T H.273. The lightness of a film is the L* of a grey
pixel R' = G' = B' = Y'.

Colour is put on a film without touching Y', so L* is not free: `chroma_from_lab` finds the chroma
which, *under the luma that is there*, shows the wanted a* and b*. What the luma cannot carry is
drawn toward grey at constant luma and hue (a soft knee), never clipped channel by channel. Solving
that for each pixel would cost more than the network, so the solution is tabulated once per signal
over (L*, a*, b*) and interpolated. The RGB cube is convex in Y'CbCr too: what is interpolated
between colours inside it stays inside it.

HDR film gets the chromaticity that SDR film of the same lightness would get, at its own luma.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import lru_cache
from typing import Final, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import ColorSpec
from vidcolor.gamut import lab, lightness_of, rgb_from_signed, signed_from_rgb, solve_chroma
from vidcolor.transfer import encoded, linear, sdr_light, toned

Codes: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]

_TABLE_LIGHTNESS: Final = 41
_TABLE_AB: Final = 65
_TABLE_REACH: Final = 128.0
"""The table spans a* and b* of ±128, which holds all of sRGB."""
_TABLE_PART: Final = 8
"""Levels solved at once: what has room in a core's own cache takes a fifth less time."""

_preparing = threading.Lock()


def luma_scale(spec: ColorSpec) -> tuple[float, float]:
    """Code of black, and codes from black to white: ``Y' = (code - black) / span``."""
    if spec.full_range:
        return 0.0, float((1 << spec.depth) - 1)
    return float(16 << (spec.depth - 8)), float(219 << (spec.depth - 8))


def chroma_scale(spec: ColorSpec) -> tuple[float, float]:
    """Code of no colour, and codes per unit of chroma: ``code = neutral + span * chroma``."""
    neutral = float(1 << (spec.depth - 1))
    if spec.full_range:
        return neutral, float((1 << spec.depth) - 1)
    return neutral, float(224 << (spec.depth - 8))


def luma_from_rgb(red: Codes, green: Codes, blue: Codes, spec: ColorSpec) -> Codes:
    """The luma of R', G' and B', all (height, width) of ``spec.depth`` bits, as codes of ``spec``.

    The nearest codes; of greys, in full range, the very same.
    """
    black, span = luma_scale(spec)
    share = span / _most(spec)
    weights = [share * float(signed_from_rgb(one, spec.matrix)[0]) for one in np.eye(3)]
    # In float32, and half as long as `cv2.transform` of the three together.
    two = cv2.addWeighted(red, weights[0], green, weights[1], black, dtype=cv2.CV_32F)
    third, kind = blue.astype(np.float32), cv2.CV_8U if blue.itemsize == 1 else cv2.CV_16U
    return cast(Codes, cv2.addWeighted(two, 1, third, weights[2], 0, dtype=kind))


def chroma_from_rgb(red: Codes, green: Codes, blue: Codes, spec: ColorSpec) -> tuple[Codes, Codes]:
    """Cb and Cr of R', G' and B', as `luma_from_rgb`."""
    neutral, span = chroma_scale(spec)
    signed = np.array([signed_from_rgb(one, spec.matrix)[1:] for one in np.eye(3)]).T
    to_codes = np.column_stack((span / _most(spec) * signed, (neutral, neutral)))
    cb, cr = cv2.split(cv2.transform(cv2.merge((red, green, blue)), to_codes))
    # In full range the strongest blue and red are half a code beyond the last.
    return np.minimum(cb, _most(spec)), np.minimum(cr, _most(spec))


def _most(spec: ColorSpec) -> int:
    return (1 << spec.depth) - 1


def lightness_from_luma(codes: Codes, spec: ColorSpec) -> Float32:
    """L* (float32, 0 … 100, shape of ``codes``) of grey pixels with these luma codes.

    That of HDR film is toned down to what SDR shows. Codes below black and above white count as
    black and white.
    """
    table = lightness_table(spec)
    if codes.dtype == np.uint8:
        return np.asarray(cv2.LUT(codes, table[:256]), np.float32)
    if spec.depth < 16:  # stray bits above the depth must not read past the table
        codes = np.minimum(codes, np.uint16((1 << spec.depth) - 1))
    return np.asarray(np.take(table, codes), np.float32)


@lru_cache(maxsize=16)
def lightness_table(spec: ColorSpec) -> Float32:
    """L* of every luma code of ``spec``: float32 of 2**depth values. Read only."""
    black, span = luma_scale(spec)
    luma = np.clip((np.arange(1 << spec.depth) - black) / span, 0, 1)
    light = toned(linear(luma, spec.transfer), spec.transfer)
    table = lightness_of(light).astype(np.float32)
    table.flags.writeable = False
    return table


def chroma_from_lab(lightness: Float32, ab: Float32, spec: ColorSpec) -> Float32:
    """Signed Cb and Cr that show ``ab`` under the luma of ``lightness``.

    ``lightness`` is (h, w) float32 L* of the film's grey picture, ``ab`` (2, h, w) float32 in CIE
    units, of any size of values; the result is (2, h, w) float32, Cb and Cr in -0.5 … 0.5. Shown
    with its Y' unchanged, the pixel has the hue of ``ab``, and its chroma as far as the luma
    carries it; every R'G'B' stays within 0 … 1. Where ``ab`` is zero the result is exactly zero.
    """
    # Depth and range are of no account: one table serves them all.
    table = _chroma_table(replace(spec, full_range=False, depth=8))
    height, width = lightness.shape
    a, b = ab[0], ab[1]
    reach = np.maximum(np.abs(a), np.abs(b))
    step = (_TABLE_AB - 1) / (2 * _TABLE_REACH)
    middle = (_TABLE_AB - 1) / 2
    # Scaled as a pair, so that what lies beyond the table keeps its hue.
    scale = np.divide(_TABLE_REACH, np.maximum(reach, _TABLE_REACH, out=reach), out=reach)
    scale *= step
    along = a * scale
    along += middle
    down = b * scale
    down += middle
    level = lightness * np.float32((_TABLE_LIGHTNESS - 1) / 100)
    np.clip(level, 0, _TABLE_LIGHTNESS - 1.001, out=level)
    slab = np.floor(level)
    level -= slab
    slab *= _TABLE_AB
    down += slab
    found = cv2.remap(table, along, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    chroma = np.empty((2, height, width), np.float32)
    for plane in range(2):
        low, high = (
            np.asarray(cv2.extractChannel(found, channel), np.float32)
            for channel in (plane, plane + 2)
        )
        high -= low
        high *= level
        np.add(low, high, out=chroma[plane])
    return chroma


def prepare(spec: ColorSpec) -> None:
    """Make the tables for films of ``spec`` now, lest the first frame wait for them.

    Where another thread is making them, wait for it.
    """
    with _preparing:
        _chroma_table(replace(spec, full_range=False, depth=8))
        lightness_table(spec)


def quantise(chroma: Float32, spec: ColorSpec) -> Codes:
    """Chroma codes (uint8, or uint16 above 8 bits) of signed chroma, clamped to the legal codes."""
    neutral, span = chroma_scale(spec)
    lowest, highest = (0.0, span) if spec.full_range else (neutral - span / 2, neutral + span / 2)
    codes: Float32 = np.clip(
        np.rint(chroma * np.float32(span) + np.float32(neutral)), lowest, highest
    )
    return codes.astype(np.uint8) if spec.depth == 8 else codes.astype(np.uint16)


def rgb(luma: Codes, cb: Codes, cr: Codes, spec: ColorSpec) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 sRGB of a picture in codes; smaller chroma planes are scaled up first.

    For evaluation and previews: the pipeline itself holds no RGB picture.
    """
    shown = _rgb(luma, cb, cr, spec)
    if (spec.transfer, spec.primaries) != ("sdr", "bt709"):
        shown = encoded(sdr_light(np.clip(shown, 0, 1), spec.transfer, spec.primaries), "sdr")
    return np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)


def lab_from_ycbcr(luma: Codes, cb: Codes, cr: Codes, spec: ColorSpec) -> Float32:
    """(3, h, w) float32 L*, a*, b* of a picture in codes; smaller chroma planes are scaled up.

    In double precision and therefore for small pictures: training targets, measures, tests.
    """
    shown = np.clip(_rgb(luma, cb, cr, spec), 0, 1)
    found = lab(sdr_light(shown, spec.transfer, spec.primaries))
    return np.ascontiguousarray(np.moveaxis(found, -1, 0), np.float32)


def lab_from_rgb(rgb: Float64) -> Float64:
    """L*a*b* (…, 3) of sRGB (…, 3), 0 … 1."""
    return lab(linear(rgb, "sdr"))


def _rgb(luma: Codes, cb: Codes, cr: Codes, spec: ColorSpec) -> Float64:
    """R'G'B' (h, w, 3), not yet limited to 0 … 1."""
    black, luma_span = luma_scale(spec)
    neutral, chroma_span = chroma_scale(spec)
    size = luma.shape[::-1]
    y = (luma.astype(np.float64) - black) / luma_span
    u, v = ((plane.astype(np.float64) - neutral) / chroma_span for plane in (cb, cr))
    if cb.shape != luma.shape:
        u, v = (np.asarray(cv2.resize(plane, size), np.float64) for plane in (u, v))
    return rgb_from_signed(y, u, v, spec.matrix)


@lru_cache(maxsize=8)
def _chroma_table(spec: ColorSpec) -> Float32:
    """The solution at the nodes of (L*, b*, a*), stacked by L*: (levels * n, n, 4) float32.

    Channels are Cb, Cr at this level and Cb, Cr at the next, so that one look-up serves both.
    """
    axis = np.linspace(-_TABLE_REACH, _TABLE_REACH, _TABLE_AB)
    levels = np.linspace(0, 100, _TABLE_LIGHTNESS)
    solved = []
    for first in range(0, _TABLE_LIGHTNESS, _TABLE_PART):
        part = levels[first : first + _TABLE_PART]
        light, b, a = np.meshgrid(part, axis, axis, indexing="ij")
        solved.append(np.moveaxis(solve_chroma(light, a, b, spec), 0, -1))
    here = np.concatenate(solved)
    following = np.concatenate([here[1:], here[-1:]])
    table = np.concatenate([here, following], axis=-1).astype(np.float32)
    return np.ascontiguousarray(table.reshape(_TABLE_LIGHTNESS * _TABLE_AB, _TABLE_AB, 4))
