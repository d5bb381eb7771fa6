"""Reading on over damage, and telling where it was, in spans of the film's time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from vidcolor.media.faults import FAULTS

Kind = Literal["patched", "lost", "refitted", "retagged", "clock", "absent", "software"]
"""``patched``: pictures the decoder put together over damage. ``lost``: packets of which no picture
could be made. ``refitted``: pictures of another size or depth, brought to the film's.
``retagged``: from there on the pixel aspect or the range of codes is another, as between two
broadcasts, and a target has but one. ``clock``: timestamps that begin anew, carried on.
``absent``: what the file promises and does not hold. ``software``: from there on software decoded
what a device was to; no damage by itself."""

WORDS: dict[Kind, str] = {
    "patched": "a picture is damaged",
    "lost": "a picture cannot be decoded",
    "refitted": "the picture changes",
    "retagged": "the pixel aspect or the range changes",
    "clock": "the timestamps begin anew",
    "absent": "the picture ends before the file promises; is it truncated?",
    "software": "the device gives up decoding",
}

_NEAR = Fraction(1)
"""Seconds between two spans that are still told as one."""
_MOST = 1000
READ_FAULTS_IN_A_ROW = 10
"""So many tries to read on come to nothing before a file is given up."""


@dataclass(frozen=True, slots=True)
class Span:
    """A damaged stretch: from ``start`` to ``end`` seconds since the film's first timestamp, with
    ``count`` pictures or packets concerned."""

    kind: Kind
    start: Fraction
    end: Fraction
    count: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, times as seconds to the millisecond."""
        start, end = (round(float(time), 3) for time in (self.start, self.end))
        return {"kind": self.kind, "start": start, "end": end, "count": self.count}


@dataclass(slots=True)
class DamageLog:
    """The damaged stretches of one film, in the order they were met.

    What lies within a second of the last stretch of its kind is added to it. After a thousand
    stretches the last of each kind takes in all that follows.
    """

    spans: list[Span] = field(default_factory=list)
    _last: dict[Kind, int] = field(default_factory=dict)

    def add(self, kind: Kind, start: Fraction, end: Fraction, count: int = 1) -> None:
        """Note that ``count`` pictures from ``start`` to ``end`` seconds are ``kind``."""
        end = max(start, end)
        place = self._last.get(kind)
        if place is not None:
            last = self.spans[place]
            if last.start - _NEAR <= start <= last.end + _NEAR or len(self.spans) >= _MOST:
                start, end = min(last.start, start), max(last.end, end)
                self.spans[place] = Span(kind, start, end, last.count + count)
                return
        self._last[kind] = len(self.spans)
        self.spans.append(Span(kind, start, end, count))

    def of(self, kind: Kind) -> list[Span]:
        """The stretches of one kind."""
        return [span for span in self.spans if span.kind == kind]

    def memory(self) -> list[list[Any]]:
        """The stretches in values that JSON keeps."""
        return [[span.kind, str(span.start), str(span.end), span.count] for span in self.spans]

    def recall(self, memory: Iterable[Sequence[Any]]) -> None:
        """Add what was met elsewhere, behind all that is here."""
        for kind, start, end, count in memory:
            self.add(kind, Fraction(start), Fraction(end), count)

    def clear(self) -> None:
        """Forget everything."""
        self.spans.clear()
        self._last.clear()


_COUNTS = ("damaged", "skipped", "retimed")


@dataclass(slots=True)
class DecodeReport:
    """What happened while decoding; filled in as the frames go by."""

    frames: int = 0
    """Frames handed out."""
    damaged: int = 0
    """Frames handed out that the decoder patched over damage."""
    skipped: int = 0
    """Packets that could not be read or decoded at all; each is a picture lost, as a rule."""
    retimed: int = 0
    """Frames whose timestamp was missing or not after the one before, and was made up."""
    damage: DamageLog = field(default_factory=DamageLog)
    """Where all that was. Around a picture that was lost, times are good to some frames."""
    recent: deque[tuple[int, str | Span]] | None = None
    """What was met since the last `take`, each with its pts; None: nobody will ask for it."""

    def count(self, name: str, pts: int) -> None:
        """One more of ``name``, at ``pts``."""
        setattr(self, name, getattr(self, name) + 1)
        if self.recent is not None:
            self.recent.append((pts, name))

    def note(self, span: Span, pts: int) -> None:
        """There is damage at ``pts``."""
        self.damage.add(span.kind, span.start, span.end, span.count)
        if self.recent is not None:
            self.recent.append((pts, span))

    def take(self, before: int | None = None) -> dict[str, Any]:
        """What was met ``before`` that pts since the last time, in values that JSON keeps."""
        counts, log = dict.fromkeys(_COUNTS, 0), DamageLog()
        # Another thread may be adding to it.
        while self.recent and (before is None or self.recent[0][0] < before):
            _, what = self.recent.popleft()
            if isinstance(what, Span):
                log.add(what.kind, what.start, what.end, what.count)
            else:
                counts[what] += 1
        return {**counts, "spans": log.memory()}

    def begin(self, pts: int) -> None:
        """What was met before ``pts`` is of no concern; that a device gave up still is."""
        earlier = DamageLog()
        earlier.recall(self.take(pts)["spans"])
        if self.recent is not None:
            self.recent.extendleft((pts, span) for span in earlier.of("software"))

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Add what was taken elsewhere, from earlier frames."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + memory[name])
        self.damage.recall(memory["spans"])

    def forget(self) -> None:
        """Reading begins again: none of it counts but frames given out."""
        self.skipped = self.retimed = 0
        self.damage.clear()
        if self.recent is not None:
            self.recent.clear()


def demuxed(
    source: InputContainer,
    streams: Sequence[Stream],
    late: Callable[[], None] = lambda: None,
) -> Iterator[Packet[Any]]:
    """The packets of ``streams``; ``late`` is told where others only came to be meanwhile.

    So may a DVD's first subtitle, or a broadcast's second sound. PyAV gives all packets of those
    that it knew of when it began, but then may stumble over those that it did not; where it does
    not stumble, nothing tells of them.
    """
    try:
        yield from source.demux(streams)
    except IndexError:
        late()


def packets_of(
    source: InputContainer,
    streams: Sequence[Stream],
    skipped: Callable[[Exception], None],
    late: Callable[[], None] = lambda: None,
) -> Iterator[Packet[Any]]:
    """The packets of ``streams``, over stretches of the file that cannot be read.

    ``skipped`` is told of each such stretch, ``late`` as by `demuxed`. Raises the last fault after
    ten stretches in a row without a packet between them.
    """
    faults = 0
    while True:
        packets = demuxed(source, streams, late)
        while True:
            try:
                packet = next(packets, None)
            except FAULTS as fault:
                skipped(fault)
                faults += 1
                if faults >= READ_FAULTS_IN_A_ROW:
                    raise
                break  # A demuxing loop ends with its fault; a new one goes on behind it.
            if packet is None:
                return
            faults = 0
            # An empty one among others stands for a picture shown again; at the end, it flushes.
            if packet.size or (packet.dts is None and packet.pos is None):
                yield packet
