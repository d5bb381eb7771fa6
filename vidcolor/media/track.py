"""One stream's way from the source into the target: ``Track`` hands its packets on as they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal, TypeAlias

from av.packet import Packet
from av.stream import Stream

from vidcolor.media.clock import LONGEST_GAP, Resets

QUICKTIME = frozenset({"mp4", "mov"})
"""Containers, by FFmpeg's names of their muxers, whose edit lists hide packets, and that count the
samples of uncompressed sound."""
CLOCK_SET_BACK = Fraction(1)
"""Seconds by which a clock must run back to count as set back, not as untidy."""
_UNTIDY = Fraction(1, 10)
"""Seconds by which one may run back that was not set anew, whatever the picture's does."""
_PATIENCE = Fraction(10)
"""Seconds of the picture to wait for what explains a clock that was set anew."""
_MOST_REORDERED = 16
"""Pictures that one may have to wait for before it is shown: H.264's and H.265's limit."""

_LEAD = Fraction(1, 10)
"""Seconds of sound that decoders may need before what is heard: Opus asks for 0.08."""
_COARSE, _FINE = Fraction(1, 1000), Fraction(1, 90_000)
"""Ticks that are too long to cut sound by, and what it is counted in instead."""

Due: TypeAlias = Literal["due", "wait", "past"]


class Audible:
    """Leaves out packets of sound that an edit list hides, for files that have none: but for those
    that decoders need before what is heard."""

    def __init__(self) -> None:
        self._hidden: deque[Packet[Stream]] = deque()

    def pick(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """The next packet, and before it what it needs; or nothing yet."""
        self._hidden.append(packet)
        earliest = time_of(packet) - _LEAD
        while self._hidden[0] is not packet and time_of(self._hidden[0]) < earliest:
            self._hidden.popleft()
        if not packet.is_discard:
            yield from self._hidden
            self._hidden.clear()


class Track:
    """Copies packets, cut and moved for a part of the film.

    ``mend`` repairs the times of a packet as read and tells what to do with it, ``begin`` is told
    once where the part starts (None: the whole film, times stay), ``take`` turns a packet of the
    source into those for ``target``, ``finish`` gives what was held back; ``end`` is where the part
    ends, in seconds of the source's clock, if it does. ``resets`` are the picture's, which may
    still be added to; ``joined`` is True where the source is of a kind whose clock may be set anew
    at any time.
    """

    def __init__(self, source: Stream, target: Stream) -> None:
        self.target = target
        self.undecoded = 0
        """Packets that had to be decoded and could not be."""
        self.refused = 0
        """Packets that could not be made, or that the container did not take."""
        self.undecodable = 0
        """Pictures left out because what they are made from lies before the part."""
        self.overlapping = 0
        """Packets left out because what was before the picture's clock was set anew is longer."""
        self.audible: Audible | None = None
        """Where the target has no edit list."""
        self.resets = Resets()
        self.joined = False
        self._carries_on = source.type == "audio"
        # A line on screen where a part begins is shown from there on.
        self._seen_later = source.type == "subtitle"
        self._reorders = source.type == "video"
        self._start: Fraction | None = None
        self._shown = False
        """Whether a picture has come that needs none before it."""
        self._shift = 0
        self._last: int | None = None
        self._next = 0
        self._behind = 0
        """How many of the resets are."""
        self._waits_since: Fraction | None = None
        self._busy = False
        """Until ``_next``, by what was before."""
        self._heard = False
        """Whether a packet has come that no edit list hides."""

    def hides(self, packet: Packet[Stream]) -> bool:
        """Whether an edit list cuts the packet out, as seen before `mend`: to the clock such look
        like one that runs back. What is hidden before the first that is heard may be needed to
        decode that, and stays; texts need nothing, and the empty ones that fill MP4's gaps are made
        anew."""
        if self._seen_later and packet.size == 2 and bytes(packet) == b"\0\0":
            return True
        if self._reorders or not packet.is_discard:
            self._heard = True
            return False
        return self._heard or self._seen_later

    def mend(self, packet: Packet[Stream], until: Fraction | None = None) -> Due:
        """Give a packet without times the end of the one before; carry on a clock set anew.

        The picture has come to ``until`` seconds; None: to its end. A packet that is to ``wait`` is
        as it was, and is to be mended again when the picture has come further; one that is ``past``
        is to be left out.
        """
        base = packet.time_base
        if packet.pts is None and packet.dts is None:
            packet.pts = packet.dts = self._next
        elif packet.dts is None and self._reorders:
            # Matroska does not tell of the first ones, and their pts is no substitute.
            wait = _MOST_REORDERED * max(1, packet.duration or 0)
            packet.dts = (packet.pts or 0) - wait if self._last is None else self._next
        elif self._shift:
            _move(packet, self._shift)
        clock = _clock(packet)
        back = 0 if self._last is None else self._last - clock
        if may_be_set(back * base):
            by = 0 if self._busy else self._set_anew(packet, clock, was_set(back * base), until)
            if by is None:
                _move(packet, -self._shift)
                return "wait"
            self._shift += by
            _move(packet, by)
            clock += by
            self._busy = self._busy or (self._carries_on and by != 0)
        if self._busy and clock + (packet.duration or 0) / 2 < self._next:
            self.overlapping += 1
            return "past"
        self._busy = False
        self._last = clock
        self._next = clock + max(1, packet.duration or 0)
        return "due"

    def _set_anew(
        self, packet: Packet[Stream], clock: int, surely: bool, until: Fraction | None
    ) -> int | None:
        """By how many ticks a packet at ``clock`` is to be moved whose clock was set anew, beyond
        those of the packets before; None where the picture has to come further first. Not
        ``surely``: it may be no more than untidy."""
        base, sparse = packet.time_base, not self._carries_on
        told = (clock - self._shift) * base
        if sparse and not (self._seen_later and self.joined):
            # Only sound has no gaps and no overlaps, so that a leap back can be told from disorder.
            return 0
        found = self.resets.place(told, self._next * base, self._behind, until, sparse=sparse)
        if found is None and until is not None and self.joined:
            # The picture's may lie a little further on in the file.
            self._waits_since = until if self._waits_since is None else self._waits_since
            if until - self._waits_since <= (_PATIENCE if surely else _PATIENCE / 5):
                return None
        self._waits_since = None
        if found is not None:
            due, self._behind = found
            return round(due / base) - clock
        return 0 if sparse or not surely else self._next - clock

    def begin(self, start: Fraction | None) -> None:
        self._start = start

    def take(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        for heard in (packet,) if self.audible is None else self.audible.pick(packet):
            yield from self._moved(heard)

    def _moved(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        if self._start is not None:
            if self._carries_on and packet.time_base > _COARSE:
                # AVI counts sound in packets: a part would be cut and moved by whole ones.
                _refine(packet)
            start = round(self._start / packet.time_base)
            early = start - _shown_at(packet)
            if early > 0:
                lasts = packet.duration or 0
                if not self._seen_later or lasts <= early:
                    return
                packet.duration = lasts - early
                _move(packet, early)
            if self._reorders and not self._shown:
                if not packet.is_keyframe:
                    self.undecodable += 1
                    return
                self._shown = True
            _move(packet, -start)
        yield packet

    def finish(self, end: Fraction | None) -> Iterator[Packet[Stream]]:
        yield from ()

    def notes(self) -> Iterator[str]:
        """What became other than it was, a line each; complete after ``finish``."""
        if self.refused:
            yield f"{self.refused} packets were refused by encoder or container"
        if self.undecodable:
            yield (
                f"its first {self.undecodable} pictures are left out, as what they are made from "
                "lies before the part"
            )
        if self.overlapping:
            yield (
                f"{self.overlapping} packets are left out where parts of the film were joined and "
                "the sound of one reaches into the next"
            )
        if self.undecoded:
            yield f"{self.undecoded} packets could not be decoded"


class Lasting(Track):
    """Copies sound to where each packet must say how long it lasts: QuickTime and MP4 take the last
    one for nothing if it does not. One that does not lasts until the next."""

    def __init__(self, source: Stream, target: Stream) -> None:
        super().__init__(source, target)
        self._held: Packet[Stream] | None = None
        self._lasted = 0

    def take(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        for moved in super().take(packet):
            if self._held is not None:
                self._lasted = max(0, _clock(moved) - _clock(self._held))
                self._held.duration = self._lasted
                yield self._held
                self._held = None
            if moved.duration:
                self._lasted = moved.duration
                yield moved
            else:
                self._held = moved

    def finish(self, end: Fraction | None) -> Iterator[Packet[Stream]]:
        if self._held is not None:
            self._held.duration = self._lasted
            yield self._held
            self._held = None


class Still(Track):
    """Cover art: its one picture, at time 0, whatever part of the film is written."""

    def __init__(self, source: Stream, target: Stream) -> None:
        super().__init__(source, target)
        self._taken = False

    def take(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        if not self._taken:
            self._taken = True
            packet.pts = packet.dts = 0
            yield packet


def was_set(back: Fraction) -> bool:
    """Whether sound that runs back by so many seconds, forward if below 0, has its clock set anew:
    as where two broadcasts were joined. FFmpeg takes one that runs back in a transport stream for
    one that has come round, after 26 hours. The picture is carried on over both, see `Clock`."""
    return back > CLOCK_SET_BACK or -back > LONGEST_GAP


def may_be_set(back: Fraction) -> bool:
    """As `was_set`, but also of what is no more than untidy unless the picture's was set, too."""
    return back > _UNTIDY or was_set(back)


def time_of(packet: Packet[Stream]) -> Fraction:
    """When a packet is due, in seconds; 0 for one without times, which ``mend`` gives it."""
    return _shown_at(packet) * packet.time_base


def _shown_at(packet: Packet[Stream]) -> int:
    return (packet.pts if packet.pts is not None else packet.dts) or 0


def _clock(packet: Packet[Stream]) -> int:
    return (packet.dts if packet.dts is not None else packet.pts) or 0


def _refine(packet: Packet[Stream]) -> None:
    """Count a packet's times in `_FINE` ticks."""
    by = packet.time_base / _FINE
    packet.pts = None if packet.pts is None else round(packet.pts * by)
    packet.dts = None if packet.dts is None else round(packet.dts * by)
    packet.duration = round((packet.duration or 0) * by)
    packet.time_base = _FINE


def _move(packet: Packet[Stream], ticks: int) -> None:
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks
