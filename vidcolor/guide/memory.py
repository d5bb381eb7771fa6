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

from vidcolor.guide.match import Source, find
from vidcolor.models.features import unit

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
        self._places: dict[int, Source] = {}

    def keep(self, number: int, source: Source) -> int | None:
        """Remember a place. Returns the number of the one that is forgotten for it, if any."""
        forgotten = None
        if len(self._places) == _MOST:
            forgotten = next(iter(self._places))
            del self._places[forgotten]
        features = _coarse(source.features)
        places = np.indices(features.shape[:2]).reshape(2, -1).T.astype(np.float32)
        self._places[number] = Source(features, places, np.zeros_like(places))
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
    return unit(cells)


def _found(place: Source, look: Float32) -> float:
    """The share of the points of ``place`` that are surely in a picture of features ``look``."""
    wanted = np.arange(len(place.places))
    return len(find(place, wanted, look)[0]) / len(wanted)
