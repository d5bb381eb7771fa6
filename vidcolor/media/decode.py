"""The pictures of a film, one after the other, as they were stored: ``decode(info)``."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import cast

import av
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from vidcolor.errors import NoVideoError, SourceError, UsageError
from vidcolor.frames import Frame, VideoInfo
from vidcolor.media.faults import FAULTS, reading, reason
from vidcolor.media.fields import FieldReader, deinterlaced
from vidcolor.media.picture import picture_of, read_luma
from vidcolor.media.probe import open_source
from vidcolor.settings import RangeSettings

_READ_FAULTS_IN_A_ROW = 10
_USUAL_RATE = Fraction(25)


@dataclass(slots=True)
class DecodeReport:
    """What happened while decoding; filled in as the frames go by."""

    frames: int = 0
    """Frames handed out."""
    damaged: int = 0
    """Frames handed out that the decoder patched over damage."""
    skipped: int = 0
    """Packets that could not be read or decoded at all; each is a picture lost, as a rule."""
    retimed: int = 0
    """Frames whose timestamp was missing or not after the one before, and was made up."""


def decode(
    info: VideoInfo,
    crop: RangeSettings = RangeSettings(),
    report: DecodeReport | None = None,
) -> Generator[Frame]:
    """Yield the frames of ``info.path`` in presentation order, each with its own pts.

    ``crop`` by frames counts from the film's first frame, decoding from the start. ``crop`` by
    time counts seconds from the film's first timestamp; decoding starts at the key frame before
    and the first frame given out, the first at or after ``crop.start``, has ``index`` 0. Both
    ends are half-open.

    Timestamps strictly increase: missing ones are made up from durations or the frame rate, a
    clock that jumps back is carried on. With ``info.fields.deinterlace`` each interlaced frame is
    made into one moment, its time unchanged. A packet that cannot be decoded is skipped and counted
    in ``report``. The file is closed when the generator ends, fails or is closed.

    Raises SourceError when the file cannot be read, the picture changes its size or depth, or
    nothing at all can be decoded; UsageError when the range holds no frame.
    """
    report = DecodeReport() if report is None else report
    origin = Fraction(0) if info.start_pts is None else info.start_pts * info.time_base
    start = None if crop.start in (None, 0) else origin + crop.start
    end = None if crop.duration is None else origin + (crop.start or 0) + crop.duration
    first, stop = crop.first_frame or 0, crop.end_frame
    with closing(_from_time(info, start, report)) as frames:
        for number, frame in enumerate(frames):
            if stop is not None and number >= stop:
                break
            if end is not None and frame.pts * info.time_base >= end:
                break
            if number >= first:
                report.frames += 1
                report.damaged += frame.damaged
                yield replace(frame, index=number)
    if report.frames == 0:
        if crop.whole:
            raise NoVideoError(f"{info.path}: not one picture of its video can be decoded")
        raise UsageError(f"{info.path}: the chosen range holds no frame of this film")


def _from_time(info: VideoInfo, start: Fraction | None, report: DecodeReport) -> Generator[Frame]:
    """All frames, or those from ``start`` seconds on, seeking there if that lands early enough."""
    if start is not None:
        with closing(_all_frames(info, start, report)) as frames:
            early = False
            for frame in frames:
                at = frame.pts * info.time_base
                early = early or at <= start
                if not early:
                    break
                if at >= start:
                    yield frame
            if early:
                return
        # The seek landed behind the wanted frame (a damaged or missing index): read it all.
        report.skipped = report.retimed = 0
    with closing(_all_frames(info, None, report)) as frames:
        for frame in frames:
            if start is None or frame.pts * info.time_base >= start:
                yield frame


def _all_frames(
    info: VideoInfo, seek_to: Fraction | None, report: DecodeReport
) -> Generator[Frame]:
    with open_source(info.path) as source:
        with reading(info.path):
            stream = cast(VideoStream, source.streams[info.stream_index])
            for other in source.streams:
                if other.index != stream.index:
                    other.discard = Discard.all
            # Whole frames in parallel where the codec can: twice as fast, and unlike slice
            # threads they let FFmpeg mark the frames it patched as corrupt.
            stream.codec_context.thread_type = "AUTO"
        if seek_to is not None:
            try:
                source.seek(int(seek_to / info.time_base), stream=stream)
            except FAULTS:
                return
        clock, reader = _Clock(info, report), FieldReader()
        frames = (
            _frame(picture, number, info, clock, reader)
            for number, picture in enumerate(_pictures(source, stream, info, report))
        )
        whole = info.fields is not None and info.fields.deinterlace
        yield from deinterlaced(frames) if whole else frames


def _pictures(
    source: InputContainer, stream: VideoStream, info: VideoInfo, report: DecodeReport
) -> Iterator[av.VideoFrame]:
    """Decoded frames, over damaged packets and unreadable stretches of the file."""
    faults, any_picture = 0, False
    while True:
        fault: Exception | None = None
        packets = source.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except FAULTS as error:
                fault = error
                break
            if packet is None:
                return
            try:
                pictures = packet.decode()
            except EOFError:
                return
            except FAULTS:
                report.skipped += 1
                continue
            for picture in pictures:
                faults, any_picture = 0, True
                yield picture
        # Reading goes on behind the bad spot with a new demuxing loop, but not for ever.
        report.skipped += 1
        faults += 1
        if faults >= _READ_FAULTS_IN_A_ROW:
            if any_picture:
                return
            raise SourceError(f"{info.path}: cannot be read: {reason(fault)}") from fault


class _Clock:
    """Gives every frame a pts that is after the one before."""

    def __init__(self, info: VideoInfo, report: DecodeReport) -> None:
        self._report = report
        self._second = max(1, int(1 / info.time_base))
        rate = info.average_rate or _USUAL_RATE
        self._step = max(1, round(1 / (rate * info.time_base)))
        self._next = info.start_pts or 0
        self._last: int | None = None
        self._shift = 0

    def place(self, pts: int | None, duration: int) -> int:
        """The pts to use for a frame that claims ``pts`` and lasts ``duration`` ticks."""
        placed = self._next if pts is None else pts + self._shift
        if self._last is not None and placed <= self._last:
            if self._last - placed > self._second and pts is not None:
                # The clock was set back, as where two broadcasts were joined: carry on from here.
                self._shift += self._next - placed
                placed = self._next
            else:
                placed = self._last + 1
        self._report.retimed += pts is None or placed != pts
        self._last = placed
        self._next = placed + (duration or self._step)
        return placed


def _frame(
    picture: av.VideoFrame, number: int, info: VideoInfo, clock: _Clock, reader: FieldReader
) -> Frame:
    size = picture.width, picture.height
    duration = max(0, picture.duration or 0)
    pts = clock.place(picture.pts, duration)
    if size != (info.width, info.height):
        raise SourceError(
            f"{info.path}: the picture changes from {info.width}x{info.height} to "
            f"{size[0]}x{size[1]} at {float(pts * info.time_base):.3f} s; "
            "cut the film there and colour the parts one by one"
        )
    if picture_of(picture.format.name).depth != info.color.depth:
        raise SourceError(
            f"{info.path}: the picture changes from {info.pixel_format} to {picture.format.name} "
            f"at {float(pts * info.time_base):.3f} s; cut the film there"
        )
    with reading(info.path, "cannot convert its pictures"):
        luma, owner = read_luma(picture, info.color)
        first_field = None
        if info.fields is not None:
            first_field = reader.first(picture) if info.fields.flagged else info.fields.first
    return Frame(
        index=number,
        pts=pts,
        duration=duration,
        luma=luma,
        color=info.color,
        damaged=picture.is_corrupt,
        first_field=first_field,
        owner=owner,
    )
