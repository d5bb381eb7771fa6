"""The times of H.264 and H.265 in AVI, whose pictures are decoded in another order than shown.

AVI tells no pts, only when each packet is due. For these two codecs FFmpeg makes a pts of that,
which belongs to the packet and not to the picture shown then: those of pictures in a row run to and
fro. The decoder gives pictures out in order, one for each packet, all as far behind as the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import TypeVar, cast

import av
from av.video.stream import VideoStream

from vidcolor.frames import VideoInfo
from vidcolor.media.faults import FAULTS
from vidcolor.media.source import open_source

Beside = TypeVar("Beside")

_CODECS = frozenset({"h264", "hevc"})
_LOOKED_AT = 32
"""Pictures, one of which has the first pts."""


def held_back(info: VideoInfo) -> int | None:
    """How many ticks behind the film's first pts its first picture comes out of the decoder; None
    where none are decoded in another order than shown, so that pts can be believed."""
    if info.container != "avi" or info.codec not in _CODECS:
        return None
    told: list[int] = []
    first: int | None = None
    with suppress(*FAULTS), open_source(info.path) as source:
        stream = cast(VideoStream, source.streams[info.stream_index])
        for picture in islice(source.decode(stream), _LOOKED_AT):
            first = picture.dts if first is None else first
            told += [] if picture.pts is None else [picture.pts]
        if not stream.codec_context.has_b_frames:
            return None
    return None if first is None or not told else first - min(told)


def in_order(
    pictures: Iterator[tuple[av.VideoFrame, Beside]], behind: int
) -> Iterator[tuple[av.VideoFrame, Beside]]:
    """``pictures``, and what comes with each, at the times they are shown at, by their dts."""
    last: int | None = None
    for picture, beside in pictures:
        if picture.dts is not None:
            last = picture.dts - behind
        elif last is not None:
            last += picture.duration or 1  # The decoder is being emptied.
        if last is not None:
            picture.pts = last
        yield picture, beside
