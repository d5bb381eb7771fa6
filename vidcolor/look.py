"""The look: what is done to the colours of a shot on purpose, at the small size, before painting.

Only a* and b* change, and what the luma cannot carry of the outcome is dealt with where all colours
are, in `vidcolor.color`. So luma stays what it is, and the cost does not grow with the picture.

In this order: saturation, a factor; vibrance, a factor that falls with chroma and near the hue of
skin; warmth and tint, the colour of the light (von Kries 1902, applied to Z and to X, as CIELAB
itself does for its white: in L*a*b* that is a shift in proportion to L* + 16 and a slight factor);
last a LUT.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.cube import read_cube
from vidcolor.frames import ColoredFrame
from vidcolor.settings import Settings, ShotLook

Float32: TypeAlias = NDArray[np.float32]

WARMTH = 0.1
"""What warmth 1 takes of the cube root of Z: 20 units of b* in white, as from D65 to D50."""
TINT = 0.03
"""The same of X, for tint: 15 units of a* in white."""
DULL = 30.0
"""Chroma at which vibrance has 1/e of its greatest effect."""
SKIN_HUE = 55.0
"""Degrees from a* to b*; the hues of light and dark skin lie around it."""
_SKIN_REACH = 40.0
"""Degrees on either side within which vibrance is held back."""
_SKIN_SHARE = 0.75
"""How much of it is held back at that very hue."""


class Grade:
    """One look, ready to be applied. Raises SettingsError if its LUT cannot be read."""

    def __init__(self, look: ShotLook) -> None:
        self._look = look
        self.changes = look != ShotLook()
        """False where the colours stay exactly what they are."""
        self._cube = None if look.lut is None else read_cube(Path(look.lut))

    def __call__(self, lightness: Float32, ab: Float32) -> Float32:
        """``ab`` (2, h, w) graded, under ``lightness`` (h, w) L*."""
        look = self._look
        ab = ab * np.float32(look.saturation)
        if look.vibrance:
            ab *= _vibrance(ab, look.vibrance)
        if look.warmth or look.tint:
            level = (lightness + np.float32(16)) / np.float32(116)
            x, z = 1 + TINT * look.tint, 1 - WARMTH * look.warmth
            ab[0] = ab[0] * np.float32(x) + level * np.float32(500 * (x - 1))
            ab[1] = ab[1] * np.float32(z) + level * np.float32(200 * (1 - z))
        if self._cube is not None:
            lab = np.asarray(cv2.merge([lightness, *ab]), np.float32)
            shown = np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), np.float32).clip(0, 1)
            # The difference, so that what sRGB cannot show is not lost on the way through it.
            before, after = _lab(shown), _lab(self._cube.apply(shown).clip(0, 1))
            ab = ab + np.moveaxis(after - before, -1, 0)[1:]
        return ab


class Grading:
    """The looks of a film, by shot. Raises SettingsError if a LUT cannot be read."""

    def __init__(self, settings: Settings) -> None:
        self._starts = settings.shots or (0,)
        self._film = Grade(settings.look_in())
        self._own = {first: Grade(settings.look_in(first)) for first in settings.looks or ()}

    def apply(self, frames: Iterable[ColoredFrame], before: int = 0) -> Iterator[ColoredFrame]:
        """The frames in their shots' looks; ``before`` is how many frames of the film precede the
        one with index 0."""
        for frame in frames:
            number = frame.frame.index + before
            shot = self._starts[bisect_right(self._starts, number) - 1]
            grade = self._own.get(shot, self._film)
            if grade.changes:
                frame = replace(frame, ab=grade(frame.lightness, frame.ab))
            yield frame


def lut_paths(settings: Settings) -> list[str]:
    """The LUTs that the settings name: the film's first, then those of shots, in order."""
    looks = [settings.look_in(shot) for shot in (None, *(settings.looks or ()))]
    return list(dict.fromkeys(look.lut for look in looks if look.lut is not None))


def check_luts(settings: Settings) -> None:
    """Raise SettingsError for a LUT of the settings that cannot be read."""
    for path in lut_paths(settings):
        read_cube(Path(path))


def _vibrance(ab: Float32, amount: float) -> Float32:
    """The factor (h, w) on the colours. Of two of one hue, the duller one stays the duller."""
    chroma = np.hypot(ab[0], ab[1])
    angle = np.deg2rad(SKIN_HUE)
    along = ab[0] * np.float32(np.cos(angle)) + ab[1] * np.float32(np.sin(angle))
    edge = np.float32(np.cos(np.deg2rad(_SKIN_REACH)))
    near = (along / np.maximum(chroma, np.float32(1e-6)) - edge) / (1 - edge)
    free = 1 - np.float32(_SKIN_SHARE) * np.clip(near, 0, 1)
    fall = np.exp(-np.square(chroma / np.float32(DULL)))
    return np.asarray(1 + np.float32(amount) * fall * free, np.float32)


def _lab(rgb: NDArray[np.float32]) -> Float32:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab), np.float32)
