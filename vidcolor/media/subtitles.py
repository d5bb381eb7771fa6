"""Subtitles the target's container refuses, written again in the kind of text it takes.

FFmpeg's decoders turn every kind of text into lines of ASS; what is kept of their styling is
bold, italics and underlines, which all kinds know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from vidcolor.media.cues import LONGEST_GUESS, Cue, Overlay
from vidcolor.media.faults import FAULTS
from vidcolor.media.styled import Run, ass, joined, runs_of, subrip, webvtt
from vidcolor.media.track import Track, time_of

TEXT_CODECS: Mapping[str, str] = MappingProxyType(
    {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
)
"""What text becomes where its own kind is refused, by container."""

TEXT_SOURCES = frozenset({"subrip", "ass", "ssa", "mov_text", "webvtt", "text"})
"""Kinds of text that can be turned into another."""

# What mov_text's encoder wants to know of fonts; players choose their own.
_HEADER = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def add_text(output: OutputContainer, source: Stream) -> Stream:
    """Make the stream for converted text in ``output``; raises what PyAV does if it is refused."""
    name = TEXT_CODECS[output.format.name]
    if name != "mov_text":
        stream = output.add_mux_stream(name)
    else:
        stream = output.add_stream(name)
        assert isinstance(stream, SubtitleStream)
        stream.codec_context.subtitle_header = _HEADER
        stream.codec_context.time_base = source.time_base or Fraction(1, 1000)
    stream.time_base = source.time_base
    return stream


class TextReader:
    """Reads the text of one stream's packets."""

    def __init__(self, stream: SubtitleStream) -> None:
        self._decoder: SubtitleCodecContext = stream.codec_context
        self._remarks = self._decoder.codec.canonical_name in ("ass", "ssa")
        self.undecoded = 0

    def read(self, packet: Packet[Stream]) -> tuple[Run, ...]:
        """What a packet says, nothing where it says nothing or cannot be read."""
        try:
            found = self._decode(packet)
        except FAULTS:
            try:
                # FFmpeg takes nothing but UTF-8; old files are in the encoding of old Windows.
                text = bytes(packet).decode("cp1252", "replace")
                found = self._decode(Packet(text.encode()))
            except FAULTS:
                self.undecoded += 1
                return ()
        lines = [runs_of(line, remarks=self._remarks) for line in found]
        lines = [runs for runs in lines if runs]
        return joined(lines) if lines else ()

    def _decode(self, packet: Packet[Stream]) -> list[str]:
        parts = self._decoder.decode2(packet) or ()
        events = [
            part.ass.decode("utf-8", "replace") for part in parts if type(part) is AssSubtitle
        ]
        return [event.split(",", 8)[-1] for event in events]


class Rewriter(Track):
    """Turns packets of text into those of the target's kind, at the same times."""

    def __init__(self, source: SubtitleStream, target: Stream) -> None:
        super().__init__(source, target)
        self._reader = TextReader(source)
        self._base = source.time_base or Fraction(1, 1000)
        self._container = target.container.format.name
        self._kind = TEXT_CODECS[self._container]
        self._overlay = Overlay(round(LONGEST_GUESS / self._base))

    def take(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        runs = self._reader.read(packet)
        self.undecoded = self._reader.undecoded
        if not runs:
            return
        for moved in super().take(packet):
            start = round(time_of(moved) / self._base)
            cue = Cue(start, start + moved.duration if moved.duration else None, runs)
            yield from self._written(self._overlay.add(cue) if self._kind == "mov_text" else (cue,))

    def finish(self, end: Fraction | None) -> Iterator[Packet[Stream]]:
        last = None if end is None else round((end - (self._start or 0)) / self._base)
        yield from self._written(self._overlay.until(last))

    def _written(self, cues: Iterable[Cue]) -> Iterator[Packet[Stream]]:
        for cue in cues:
            try:
                yield self._write(cue)
            except FAULTS:  # MP4 has no room for texts of more than 65,535 bytes.
                self.refused += 1

    def _write(self, cue: Cue) -> Packet[Stream]:
        packet: Packet[Stream]
        if self._kind == "mov_text":
            encoder = self.target.codec_context
            assert isinstance(encoder, SubtitleCodecContext)
            packet = encoder.encode_subtitle(SubtitleSet.create(ass(cue.runs), 0, 1))
        else:
            packet = Packet(subrip(cue.runs) if self._kind == "subrip" else webvtt(cue.runs))
        packet.time_base = self._base
        packet.pts = packet.dts = cue.start
        packet.duration = 0 if cue.end is None else cue.end - cue.start
        return packet
