"""When hints are met: on which frame each is, by the number or the time that it tells."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from vidcolor.frames import Frame
from vidcolor.hintlist import Hint


class Moments:
    """The ``hints`` as the frames of a film meet them, one frame after the other.

    ``before`` is how many frames of the film come before the first that is read, ``origin`` the pts
    of the film's first frame and ``last`` that of the last one before, where it is known, in ticks
    of ``time_base`` seconds. ``left`` are the hints that were not met yet; those outside the
    picture never are, and are not among them.
    """

    def __init__(
        self,
        hints: Iterable[Hint],
        before: int,
        origin: int,
        time_base: Fraction,
        last: int | None = None,
    ) -> None:
        self.left = [hint for hint in hints if hint.inside]
        self._before, self._origin, self._time_base = before, origin, time_base
        self._since = None if last is None else (last - origin) * time_base
        """Up to where times are of a part left out; None where that is not known yet."""

    def on(self, frame: Frame) -> list[Hint]:
        """The hints that are on the next frame."""
        number = frame.index + self._before
        seconds = (frame.pts - self._origin) * self._time_base
        if self._since is None:
            lasts = frame.duration * self._time_base
            self._since = Fraction(-1) if number == 0 else seconds - lasts
        here = []
        for hint in self.left:
            if hint.time is not None:
                met = hint.time == seconds or self._since < hint.time <= seconds
            else:
                met = hint.frame == number
            if met:
                here.append(hint)
        self.left = [hint for hint in self.left if hint not in here]
        return here


def when(hint: Hint) -> str:
    """When a hint is met, for reading."""
    if hint.frame is not None:
        return f"frame {hint.frame}"
    return f"{float(hint.time or 0):g} s"
