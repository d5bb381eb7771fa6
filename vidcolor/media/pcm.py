"""Uncompressed sound where a file counts samples and has no times: QuickTime and MP4.

FFmpeg's muxer gives each sample there its place by their number. Where the source has a gap, all
that follows would play too early, so silence is put there; where it overlaps, samples are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

from vidcolor.media.source import has_decoder
from vidcolor.media.track import Track, time_of

_TOLERANCE = Fraction(1, 50)
"""Seconds by which times may differ from the count of samples, before anybody sees it."""
_SILENCE = {"pcm_alaw": 0xD5, "pcm_mulaw": 0xFF, "pcm_u8": 0x80}
_LONGEST = 1 << 20
"""Bytes of silence to make at a time."""


def is_pcm(stream: Stream) -> bool:
    """Whether it is uncompressed sound, every sample as many bytes."""
    return isinstance(stream, AudioStream) and has_decoder(stream) and _bytes(stream) > 0


def _bytes(stream: AudioStream) -> int:
    """Of one sample of one channel; 0 for what is not stored as samples alone."""
    name = stream.codec_context.codec.canonical_name
    found = re.fullmatch(r"pcm_(alaw|mulaw|[usf](\d+)(le|be)?)", name)
    return 0 if found is None else int(found[2] or 8) // 8


class Count:
    """Brings one stream's packets to where the count of their samples puts them."""

    def __init__(self, stream: AudioStream) -> None:
        context = stream.codec_context
        self._rate = context.sample_rate
        self._size = _bytes(stream) * context.layout.nb_channels
        silence = _SILENCE.get(context.codec.canonical_name, 0)
        self.seconds_per_byte = Fraction(1, self._rate * self._size)
        self._silent = bytes([silence]) * (_LONGEST // self._size * self._size)
        self._first: Fraction | None = None
        self._samples = 0
        self.filled = self.left_out = 0
        """Samples."""

    def even(self, at: Fraction, data: bytes) -> Iterator[tuple[Fraction, bytes]]:
        """``data``, due at ``at`` seconds, and before it the silence that is missing up to there;
        less what overlaps with what was before. Each piece with where the count puts it."""
        self._first = at if self._first is None else self._first
        ahead = round((at - self._first) * self._rate) - self._samples
        if ahead > _TOLERANCE * self._rate:
            self.filled += ahead
            left = ahead * self._size
            while left > 0:
                piece = self._silent[:left]
                left -= len(piece)
                yield self._counted(piece)
        elif -ahead > _TOLERANCE * self._rate:
            surplus = min(-ahead, len(data) // self._size)
            self.left_out += surplus
            data = data[surplus * self._size :]
        if data:
            yield self._counted(data)

    def _counted(self, piece: bytes) -> tuple[Fraction, bytes]:
        assert self._first is not None
        at = self._first + Fraction(self._samples, self._rate)
        self._samples += len(piece) // self._size
        return at, piece

    @property
    def seconds(self) -> tuple[float, float]:
        """Of silence put in, and of sound left out."""
        return self.filled / self._rate, self.left_out / self._rate


class Counted(Track):
    """Copies the packets of uncompressed sound to where the count of samples puts them."""

    def __init__(self, source: AudioStream, target: Stream) -> None:
        super().__init__(source, target)
        self.count = Count(source)

    def take(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        for moved in super().take(packet):
            whole, base = bytes(moved), moved.time_base
            for at, piece in self.count.even(time_of(moved), whole):
                made = moved
                if piece is not whole:
                    made = Packet(piece)
                    made.time_base, made.is_keyframe = base, True
                    made.pts = made.dts = round(at / base)
                yield made

    def notes(self) -> Iterator[str]:
        yield from super().notes()
        filled, left_out = self.count.seconds
        if filled:
            yield f"{filled:.2f} s of silence stand where it has gaps, which this file cannot hold"
        if left_out:
            yield f"{left_out:.2f} s are left out where it overlaps with itself"
