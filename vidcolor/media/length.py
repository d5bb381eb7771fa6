"""How long a film says it is: the picture's last packet waits until its end is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from av.packet import Packet
from av.video.stream import VideoStream


class Length:
    """Hands the picture's packets on, the last one of all so that the decoding times add up.

    FFmpeg takes an MP4's length from them. Where the rate varies and frames are reordered they
    span less than the pictures do; the last one is free to move up to its pts, and
    in MP4 and QuickTime to last ``longer``, as they have no other length than that of all packets:
    players show the last picture up to there, whichever packet it is in.
    """

    def __init__(self, *, longer: bool = False) -> None:
        self._longer = longer
        self._held: Packet[VideoStream] | None = None
        self._first = 0, 0  # The first packet's pts and dts.

    def pass_on(self, packets: Iterable[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
        """The packets so far, all but the last one, which may yet be moved."""
        for packet in packets:
            if self._held is None:
                self._first = packet.pts or 0, packet.dts or 0
            else:
                yield self._held
            self._held = packet

    def last(self, end: int) -> Iterator[Packet[VideoStream]]:
        """The packet that is left, if any, in a film that ends at ``end`` in the packets' ticks."""
        if self._held is not None:
            self._reach(end, self._held)
            yield self._held

    def _reach(self, end: int, packet: Packet[VideoStream]) -> None:
        if packet.dts is None or packet.pts is None:
            return
        first_pts, first_dts = self._first
        span = packet.dts + (packet.duration or 0) - first_dts
        missing = end - first_pts - span
        if missing > 0:
            moved = max(0, min(packet.pts - packet.dts, missing))
            packet.dts += moved
            if self._longer:
                packet.duration = (packet.duration or 0) + missing - moved
