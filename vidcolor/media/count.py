"""How many frames a film has before a time, and when each is shown, found without decoding."""

from __future__ import annotations

from array import array
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import VideoInfo
from vidcolor.media.damage import demuxed
from vidcolor.media.faults import reading
from vidcolor.media.source import open_source

_REORDERING = 1
"""Seconds to read on for: packets come in the order of decoding, and an edit list may have moved
the times of showing to before those of decoding."""


def frames_before(info: VideoInfo, start: Fraction) -> int:
    """The number, in presentation order, of the first frame at or after ``start``.

    ``start`` is in seconds from the film's first timestamp, as in `RangeSettings`: what `decode`
    gives index 0 in such a range is this frame of the film. The film's packets are read up to
    there, and those that are shown earlier are counted; a packet is a frame in all containers but
    for damaged ones, and a film without timestamps is counted by its decoding times.

    Raises SourceError when the file cannot be read.
    """
    if start <= 0:
        return 0
    limit = start + (0 if info.start_pts is None else info.start_pts * info.time_base)
    count = 0
    with open_source(info.path) as source, reading(info.path):
        for packet in demuxed(source, [source.streams[info.stream_index]]):
            time = packet.dts if packet.pts is None else packet.pts
            # What an edit list hides is decoded, but not shown.
            if time is None or packet.size == 0 or packet.is_discard:
                continue
            count += time * info.time_base < limit
            if packet.dts is not None and packet.dts * info.time_base >= limit + _REORDERING:
                break
    return count


def frame_times(info: VideoInfo) -> NDArray[np.int64]:
    """The pts of every frame in the order of presentation, as `frames_before` counts them.

    The whole file is read for it. Raises SourceError when that fails.
    """
    found = array("q")
    with open_source(info.path) as source, reading(info.path):
        for packet in demuxed(source, [source.streams[info.stream_index]]):
            time = packet.dts if packet.pts is None else packet.pts
            if time is not None and packet.size and not packet.is_discard:
                found.append(time)
    return np.sort(np.array(found, np.int64))
