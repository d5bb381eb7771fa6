"""Subtitles in time: cues, and those that overlap made a row of cues that do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from vidcolor.media.styled import Run, joined

LONGEST_GUESS = Fraction(5)
"""Seconds for which a line is shown that does not tell, unless the next one comes earlier."""
_MOST_LINES = 64
"""Cues on screen at a time; more are a broken file, and would pile up."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown from ``start`` to before ``end``, in ticks; ``end`` None: until the next."""

    start: int
    end: int | None
    runs: tuple[Run, ...]


class Overlay:
    """Turns lines that overlap in time into a row of cues that do not.

    QuickTime shows one sample after the other: of two lines at a time both must be in one sample.
    A line that does not tell its end is shown for ``longest_guess`` ticks, or until the next comes.
    """

    def __init__(self, longest_guess: int) -> None:
        self._guess = longest_guess
        self._shown: list[tuple[int, bool, tuple[Run, ...]]] = []
        """(end, whether it is known, text) of the lines on screen."""
        self._at = 0

    def add(self, cue: Cue) -> Iterator[Cue]:
        """Put ``cue`` on screen; yields what is settled by that: everything before its start."""
        start = max(cue.start, self._at)
        yield from self.until(start)
        self._shown = [line for line in self._shown if line[1]]
        end = start + self._guess if cue.end is None else cue.end
        line = (end, cue.end is not None, cue.runs)
        if end > start and all(line[2] != other[2] or end > other[0] for other in self._shown):
            others = [other for other in self._shown if other[2] != cue.runs]
            self._shown = [*others, line][-_MOST_LINES:]

    def until(self, time: int | None) -> Iterator[Cue]:
        """What is shown before ``time``; None: to the end."""
        while self._shown:
            stop = min(end for end, _, _ in self._shown)
            stop = stop if time is None else min(stop, time)
            if stop > self._at:
                yield Cue(self._at, stop, joined([runs for _, _, runs in self._shown]))
            self._at = max(self._at, stop)
            self._shown = [line for line in self._shown if line[0] > self._at]
            if stop == time:
                break
        if time is not None:
            self._at = max(self._at, time)
