"""How far the luma of two films differs, and whether frames show their neighbours' pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, log10
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import Frame
from vidcolor.verify.levels import Levels
from vidcolor.verify.times import Tally, Trio

_NEARER = 4.0
"""A frame is misplaced if a neighbour's luma fits better by this factor of squared error, 6 dB.
Measured at x264's rate factors 18, 40 and 51, none of 948 rightly placed ones was above 1.5."""
_UNMISTAKABLE = 45.0
"""dB from which a frame counts as its own, however near its neighbours come: encoders repeat the
last picture where hardly a sample has changed."""
_NEARER_ON_AVERAGE = 1.1
"""The same over a film. Measured likewise, right films have 0.01 to 1.04, films a frame late 1.07
(a calm one at 51) to 160."""
_ENOUGH = 24
"""Frames: of fewer, the mean tells nothing."""


@dataclass(slots=True)
class LumaErrors:
    """Differences between the luma of paired frames, in codes of the source."""

    samples: int = 0
    differing: int = 0
    largest: float = 0.0
    absolute: float = 0.0
    """Sum over all samples; ``squared`` likewise."""
    squared: float = 0.0
    worst_psnr: float = inf
    """Of a single frame, in dB; infinite where every sample is the same."""
    worst_at: Fraction | None = None
    first_at: Fraction | None = None
    """Where the first sample differs, in seconds of the source."""
    beside: dict[int, list[float]] = field(default_factory=lambda: {-1: [0] * 3, 1: [0] * 3})
    """Squared errors of the frames that might be taken for a neighbour, where there is one before
    (-1) or after (1): to their own picture, and to that neighbour's; and how many they are."""
    misplaced: Tally = field(default_factory=Tally)
    """Frames that show a neighbour's picture."""
    levels: Levels = field(default_factory=Levels)
    rounded: NDArray[Any] | None = None
    """What becomes of each code of the source in a target of fewer bits."""

    @property
    def out_of_step(self) -> bool:
        """True if, over the film, the frames show their neighbours' pictures rather than theirs."""
        return any(
            count >= _ENOUGH and own > _NEARER_ON_AVERAGE * near
            for own, near, count in self.beside.values()
        )

    def psnr(self, peak: int) -> float:
        """Over all samples, in dB."""
        return _psnr(self.squared / max(1, self.samples), peak)

    def add(self, trio: Trio, other: Frame, shift: int) -> None:
        """Compare a frame of the source, amid its neighbours, with the ``other`` film's of its
        time, of the same size, whose codes are shifted up by ``shift`` bits; below 0, what is
        ``rounded`` is compared, in codes of the other."""
        last, (frame, at, _), coming = trio
        shift, depth = max(0, shift), frame.color.depth + min(0, shift)
        wanted, got = self._shifted(frame, shift), other.luma
        apart: NDArray[Any] = cv2.absdiff(wanted, got)
        squared = float(cv2.norm(apart, cv2.NORM_L2SQR))
        unit = float(1 << shift)
        self.samples += apart.size
        self.levels.add(wanted, got, 255 / (((1 << depth) - 1) * unit))
        if not squared:
            return
        self.first_at = at if self.first_at is None else self.first_at
        self.differing += int(cv2.countNonZero(apart))
        self.largest = max(self.largest, float(apart.max()) / unit)
        self.absolute += float(cv2.norm(apart, cv2.NORM_L1)) / unit
        self.squared += squared / unit**2
        psnr = _psnr(squared / unit**2 / apart.size, (1 << depth) - 1)
        if psnr < self.worst_psnr:
            self.worst_psnr, self.worst_at = psnr, at
        if psnr >= _UNMISTAKABLE:
            return
        for side, neighbour in ((-1, last), (1, coming)):
            if neighbour is None:
                continue
            fitting = self._shifted(neighbour.frame, shift)
            near = float(cv2.norm(fitting, got, cv2.NORM_L2SQR))
            self.beside[side][0] += squared
            self.beside[side][1] += near
            self.beside[side][2] += 1
            if near * _NEARER < squared:
                self.misplaced.add(at)
                break

    def _shifted(self, frame: Frame, shift: int) -> NDArray[Any]:
        if self.rounded is not None:
            found: NDArray[Any] = self.rounded.take(frame.luma, mode="clip")
            return found
        if not shift:
            return frame.luma
        return np.left_shift(frame.luma, shift, dtype=np.uint16)


def _psnr(mean_squared: float, peak: int) -> float:
    return inf if not mean_squared else 10 * log10(peak**2 / mean_squared)
