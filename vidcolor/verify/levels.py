"""How light one film is beside another: its mean, its contrast, and what is left beyond these."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_AREA = 16
"""Samples along the side of an area that is averaged, at least: a lossy encoder's noise, and the
grain that it leaves out, hardly show in the mean of so many."""
_MOST = 40
"""Areas along a side of the picture, at most."""


@dataclass(slots=True)
class Levels:
    """The regression of the target's luma on the source's, over the areas of all their frames, in
    codes of 8 bits."""

    count: int = 0
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    """Of the source and the target; ``products`` are those of the two with each other."""
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))

    def add(self, wanted: NDArray[Any], got: NDArray[Any], scale: float) -> None:
        """Two luma planes of one size; their samples times ``scale`` are codes of 8 bits."""
        both = np.stack([_areas(wanted), _areas(got)]) * scale
        self.count += both.shape[1]
        self.sums += both.sum(axis=1)
        self.products += both @ both.T

    @property
    def offset(self) -> float:
        """By how much the target is lighter on average."""
        source, target = self.sums / max(1, self.count)
        return float(target - source)

    @property
    def contrast(self) -> float:
        """Standard deviation of the source."""
        return sqrt(self._spread()[0])

    @property
    def gains(self) -> tuple[float, float]:
        """Between which the target's gain on the source lies: what they do not share lowers the
        first if the target lacks it, and raises the second if the target alone has it."""
        source, target, shared = self._spread()
        if shared <= 0:
            return 0.0, inf
        return shared / source, target / shared

    @property
    def residue(self) -> float:
        """Root of the mean squared error that is left when mean and contrast are made the same."""
        source, target, shared = self._spread()
        return sqrt(max(0.0, target - shared**2 / source)) if source else sqrt(target)

    def _spread(self) -> tuple[float, float, float]:
        """Variances of the source and the target, and their covariance."""
        means = self.sums / max(1, self.count)
        found = self.products / max(1, self.count) - np.outer(means, means)
        return max(0.0, float(found[0, 0])), max(0.0, float(found[1, 1])), float(found[0, 1])


def _areas(luma: NDArray[Any]) -> NDArray[np.float64]:
    """The means of areas of the picture, in a row."""
    height, width = (min(_MOST, max(1, side // _AREA)) for side in luma.shape)
    found = cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)
    return found.astype(np.float64).ravel()
