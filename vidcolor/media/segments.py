"""Encoded pieces of the picture on disk, until all of them are joined to a film.

No container keeps every codec's packets with exact times: Matroska rounds to milliseconds, MP4
rewrites what it stores and takes few codecs, NUT knows no ProRes. So a segment is a plain list of
packets, each with its times, its length and its checksum. What a container's header needs of the
encoder comes from an encoder opened in the same way when the film is joined.
"""

from __future__ import annotations

import io
import secrets
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from vidcolor.disk import put_in_place
from vidcolor.frames import PaintedFrame, VideoInfo
from vidcolor.media.encode import PictureEncoder
from vidcolor.media.encoders import Choice
from vidcolor.media.faults import writing

_MAGIC = b"vidcolor segment 1\n"
_HEAD = struct.Struct("<qq?II")
"""pts, duration, key frame, bytes, CRC-32 of the bytes."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment: its file, and what joining it takes.

    ``start`` is the pts of its first frame in the film. ``pts`` are the times of all its frames,
    rising, in the encoder's ticks on the source's clock; ``duration`` is the last one's; ``depth``
    is by how many packets at most one comes later than its turn to be shown; ``size`` is the file's
    in bytes. ``moved`` tells the pts of its first frame, and of each where that changes, with
    ``Frame.moved``.
    """

    path: Path
    start: int
    pts: tuple[int, ...]
    duration: int
    depth: int
    size: int
    moved: tuple[tuple[int, int], ...] = ()

    def in_place(self) -> bool:
        """Whether its file is there, as long as it was."""
        return self.path.is_file() and self.path.stat().st_size == self.size

    def whole(self) -> bool:
        """Whether its file is as it was written; reads all of it. Raises OSError."""
        try:
            for _ in _read(self.path):
                pass
        except ValueError:
            return False
        return self.in_place()


class SegmentWriter:
    """Encodes frames into the segment ``path``, with an encoder of its own.

    ``choice`` and ``container`` are those of the film it will be part of, so that its packets fit
    that film's header. The file appears under its name when it is complete, and not before.
    Raises EncodeError and TargetError.
    """

    def __init__(self, path: Path, info: VideoInfo, choice: Choice, container: str) -> None:
        self._path = path
        # One worker may be taken for dead, and another be at the same chunk.
        self._part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        self._start: int | None = None
        self._pts: list[int] = []
        self._moved: list[tuple[int, int]] = []
        with writing(path):
            # The container is never written; encoders ask it where their headers are to go.
            self._scratch = av.open(io.BytesIO(), "w", format=container)
            self._encoder = PictureEncoder(self._scratch, info, choice)
            self._file = self._part.open("wb")
            self._file.write(_MAGIC)

    @property
    def chroma_shape(self) -> tuple[int, int]:
        """(height, width) that ``PaintedFrame.cb`` and ``cr`` must have."""
        return self._encoder.chroma_shape

    def write(self, painted: PaintedFrame) -> None:
        """Take the next frame, as `vidcolor.media.mux.Writer` does."""
        self._encoder.check(painted)
        if self._start is None:
            self._start = painted.frame.pts
        if not self._moved or self._moved[-1][1] != painted.frame.moved:
            self._moved.append((painted.frame.pts, painted.frame.moved))
        with writing(self._path):
            self._put(self._encoder.encode(painted))

    def finish(self, following: int | None) -> Segment:
        """Complete the file; ``following`` is the pts of the frame after its last, if any."""
        assert self._start is not None, "a segment has frames"
        with writing(self._path):
            self._put(self._encoder.finish(following))
            self._file.close()
            size = self._part.stat().st_size
            put_in_place(self._part, self._path)
        self.discard()
        pts = sorted(self._pts)
        turn = {time: number for number, time in enumerate(pts)}
        depth = max(number - turn[time] for number, time in enumerate(self._pts))
        duration = self._encoder.end - pts[-1]
        moved = tuple(self._moved)
        return Segment(self._path, self._start, tuple(pts), duration, depth, size, moved)

    def discard(self) -> None:
        """Let go of everything, and of the file unless it is complete."""
        # A full disk, or one that is gone, fails here once more.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)
        with suppress(Exception):  # Nothing was ever written to it.
            self._scratch.close()

    def _put(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            assert packet.pts is not None
            self._pts.append(packet.pts)
            data = bytes(packet)
            head = packet.pts, packet.duration or 0, packet.is_keyframe
            self._file.write(_HEAD.pack(*head, len(data), zlib.crc32(data)))
            self._file.write(data)


def join(segments: Sequence[Segment]) -> Iterator[Packet[VideoStream]]:
    """The packets of all segments in a row, decoding times made anew so that they fit together.

    Packet number n is decoded when frame number n - depth is shown, which is never after its own
    turn. Raises ValueError where a file is not what was written.
    """
    depth = max(segment.depth for segment in segments)
    times = [time for segment in segments for time in segment.pts]
    step = times[1] - times[0] if len(times) > 1 else segments[0].duration
    before = (times[0] - early * step for early in range(depth, 0, -1))
    clock = chain(before, times)
    for segment in segments:
        for packet in _read(segment.path):
            packet.dts = next(clock)
            yield packet


def _read(path: Path) -> Iterator[Packet[VideoStream]]:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError(f"{path}: not a segment")
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise ValueError(f"{path}: broken off")
            pts, duration, key, size, check = _HEAD.unpack(head)
            data = file.read(size)
            if len(data) < size or zlib.crc32(data) != check:
                raise ValueError(f"{path}: broken off or changed on disk")
            packet = cast("Packet[VideoStream]", Packet(data))
            packet.pts, packet.duration, packet.is_keyframe = pts, duration, key
            yield packet
