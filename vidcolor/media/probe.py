"""What a film is, before it is coloured: ``probe(path) -> VideoInfo``."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.stream import AttachmentStream, Disposition, Stream
from av.video.stream import VideoStream

from vidcolor.device import cores
from vidcolor.errors import NoVideoError, SourceError, SourceNotFoundError, UsageError
from vidcolor.frames import StreamInfo, VideoInfo
from vidcolor.media.captions import captions_of
from vidcolor.media.clock import rate_of
from vidcolor.media.colortags import color_spec, color_tags
from vidcolor.media.combing import by_container, find_fields
from vidcolor.media.damage import packets_of
from vidcolor.media.faults import FAULTS, reading
from vidcolor.media.hdr import light_metadata, side_data
from vidcolor.media.picture import picture_of
from vidcolor.media.safety import check_pixels, picture_options
from vidcolor.media.series import as_source, series_at
from vidcolor.media.source import companions, has_decoder, is_cover, main_video, open_source
from vidcolor.media.tiff import check_tiff
from vidcolor.settings import LimitSettings

UNKNOWN = "unknown"
"""The codec of a stream that FFmpeg has no name for."""

_PACKETS_TO_TRY = 600
_MICROSECOND = Fraction(1, 1_000_000)
_TIME = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def probe(
    path: Path | str,
    limits: LimitSettings = LimitSettings(),
    described: Callable[[VideoInfo], None] | None = None,
    *,
    with_fields: bool = True,
    rate: Fraction | None = None,
    sound: Path | None = None,
) -> VideoInfo:
    """Read the header of a film and decode its first picture.

    The first picture tells what headers often get wrong or leave out: the true size and pixel
    format, the colour tags, the rotation. Whether the film is interlaced is looked for further on
    as well, see ``combing``: that takes longest, and ``described`` is told before what is known by
    then, which is all but ``fields``. What it raises ends this. It is also all that is found out
    without ``with_fields``. ``rate`` is that of numbered pictures in frames per second, which do
    not tell it themselves, and ``sound`` a file whose sound tracks go with them; see
    `vidcolor.media.series`.

    Raises SourceNotFoundError; UsageError for either of anything else; SourceError for a
    directory without such pictures or with several series of them, a pipe, a playlist, an empty,
    broken or encrypted file, one over the ``limits``, a codec without decoder; NoVideoError where
    there is only sound or cover art, or no picture can be decoded.
    """
    with reading(Path(path), "cannot be opened"):
        path = as_source(Path(path))
        given = [flag for flag, it in (("--fps", rate), ("--sound", sound)) if it is not None]
        series = series_at(path)
        if series is not None:
            series.check()
        elif given and path.is_dir():
            raise SourceError(f"{path}: no numbered pictures in this folder")
        elif given:
            raise UsageError(f"{path}: {given[0]} is for numbered pictures; a film has its own")
        elif path.is_file():
            check_tiff(path)
    with open_source(path, limits) as source:
        if len(source.streams) > limits.streams:
            raise SourceError(
                f"{path}: it has {len(source.streams)} streams, over the limit of "
                f"{limits.streams}; if that is right, give --limits streams={len(source.streams)}"
            )
        stream = main_video(source, path)
        context = stream.codec_context
        check_pixels(path, context.width, context.height, limits)
        context.options = picture_options(limits)
        # Each thread more is a picture more that is decoded in vain wherever fields are looked for.
        context.thread_type, context.thread_count = "AUTO", min(2, cores())
        with reading(path):
            told, first = _describe(path, source, stream)
        info = told if rate is None else _at_rate(told, rate)
        if sound is not None:
            info = replace(info, sound=sound, others=_sound_tracks(sound, limits))
        if described is not None:
            described(info)
        if not with_fields:
            return info
        with reading(path):
            fields = find_fields(source, stream, first, told.duration, told.average_rate)
        if fields is None:
            fields = by_container(stream, info.field_order)
        return replace(info, fields=fields)


def first_picture(source: InputContainer, stream: VideoStream) -> av.VideoFrame | None:
    """Decode until the first picture comes out, over damage if need be; None if none does.

    Raises SourceError for an encrypted stream.
    """
    tried = 0
    for packet in packets_of(source, [stream], lambda fault: None):
        # Those that an edit list hides before its start give no picture, however many they are.
        tried += not packet.is_discard
        if packet.size and _encrypted(packet, stream):
            raise SourceError(f"{source.name}: the video is encrypted and cannot be decoded")
        try:
            frames = packet.decode()
        except FAULTS:
            frames = []
        if frames:
            return frames[0]
        if tried >= _PACKETS_TO_TRY:
            break
    return None


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """The nine numbers that tell players how to turn and mirror the picture, if the film has any.

    Rotation alone would lose a mirrored picture.
    """
    data = side_data(frame).get("DISPLAYMATRIX", b"")
    matrix = struct.unpack("=9i", data) if len(data) == 36 else None
    # Broken headers hold some that would make the picture a line or a point.
    flat = matrix is not None and matrix[0] * matrix[4] == matrix[1] * matrix[3]
    return None if flat else matrix


def _encrypted(packet: av.Packet[VideoStream], stream: VideoStream) -> bool:
    return (
        packet.has_sidedata("encryption_info")
        or packet.has_sidedata("encryption_init_info")
        or "enc_key_id" in stream.metadata
    )


def _describe(
    path: Path, source: InputContainer, stream: VideoStream
) -> tuple[VideoInfo, av.VideoFrame]:
    """All but the fields, and the first picture."""
    context = stream.codec_context
    base, rate = stream.time_base, rate_of(stream)
    if base is None:
        raise NoVideoError(f"{path}: its video stream has no time base")
    duration = _duration(source, stream, base)
    count = stream.frames or _tagged_count(stream)
    declared = bool(stream.frames) and "mp4" in source.format.name
    if declared:
        # An edit list may hide stored pictures, as those before a cut that are only decoded from.
        # Where it cuts off the end, the index ends there.
        shown = sum(not entry.is_discard for entry in stream.index_entries)
        count = shown or count
    if not count and duration and rate:
        count = round(duration * rate)
    start, metadata, chapters = stream.start_time, dict(source.metadata), len(source.chapters())
    others = tuple(_describe_other(other) for other in companions(source, stream.index))
    field_order = context.field_order
    frame = first_picture(source, stream)
    if frame is None:
        raise NoVideoError(f"{path}: not one picture of its video ({context.name}) can be decoded")
    picture = picture_of(frame.format.name)
    turning = display_matrix(frame)
    aspect = stream.sample_aspect_ratio
    info = VideoInfo(
        path=path,
        container=source.format.name,
        stream_index=stream.index,
        codec=context.codec.canonical_name,
        width=frame.width,
        height=frame.height,
        pixel_format=frame.format.name,
        time_base=base,
        average_rate=rate,
        start_pts=start,
        duration=duration,
        frame_count=count or None,
        frame_count_is_exact=declared,
        sample_aspect_ratio=aspect if aspect else Fraction(1),
        rotation=0 if turning is None else frame.rotation,
        turning=turning,
        field_order=field_order,
        color=color_spec(frame, picture, context.codec.canonical_name),
        tags=color_tags(frame, picture),
        light=light_metadata(frame, path),
        captions=bool(captions_of(frame)),
        others=others,
        chapters=chapters,
        metadata=metadata,
    )
    return info, frame


def _sound_tracks(path: Path, limits: LimitSettings) -> tuple[StreamInfo, ...]:
    try:
        with open_source(path, limits) as source, reading(path):
            found = tuple(_describe_other(stream) for stream in source.streams.audio)
    except SourceNotFoundError:
        raise
    except SourceError as error:
        raise SourceError(f"{path}: not a file of sound that can be read") from error
    if not found:
        raise SourceError(f"{path}: no sound in this file")
    return found


def _at_rate(info: VideoInfo, rate: Fraction) -> VideoInfo:
    """Numbered pictures, ``rate`` of them a second: timestamps count them, whatever the rate."""
    count = info.frame_count
    return replace(
        info,
        time_base=1 / rate,
        average_rate=rate,
        duration=None if count is None else count / rate,
    )


def _duration(source: InputContainer, stream: VideoStream, base: Fraction) -> Fraction | None:
    if stream.duration:
        return stream.duration * base
    # Matroska's own length is that of its longest track; its common writers tag each with its own.
    tag = next((v for k, v in stream.metadata.items() if k.startswith("DURATION")), "")
    found = _TIME.fullmatch(tag)
    if found is not None and any(float(part) for part in found.groups()):
        hours, minutes, seconds = found.groups()
        return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
    return source.duration * _MICROSECOND if source.duration else None


def _tagged_count(stream: VideoStream) -> int:
    # Matroska has no frame count of its own, but its common writers leave one as a tag.
    tag = next((v for k, v in stream.metadata.items() if k.startswith("NUMBER_OF_FRAMES")), "")
    return int(tag) if tag.isdecimal() else 0


def _describe_other(stream: Stream) -> StreamInfo:
    # Without decoder only some kinds of stream know a name; that of an attachment is its file's.
    name = getattr(stream, "name", None) or UNKNOWN
    if isinstance(stream, AttachmentStream):
        name = (stream.mimetype or name).rpartition("/")[2]
    codec = stream.codec_context.codec.canonical_name if has_decoder(stream) else name
    kind = "data" if stream.type == "unknown" else str(stream.type)
    title = stream.metadata.get("title") or stream.metadata.get("name")  # the latter in MP4
    return StreamInfo(stream.index, kind, codec, stream.language, title, _details(stream))


def _details(stream: Stream) -> str:
    words: list[str] = []
    if isinstance(stream, AttachmentStream):
        words += [stream.metadata.get("filename", ""), stream.metadata.get("mimetype", "")]
    elif isinstance(stream, av.AudioStream) and has_decoder(stream):
        words += [f"{stream.codec_context.sample_rate} Hz", stream.codec_context.layout.name]
    elif isinstance(stream, VideoStream) and has_decoder(stream):
        words += [f"{stream.codec_context.width}x{stream.codec_context.height}"]
        words += ["cover art"] if is_cover(stream) else []
    for flag in (Disposition.default, Disposition.forced):
        words += [cast(str, flag.name)] if stream.disposition & flag else []
    return " ".join(word for word in words if word)
