"""Where in a film to look: evenly spread, or once in every shot; and at which frame there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from vidcolor.errors import SourceError
from vidcolor.frames import Frame, VideoInfo
from vidcolor.media.count import Timeline, timeline
from vidcolor.media.glimpse import Glimpser
from vidcolor.report import Progress
from vidcolor.settings import LimitSettings, Settings
from vidcolor.shrink import shrink
from vidcolor.survey import find_shots

MOST_SHOTS = 240
"""Of a film with more shots, so many are shown."""
PLAIN = 8.0
"""Standard deviation of L* under which a frame shows little: black, in a fade, a blank wall."""
_ELSEWHERE = (Fraction(1, 2), Fraction(4, 5), Fraction(1, 5))
"""Where to look, one after the other, as long as little is to be seen; shares of the place."""
_SIZE = (64, 64)


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the film to take one frame from: ``start`` to ``end`` in seconds since its first
    timestamp. ``shot`` is the shot's number, from 1, and ``first_frame`` the one it begins with,
    if it is a shot."""

    start: Fraction
    end: Fraction
    shot: int | None = None
    first_frame: int = 0


def spread(info: VideoInfo, count: int, line: Timeline | None = None) -> list[Place]:
    """``count`` equal parts of the film, or as many as it has frames.

    ``line`` has the times of one that does not tell how long it is.
    """
    length, frames = info.duration or Fraction(0), info.frame_count
    if line is not None:
        length = (int(line.times[-1]) - (info.start_pts or 0) + 1) * info.time_base
        frames = len(line.times)
    if frames:
        count = min(count, frames)
    return [Place(length * part / count, length * (part + 1) / count) for part in range(count)]


def listed_shots(info: VideoInfo, line: Timeline, starts: Sequence[int]) -> list[Place]:
    """The shots that begin with these frames, but for those behind the film's end."""
    times = line.times
    inside = [start for start in starts if start < len(times)]
    origin = info.start_pts or 0
    ends = [*(int(times[start]) - origin for start in inside), int(times[-1]) - origin + 1]
    return [
        Place(start * info.time_base, end * info.time_base, number, first)
        for number, (first, (start, end)) in enumerate(zip(inside, pairwise(ends), strict=True), 1)
    ]


def whole_line(info: VideoInfo, limits: LimitSettings) -> Timeline:
    """The film's `timeline`. Raises SourceError also where it has no frame."""
    line = timeline(info, limits)
    if not len(line.times):
        raise SourceError(f"{info.path}: not one picture of it can be decoded")
    return line


def found_shots(
    info: VideoInfo, settings: Settings, progress: Callable[[Progress], None] | None = None
) -> list[Place]:
    """The shots as the detector finds them, for which the whole film is decoded."""
    survey = find_shots(info.path, settings, progress=progress)
    return [
        Place(shot.start, shot.start + shot.length, number, shot.first_frame)
        for number, shot in enumerate(survey.shots, 1)
    ]


def thinned(places: Sequence[Place], count: int) -> list[Place]:
    """At most ``count`` of the places, evenly chosen."""
    if len(places) <= count:
        return list(places)
    return [places[len(places) * part // count] for part in range(count)]


def telling_frame(glimpser: Glimpser, place: Place) -> Frame | None:
    """A frame of the place that shows something: the first that is not plain, of three; else the
    least plain. None if no frame can be decoded there."""
    best: tuple[float, Frame | None] = -1.0, None
    for share in _ELSEWHERE:
        frame = glimpser.near(place.start + (place.end - place.start) * share, place.start)
        if frame is None or glimpser.time(frame) >= place.end:
            continue
        contrast = float(np.std(shrink(frame, _SIZE)))
        if contrast > best[0]:
            best = contrast, frame
        if contrast >= PLAIN:
            break
    return best[1]
