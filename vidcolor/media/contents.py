"""What a film file says of itself besides its pictures, so that two files can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.stream import AttachmentStream, Disposition, Stream
from av.video.stream import VideoStream

from vidcolor.errors import TargetError
from vidcolor.frames import StreamInfo, VideoInfo
from vidcolor.media.clock import origin_of
from vidcolor.media.container import lacks_setup, refusal
from vidcolor.media.damage import demuxed
from vidcolor.media.faults import reading
from vidcolor.media.source import chapters_of, has_decoder, is_cover, open_source
from vidcolor.media.target import container_of


@dataclass(frozen=True, slots=True)
class Track:
    """A stream other than the picture."""

    about: StreamInfo
    cover: bool
    """It is a still that illustrates the film."""
    flags: frozenset[str]
    """Its dispositions, by FFmpeg's names."""
    tick: Fraction | None
    """Its time base, in seconds."""
    digest: bytes
    """Of an attachment or a cover, which have no place in time; empty for all others."""
    lacks_setup: bool = False
    """It is sound that no container takes as it is, see `lacks_setup`."""

    file: str = ""
    """What an attachment is called, where it says so."""
    styles: bytes = b""
    """The header of subtitles in ASS, which holds their styles."""

    @property
    def kind(self) -> str:
        """As in `StreamInfo`, with ``cover`` apart from ``video``."""
        return "cover" if self.cover else self.about.kind


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter, in seconds of the file's clock."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a file holds besides its pictures and packets."""

    tracks: tuple[Track, ...]
    chapters: tuple[Chapter, ...]
    origin: Fraction
    """The time, in seconds, that is 0 in a target of the whole film."""
    lossless: bool
    """The picture's codec, or the encoder's own note in the stream, says that nothing is lost."""
    language: str | None = None
    """Of the picture, as is ``title``."""
    title: str | None = None
    timecodes: tuple[str, ...] = ()
    """What the picture, the film or a track of its own give as the timecode of the first frame; as
    a rule all say the same."""


def contents(info: VideoInfo) -> Contents:
    """Read what the film holds. Raises SourceError."""
    with ExitStack() as stack:
        source = others = stack.enter_context(open_source(info.path))
        if info.sound is not None:
            others = stack.enter_context(open_source(info.sound))
        stack.enter_context(reading(info.path))
        stream = cast(VideoStream, source.streams[info.stream_index])
        tracks = tuple(_track(info, others, about) for about in info.others)
        chapters = tuple(
            Chapter(
                chapter["start"] * base, chapter["end"] * base, chapter["metadata"].get("title", "")
            )
            for chapter in chapters_of(others)
            if (base := chapter["time_base"]) is not None
        )
        lossless = _lossless(info, stream)
        timed = (entry for entry in others.streams if entry.type == "data")
        timecodes = _timecodes(stream.metadata, source.metadata, *(s.metadata for s in timed))
        origin = origin_of(source, info) * info.time_base
        title = stream.metadata.get("title") or stream.metadata.get("name")  # the latter in MP4
        language = stream.language
    return Contents(tracks, chapters, origin, lossless, language, title, timecodes)


def has_place(info: VideoInfo, about: StreamInfo, target: Path) -> bool:
    """Whether a film named ``target`` can hold one of the film's streams as it is. Raises
    SourceError."""
    try:
        container = container_of(target)
    except TargetError:
        return False
    with open_source(info.others_path) as source, reading(info.others_path):
        return refusal(source.streams[about.index], container) is None


def _timecodes(*tags: Mapping[str, str]) -> tuple[str, ...]:
    # Matroska's tags are in capitals.
    told = (value for some in tags for key, value in some.items() if key.lower() == "timecode")
    return tuple(dict.fromkeys(told))


def _track(info: VideoInfo, source: InputContainer, about: StreamInfo) -> Track:
    stream = source.streams[about.index]
    payload = b""
    if isinstance(stream, AttachmentStream):
        payload = stream.data
    elif is_cover(stream):
        payload = _first_payload(info, about.index)
    return Track(
        about=about,
        cover=is_cover(stream),
        flags=_flags(stream),
        tick=stream.time_base,
        digest=hashlib.blake2b(payload).digest() if payload else b"",
        lacks_setup=has_decoder(stream) and lacks_setup(stream),
        file=stream.metadata.get("filename", "") if isinstance(stream, AttachmentStream) else "",
        styles=_styles(stream),
    )


def _styles(stream: Stream) -> bytes:
    if stream.type != "subtitle" or not has_decoder(stream):
        return b""
    context = stream.codec_context
    known = context.codec.canonical_name in ("ass", "ssa")
    return b"\n".join((context.extradata or b"").split()) if known else b""


def _flags(stream: Stream) -> frozenset[str]:
    return frozenset(cast(str, flag.name) for flag in Disposition if stream.disposition & flag)


def _first_payload(info: VideoInfo, index: int) -> bytes:
    with open_source(info.path) as source:
        return next((bytes(p) for p in demuxed(source, [source.streams[index]]) if p.size), b"")


def _lossless(info: VideoInfo, stream: VideoStream) -> bool:
    codec = av.Codec(info.codec)
    if codec.lossless != codec.lossy:
        return codec.lossless
    # Codecs of both kinds: x264 and x265 write their settings into the stream.
    said = bytes(stream.codec_context.extradata or b"") + _first_payload(info, stream.index)
    x264, x265 = said.find(b"x264 - core"), said.find(b"x265 (build")
    if x264 >= 0:
        settings = said[x264:].split(b"\0", 1)[0]
        return b" rc=cqp " in settings and b" qp=0 " in settings
    return x265 >= 0 and b" lossless " in said[x265:]
