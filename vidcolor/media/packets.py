"""The packets of sound and subtitles, as times and digests, so that two files can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Discard, Stream

from vidcolor.media.faults import FAULTS, reading
from vidcolor.media.source import has_decoder, open_source
from vidcolor.media.track import time_of

_BLOCK = 4096
"""Bytes of uncompressed sound to digest at a time."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One packet; of uncompressed sound, one block of a fixed number of bytes."""

    index: int
    """Of its stream."""
    at: Fraction | None
    """Seconds of the file's clock; None where the file does not tell."""
    digest: bytes
    damaged: bool = False
    """The file is broken where it was read, as its container or the packet shows."""
    lasts: Fraction = Fraction(0)
    """Seconds; 0 where that is not told."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound track as it is decoded: seconds of its first sample, and of all its samples."""

    start: Fraction
    length: Fraction


def parcels(
    path: Path, indexes: Collection[int], span: tuple[Fraction, Fraction] | None = None
) -> Generator[Parcel]:
    """The packets of the streams ``indexes`` in the order of the file.

    ``span`` is the half-open part, in seconds, whose packets are wanted; packets without time
    count as inside, a text that is on screen where it begins counts as beginning there, and a
    picture counts from the first on that needs none before it. What containers do to packets
    without touching what they carry is undone: uncompressed sound is cut into blocks of equal size,
    AAC loses its ADTS headers, and the empty texts that fill the gaps of MP4's subtitles are left
    out. Matroska's times before 0 count as untold: FFmpeg writes them, but when reading makes up
    others from lengths.

    Raises SourceError when the file cannot be read.
    """
    if not indexes:
        return
    with open_source(path) as source, reading(path):
        for stream in source.streams:
            if stream.index not in indexes:
                stream.discard = Discard.all
        blocks: dict[int, _Blocks] = {}
        begun: set[int] = set()
        for packet in source.demux([source.streams[index] for index in sorted(indexes)]):
            untimed = packet.pts is None and packet.dts is None
            at = None if untimed else time_of(packet)
            lasts = (packet.duration or 0) * packet.time_base
            if packet.size == 0:
                continue
            if span and at is not None:
                kind, end = packet.stream.type, at + lasts
                if kind == "subtitle" and at < span[0] and end - span[0] >= packet.time_base:
                    at, lasts = span[0], end - span[0]
                if not span[0] <= at < span[1]:
                    continue
                if kind == "video" and packet.stream_index not in begun:
                    if not packet.is_keyframe:
                        continue
                    begun.add(packet.stream_index)
            if at is not None and at < 0 and "matroska" in source.format.name:
                at = None
            codec = _codec(packet.stream)
            if codec.startswith("pcm_"):
                yield from blocks.setdefault(packet.stream_index, _Blocks()).cut(packet, at)
            elif data := _payload(codec, bytes(packet)):
                # AAC tells its setup once for all or in each packet.
                bare = codec == "aac" and len(data) == packet.size and not _setup(packet.stream)
                damaged = packet.is_corrupt or bare
                yield Parcel(packet.stream_index, at, _digest(data), damaged, lasts)
        for index, rest in blocks.items():
            yield from rest.end(index)


def hear(path: Path, index: int, span: tuple[Fraction, Fraction] | None = None) -> Heard | None:
    """Decode the sound track ``index``, or what of it is in ``span``; None if none decodes."""
    start: Fraction | None = None
    length = Fraction(0)
    with open_source(path) as source, reading(path):
        for packet in source.demux(cast(AudioStream, source.streams[index])):
            try:
                frames = packet.decode()
            except FAULTS:
                continue
            for frame in frames:
                base = frame.time_base
                at = None if frame.pts is None or base is None else frame.pts * base
                lasts = Fraction(frame.samples, frame.sample_rate)
                if span and at is not None:
                    # A frame of FLAC may be a quarter of a second long.
                    begin, end = max(at, span[0]), min(at + lasts, span[1])
                    if begin >= end:
                        continue
                    at, lasts = begin, end - begin
                start = at if start is None else start
                length += lasts
    return None if not length else Heard(start or Fraction(0), length)


class _Blocks:
    """Cuts one stream's packets anew: each container has its own length for uncompressed sound."""

    def __init__(self) -> None:
        self._held = b""
        self._at: Fraction | None = None
        self._rate = Fraction(0)
        """Seconds per byte."""

    def cut(self, packet: Packet[Stream], at: Fraction | None) -> Iterator[Parcel]:
        """All full blocks up to the end of ``packet``."""
        data, used = bytes(packet), 0
        # By the first packet: the last one's duration may have been cut with the film.
        self._rate = self._rate or (packet.duration or 0) * packet.time_base / packet.size
        rate = self._rate
        while len(self._held) + len(data) - used >= _BLOCK:
            if not self._held:
                self._at = None if at is None else at + used * rate
            missing = _BLOCK - len(self._held)
            block = self._held + data[used : used + missing]
            used, self._held = used + missing, b""
            yield Parcel(packet.stream_index, self._at, _digest(block))
        if used < len(data):
            if not self._held:
                self._at = None if at is None else at + used * rate
            self._held += data[used:]

    def end(self, index: int) -> Iterator[Parcel]:
        """What is left, if anything."""
        if self._held:
            yield Parcel(index, self._at, _digest(self._held))


def _codec(stream: Stream) -> str:
    return stream.codec_context.codec.canonical_name if has_decoder(stream) else ""


def _setup(stream: Stream) -> bytes | None:
    return stream.codec_context.extradata


def _payload(codec: str, data: bytes) -> bytes:
    if codec == "aac" and len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return data[7 if data[1] & 1 else 9 :]
    if codec == "mov_text" and data[:2] == b"\0\0":
        return b""
    return data


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
