"""Sound the target's container refuses, decoded and encoded again at exactly the same times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

from vidcolor.media.faults import FAULTS
from vidcolor.media.track import Track, time_of

_USUAL_BLOCK = 1024
TOLERANCE = Fraction(5, 1000)
"""Seconds by which times may differ from the count of samples: many containers round to 1 ms."""
LONGEST_FILL = Fraction(1)
"""Gaps up to this many seconds are filled with silence; across longer ones the clock jumps."""
_WARM_UP = Fraction(1)
"""Seconds decoded before a part begins: most codecs need the packets before for a clean start."""


class Transcoder(Track):
    """Decodes and encodes; every sample keeps its time, whatever gaps there are.

    Holds at most one block of the encoder, so memory does not grow with the film.
    """

    def __init__(self, source: AudioStream, target: AudioStream) -> None:
        super().__init__(source, target)
        self._decoder: AudioCodecContext = source.codec_context
        self._encoder: AudioCodecContext = target.codec_context
        self._base = source.time_base or Fraction(1, self._encoder.sample_rate)
        self._rate = self._encoder.sample_rate
        self._fifo = AudioFifo()
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._expected = Fraction(0)
        """Where the next sample to be decoded belongs, in samples of the target."""
        self._head: int | None = None
        """Where the next sample to be encoded belongs; None before the first one."""
        self._skip = 0
        self._limit: int | None = None

    def take(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        if self._start is not None and time_of(packet) < self._start - _WARM_UP:
            return
        yield from self._decode(lambda: self._decoder.decode(packet))

    def finish(self, end: Fraction | None) -> Iterator[Packet[Stream]]:
        if end is not None:
            self._limit = ceil((end - (self._start or 0)) * self._rate)
        yield from self._decode(lambda: self._decoder.decode(None))
        yield from self._drain()
        yield from self._encode(partial=True)
        if self._head is not None:
            yield from self._encoder.encode(None)

    def _decode(self, decode: Callable[[], list[AudioFrame]]) -> Iterator[Packet[Stream]]:
        try:
            frames = decode()
        except EOFError:
            return
        except FAULTS:
            self.undecoded += 1
            return
        for frame in frames:
            yield from self._place(frame)

    def _place(self, frame: AudioFrame) -> Iterator[Packet[Stream]]:
        """Bring the timeline to where ``frame`` belongs, then put its samples there."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        at = self._expected
        if frame.pts is not None:
            base = frame.time_base or self._base
            at = (frame.pts * base - (self._start or 0)) * self._rate
        leap = at - self._expected
        if self._head is None or kind != self._kind or abs(leap) > TOLERANCE * self._rate:
            yield from self._drain()
            yield from self._leap(round(at))
            self._expected = Fraction(round(at))
            self._kind = kind
        self._expected += Fraction(frame.samples * self._rate, frame.sample_rate)
        if self._resampler is None:
            self._resampler = AudioResampler(self._encoder.format, self._encoder.layout, self._rate)
        frame.pts = None
        yield from self._append(self._resampler.resample(frame))

    def _leap(self, at: int) -> Iterator[Packet[Stream]]:
        """Go on at sample ``at``, by silence, a jump of the clock, or leaving samples out."""
        if self._head is None:
            # A part of a film begins at 0, what was decoded before only warms the decoder up.
            self._head = at if self._start is None else max(0, at)
        gap = at - (self._head + self._fifo_samples)
        self._skip = max(0, -gap)
        block = self._block
        if gap > max(int(LONGEST_FILL * self._rate), 4 * block):
            # Encoders mix neighbouring blocks: silence on both sides keeps sound off the jump.
            self._silence(2 * block - self._fifo_samples % block)
            yield from self._encode()
            self._head = at - block
            gap = block
        if gap > 0:
            self._silence(gap)
            yield from self._encode()

    @property
    def _block(self) -> int:
        return self._encoder.frame_size or _USUAL_BLOCK

    @property
    def _fifo_samples(self) -> int:
        return int(self._fifo.samples)

    def _drain(self) -> Iterator[Packet[Stream]]:
        if self._resampler is not None:
            rest = self._resampler.resample(None)
            self._resampler = None
            yield from self._append(rest)

    def _append(self, frames: list[AudioFrame]) -> Iterator[Packet[Stream]]:
        for frame in frames:
            if frame is None or not frame.samples:
                continue
            first, last = min(self._skip, frame.samples), frame.samples
            self._skip -= first
            if self._limit is not None and self._head is not None:
                room = self._limit - self._head - self._fifo_samples
                last = min(last, first + max(0, room))
            self._write(frame, first, last)
        yield from self._encode()

    def _write(self, frame: AudioFrame, first: int, last: int) -> None:
        if first >= last:
            return
        if first or last < frame.samples:
            whole = AudioFifo()
            self._store(frame, whole)
            if first:
                whole.read(first)
            part = whole.read(last - first)
            assert part is not None
            frame = part
        self._store(frame, self._fifo)

    def _silence(self, samples: int) -> None:
        if samples <= 0:
            return
        # Never by the planes of a frame: of 8, which is as many as a frame has room for by itself,
        # PyAV reads on behind the last.
        channels = self._encoder.layout.nb_channels
        zeros = np.zeros((1, samples * channels), np.float32)
        frame = AudioFrame.from_ndarray(zeros, "flt", self._encoder.layout.name)
        frame.sample_rate = self._rate
        maker = AudioResampler(self._encoder.format, self._encoder.layout, self._rate)
        for made in (*maker.resample(frame), *maker.resample(None)):
            if made is not None and made.samples:
                self._store(made, self._fifo)

    def _store(self, frame: AudioFrame, fifo: AudioFifo) -> None:
        # All alike, or the fifo takes them for sound of another kind.
        frame.pts, frame.time_base = None, Fraction(1, self._rate)
        fifo.write(frame)

    def _encode(self, *, partial: bool = False) -> Iterator[Packet[Stream]]:
        while frame := self._read(partial=partial):
            assert self._head is not None
            frame.pts, frame.time_base = self._head, Fraction(1, self._rate)
            self._head += frame.samples
            yield from self._encoder.encode(frame)

    def _read(self, *, partial: bool) -> AudioFrame | None:
        if self._fifo_samples < (1 if partial else self._block):
            return None
        return self._fifo.read(self._block, partial)
