"""How far a batch is, and how long it may take, by the sizes of its films."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from vidcolor.jobs.film import Outcome
from vidcolor.jobs.folder import Film
from vidcolor.report import Progress

_TELLING = 0.02
"""Share of the work that must be done before it tells how long the rest may take."""


@dataclass(frozen=True, slots=True)
class Step:
    """Told when a film has got on, and when it has ended, with what came of it.

    ``number`` films of ``films`` have ended. ``share`` is how much of all the work is done, 0 to 1,
    by the sizes of the files, and ``left`` the seconds the rest may take; None while unknown.
    """

    film: Film
    number: int
    films: int
    share: float
    left: float | None
    progress: Progress | None = None
    outcome: Outcome | None = None


class Tally:
    """Counts the films of one round as they get on and end."""

    def __init__(self, films: Sequence[Film]) -> None:
        self._films, self._number = len(films), 0
        self._bytes = sum(film.identity.size for film in films)
        self._ended = self._worked = 0
        self._within: dict[str, float] = {}
        self._begun = time.monotonic()

    def told(self, film: Film, progress: Progress) -> Step:
        """The film has got on."""
        if progress.total:
            share = min(1.0, progress.done / progress.total)
            self._within[film.name] = share * film.identity.size
        return self._step(film, progress, None)

    def ended(self, film: Film, outcome: Outcome | None) -> Step:
        """The film has ended; without an outcome it was not even begun."""
        self._within.pop(film.name, None)
        self._number += 1
        self._ended += film.identity.size
        # What was skipped or broken took no time, and tells nothing of what the rest will take.
        if outcome is not None and outcome.error is None:
            self._worked += film.identity.size
        return self._step(film, None, outcome)

    def _step(self, film: Film, progress: Progress | None, outcome: Outcome | None) -> Step:
        within = sum(self._within.values())
        done, worked = self._ended + within, self._worked + within
        left = None
        if self._bytes and worked >= self._bytes * _TELLING:
            pace = (time.monotonic() - self._begun) / worked
            left = pace * max(0.0, self._bytes - done)
        share = done / self._bytes if self._bytes else 1.0
        return Step(film, self._number, self._films, share, left, progress, outcome)
