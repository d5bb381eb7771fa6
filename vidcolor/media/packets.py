"""The packets of sound and subtitles, as times and digests, so that two files can be compared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.subtitles.stream import SubtitleStream
from numpy.typing import NDArray

from vidcolor.media.audio import LONGEST_FILL, TOLERANCE
from vidcolor.media.cues import LONGEST_GUESS, Cue, Overlay
from vidcolor.media.damage import demuxed
from vidcolor.media.faults import FAULTS, reading
from vidcolor.media.loudness import Loudness
from vidcolor.media.pcm import Count, is_pcm
from vidcolor.media.source import has_decoder, open_source
from vidcolor.media.styled import Run
from vidcolor.media.subtitles import TextReader
from vidcolor.media.track import Audible, time_of

_TAG = re.compile("<[^<>]*>")
"""What SubRip, which cannot escape it, has no other use for."""
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
    """A sound track as it is decoded: seconds of its first sample, and of all its samples, with
    short gaps as if they were filled and without what overlaps."""

    start: Fraction
    length: Fraction
    rate: int
    """Samples per second."""
    levels: NDArray[np.float64]
    """See `vidcolor.media.loudness`."""


def parcels(
    path: Path,
    indexes: Collection[int],
    span: tuple[Fraction, Fraction] | None = None,
    overlaid: Collection[int] = (),
    *,
    worded: Collection[int] = (),
    for_quicktime: bool | None = None,
) -> Generator[Parcel]:
    """The packets of the streams ``indexes`` in the order of the file.

    ``span`` is the half-open part, in seconds, whose packets are wanted; packets without time
    count as inside, a text that is on screen where it begins counts as beginning there, and a
    picture counts from the first on that needs none before it. What containers do to packets
    without touching what they carry is undone: uncompressed sound is cut into blocks of equal size,
    AAC loses its ADTS headers, and the empty texts that fill the gaps of MP4's subtitles are left
    out. Sound is as it would be copied into a file that is one ``for_quicktime`` (uncompressed, by
    the count of its samples, see `vidcolor.media.pcm`) or is none (without what an edit list hides,
    see `Audible`); None: as it is. Texts of the streams ``worded`` are told by their words and
    left out where they have none; those of the streams ``overlaid``, which are among them, are as
    they are where one is shown after the other, see `vidcolor.media.cues`. Matroska's times before
    0 count as untold:
    FFmpeg writes them, but when reading makes up others from lengths.

    Raises SourceError when the file cannot be read.
    """
    if not indexes:
        return
    with open_source(path) as source, reading(path):
        for stream in source.streams:
            if stream.index not in indexes:
                stream.discard = Discard.all
        blocks: dict[int, _Blocks] = {}
        counts = {
            index: Count(cast(AudioStream, source.streams[index]))
            for index in indexes
            if for_quicktime and is_pcm(source.streams[index])
        }
        overlays = {
            index: _Overlaid(index, source.streams[index].time_base or Fraction(1, 1000))
            for index in overlaid
        }
        readers = {
            index: TextReader(cast(SubtitleStream, source.streams[index])) for index in worded
        }
        begun: set[int] = set()
        for packet in _picked(source, sorted(indexes), heard=for_quicktime is False):
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
                index, data = packet.stream_index, bytes(packet)
                count = counts.get(index)
                rate = lasts / packet.size if count is None else count.seconds_per_byte
                cutter = blocks.setdefault(index, _Blocks(index, rate))
                if count is None or at is None:
                    yield from cutter.cut(data, at)
                    continue
                for begin, piece in count.even(at, data):
                    yield from cutter.cut(piece, begin)
            elif reader := readers.get(packet.stream_index):
                runs = reader.read(packet)
                if runs and packet.stream_index in overlays and at is not None:
                    yield from overlays[packet.stream_index].add(at, lasts, runs)
                elif runs:
                    yield Parcel(packet.stream_index, at, _words(runs), lasts=lasts)
            elif data := _payload(codec, bytes(packet)):
                # AAC tells its setup once for all or in each packet.
                bare = codec == "aac" and len(data) == packet.size and not _setup(packet.stream)
                damaged = packet.is_corrupt or bare
                yield Parcel(packet.stream_index, at, _digest(data), damaged, lasts)
        for block in blocks.values():
            yield from block.end()
        for overlay in overlays.values():
            yield from overlay.end()


def _picked(
    source: InputContainer, indexes: Sequence[int], *, heard: bool
) -> Iterator[Packet[Stream]]:
    streams = [source.streams[index] for index in indexes]
    audible = {s.index: Audible() for s in streams if heard and s.type == "audio"}
    begun: set[int] = set()
    for packet in demuxed(source, streams):
        # As `Track.hides` has it.
        if packet.stream.type == "video" or not packet.is_discard:
            begun.add(packet.stream_index)
        elif packet.size and (packet.stream_index in begun or packet.stream.type == "subtitle"):
            continue
        picker = audible.get(packet.stream_index)
        yield from (packet,) if picker is None or not packet.size else picker.pick(packet)


def hear(path: Path, index: int, span: tuple[Fraction, Fraction] | None = None) -> Heard | None:
    """Decode the sound track ``index``, or what of it is in ``span``; None if none decodes."""
    start: Fraction | None = None
    length = expected = Fraction(0)
    rate = 0
    loudness = Loudness()
    with open_source(path) as source, reading(path):
        packets = demuxed(source, [source.streams[index]])
        for packet in cast("Iterator[Packet[AudioStream]]", packets):
            try:
                frames = packet.decode()
            except FAULTS:
                continue
            for frame in frames:
                base = frame.time_base
                at = None if frame.pts is None or base is None else frame.pts * base
                rate = frame.sample_rate
                lasts = Fraction(frame.samples, rate)
                first, last = 0, frame.samples
                if span and at is not None:
                    # A frame of FLAC may be a quarter of a second long.
                    begin, end = max(at, span[0]), min(at + lasts, span[1])
                    if begin >= end:
                        continue
                    first, last = (round((time - at) * rate) for time in (begin, end))
                    at, lasts = begin, end - begin
                if at is not None and start is not None:
                    leap = at - expected
                    if abs(leap) > TOLERANCE:
                        # Further ones stay in the clock.
                        length += leap if abs(leap) <= LONGEST_FILL else 0
                        expected = at
                elif start is None:
                    start = expected = at if at is not None else Fraction(0)
                loudness.add(max(length, Fraction(0)), frame, first, last)
                expected += lasts
                length += lasts
    if not length:
        return None
    return Heard(start or Fraction(0), length, rate, loudness.levels())


class _Blocks:
    """Cuts one stream's packets anew: each container has its own length for uncompressed sound.

    ``rate`` is in seconds per byte, by the first packet: the last one's duration may have been cut
    with the film.
    """

    def __init__(self, index: int, rate: Fraction) -> None:
        self._index, self._rate = index, rate
        self._held = b""
        self._at: Fraction | None = None

    def cut(self, data: bytes, at: Fraction | None) -> Iterator[Parcel]:
        """All full blocks up to the end of ``data``, which begins at ``at`` seconds."""
        used = 0
        while len(self._held) + len(data) - used >= _BLOCK:
            if not self._held:
                self._at = None if at is None else at + used * self._rate
            missing = _BLOCK - len(self._held)
            block = self._held + data[used : used + missing]
            used, self._held = used + missing, b""
            yield Parcel(self._index, self._at, _digest(block))
        if used < len(data):
            if not self._held:
                self._at = None if at is None else at + used * self._rate
            self._held += data[used:]

    def end(self) -> Iterator[Parcel]:
        """What is left, if anything."""
        if self._held:
            yield Parcel(self._index, self._at, _digest(self._held))


class _Overlaid:
    """One stream's texts, those that overlap in time made a row of texts that do not."""

    def __init__(self, index: int, base: Fraction) -> None:
        self._index, self._base = index, base
        self._overlay = Overlay(round(LONGEST_GUESS / base))

    def add(self, at: Fraction, lasts: Fraction, runs: tuple[Run, ...]) -> Iterator[Parcel]:
        start = round(at / self._base)
        end = start + round(lasts / self._base) if lasts else None
        yield from self._told(self._overlay.add(Cue(start, end, runs)))

    def end(self) -> Iterator[Parcel]:
        yield from self._told(self._overlay.until(None))

    def _told(self, cues: Iterator[Cue]) -> Iterator[Parcel]:
        for cue in cues:
            lasts = 0 if cue.end is None else (cue.end - cue.start) * self._base
            words = _words(cue.runs)
            yield Parcel(self._index, cue.start * self._base, words, lasts=Fraction(lasts))


def _words(runs: tuple[Run, ...]) -> bytes:
    """A digest of what is said: each kind of text has its own signs, spaces and ends of lines."""
    text = _TAG.sub("", "".join(run.text for run in runs))
    return _digest("".join(filter(str.isalnum, text)).encode("utf-8", "replace"))


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
