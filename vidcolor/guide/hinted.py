"""Hints on one frame: their places in its small picture, and their colours under its light."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from math import ceil, hypot
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import ColorSpec
from vidcolor.gamut import lab, luminance_of, rgb_from_signed, solve_chroma
from vidcolor.hintlist import Hint, Srgb
from vidcolor.hints import PATCH
from vidcolor.transfer import encoded, linear

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]

_LUMINANCE = np.array([0.212671, 0.715160, 0.072169])
_SHOWN = ColorSpec("bt709", full_range=True, depth=8)
_DARKEST = 0.002
"""Luminance under which a colour is black and has no hue that could be made lighter."""


def points_of(hints: Iterable[Hint], lightness: Float32, turns: int = 0) -> Float32:
    """The points (N, 4) y, x, a*, b* of hints on the frame of ``lightness`` (h, w), in its pixels.

    ``turns`` is how many quarters counter-clockwise a player turns the picture. A stroke becomes
    points a patch apart. A hint of which a part lies outside the picture gives none at all.
    """
    height, width = lightness.shape
    points = []
    for hint in hints:
        if not hint.inside:
            continue
        stored = [_turned(x, y, -turns) for x, y in hint.places]
        path = [(y * height, x * width) for x, y in stored]
        for y, x in _along(path):
            row, column = min(int(y), height - 1), min(int(x), width - 1)
            half = PATCH // 2
            patch = lightness[
                max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1
            ]
            points.append((row, column, *color_under(hint.color, float(patch.mean()))))
    return np.asarray(points, np.float32).reshape(-1, 4)


def color_under(color: Srgb, lightness: float) -> tuple[float, float]:
    """The a* and b* of a thing of this sRGB colour where the film's lightness is L*.

    More or less light on the same thing scales linear R'G'B' and keeps its chromaticity. Where that
    would leave sRGB, as much white is mixed in as brings it back.
    """
    light = linear(np.array(color, np.float64) / 255, "sdr")
    luminance = float(light @ _LUMINANCE)
    wanted = float(luminance_of(np.array(lightness)))
    if luminance < _DARKEST or wanted <= 0:
        return 0.0, 0.0
    light = light * (wanted / luminance)
    most = float(light.max())
    if most > 1:
        light = wanted + (light - wanted) * ((1 - wanted) / (most - wanted))
    _, a, b = lab(light)
    return float(a), float(b)


def color_shown(lightness: float, a: float, b: float) -> Srgb:
    """The sRGB colour, 0 to 255, by which a film shows this a* and b* where its lightness is L*.

    The inverse of `color_under`, as far as sRGB goes: what lies beyond is drawn into it.
    """
    level = np.clip(np.array([lightness], np.float64), 0, 100)
    cb, cr = solve_chroma(level, np.array([a], np.float64), np.array([b], np.float64), _SHOWN)
    luma = encoded(luminance_of(level), "sdr")
    shown = np.clip(rgb_from_signed(luma, cb, cr, _SHOWN.matrix)[0], 0, 1)
    red, green, blue = (int(value) for value in np.rint(shown * 255))
    return red, green, blue


def _turned(x: float, y: float, turns: int) -> tuple[float, float]:
    """A place in shares of a picture after so many quarter turns counter-clockwise."""
    for _ in range(turns % 4):
        x, y = y, 1 - x
    return x, y


def _along(path: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Places along a line of straight pieces, a patch apart, its ends among them."""
    yield path[0]
    for (y, x), (to_y, to_x) in pairwise(path):
        steps = max(1, ceil(hypot(to_y - y, to_x - x) / PATCH))
        for step in range(1, steps + 1):
            yield y + (to_y - y) * step / steps, x + (to_x - x) * step / steps
