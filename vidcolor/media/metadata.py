"""A film's metadata: what is worth keeping, and what a container has a place for."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import av

# The muxer writes its own; the source's would be wrong in the target.
_STALE_KEYS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "rotate"}
)
_STALE_PREFIXES = ("_statistics", "bps", "number_of_", "duration-")
_HANDLER = 64
"""Bytes of a metadata box in which what handles it is named."""
# The picture's own, and written with it.
_TIMECODE = "timecode"
_USUAL = frozenset(
    {"album", "artist", "comment", "copyright", "creation_time", "date", "genre", "title"}
)
"""Keys that MP4 and QuickTime are known to have atoms for."""


def kept_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Without what describes the old file rather than the film."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE_KEYS and not key.lower().startswith(_STALE_PREFIXES)
    }


def named_by_keys(path: Path) -> bool:
    """Whether a file is an MP4 or QuickTime film whose metadata is named by keys, not by atoms."""
    with suppress(OSError, struct.error), path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        for begin, moov_end in _boxes(file, 0, end, b"moov"):
            inside = list(_boxes(file, begin, moov_end, b"meta"))
            for udta, udta_end in _boxes(file, begin, moov_end, b"udta"):
                inside += _boxes(file, udta, udta_end, b"meta")
            for meta, _ in inside:
                file.seek(meta)
                # Its handler comes first, in MP4 behind a version.
                if b"mdta" in file.read(_HANDLER):
                    return True
    return False


def _boxes(file: BinaryIO, at: int, end: int, wanted: bytes) -> Iterator[tuple[int, int]]:
    """Where the content of each box called ``wanted`` begins and ends, of those from ``at`` on."""
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        content = at + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            content += 8
        size = size or end - at
        if size < content - at:
            return
        if kind == wanted:
            yield content, min(at + size, end)
        at += size


def homeless(metadata: Mapping[str, str], container: str) -> list[str]:
    """The keys that ``container`` has no place for, in order; found by writing a tiny film.

    Those have one all the same where metadata is named by keys, as telephones and cameras do.
    FFmpeg then writes none of the old atoms, which most players and file managers show.
    """
    wanted = kept_metadata(metadata)
    # Case is of no account: Matroska has capitals where others have none.
    if container not in ("mp4", "mov") or {key.lower() for key in wanted} <= _USUAL:
        return []
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        output.metadata.update(wanted)
        picture: Any = output.add_stream("mpeg4", rate=25)
        picture.width = picture.height = 16
        picture.pix_fmt = "yuv420p"
        frame = av.VideoFrame(16, 16, "yuv420p")
        frame.pts = 0
        output.mux([*picture.encode(frame), *picture.encode(None)])
    file.seek(0)
    with av.open(file) as again:
        found = {key.lower() for key in again.metadata} | {_TIMECODE}
    return sorted(key for key in wanted if key.lower() not in found)
