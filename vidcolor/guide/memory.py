"""Places of a film that come again in later shots, with the colours they had.

A place is one frame of a shot, in the network's colours. A later shot shows it again if enough of
it is surely found in a frame of that shot, by features as in `vidcolor.guide.match`, but in cells
of twice the size: that tells places apart as well, for a sixteenth of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.guide.match import ALIKE, Source

Float32: TypeAlias = NDArray[np.float32]

_SAME = 0.25
"""Share of a place's cells from which on it is shown again. Of 16 clips' first frames 39 to 100 %
were found in the fortieth (10 % where nothing of it was left in the picture), and 26 to 52 % in a
close-up of the first. In frames of other clips it was under 19 % in 99 of 100, and above 24 % only
between two films in the same black frame, 32 % at most."""
_MOST = 32
"""Places that are remembered. The one that was not shown for longest is forgotten for a new one."""
_AT_ONCE = 3
"""Places that a shot may show, those of which it shows most."""


class Memory:
    """The places seen so far, each under a number."""

    def __init__(self) -> None:
        # The one not shown for longest comes first.
        self._places: dict[int, Float32] = {}

    def keep(self, number: int, source: Source) -> int | None:
        """Remember a place. Returns the number of the one that is forgotten for it, if any."""
        forgotten = None
        if len(self._places) == _MOST:
            forgotten = next(iter(self._places))
            del self._places[forgotten]
        self._places[number] = _coarse(source.features)
        return forgotten

    def shown(self, looks: Sequence[Float32]) -> list[int]:
        """The places that pictures with these features (h, w, C) show again, best first."""
        coarse = [_coarse(look) for look in looks]
        shares = {
            number: max((_found(place, look) for look in coarse), default=0.0)
            for number, place in self._places.items()
        }
        same = [number for number in shares if shares[number] >= _SAME]
        same = sorted(same, key=lambda number: -shares[number])[:_AT_ONCE]
        for number in reversed(same):
            self._places[number] = self._places.pop(number)
        return same


def _coarse(features: Float32) -> Float32:
    """Features (h, w, C) of length 1 in cells of twice the size."""
    height, width, _ = features.shape
    rows = np.add.reduceat(features, np.arange(0, height, 2), axis=0)
    cells = np.add.reduceat(rows, np.arange(0, width, 2), axis=1)
    length = np.linalg.norm(cells, axis=-1, keepdims=True)
    return np.asarray(cells / np.maximum(length, np.float32(1e-6)), np.float32)


def _found(place: Float32, look: Float32) -> float:
    """The share of the cells of ``place`` (h, w, C) that are surely in ``look`` (H, W, C)."""
    height, width, channels = place.shape
    alike = place.reshape(-1, channels) @ look.reshape(-1, channels).T
    back = alike.argmax(axis=0)[alike.argmax(axis=1)]
    row, column = np.divmod(np.arange(height * width), width)
    there, along = np.divmod(back, width)
    near = np.maximum(np.abs(row - there), np.abs(column - along)) <= 1
    return float((near & (alike.max(axis=1) > ALIKE)).mean())
