"""The pictures of a film, one after the other, as they were stored: ``decode(info)``."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import dropwhile, islice
from math import ceil

from vidcolor.errors import NoVideoError, UsageError
from vidcolor.frames import Frame, Place, VideoInfo
from vidcolor.media.clock import plausible_rate
from vidcolor.media.damage import DecodeReport
from vidcolor.media.reader import Reader
from vidcolor.settings import LimitSettings, RangeSettings


def decode(
    info: VideoInfo,
    crop: RangeSettings = RangeSettings(),
    report: DecodeReport | None = None,
    limits: LimitSettings = LimitSettings(),
    *,
    since: Place | None = None,
    seek: bool = True,
    sought: bool = True,
) -> Generator[Frame]:
    """Yield the frames of ``info.path`` in presentation order, each with its own pts.

    ``crop`` by frames counts from the film's first frame, decoding from the start. ``crop`` by
    time counts seconds from the film's first timestamp; decoding starts at the key frame before
    and the first frame given out, the first at or after ``crop.start``, has ``index`` 0. Both
    ends are half-open.

    With ``since`` the first frame given out is that one, found by its time or, without ``seek``, by
    its number; an earlier run gave out those before it. Nothing is given out if it is not there.
    Without ``sought`` the film is read from its beginning up to ``crop.start``: see `Timeline`.

    Timestamps strictly increase: missing ones are made up from durations or the frame rate, a
    clock that jumps back is carried on. With ``info.fields.deinterlace`` each interlaced frame is
    made into one moment, its time unchanged. A packet that cannot be decoded is skipped, a picture
    of another size or depth is fitted into the film's; all of it is noted in ``report``. The file
    is closed when the generator ends, fails or is closed.

    Raises SourceError when the file cannot be read, has more frames than ``limits`` allow or, if
    they are strict, at the first damage; NoVideoError when nothing at all can be decoded;
    UsageError when the range holds no frame.
    """
    report = DecodeReport() if report is None else report
    origin = Fraction(0) if info.start_pts is None else info.start_pts * info.time_base
    start = None if crop.start in (None, 0) else origin + crop.start
    end = None if crop.duration is None else origin + (crop.start or 0) + crop.duration
    last_tick = None if end is None else int(end / info.time_base)
    usual = ceil(1 / (plausible_rate(info.average_rate) * info.time_base))
    first, stop = crop.first_frame or 0, crop.end_frame
    reader = Reader(info, report, limits)
    last: Frame | None = None
    if since is None:
        begin, found = 0, _from_time(reader, start, sought=sought)
    else:
        begin, found = since.index, _since(reader, start, since, seek=seek, sought=sought)
        report.frames = since.index - first
    with closing(found) as frames:
        for number, frame in enumerate(frames, begin):
            if stop is not None and number >= stop:
                break
            if end is not None and frame.pts * info.time_base >= end:
                break
            if number >= first:
                report.frames += 1
                if frame.damaged:
                    report.count("damaged", frame.pts)
                lasts = frame.duration
                if last_tick is not None:
                    # One that stands long, as end titles do, stands no longer than the part.
                    lasts = min(lasts, max(usual, last_tick - frame.pts))
                yield replace(frame, index=number, duration=lasts)
            last = frame
        else:
            if last is not None:
                reader.check_end(crop, last)
    if report.frames == 0 and since is None:
        if crop.whole:
            raise NoVideoError(f"{info.path}: not one picture of its video can be decoded")
        raise UsageError(f"{info.path}: the chosen range holds no frame of this film")


def _from_time(reader: Reader, start: Fraction | None, *, sought: bool) -> Generator[Frame]:
    """All frames, or those from ``start`` seconds on, seeking there if it is to be ``sought`` and
    that lands early enough."""
    base = reader.info.time_base
    if start is not None and sought:
        with closing(reader.frames(start)) as frames:
            early = False
            for frame in frames:
                at = frame.pts * base
                early = early or at <= start
                if not early:
                    break
                if at >= start:
                    yield frame
            if early:
                return
        # The seek landed behind the wanted frame (a damaged or missing index): read it all.
        reader.forget()
    with closing(reader.frames(None)) as frames:
        for frame in frames:
            if start is None or frame.pts * base >= start:
                yield frame


def _since(
    reader: Reader, start: Fraction | None, place: Place, *, seek: bool, sought: bool
) -> Generator[Frame]:
    """The frames from ``place`` on, of those that `_from_time` gives from ``start`` on."""
    if not seek:
        with closing(_from_time(reader, start, sought=sought)) as frames:
            yield from islice(frames, place.index, None)
        return
    with closing(reader.frames(place.pts * reader.info.time_base)) as frames:
        coming = dropwhile(lambda frame: frame.pts < place.pts, frames)
        first = next(coming, None)
        if first is not None and first.pts == place.pts:
            yield first
            yield from coming
