"""Everything of a film but its picture: sound, subtitles, fonts, chapters, cover art, metadata.

Packets are copied as they are, through a second handle on the source, only as far as the picture
has come, so that memory stays bounded however long the film is.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
from av.container import OutputContainer
from av.format import Flags as FormatFlags
from av.packet import Packet
from av.stream import Discard, Stream

from vidcolor.frames import StreamInfo, VideoInfo
from vidcolor.media.faults import FAULTS, on_disk, reading, reason
from vidcolor.media.packets import packet_time
from vidcolor.media.probe import has_decoder, is_cover, open_source

if TYPE_CHECKING:  # It exists in the stubs only.
    from av.container.core import Chapter

_COVER_NAMES = {
    "mjpeg": ("cover.jpg", "image/jpeg"),
    "png": ("cover.png", "image/png"),
    "bmp": ("cover.bmp", "image/bmp"),
    "webp": ("cover.webp", "image/webp"),
    "gif": ("cover.gif", "image/gif"),
}
# QuickTime's list has the older of the two codes that some languages have; FFmpeg drops the newer.
QUICKTIME_LANGUAGES = {
    "ces": "cze",
    "deu": "ger",
    "ell": "gre",
    "fra": "fre",
    "isl": "ice",
    "nld": "dut",
    "ron": "rum",
    "slk": "slo",
    "zho": "chi",
}
# Others would make it a second picture track.
_COVER_CONTAINERS = frozenset({"mp4", "matroska"})
# The muxer writes its own; the source's would be wrong in the target.
_STALE_KEYS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "rotate"}
)
_STALE_PREFIXES = ("_statistics", "bps", "number_of_", "duration-")
_EQUAL_TIMES_ALLOWED = int(cast(int, FormatFlags.ts_nonstrict.value))
_STORED_APART = Fraction(10)
"""Seconds by which packets of one moment may lie apart in a file."""


class Companions:
    """Copies all other streams of ``info.path`` into ``output``.

    ``add`` makes their streams, ``set_span`` cuts and moves them for a part of the film, ``pull``
    muxes what is due, ``finish`` what is left. ``copied`` and ``dropped`` (with the reason) tell
    what became of each.
    """

    def __init__(self, info: VideoInfo, output: OutputContainer) -> None:
        self.copied: list[StreamInfo] = []
        self.dropped: list[tuple[StreamInfo, str]] = []
        self.lost: dict[int, int] = {}
        """Packets the muxer refused, by stream index."""
        self._info = info
        self._output = output
        self._targets: dict[int, Stream] = {}
        self._covers: set[int] = set()
        self._last: dict[int, int] = {}
        self._start: Fraction | None = None
        self._pending: Packet[Stream] | None = None
        self._stack = ExitStack()
        self.source = self._stack.enter_context(open_source(info.path))
        self._packets: Iterator[Packet[Stream]] | None = None

    def close(self) -> None:
        """Close the handle on the source."""
        self._packets = self._pending = None
        self._stack.close()

    def add(self, index: int) -> None:
        """Give stream ``index`` of the source its place in the target, or note why it has none."""
        about = next((other for other in self._info.others if other.index == index), None)
        if about is None:
            return
        stream = self.source.streams[index]
        matroska = self._output.format.name == "matroska"
        try:
            if is_cover(stream) and matroska:
                # As a video track it would lose its meaning; Matroska keeps covers as attachments.
                self._attach_cover(stream)
            else:
                why = _refusal(stream, self._output.format.name)
                if why is not None:
                    self.dropped.append((about, why))
                    return
                self._targets[index] = _add(self._output, stream)
        except FAULTS as fault:
            self.dropped.append((about, reason(fault)))
            return
        self.copied.append(about)
        if is_cover(stream):
            self._covers.add(index)

    def chapters(self, start: Fraction | None, end: Fraction | None) -> list[Chapter]:
        """The film's chapters; those within ``start`` … ``end`` seconds, moved to start at 0."""
        kept: list[Chapter] = []
        for chapter in self.source.chapters():
            base = chapter["time_base"]
            if base is None:
                continue
            if start is not None:
                first, last = round(start / base), None if end is None else round(end / base)
                begins, ends = chapter["start"], chapter["end"]
                ends = ends if last is None else min(ends, last)
                if ends <= first or begins >= ends:
                    continue
                chapter["start"] = max(0, begins - first)
                chapter["end"] = ends - first
            kept.append(chapter)
        return kept

    def set_span(self, start: Fraction | None) -> None:
        """Copy from ``start`` seconds on, as time 0; None copies everything as it is.

        To be called once, before the first ``pull``.
        """
        self._start = start
        for stream in self.source.streams:
            if stream.index not in self._targets:
                stream.discard = Discard.all
        if start is not None and start > _STORED_APART:
            with suppress(*FAULTS):  # Reading from the start finds the same, only later.
                self.source.seek(int((start - _STORED_APART) * av.time_base))
        if self._targets:
            wanted = [self.source.streams[index] for index in self._targets]
            self._packets = self.source.demux(wanted)

    def pull(self, until: Fraction) -> None:
        """Mux what comes before the first packet at or after ``until`` seconds of the source."""
        for packet, at in self._due(until):
            self._copy(packet, at)

    def finish(self, end: Fraction | None) -> None:
        """Mux all the packets left, or those before ``end`` seconds of the source's clock."""
        # One stream's packets may be stored behind later ones of another, so read on for a while.
        for packet, at in self._due(None if end is None else end + _STORED_APART):
            if end is None or at is None or at < end:
                self._copy(packet, at)

    def _due(self, until: Fraction | None) -> Iterator[tuple[Packet[Stream], Fraction | None]]:
        """The packets, with their times, up to the first at or after ``until``, which waits."""
        while self._packets is not None:
            packet = self._next() if self._pending is None else self._pending
            if packet is None:
                self._packets = None
                return
            self._pending = packet
            at = packet_time(packet)
            if until is not None and at is not None and at >= until:
                return
            self._pending = None
            yield packet, at

    def _next(self) -> Packet[Stream] | None:
        assert self._packets is not None
        with reading(self._info.path, "its sound and subtitles cannot be read"):
            for packet in self._packets:
                if packet.size:  # An empty packet only tells decoders to flush.
                    return packet
        return None

    def _copy(self, packet: Packet[Stream], at: Fraction | None) -> None:
        index, base = packet.stream_index, packet.time_base
        if index in self._covers:
            packet.pts = packet.dts = 0
            if index in self._last:
                return
        elif self._start is not None:
            if at is None or at < self._start:
                return
            shift = round(self._start / base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
        self._order(packet)
        packet.stream = self._targets[index]
        try:
            self._output.mux_one(packet)
        except FAULTS as fault:
            if on_disk(fault):
                raise
            # One broken packet of sound is no reason to give up the film; it is reported.
            self.lost[index] = self.lost.get(index, 0) + 1

    def _order(self, packet: Packet[Stream]) -> None:
        """Muxers refuse a clock that stands still or runs back; nudge such packets forward."""
        index = packet.stream_index
        last = self._last.get(index)
        if packet.pts is None and packet.dts is None:
            packet.pts = packet.dts = 0 if last is None else last + 1
        clock = packet.dts if packet.dts is not None else packet.pts
        assert clock is not None
        strict = not self._output.format.flags & _EQUAL_TIMES_ALLOWED
        if last is not None and (clock < last or (strict and clock == last)):
            clock = last + strict
            packet.dts = clock
            packet.pts = clock if packet.pts is None else max(packet.pts, clock)
        self._last[index] = clock

    def _attach_cover(self, stream: Stream) -> None:
        codec = stream.codec_context.codec.canonical_name
        name, kind = _COVER_NAMES.get(codec, ("cover", "application/octet-stream"))
        with open_source(self._info.path) as source:
            packet = next(p for p in source.demux(source.streams[stream.index]) if p.size)
            name = stream.metadata.get("filename", name)
            kind = stream.metadata.get("mimetype", kind)
            self._output.add_attachment(name, kind, bytes(packet))


def kept_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Without what describes the old file rather than the film."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE_KEYS and not key.lower().startswith(_STALE_PREFIXES)
    }


def _add(output: OutputContainer, stream: Stream) -> Stream:
    # ``opaque`` takes the codec as it is; without it PyAV looks for an encoder of the same name.
    target = output.add_stream_from_template(stream, opaque=True)
    target.metadata.update(kept_metadata(dict(stream.metadata)))
    language = target.metadata.get("language")
    if output.format.name == "mov" and language in QUICKTIME_LANGUAGES:
        target.metadata["language"] = QUICKTIME_LANGUAGES[language]
    target.disposition = stream.disposition
    return target


def _refusal(stream: Stream, container: str) -> str | None:
    """Why ``container`` cannot hold ``stream``, found by writing a header for it alone."""
    if stream.type == "unknown":
        return "its kind is unknown"
    if not has_decoder(stream) and stream.type in ("audio", "subtitle", "video"):
        return "this build of FFmpeg does not know its codec"
    if is_cover(stream) and container not in _COVER_CONTAINERS:
        return f"{container} cannot hold cover art"
    scratch = av.open(io.BytesIO(), "w", format=container)
    try:
        _add(scratch, stream)
        scratch.start_encoding()
    except FAULTS:
        return f"{container} cannot hold it"
    finally:
        with suppress(*FAULTS):  # Only the header counts; without packets the end may be refused.
            scratch.close()
    return None
