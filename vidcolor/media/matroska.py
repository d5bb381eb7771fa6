"""The shape of the picture in Matroska and WebM, told by the container.

FFV1, AV1 and VP9 have no word for the sample aspect ratio; the display size of the track tells it.
FFmpeg's muxer takes that from where PyAV does not reach, but it also writes one for a film of two
views side by side. So the track is written as one (``claim``), and in the finished file the claim
gives way to the true display size, in the same bytes (``settle``). Elements are those of Matroska
(RFC 9559), coded as EBML (RFC 8794).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from av.container import OutputContainer
from av.video.stream import VideoStream

from vidcolor.frames import VideoInfo

_SEGMENT, _CLUSTER, _TRACKS, _CRC_32 = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xBF
_TRACK_ENTRY, _VIDEO = 0xAE, 0xE0
_PIXEL_WIDTH, _DISPLAY_WIDTH, _STEREO_MODE = 0xB0, 0x54B0, 0x53B8
_CROPS = {0x54CC: "left", 0x54DD: "right", 0x54BB: "top", 0x54AA: "bottom"}
"""PixelCropLeft and its like."""
_MOST_OF_TRACKS = 1 << 24
"""Bytes; a broken file may tell of any number."""
_CLAIM = "stereo_mode"


def claim(output: OutputContainer, stream: VideoStream, aspect: Fraction) -> int | None:
    """Prepare the header for ``settle``, and give back its ``track``; None if nothing is to do.

    A film that does hold two views keeps FFmpeg's display size.
    """
    if aspect == 1 or output.format.name not in ("matroska", "webm") or _CLAIM in stream.metadata:
        return None
    stream.metadata[_CLAIM] = "left_right"
    return sum(other.type != "attachment" for other in islice(output.streams, stream.index))


def settle(path: Path, track: int, aspect: Fraction) -> bool:
    """Give track number ``track``, from 0, of a finished file its display size: the stored height,
    and the width times ``aspect``, rounded. False, and no change, if there is no claim in it."""
    with path.open("r+b") as file:
        tracks = _tracks(file)
        if tracks is None:
            return False
        file.seek(tracks.body)
        data = bytearray(file.read(tracks.end - tracks.body))
        if not _shape(data, track, aspect):
            return False
        first = next(_parts(data, 0, len(data)))
        if first.kind == _CRC_32:
            data[first.body : first.end] = zlib.crc32(data[first.end :]).to_bytes(4, "little")
        file.seek(tracks.body)
        file.write(data)
    return True


def cropping(info: VideoInfo) -> dict[str, int] | None:
    """How many pixels a film in Matroska tells players to cut from its picture, by side; None where
    that is nothing, or it is no such file."""
    if "matroska" not in info.container:
        return None
    # What is broken there is read by FFmpeg's rules, not by these.
    with suppress(OSError, IndexError, ValueError), info.path.open("rb") as file:
        tracks = _tracks(file)
        if tracks is None:
            return None
        file.seek(tracks.body)
        data = file.read(min(tracks.end - tracks.body, _MOST_OF_TRACKS))
        kinds = [other.kind for other in info.others if other.index < info.stream_index]
        video = _video(data, sum(kind != "attachment" for kind in kinds))
        inner = () if video is None else _parts(data, video.body, video.end)
        found = {part.kind: int.from_bytes(data[part.body : part.end]) for part in inner}
        return {
            _CROPS[kind]: count for kind, count in found.items() if kind in _CROPS and count
        } or None
    return None


class _Part(NamedTuple):
    """An element, from ``start`` to ``end``; what it holds begins at ``body``."""

    kind: int
    start: int
    body: int
    end: int


def _tracks(file: BinaryIO) -> _Part | None:
    """The element that describes the tracks, all of which comes before the first picture."""
    at = 0
    while head := file.read(12):
        part = _part(head, 0)
        if part.kind == _TRACKS:
            return _Part(_TRACKS, at, at + part.body, at + part.end)
        if part.kind == _CLUSTER:
            break
        at += part.body if part.kind == _SEGMENT else part.end
        file.seek(at)
    return None


def _shape(data: bytearray, track: int, aspect: Fraction) -> bool:
    """Change the display size among all ``data`` of the tracks; False if there is none."""
    video = _video(data, track)
    if video is None:
        return False
    found = {part.kind: part for part in _parts(data, video.body, video.end)}
    if not found.keys() >= {_PIXEL_WIDTH, _DISPLAY_WIDTH, _STEREO_MODE}:
        return False
    stored = int.from_bytes(data[found[_PIXEL_WIDTH].body : found[_PIXEL_WIDTH].end])
    shown = max(1, round(stored * aspect))
    # The claim goes, and the width has its room: leading zeros are allowed.
    room = [found.pop(kind) for kind in (_STEREO_MODE, _DISPLAY_WIDTH)]
    length = sum(part.end - part.start for part in room) - 3
    made = _DISPLAY_WIDTH.to_bytes(2) + bytes([0x80 | length]) + shown.to_bytes(length)
    rest = b"".join(data[part.start : part.end] for part in found.values())
    data[video.body : video.end] = rest + made
    return True


def _video(data: bytes | bytearray, track: int) -> _Part | None:
    """What ``data`` of the tracks tells of the picture of track number ``track``, from 0."""
    entries = [part for part in _parts(data, 0, len(data)) if part.kind == _TRACK_ENTRY]
    inner = _parts(data, entries[track].body, entries[track].end) if track < len(entries) else ()
    return next((part for part in inner if part.kind == _VIDEO), None)


def _parts(data: bytes | bytearray, at: int, end: int) -> Iterator[_Part]:
    while at < end:
        part = _part(data, at)
        yield part
        at = part.end


def _part(data: bytes | bytearray, at: int) -> _Part:
    """The element whose head, of at most twelve bytes, lies at ``at``."""
    body = at + _length(data[at])
    kind = int.from_bytes(data[at:body])
    size, body = body, body + _length(data[body])
    held = int.from_bytes(data[size:body]) & (1 << 7 * (body - size)) - 1
    return _Part(kind, at, body, body + held)


def _length(first: int) -> int:
    """How many bytes a number has that begins with this one: its leading zeros tell."""
    return 9 - first.bit_length()
