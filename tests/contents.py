"""What is in a film, so that two can be compared: pictures, their times, packets of the rest."""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path

import av

from vidcolor.media.decode import decode
from vidcolor.media.probe import probe


def times(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    info = probe(path)
    return [frame.pts * info.time_base for frame in decode(info)]


def pictures(path: Path) -> list[int]:
    """A number for each frame that tells its planes from others'."""
    with av.open(str(path)) as source:
        return [zlib.crc32(frame.to_ndarray().tobytes()) for frame in source.decode(video=0)]


def packets(path: Path, kind: str) -> list[tuple[int | None, bytes]]:
    """Times and contents of the packets of all streams of a kind."""
    with av.open(str(path)) as source:
        streams = [stream for stream in source.streams if stream.type == kind]
        return [(packet.pts, bytes(packet)) for packet in source.demux(streams) if packet.size]


def differences(one: Path, other: Path) -> list[str]:
    """In what two films differ; decoded pictures count, not how they were encoded."""
    found = []
    if times(one) != times(other):
        found.append("times")
    if pictures(one) != pictures(other):
        found.append("pictures")
    return found + [
        kind for kind in ("audio", "subtitle") if packets(one, kind) != packets(other, kind)
    ]
