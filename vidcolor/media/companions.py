"""Everything of a film but its picture: sound, subtitles, fonts, chapters, cover art, metadata.

Packets go through a second handle on the source, as they are wherever the target's container takes
them, and only as far as the picture has come: memory stays bounded however long the film is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from heapq import heappop, heappush
from typing import TYPE_CHECKING, cast

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.format import Flags as FormatFlags
from av.packet import Packet
from av.stream import Discard, Stream

from vidcolor.frames import StreamInfo, VideoInfo, name_stream
from vidcolor.media.chapters import part_of
from vidcolor.media.clock import CLOCK_FROM_ANYWHERE, Resets
from vidcolor.media.container import add_copy, find_conversion, is_timecode, refusal
from vidcolor.media.damage import READ_FAULTS_IN_A_ROW, demuxed, packets_of
from vidcolor.media.faults import FAULTS, on_disk, reason
from vidcolor.media.metadata import kept_metadata
from vidcolor.media.pcm import Counted, is_pcm
from vidcolor.media.source import chapters_of, has_decoder, is_cover, open_source
from vidcolor.media.track import QUICKTIME, Audible, Lasting, Still, Track, time_of

if TYPE_CHECKING:  # It exists in the stubs only.
    from av.container.core import Chapter

_COVER_NAMES = {
    "mjpeg": ("cover.jpg", "image/jpeg"),
    "png": ("cover.png", "image/png"),
    "bmp": ("cover.bmp", "image/bmp"),
    "webp": ("cover.webp", "image/webp"),
    "gif": ("cover.gif", "image/gif"),
}
_EQUAL_TIMES_ALLOWED = int(cast(int, FormatFlags.ts_nonstrict.value))
_STORED_APART = Fraction(10)
"""Seconds by which packets of one moment may lie apart in a file."""
_LONGEST_TEXT = Fraction(300)
"""Seconds before a part of a film to read from for texts that are on screen where it begins."""
_MOST_HELD = 16 << 20
"""Bytes of texts, pictures of them among these, that may be set aside."""


class Companions:
    """Brings all other streams, ``info.others``, into ``output``, which is to be set first.

    ``add`` makes their streams, ``set_span`` cuts and moves them for a part of the film, ``pull``
    muxes what is due, ``finish`` what is left. ``copied``, ``converted`` (with what was done) and
    ``dropped`` (with the reason) tell what became of each. ``source`` is the handle on the film.
    ``audio`` is what sound is to be in, as in `vidcolor.settings.EncoderSettings`.
    """

    output: OutputContainer

    def __init__(self, info: VideoInfo, audio: str | None = None) -> None:
        self.copied: list[StreamInfo] = []
        self.converted: list[tuple[StreamInfo, str]] = []
        self.dropped: list[tuple[StreamInfo, str]] = []
        self._info = info
        self._audio = [] if audio is None else [name.strip() for name in audio.split(",")]
        self._kept: list[str] = []
        """A line for each sound that could not be encoded as it was to be."""
        self._tracks: dict[int, Track] = {}
        self._last: dict[int, int] = {}
        self._faults = 0
        self._more = False
        """Whether streams came to be in the middle of the file."""
        self._unreadable: str | None = None
        """Why the last try to read failed, if it did."""
        self._pending: Packet[Stream] | None = None
        self._ahead: list[tuple[Fraction, int, Packet[Stream]]] = []
        """Texts that are not due yet, the first on top, each with its number of all."""
        self._set_aside = self._held = 0
        """How many there were, and the bytes of those that are there."""
        self._texts: set[int] = set()
        """The tracks whose packets may be set aside."""
        self._mended = False
        """Whether the times of the packet that waits are known."""
        self.resets = Resets()
        self._stack = ExitStack()
        self.source = self._stack.enter_context(open_source(info.others_path))
        self._packets: Iterator[Packet[Stream]] | None = None

    def close(self) -> None:
        """Close the handle on the source."""
        self._packets = self._pending = None
        self._ahead.clear()
        self._stack.close()

    def add(self, index: int) -> None:
        """Give stream ``index`` of the source its place in the target, or note why it has none."""
        about = next((other for other in self._info.others if other.index == index), None)
        if about is None:
            return
        stream, container = self.source.streams[index], self.output.format.name
        asked = about.kind == "audio" and bool(self._audio) and about.codec not in self._audio
        try:
            if is_timecode(stream, self.source.streams[self._info.stream_index]):
                # From the picture's tag muxers that know timecode make a track of their own.
                self.copied.append(about)
            elif is_cover(stream) and container == "matroska":
                # As a video track it would lose its meaning; Matroska keeps covers as attachments.
                self._attach_cover(stream)
                self.copied.append(about)
            elif asked and (found := find_conversion(stream, container, self._audio[0])):
                self._tracks[index] = found.add(self.output)
                self.converted.append((about, f"{found.result}, as asked"))
            elif (why := refusal(stream, container)) is None:
                self._tracks[index] = _track_of(stream, add_copy(self.output, stream), container)
                self.copied.append(about)
                if asked:
                    self._kept.append(
                        f"{name_stream(about)} is kept: {container} cannot have it as "
                        f"{self._audio[0]}, or it has too many channels for that"
                    )
            elif (conversion := find_conversion(stream, container)) is not None:
                self._tracks[index] = conversion.add(self.output)
                if about.kind == "audio" and self._audio:
                    why = f"{why}, nor {self._audio[0]}"
                self.converted.append((about, f"{conversion.result}, because {why}"))
            else:
                self.dropped.append((about, why))
        except FAULTS as fault:
            self.dropped.append((about, reason(fault)))

    def chapters(self, start: Fraction | None, end: Fraction | None) -> list[Chapter]:
        """The film's chapters; those within ``start`` … ``end`` seconds, moved to start at 0."""
        length = self.source.duration
        film_end = None if length is None else Fraction(length, av.time_base)
        return part_of(chapters_of(self.source), start, end, film_end)

    def set_span(self, start: Fraction | None) -> None:
        """Hand on from ``start`` seconds on, as time 0; None hands on everything as it is.

        To be called once, before the first ``pull``.
        """
        joined = bool(self.source.format.flags & CLOCK_FROM_ANYWHERE)
        for track in self._tracks.values():
            track.begin(start)
            track.resets, track.joined = self.resets, joined
        for stream in self.source.streams:
            if stream.index not in self._tracks:
                stream.discard = Discard.all
        # Where the clock was set anew before, the file's own says nothing of the place.
        texts = {it for it in self._tracks if self.source.streams[it].type == "subtitle"}
        lasting = {it for it, track in self._tracks.items() if not isinstance(track, Still)}
        # With nothing beside them, they would be read to the end before the first is due.
        self._texts = texts if texts != lasting else set()
        before = _LONGEST_TEXT if texts else _STORED_APART
        if start is not None and start > before and not self.resets:
            with suppress(*FAULTS):  # Reading from the start finds the same, only later.
                self.source.seek(int((start - before) * av.time_base))
        if self._tracks:
            self._packets = self._demux()

    def pull(self, until: Fraction) -> None:
        """Mux what comes before the first packet at or after ``until`` seconds of the source."""
        for packet in self._due(until):
            self._take(packet)

    def finish(self, end: Fraction | None) -> None:
        """Mux all the packets left, or those before ``end`` seconds of the source's clock."""
        # One stream's packets may be stored behind later ones of another, so read on for a while.
        for packet in self._due(None if end is None else end + _STORED_APART):
            if end is None or time_of(packet) < end:
                self._take(packet)
        for index, track in self._tracks.items():
            self._hand_on(index, track.finish(end))

    def notes(self) -> Iterator[str]:
        """What is not in the target as in the source, one line each; complete after ``finish``."""
        for stream, result in self.converted:
            yield f"{name_stream(stream)} is converted to {result}"
        yield from self._kept
        for stream, why in self.dropped:
            yield f"{name_stream(stream)} is left out: {why}"
        yield from self._losses()

    def _losses(self) -> Iterator[str]:
        for about in (*self.copied, *(stream for stream, _ in self.converted)):
            track = self._tracks.get(about.index)
            if track is None:
                continue
            yield from (f"{name_stream(about)}: {line}" for line in track.notes())
        if self._more:
            yield "streams that only begin in the middle of the file are left out"
        if self._packets is None and self._unreadable is not None:
            yield f"sound and subtitles end where the file cannot be read: {self._unreadable}"
        elif self._faults:
            yield (
                f"parts of the file cannot be read ({self._faults} faults); "
                "sound and subtitles may have gaps there"
            )

    def _due(self, until: Fraction | None) -> Iterator[Packet[Stream]]:
        """The packets up to the first at or after ``until``, which waits. Others do not wait with a
        text: some files have all of these in front, or one of them far ahead of its place."""
        while self._packets is not None:
            if self._pending is None:
                self._pending, self._mended = next(self._packets, None), False
            packet = self._pending
            if packet is None:
                self._packets = None
                break
            if not self._mended and self._tracks[packet.stream_index].hides(packet):
                self._pending = None
                continue
            if not self._mended:
                due = self._tracks[packet.stream_index].mend(packet, until)
                if due == "wait":
                    break
                if due == "past":
                    self._pending = None
                    continue
                self._mended = True
            if packet.stream_index in self._texts and self._held < _MOST_HELD:
                self._held += packet.size
                self._set_aside += 1
                heappush(self._ahead, (time_of(packet), self._set_aside, packet))
            elif until is not None and time_of(packet) >= until:
                break
            else:
                yield from self._texts_before(time_of(packet))
                yield packet
            self._pending = None
        yield from self._texts_before(until)

    def _texts_before(self, time: Fraction | None) -> Iterator[Packet[Stream]]:
        while self._ahead and (time is None or self._ahead[0][0] < time):
            packet = heappop(self._ahead)[-1]
            self._held -= packet.size
            yield packet

    def _demux(self) -> Iterator[Packet[Stream]]:
        """All packets of the tracks, over places that cannot be read."""
        wanted = [self.source.streams[index] for index in self._tracks]
        ends = 0
        while ends < READ_FAULTS_IN_A_ROW:
            try:
                for packet in packets_of(self.source, wanted, self._faulty, self._found_more):
                    if packet.size:  # An empty packet only tells decoders to flush.
                        self._faults += ends > 0
                        ends = 0
                        yield packet
            except FAULTS as fault:
                self._unreadable = reason(fault)
                return
            # A packet said to lie behind the file's end looks like the end, but is not.
            ends += 1

    def _found_more(self) -> None:
        self._more = True

    def _faulty(self, fault: Exception) -> None:
        self._faults += 1

    def _take(self, packet: Packet[Stream]) -> None:
        index = packet.stream_index
        self._hand_on(index, self._tracks[index].take(packet))

    def _hand_on(self, index: int, made: Iterator[Packet[Stream]]) -> None:
        """Mux the packets a track makes, over those that cannot be made or are refused."""
        while True:
            try:
                packet = next(made, None)
                if packet is None:
                    return
                self._order(index, packet)
                packet.stream = self._tracks[index].target
                self.output.mux_one(packet)
            except FAULTS as fault:
                if on_disk(fault):
                    raise
                # One broken packet of sound is no reason to give up the film; it is reported.
                self._tracks[index].refused += 1

    def _order(self, index: int, packet: Packet[Stream]) -> None:
        """Muxers refuse a clock that stands still or runs back; nudge such packets forward."""
        last = self._last.get(index)
        clock = packet.dts if packet.dts is not None else packet.pts
        assert clock is not None
        strict = not self.output.format.flags & _EQUAL_TIMES_ALLOWED
        if last is not None and (clock < last or (strict and clock == last)):
            clock = last + strict
            packet.dts = clock
            packet.pts = clock if packet.pts is None else max(packet.pts, clock)
        self._last[index] = clock

    def _attach_cover(self, stream: Stream) -> None:
        codec = stream.codec_context.codec.canonical_name if has_decoder(stream) else ""
        name, kind = _COVER_NAMES.get(codec, ("cover", "application/octet-stream"))
        with open_source(self._info.others_path) as source:
            packet = next(p for p in demuxed(source, [source.streams[stream.index]]) if p.size)
            name = stream.metadata.get("filename", name)
            kind = stream.metadata.get("mimetype", kind)
            attached = self.output.add_attachment(name, kind, bytes(packet))
            said = kept_metadata(dict(stream.metadata))
            named = ("filename", "mimetype")
            attached.metadata.update({key: said[key] for key in said if key not in named})


def _track_of(source: Stream, target: Stream, container: str) -> Track:
    """What copies ``source`` into the ``container``."""
    if is_cover(source):
        return Still(source, target)
    if container in QUICKTIME and is_pcm(source):
        return Counted(cast(AudioStream, source), target)
    if source.type != "audio":
        return Track(source, target)
    if container in QUICKTIME:
        return Lasting(source, target)
    track = Track(source, target)
    track.audible = Audible()
    return track
