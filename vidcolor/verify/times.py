"""The frames of both films side by side: which belong together, and how far their times are off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from vidcolor.frames import Frame, VideoInfo
from vidcolor.media.clock import Resets


class Timed(NamedTuple):
    """A frame with its time and how long it is shown, in seconds of its film's clock."""

    frame: Frame
    at: Fraction
    length: Fraction
    """0 when unknown."""


Trio = tuple[Timed | None, Timed, Timed | None]
"""A frame of the source with the one before and the one after it."""


@dataclass(slots=True)
class Tally:
    """How many frames, and the time of the first, in seconds of the source."""

    count: int = 0
    first: Fraction | None = None

    def add(self, at: Fraction) -> None:
        self.count += 1
        self.first = at if self.first is None else self.first


@dataclass(slots=True)
class Times:
    """What became of the frames' times, in seconds of the source's clock, found by `pairs`.

    A target frame belongs to the source frame whose time is nearest.
    """

    origin: Fraction
    """The time of the source that is the target's 0."""
    step: Fraction
    """How long the source's last frame is shown; at first, as long as one is by the frame rate."""
    paired: int = 0
    missing: Tally = field(default_factory=Tally)
    """Frames of the source that the target has not."""
    added: Tally = field(default_factory=Tally)
    """Frames of the target that the source has not."""
    moved: Tally = field(default_factory=Tally)
    """Frames further from their time than the target's time base makes necessary."""
    deviation: Fraction = Fraction(0)
    """The largest distance of any frame from its time."""
    start: Fraction = Fraction(0)
    """Of the first frame; ``end`` is that of the last frame's end."""
    end: Fraction = Fraction(0)
    target_start: Fraction = Fraction(0)
    """The same of the target, in its own clock."""
    target_end: Fraction = Fraction(0)
    resets: Resets = field(default_factory=Resets)
    """Where the source's clock was set anew."""
    before_last: Fraction = Fraction(0)
    """From the last frame but one to the last."""
    _roundings: int = 1

    def pairs(
        self, before: Iterator[Timed], after: Iterator[Timed], tick: Fraction, *, whole: bool
    ) -> Iterator[tuple[Trio | None, Timed | None]]:
        """Each frame of the source, with its neighbours, and the target's frame of its time.

        ``tick`` is the target's time base. Unless the target is of the ``whole`` film, its 0 is the
        first frame of the source. None stands for what one of the films has not.
        """
        self._roundings = 1 if whole else 2
        after = self._noting(after)
        other = next(after, None)
        for trio in _trios(before):
            last, now, coming = trio
            if last is None:
                self.start = now.at
                self.origin = self.origin if whole else now.at
            back = now.at - last.at if last else None
            step = coming.at - now.at if coming else (now.length or back or self.step)
            self.step, self.end, self.before_last = step, now.at + step, back or step
            # What some files tell of their last frame is no more than a tick.
            near = (step if coming else max(step, back or 0)) / 2
            while other is not None and other.at + self.origin < now.at - (back or step) / 2:
                self.added.add(other.at + self.origin)
                yield None, other
                other = next(after, None)
            if other is None or other.at + self.origin > now.at + near:
                self.missing.add(now.at)
                yield trio, None
                continue
            self._pair(now.at, other.at, tick)
            yield trio, other
            other = next(after, None)
        while other is not None:
            self.added.add(other.at + self.origin)
            yield None, other
            other = next(after, None)

    def _noting(self, frames: Iterable[Timed]) -> Iterator[Timed]:
        """Passes the target's frames on and keeps where they begin and end."""
        last: Fraction | None = None
        for frame in frames:
            if last is None:
                self.target_start = frame.at
            step = frame.length or (Fraction(0) if last is None else frame.at - last)
            self.target_end, last = frame.at + step, frame.at
            yield frame

    def _pair(self, at: Fraction, placed: Fraction, tick: Fraction) -> None:
        self.paired += 1
        wanted = at - self.origin
        distance = abs(placed - wanted)
        self.deviation = max(self.deviation, distance)
        # In a part both its begin and the frame's time are rounded, where neither is a whole tick.
        uneven = (wanted / tick).denominator > 1
        if distance > (tick * self._roundings / 2 if uneven else 0):
            self.moved.add(at)


def timed(frames: Iterable[Frame], info: VideoInfo) -> Iterator[Timed]:
    """The frames of the film ``info`` with their times."""
    base = info.time_base
    return (Timed(frame, frame.pts * base, frame.duration * base) for frame in frames)


def _trios(frames: Iterable[Timed]) -> Iterator[Trio]:
    """Every frame between the one before and the one after it."""
    last: Timed | None = None
    now: Timed | None = None
    for coming in frames:
        if now is not None:
            yield last, now, coming
        last, now = now, coming
    if now is not None:
        yield last, now, None
