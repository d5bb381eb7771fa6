"""Encoded pieces of the picture on disk, until all of them are joined to a film.

No container keeps every codec's packets with exact times: Matroska rounds to milliseconds, MP4
rewrites what it stores and takes few codecs, NUT knows no ProRes. So a segment is a plain list of
packets, each with its times, its length and its checksum. What a container's header needs of the
encoder comes from an encoder opened in the same way when the film is joined.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from av.packet import Packet
from av.video.stream import VideoStream

_MAGIC = b"vidcolor segment 1\n"
_HEAD = struct.Struct("<qqq?II")
"""pts, dts, duration, key frame, bytes, CRC-32 of the bytes."""


class SegmentFile:
    """Takes the packets of one segment; ``path`` appears when it is complete, and not before.

    A context manager: left by an exception it leaves nothing behind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._file = self._part.open("wb")
        self._file.write(_MAGIC)

    def put(self, packet: Packet[VideoStream]) -> None:
        """Add a packet, in decoding order. Raises ValueError if it has no times."""
        if packet.pts is None or packet.dts is None:
            raise ValueError("a packet of the picture without pts or dts")
        data = bytes(packet)
        head = packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe
        self._file.write(_HEAD.pack(*head, len(data), zlib.crc32(data)))
        self._file.write(data)

    def commit(self) -> None:
        """Make the file durable and give it its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._part, self._path)

    def discard(self) -> None:
        """Delete what has been written, unless it is complete."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def read_segment(path: Path) -> Iterator[Packet[VideoStream]]:
    """The packets of a segment, without stream or time base.

    Raises ValueError where the file is not what was written.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError(f"{path}: not a segment")
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise ValueError(f"{path}: broken off")
            pts, dts, duration, key, size, check = _HEAD.unpack(head)
            data = file.read(size)
            if len(data) < size or zlib.crc32(data) != check:
                raise ValueError(f"{path}: broken off or changed on disk")
            packet = cast("Packet[VideoStream]", Packet(data))
            packet.pts, packet.dts, packet.duration = pts, dts, duration
            packet.is_keyframe = key
            yield packet
