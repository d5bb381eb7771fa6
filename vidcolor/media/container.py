"""What a container takes: streams as they are, streams converted, and what is said of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from types import MappingProxyType
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import AttachmentStream, Stream
from av.subtitles.stream import SubtitleStream

from vidcolor.frames import VideoInfo
from vidcolor.media.audio import Transcoder
from vidcolor.media.damage import packets_of
from vidcolor.media.faults import FAULTS
from vidcolor.media.languages import of_three
from vidcolor.media.metadata import kept_metadata
from vidcolor.media.recipes import Recipe, named_layout, recipes
from vidcolor.media.source import has_decoder, is_cover, open_source
from vidcolor.media.subtitles import TEXT_CODECS, TEXT_SOURCES, Rewriter, add_text
from vidcolor.media.track import QUICKTIME, Track

QUICKTIME_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "bod": "tib",
        "cym": "wel",
        "cze": "ces",
        "deu": "ger",
        "ell": "gre",
        "eus": "baq",
        "fas": "per",
        "fre": "fra",
        "hrv": "hr ",
        "hye": "arm",
        "isl": "ice",
        "kat": "geo",
        "mkd": "mac",
        "msa": "may",
        "mya": "bur",
        "nld": "dut",
        "rum": "ron",
        "slo": "slk",
        "sqi": "alb",
        "srp": "sr ",
        "swe": "sve",
        "zho": "chi",
    }
)
"""FFmpeg's list of QuickTime's languages has one code for each, the older or the newer or one of
its own, and drops all others: what it calls them."""
_OF_ITS_OWN = MappingProxyType({"sve": "swe", "hr ": "hrv", "sr ": "srp"})
# Others would make it a second picture track.
_COVER_CONTAINERS = frozenset({"mp4", "matroska"})
# The field has 32 bits, but some readers take it as signed.
_FINEST_TIMESCALE = 2**31 - 1
_UNNAMED = "attachment"
_OF_ANY_KIND = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A way into a container for a stream it refuses; ``result`` says it in a few words."""

    source: Stream
    result: str
    recipe: Recipe | None = None

    def add(self, output: OutputContainer) -> Track:
        """Make the stream in ``output``; raises what PyAV does where that is refused."""
        if isinstance(self.source, AudioStream):
            assert self.recipe is not None
            sound = self.recipe.add(output)
            label(output, self.source, sound)
            return Transcoder(self.source, sound)
        text = add_text(output, self.source)
        label(output, self.source, text)
        return Rewriter(cast(SubtitleStream, self.source), text)


def add_copy(output: OutputContainer, stream: Stream) -> Stream:
    """Make a stream in ``output`` that takes the packets of ``stream`` as they are."""
    if isinstance(stream, AttachmentStream):
        # Matroska insists on both.
        name = stream.name or f"{_UNNAMED}-{stream.index}"
        attached = output.add_attachment(name, stream.mimetype or _OF_ANY_KIND, stream.data)
        attached.metadata.update({**dict(stream.metadata), **dict(attached.metadata)})
        return attached
    # ``opaque`` takes the codec as it is; without it PyAV looks for an encoder of the same name.
    target = output.add_stream_from_template(stream, opaque=True)
    if isinstance(target, AudioStream) and _must_name_channels(target, output):
        # Else MP4 refuses it, and only when the film is done.
        layout = named_layout(target.codec_context.layout)
        if layout is None:
            raise ValueError("its channels have no names")
        target.codec_context.layout = layout
    label(output, stream, target)
    return target


def _must_name_channels(sound: AudioStream, output: OutputContainer) -> bool:
    """Whether MP4 tells what each channel is for: of PCM it does."""
    codec = sound.codec_context.codec.canonical_name
    return output.format.name == "mp4" and codec.startswith("pcm_")


def refusal(stream: Stream, container: str) -> str | None:
    """Why ``container`` cannot hold ``stream``, found by writing a header for it alone."""
    if stream.type == "unknown":
        return "its kind is unknown"
    if not has_decoder(stream) and stream.type in ("audio", "subtitle", "video"):
        return "this build of FFmpeg does not know its codec"
    if stream.type == "attachment" and container == "webm":
        # FFmpeg takes it for the header, and leaves it out of the file.
        return "webm cannot hold attachments"
    if is_cover(stream) and container not in _COVER_CONTAINERS:
        return f"{container} cannot hold cover art"
    if lacks_setup(stream):
        return "the file lacks what decoders of it need to know"
    if _takes(container, lambda output: add_copy(output, stream)):
        return None
    return f"{container} cannot hold it"


def find_conversion(stream: Stream, container: str, wanted: str | None = None) -> Conversion | None:
    """What ``stream`` can become in a ``container`` that refuses it; None if nothing.

    With ``wanted``, one of `vidcolor.settings.AUDIO_CODECS`, sound can become that alone.
    """
    if not has_decoder(stream):
        return None
    if isinstance(stream, AudioStream):
        for recipe in _recipes(stream, container, wanted):
            if _takes(container, recipe.add):
                return Conversion(stream, str(recipe), recipe)
    elif container in TEXT_CODECS and stream.codec_context.codec.canonical_name in TEXT_SOURCES:
        result = f"{TEXT_CODECS[container]}, without any style but bold, italics and underlines"
        if _takes(container, lambda output: add_text(output, stream)):
            return Conversion(stream, result)
    return None


def muxer_options(
    info: VideoInfo, source: InputContainer, container: str, *, by_key: bool
) -> dict[str, str]:
    """What to ask of FFmpeg's muxer ``container`` for a film like ``info``, open as ``source``;
    whether its metadata is to be named ``by_key``, see `homeless`."""
    if container in ("matroska", "webm"):
        # Coded sound often starts some ms before 0; FFmpeg would move the whole film for it.
        return {"avoid_negative_ts": "disabled"}
    if container not in ("mp4", "mov"):
        return {}
    # The unit of late starts; FFmpeg's default, 1 ms, is too coarse for exact times.
    options = {"movie_timescale": str(_common_timescale(info, source))}
    flags = ""
    if container == "mp4":
        # The index before the pictures, so that players on the web need not wait for the end;
        # costs another pass over the file, and no room beside it. Films for editing are much
        # larger, and stay where they were made.
        flags += "+faststart"
    if by_key:
        flags += "+use_metadata_tags"
    return {**options, "movflags": flags} if flags else options


def _recipes(stream: AudioStream, container: str, wanted: str | None) -> list[Recipe]:
    """`recipes`; of sound that begins late in a broadcast, whose header does not tell of it, by
    the first of it that can be decoded."""
    if stream.codec_context.sample_rate:
        return list(recipes(stream, container, wanted))
    with open_source(Path(stream.container.name)) as source:
        again = cast(AudioStream, source.streams[stream.index])
        for packet in packets_of(source, [again], lambda fault: None):
            with suppress(*FAULTS):
                if packet.decode():
                    return list(recipes(again, container, wanted))
    return []


def is_timecode(stream: Stream, picture: Stream) -> bool:
    """True for a track that tells no more than the picture's own tag, which is written too."""
    return (
        stream.type == "data" and "timecode" in stream.metadata and "timecode" in picture.metadata
    )


def lacks_setup(stream: Stream) -> bool:
    """True for AAC without its few bytes of setup that does not have them in each packet either.

    It can be decoded by guessing, and muxers fail at its first packet.
    """
    context = stream.codec_context
    if not isinstance(stream, AudioStream) or context.codec.canonical_name != "aac":
        return False
    return not context.extradata and context.profile is None


def label(output: OutputContainer, stream: Stream, target: Stream) -> None:
    """Have ``target`` say of itself what ``stream`` does, in the words of its container."""
    metadata = kept_metadata(dict(stream.metadata))
    # MP4 calls a track's title so when read, but not when written.
    if "name" in metadata:
        metadata.setdefault("title", metadata.pop("name"))
    target.metadata.update(metadata)
    language = target.metadata.get("language")
    if language is not None:
        if output.format.name in QUICKTIME:
            language = of_three(language) or language
        known = QUICKTIME_LANGUAGES if output.format.name == "mov" else _OF_ITS_OWN
        target.metadata["language"] = known.get(language, language)
    target.disposition = stream.disposition


def _takes(container: str, add: Callable[[OutputContainer], Stream]) -> bool:
    scratch = av.open(io.BytesIO(), "w", format=container)
    try:
        add(scratch)
        scratch.start_encoding()
    except FAULTS:
        return False
    finally:
        with suppress(*FAULTS):  # Only the header counts; without packets the end may be refused.
            scratch.close()
    return True


def _common_timescale(info: VideoInfo, source: InputContainer) -> int:
    """Ticks per second in which the starts of the picture and of the sound are whole numbers."""
    units = [info.time_base.denominator]
    for stream in source.streams:
        if stream.start_time and stream.time_base:
            units.append((stream.start_time * stream.time_base).denominator)
    known = (sound for sound in source.streams.audio if has_decoder(sound))
    units += [sound.sample_rate for sound in known if sound.sample_rate]
    scale = 1000
    for unit in units:
        finer = lcm(scale, unit)
        scale = finer if finer <= _FINEST_TIMESCALE else scale
    return scale
