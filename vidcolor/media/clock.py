"""Times for pictures whose own are missing, doubled, stray or set anew, and where they begin."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import cast

import av
from av.container import InputContainer
from av.format import Flags as FormatFlags
from av.video.stream import VideoStream

from vidcolor.frames import VideoInfo

USUAL_RATE = Fraction(25)
_SLOWEST, _FASTEST = Fraction(1, 10), Fraction(240)

LONGEST_GAP = Fraction(6 * 3600)
"""Seconds between two frames, and before the first, that are believed; beyond, the clock was set
anew. Containers would go on to write the gap into the length of the film."""

CLOCK_FROM_ANYWHERE = int(cast(int, FormatFlags.ts_discont.value))


def origin_of(source: InputContainer, info: VideoInfo) -> int:
    """The tick of the source's clock that is 0 in a target of the whole film; 0 for nearly all.

    Transport and program streams start wherever their sender's clock was, up to a day on. No player
    shows the time before; in an MP4, it would. Nor does any target have room for a picture before
    time 0, as a film may have that was cut out of another. A sound track in a file of its own has a
    clock that says nothing of the picture's.
    """
    if info.sound is not None:
        return 0
    start = Fraction(source.start_time or 0, av.time_base)
    own = (info.start_pts or 0) * info.time_base
    if source.format.flags & CLOCK_FROM_ANYWHERE or own < 0 or own > LONGEST_GAP:
        return floor((own if source.start_time is None else min(start, own)) / info.time_base)
    return 0


def rate_of(stream: VideoStream) -> Fraction | None:
    """Frames per second, as the file tells: the first of FFmpeg's answers that a film may have.

    Its mean goes by the tick where there is nothing better, 1/60000 s of DV and 1/1000 s of
    Matroska.
    """
    told = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    rates = [rate for rate in told if rate]
    return next(filter(_is_plausible, rates), rates[0] if rates else None)


def plausible_rate(rate: Fraction | None) -> Fraction:
    """``rate`` in frames per second if a film may have it, else the usual one."""
    return rate if rate is not None and _is_plausible(rate) else USUAL_RATE


def _is_plausible(rate: Fraction) -> bool:
    return _SLOWEST <= rate <= _FASTEST


_OVERLAP = Fraction(5)
"""Seconds by which one part of a joined film may reach into the next."""
_SILENCE = Fraction(60)
"""Seconds of sound that may be missing where two parts were joined."""
_KNOWN_AHEAD = Fraction(10)
"""Seconds by which packets of one moment may lie apart in a file."""
_ROUND = Fraction(2**33, 90_000)
"""Seconds after which the clock of a transport stream comes round. FFmpeg takes one that was set
back for one that has, and not in all streams alike."""


class Resets:
    """Where the picture's clock was set anew, as where two broadcasts were joined: from ``at``
    seconds on, its times are moved by ``shift`` seconds. All other streams go along, so that they
    stay together however much longer one of them was than another."""

    def __init__(self) -> None:
        self._marks: list[tuple[Fraction, Fraction]] = []

    def __len__(self) -> int:
        return len(self._marks)

    def add(self, at: Fraction, shift: Fraction) -> None:
        """A picture at ``at`` is moved by ``shift``; nothing new if the one before was, too."""
        if shift != (self._marks[-1][1] if self._marks else 0):
            self._marks.append((at, shift))

    def place(
        self,
        told: Fraction,
        expected: Fraction,
        since: int,
        until: Fraction | None = None,
        *,
        sparse: bool = False,
    ) -> tuple[Fraction, int] | None:
        """When a packet is due whose clock was set anew and now says ``told``, and how many of the
        resets are behind it; None where no reset of the picture explains it.

        ``since`` are behind the packet before it, which ended at ``expected``; the picture has come
        to ``until``. A ``sparse`` stream, as of subtitles, may be silent for long.
        """
        for number, (at, shift) in enumerate(self._marks[since:], since + 1):
            if until is not None and at > until + _KNOWN_AHEAD:
                break
            first = (at if sparse else expected) - _OVERLAP
            last = at + LONGEST_GAP if sparse else expected + _SILENCE
            for rounds in (0, 1, -1):
                due = told + shift + rounds * _ROUND
                if first <= due <= last:
                    return due, number
        return None


class Clock:
    """Gives every frame of a film a pts that is after the one before.

    A pts that is missing, doubled, or that the next frame shows to have strayed, is made up from
    durations or the frame rate; frames around it keep theirs, so that sound stays with them. A
    clock that jumps back, or by more than a quarter of a day, is carried on from where it was.
    """

    def __init__(self, info: VideoInfo) -> None:
        self._second = max(1, int(1 / info.time_base))
        self._longest = int(LONGEST_GAP / info.time_base)
        self.step = max(1, round(1 / (plausible_rate(info.average_rate) * info.time_base)))
        """How long a frame lasts that does not say."""
        self.next = info.start_pts or 0
        """Where the next frame belongs if it does not say."""
        self.shift = 0
        """Ticks that the timestamps are moved by since the clock was last set anew."""
        self._last: int | None = None
        self._claimed: int | None = None

    def place(self, pts: int | None, duration: int, following: int | None = None) -> int:
        """The pts to use for a frame that claims ``pts`` and lasts ``duration`` ticks, 0 for
        unknown; ``following`` is what the frame after it claims."""
        placed = None if pts is None else pts + self.shift
        then = None if following is None else following + self.shift
        stands_still = placed is not None and placed == self._claimed and self._last is not None
        self._claimed = placed
        if stands_still or (placed is not None and self._strays(placed, then)):
            placed = None
        if placed is None:
            placed = self._made_up(then)
        elif self._last is not None and not self._last < placed <= self._last + self._longest:
            if 0 <= self._last - placed <= self._second:
                placed = self._last + 1
            else:
                # The clock was set, as where two broadcasts were joined: carry on from here.
                self.shift += self.next - placed
                placed = self.next
        self._last = placed
        self.next = placed + (self.believed(duration) or self.step)
        return placed

    def believed(self, duration: int) -> int:
        """``duration``, or 0 where it is none that a frame may have."""
        return duration if 0 < duration <= self._longest else 0

    def _strays(self, placed: int, then: int | None) -> bool:
        """True for a time off the line that the frames before and after it are on."""
        if then is None:
            return False
        if self._last is None:
            return abs(then - placed) > self._longest
        if placed <= self._last:
            return then > self._last
        return self.next + self._second < placed and self._last < then < placed

    def _made_up(self, then: int | None) -> int:
        if self._last is None:
            return self.next if then is None else then - self.step
        if then is not None and self._last < then <= self.next:
            return max(self._last + 1, (self._last + then) // 2)
        return self.next
