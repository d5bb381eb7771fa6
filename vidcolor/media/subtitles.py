"""Subtitles the target's container refuses, written again in the kind of text it takes.

FFmpeg's decoders turn every kind of text into lines of ASS; what is kept of their styling is
bold, italics and underlines, which all kinds know.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from vidcolor.media.faults import FAULTS
from vidcolor.media.track import Track, time_of

TEXT_CODECS: Mapping[str, str] = MappingProxyType(
    {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
)
"""What text becomes where its own kind is refused, by container."""

TEXT_SOURCES = frozenset({"subrip", "ass", "ssa", "mov_text", "webvtt", "text", "ttml"})
"""Kinds of text that can be turned into another."""

_LONGEST_GUESS = Fraction(5)
"""Seconds for which a line is shown that does not tell, unless the next one comes earlier."""
_MOST_LINES = 8
"""Cues on screen at a time; more are a broken file, and would pile up."""
_STYLES = ("b", "i", "u")
_CODES = re.compile(r"\{(\\[^}]*)\}")
_CODES_AND_REMARKS = re.compile(r"\{([^}]*)\}")
_SWITCH = re.compile(r"\\(?:([biu])(\d*)|(r)[^\\]*|(p)(\d+))(?=\\|$)")
_BLANK_LINES = re.compile(r"\n\s*\n+")
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


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in one style, a part of ``"biu"``."""

    text: str
    styles: str = ""


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown from ``start`` to before ``end``, in ticks; ``end`` None: until the next."""

    start: int
    end: int | None
    runs: tuple[Run, ...]


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


def runs_of(line: str, *, remarks: bool = False) -> tuple[Run, ...]:
    """The text of an ASS line (its last field), without its drawings and all other codes.

    With ``remarks``, as in true ASS, braces without a code hold what is not to be shown.
    """
    found: list[Run] = []
    on: set[str] = set()
    drawing = False
    codes = _CODES_AND_REMARKS if remarks else _CODES
    for number, piece in enumerate(codes.split(line)):
        if number % 2 == 0:
            if piece and not drawing:
                text = piece.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", "\u00a0")
                # FFmpeg's ways to write a brace that begins no code.
                text = text.replace("\\{{}", "{").replace("\\{", "{").replace("\\}", "}")
                found.append(Run(text, "".join(style for style in _STYLES if style in on)))
            continue
        for style, level, reset, draw, scale in _SWITCH.findall(piece):
            if reset:
                on.clear()
            elif draw:
                drawing = int(scale) > 0
            elif int(level or 0) > 0:
                on.add(style)
            else:
                on.discard(style)
    return tuple(found) if any(run.text.strip() for run in found) else ()


def subrip(runs: tuple[Run, ...]) -> bytes:
    return _tagged(runs).encode()


def webvtt(runs: tuple[Run, ...]) -> bytes:
    escaped = tuple(Run(html.escape(run.text, quote=False), run.styles) for run in runs)
    return _tagged(escaped).encode()


def ass(runs: tuple[Run, ...]) -> bytes:
    """A whole ASS event, as FFmpeg's encoders want it."""
    parts: list[str] = []
    for run in runs:
        codes = "".join(f"\\{style}1" for style in run.styles)
        parts.append(f"{{\\r{codes}}}{run.text}" if codes else f"{{\\r}}{run.text}")
    line = "".join(parts).replace("\n", "\\N")
    return f"0,0,Default,,0,0,0,,{line}".encode()


def _tagged(runs: tuple[Run, ...]) -> str:
    parts: list[str] = []
    for run in runs:
        opening = "".join(f"<{style}>" for style in run.styles)
        closing = "".join(f"</{style}>" for style in reversed(run.styles))
        parts.append(f"{opening}{run.text}{closing}")
    # A blank line ends a cue in files of either kind.
    return _BLANK_LINES.sub("\n", "".join(parts)).strip("\n")


class Overlay:
    """Turns lines that overlap in time into a row of cues that do not.

    QuickTime shows one sample after the other: of two lines at a time both must be in one sample.
    """

    def __init__(self, longest_guess: int) -> None:
        self._guess = longest_guess
        self._shown: list[tuple[int, bool, tuple[Run, ...]]] = []
        """(end, whether it is known, text) of the lines on screen."""
        self._at = 0

    def add(self, cue: Cue) -> Iterator[Cue]:
        """Put ``cue`` on screen; yields what is settled by that: everything before its start."""
        start = max(cue.start, self._at)
        yield from self.until(start)
        self._shown = [line for line in self._shown if line[1]]
        end = start + self._guess if cue.end is None else cue.end
        line = (end, cue.end is not None, cue.runs)
        if end > start and all(line[2] != other[2] or end > other[0] for other in self._shown):
            others = [other for other in self._shown if other[2] != cue.runs]
            self._shown = [*others, line][-_MOST_LINES:]

    def until(self, time: int | None) -> Iterator[Cue]:
        """What is shown before ``time``; None: to the end."""
        while self._shown:
            stop = min(end for end, _, _ in self._shown)
            stop = stop if time is None else min(stop, time)
            if stop > self._at:
                yield Cue(self._at, stop, _joined([runs for _, _, runs in self._shown]))
            self._at = max(self._at, stop)
            self._shown = [line for line in self._shown if line[0] > self._at]
            if stop == time:
                break
        if time is not None:
            self._at = max(self._at, time)


def _joined(lines: list[tuple[Run, ...]]) -> tuple[Run, ...]:
    found = list(lines[0])
    for runs in lines[1:]:
        found += [Run("\n"), *runs]
    return tuple(found)


class Rewriter(Track):
    """Turns packets of text into those of the target's kind, at the same times."""

    def __init__(self, source: SubtitleStream, target: Stream) -> None:
        super().__init__(source, target)
        self._decoder: SubtitleCodecContext = source.codec_context
        self._base = source.time_base or Fraction(1, 1000)
        self._container = target.container.format.name
        self._kind = TEXT_CODECS[self._container]
        self._remarks = self._decoder.codec.canonical_name in ("ass", "ssa")
        self._overlay = Overlay(round(_LONGEST_GUESS / self._base))

    def take(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        runs = self._read(packet)
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

    def _read(self, packet: Packet[Stream]) -> tuple[Run, ...]:
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
        return _joined(lines) if lines else ()

    def _decode(self, packet: Packet[Stream]) -> list[str]:
        parts = self._decoder.decode2(packet) or ()
        events = [
            part.ass.decode("utf-8", "replace") for part in parts if type(part) is AssSubtitle
        ]
        return [event.split(",", 8)[-1] for event in events]

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
