"""One stream's way from the source into the target: ``Track`` hands its packets on as they are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream

from vidcolor.media.clock import LONGEST_GAP

CLOCK_SET_BACK = Fraction(1)
"""Seconds by which a clock must run back to count as set back, not as untidy."""
_MOST_REORDERED = 16
"""Pictures that one may have to wait for before it is shown: H.264's and H.265's limit."""


class Track:
    """Copies packets, cut and moved for a part of the film.

    ``mend`` repairs the times of a packet as read, ``begin`` is told once where the part starts
    (None: the whole film, times stay), ``take`` turns a packet of the source into those for
    ``target``, ``finish`` gives what was held back; ``end`` is where the part ends, in seconds of
    the source's clock, if it does.
    """

    def __init__(self, source: Stream, target: Stream) -> None:
        self.target = target
        self.undecoded = 0
        """Packets that had to be decoded and could not be."""
        self.refused = 0
        """Packets that could not be made, or that the container did not take."""
        self._carries_on = source.type == "audio"
        # A line on screen where a part begins is shown from there on.
        self._seen_later = source.type == "subtitle"
        self._reorders = source.type == "video"
        self._start: Fraction | None = None
        self._shift = 0
        self._last: int | None = None
        self._next = 0

    def mend(self, packet: Packet[Stream]) -> None:
        """Give a packet without times the end of the one before; carry on a clock set anew."""
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
        # Only sound has no gaps and no overlaps, so that a leap back can be told from disorder.
        back = 0 if self._last is None else self._last - clock
        if self._carries_on and was_set(back * base):
            self._shift += self._next - clock
            _move(packet, self._next - clock)
            clock = self._next
        self._last = clock
        self._next = clock + max(1, packet.duration or 0)

    def begin(self, start: Fraction | None) -> None:
        self._start = start

    def take(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        if self._start is not None:
            start = round(self._start / packet.time_base)
            early = start - _shown_at(packet)
            if early > 0:
                lasts = packet.duration or 0
                if not self._seen_later or lasts <= early:
                    return
                packet.duration = lasts - early
                _move(packet, early)
            _move(packet, -start)
        yield packet

    def finish(self, end: Fraction | None) -> Iterator[Packet[Stream]]:
        yield from ()


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


def time_of(packet: Packet[Stream]) -> Fraction:
    """When a packet is due, in seconds; 0 for one without times, which ``mend`` gives it."""
    return _shown_at(packet) * packet.time_base


def _shown_at(packet: Packet[Stream]) -> int:
    return (packet.pts if packet.pts is not None else packet.dts) or 0


def _clock(packet: Packet[Stream]) -> int:
    return (packet.dts if packet.dts is not None else packet.pts) or 0


def _move(packet: Packet[Stream], ticks: int) -> None:
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks
