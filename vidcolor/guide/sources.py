"""The known colours of a film, numbered, and what they tell of the frames they are found in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.guide.match import Source
from vidcolor.guide.track import State
from vidcolor.models.features import STEP

Float32: TypeAlias = NDArray[np.float32]

_BESIDE = 2 * STEP
"""Pixels from a hint within which nothing else has a say."""


class Sources:
    """Sources by number, from 0 in the order they come in."""

    def __init__(self) -> None:
        self._sources: dict[int, Source] = {}
        self._count = 0
        self._by_hand: set[int] = set()

    def add(self, source: Source, *, by_hand: bool = False) -> int:
        """Take a source in; ``by_hand``: its points are hints themselves. Returns its number."""
        number, self._count = self._count, self._count + 1
        self._sources[number] = source
        if by_hand:
            self._by_hand.add(number)
        return number

    def forget(self, number: int) -> None:
        """Let go of a source; its number is not given again."""
        del self._sources[number]

    def chosen(self, numbers: Iterable[int]) -> dict[int, Source]:
        """The sources of these numbers, in order."""
        return {number: self._sources[number] for number in sorted(numbers)}

    def rows(self, state: State) -> Float32:
        """The points (N, 5) y, x, a*, b*, share that a frame is told, where ``state`` has them.

        Near what was hinted by hand nothing else has a say.
        """
        rows = np.zeros((len(state), 5), np.float32)
        rows[:, :2] = state.places
        for number in np.unique(state.ids[:, 0]):
            mine = state.ids[:, 0] == number
            source = self._sources[number]
            rows[mine, 2:4] = source.colors[state.ids[mine, 1]]
            rows[mine, 4] = source.share * state.trust[mine]
        hint = np.isin(state.ids[:, 0], list(self._by_hand))
        if hint.any() and not hint.all():
            apart = np.abs(state.places[~hint][:, None] - state.places[hint]).max(axis=2)
            rows = np.concatenate((rows[~hint][apart.min(axis=1) > _BESIDE], rows[hint]))
        return rows
