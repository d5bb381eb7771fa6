"""How many frames a film has before a time, and when each is shown, found without decoding."""

from __future__ import annotations

from array import array
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import VideoInfo
from vidcolor.media.clock import LONGEST_GAP
from vidcolor.media.damage import demuxed
from vidcolor.media.decode import decode
from vidcolor.media.faults import reading
from vidcolor.media.source import open_source
from vidcolor.settings import LimitSettings

_REORDERING = 1
"""Seconds to read on for: packets come in the order of decoding, and an edit list may have moved
the times of showing to before those of decoding."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The pts of every frame in the order of presentation; ``sought`` is whether the file itself
    has them, so that a frame can be sought by its own."""

    times: NDArray[np.int64]
    sought: bool = True


@dataclass(frozen=True, slots=True)
class Before:
    """What comes before a moment of a film: how many frames, the pts of the last of them, and
    whether the moment can be ``sought``, as in `Timeline`."""

    count: int
    last: int | None = None
    sought: bool = True


def frames_before(
    info: VideoInfo, start: Fraction, limits: LimitSettings = LimitSettings()
) -> Before:
    """The frames before ``start``; their count is the number, in presentation order, of the first
    at or after it.

    ``start`` is in seconds from the film's first timestamp, as in `RangeSettings`: what `decode`
    gives index 0 in such a range is this frame of the film. The film's packets are read up to
    there, and those that are shown earlier are counted; a packet is a frame in all containers but
    for damaged ones. Where packets don't tell, as `timeline` has it, the film is decoded up to
    there.

    Raises SourceError when the file cannot be read.
    """
    if start <= 0:
        return Before(0)
    limit = start + (0 if info.start_pts is None else info.start_pts * info.time_base)
    times = _told(info, limits, limit)
    if times is not None:
        # Ticks are whole: those before a moment within one include it.
        count = int(np.searchsorted(times, -(-limit // info.time_base)))
        return Before(count, int(times[count - 1]) if count else None)
    count, last = 0, None
    with closing(decode(info, limits=limits)) as frames:
        for frame in frames:
            if frame.pts * info.time_base >= limit:
                break
            count, last = count + 1, frame.pts
    return Before(count, last, sought=False)


def timeline(info: VideoInfo, limits: LimitSettings = LimitSettings()) -> Timeline:
    """The frames of the whole film, as `frames_before` counts them.

    All its packets are read for it. Where they do not say when a frame is shown, as in a stream
    without a container, or say it by a clock that was set anew on the way, it is decoded instead.
    Raises SourceError when that fails.
    """
    times = _told(info, limits)
    if times is not None:
        return Timeline(times)
    with closing(decode(info, limits=limits)) as frames:
        return Timeline(np.array([frame.pts for frame in frames], np.int64), sought=False)


def _told(
    info: VideoInfo, limits: LimitSettings, until: Fraction | None = None
) -> NDArray[np.int64] | None:
    """When the frames up to about ``until`` seconds of the file's clock are shown, in ticks, as
    their packets tell; None where they don't."""
    longest = LONGEST_GAP / info.time_base
    found = array("q")
    last: int | None = None
    begun = whole = False
    with open_source(info.path) as source, reading(info.path):
        for packet in demuxed(source, [source.streams[info.stream_index]]):
            if packet.size == 0:
                continue
            if not begun:
                begun, whole = True, packet.is_keyframe
            # What an edit list hides is decoded, but not shown.
            if packet.is_discard:
                continue
            time = packet.dts if packet.pts is None else packet.pts
            if time is None:
                return None
            found.append(time)
            if packet.dts is None:
                continue
            # Times of decoding go back only where the clock was set anew.
            if last is not None and not 0 <= packet.dts - last <= longest:
                return None
            last = packet.dts
            if until is not None and last * info.time_base >= until + _REORDERING:
                break
    times = np.array(found, np.int64)
    if len(times) and not (whole and times[0] == times.min()):
        # Cut out of the middle of a broadcast: what refers to pictures before is not shown.
        with closing(decode(info, limits=limits)) as frames:
            shown = next(frames, None)
        if shown is not None:
            times = times[times >= shown.pts]
    return np.sort(times)
