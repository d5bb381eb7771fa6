"""The pictures of a film, one after the other, as they were stored: ``decode(info)``."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import chain, dropwhile, islice, pairwise
from typing import cast

import av
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from vidcolor.errors import NoVideoError, SourceError, UsageError
from vidcolor.frames import Frame, Place, VideoInfo
from vidcolor.media.clock import Clock
from vidcolor.media.damage import WORDS, DecodeReport, Kind, Span, packets_of
from vidcolor.media.faults import FAULTS, reading
from vidcolor.media.fields import FieldReader, deinterlaced
from vidcolor.media.fitting import Fitting, fits
from vidcolor.media.picture import read_luma
from vidcolor.media.probe import open_source
from vidcolor.media.safety import picture_options
from vidcolor.settings import LimitSettings, RangeSettings

_IN_THE_DECODER = 64
"""Packets remembered, more than a decoder holds back by its threads and by reordering."""


def decode(
    info: VideoInfo,
    crop: RangeSettings = RangeSettings(),
    report: DecodeReport | None = None,
    limits: LimitSettings = LimitSettings(),
    *,
    since: Place | None = None,
    seek: bool = True,
) -> Generator[Frame]:
    """Yield the frames of ``info.path`` in presentation order, each with its own pts.

    ``crop`` by frames counts from the film's first frame, decoding from the start. ``crop`` by
    time counts seconds from the film's first timestamp; decoding starts at the key frame before
    and the first frame given out, the first at or after ``crop.start``, has ``index`` 0. Both
    ends are half-open.

    With ``since`` the first frame given out is that one, found by its time or, without ``seek``, by
    its number; an earlier run gave out those before it. Nothing is given out if it is not there.

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
    first, stop = crop.first_frame or 0, crop.end_frame
    reader = Reader(info, report, limits)
    last: Frame | None = None
    if since is None:
        begin, found = 0, _from_time(reader, start)
    else:
        begin, found = since.index, _since(reader, start, since, seek=seek)
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
                yield replace(frame, index=number)
            last = frame
        else:
            if last is not None:
                reader.check_end(crop, last)
    if report.frames == 0 and since is None:
        if crop.whole:
            raise NoVideoError(f"{info.path}: not one picture of its video can be decoded")
        raise UsageError(f"{info.path}: the chosen range holds no frame of this film")


def _from_time(reader: Reader, start: Fraction | None) -> Generator[Frame]:
    """All frames, or those from ``start`` seconds on, seeking there if that lands early enough."""
    base = reader.info.time_base
    if start is not None:
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


def _since(reader: Reader, start: Fraction | None, place: Place, *, seek: bool) -> Generator[Frame]:
    """The frames from ``place`` on, of those that `_from_time` gives from ``start`` on."""
    if not seek:
        with closing(_from_time(reader, start)) as frames:
            yield from islice(frames, place.index, None)
        return
    with closing(reader.frames(place.pts * reader.info.time_base)) as frames:
        coming = dropwhile(lambda frame: frame.pts < place.pts, frames)
        first = next(coming, None)
        if first is not None and first.pts == place.pts:
            yield first
            yield from coming


class Reader:
    """Reads one film, noting on the way what is wrong with it."""

    def __init__(self, info: VideoInfo, report: DecodeReport, limits: LimitSettings) -> None:
        self.info = info
        self._report = report
        self._limits = limits
        self._origin = info.start_pts or 0
        self._clock = Clock(info)
        self._fitting = Fitting(info)
        self._fields = FieldReader()
        self._sent: deque[int] = deque(maxlen=_IN_THE_DECODER)

    def forget(self) -> None:
        """Begin again: nothing of what was noted so far counts."""
        self._report.forget()
        self._clock = Clock(self.info)

    def frames(self, seek_to: Fraction | None) -> Generator[Frame]:
        """The film's frames, from the key frame before ``seek_to`` seconds if that is given."""
        with self.opened() as (source, stream):
            yield from self.read(source, stream, seek_to)

    @contextmanager
    def opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """The film, its picture ready to be decoded, all else passed over."""
        info = self.info
        with open_source(info.path, self._limits) as source:
            with reading(info.path):
                stream = cast(VideoStream, source.streams[info.stream_index])
                for other in source.streams:
                    if other.index != stream.index:
                        other.discard = Discard.all
                # Whole frames in parallel where the codec can: twice as fast, and unlike slice
                # threads they let FFmpeg mark the frames it patched as corrupt.
                stream.codec_context.thread_type = "AUTO"
                stream.codec_context.options = picture_options(self._limits)
            yield source, stream

    def read(
        self, source: InputContainer, stream: VideoStream, seek_to: Fraction | None
    ) -> Generator[Frame]:
        """As ``frames``, from what was ``opened``; none where the film cannot be sought through."""
        info = self.info
        if seek_to is not None:
            try:
                source.seek(int(seek_to / info.time_base), stream=stream)
            except FAULTS:
                return
        frames = self._placed(source, stream)
        whole = info.fields is not None and info.fields.deinterlace
        yield from deinterlaced(frames) if whole else frames

    def _placed(self, source: InputContainer, stream: VideoStream) -> Iterator[Frame]:
        """The frames with their times, each judged by that of the frame after it, too."""
        pairs = pairwise(chain(self._pictures(source, stream), [None]))
        for number, (picture, following) in enumerate(pairs):
            if number + self._report.skipped >= self._limits.frames:
                raise SourceError(
                    f"{self.info.path}: over the limit of {self._limits.frames} frames; if it is "
                    "meant to be as long, raise it with --limits frames=…"
                )
            assert picture is not None
            yield self._frame(picture, following, number, stream)

    def check_end(self, crop: RangeSettings, last: Frame) -> None:
        """Note it if the film ended, with ``last``, before what its header promises."""
        info, promised = self.info, self.info.duration
        if info.frame_count_is_exact and info.frame_count is not None:
            missing = info.frame_count - self._report.frames
            if crop.whole and missing > 0:
                self._note("absent", self._clock.next, promised, missing)
        elif "matroska" in info.container and promised is not None:
            # Its length is that of its longest stream, from time 0.
            end = (last.pts + last.duration) * info.time_base
            open_end = crop.end_frame is None and crop.duration is None
            if open_end and promised - end > max(Fraction(1), promised / 20):
                missing = round((promised - end) * (info.average_rate or 0))
                promised -= self._origin * info.time_base
                self._note("absent", self._clock.next, promised, missing)

    def _note(
        self,
        kind: Kind,
        pts: int,
        until: Fraction | None = None,
        count: int = 1,
        what: str | None = None,
    ) -> None:
        """Something is wrong at ``pts``, for one frame or ``until`` seconds of the film."""
        base = self.info.time_base
        start = (pts - self._origin) * base
        end = start + self._clock.step * base if until is None else until
        self._report.note(Span(kind, start, max(start, end), count), pts)
        if self._limits.strict:
            raise SourceError(
                f"{self.info.path}: {what or WORDS[kind]} at {float(start):.3f} s; "
                "without --strict, the film is coloured as well as can be"
            )

    def _changed(self, picture: av.VideoFrame, pts: int) -> None:
        info = self.info
        was = f"{info.width}x{info.height} {info.pixel_format}"
        found = f"{picture.width}x{picture.height} {picture.format.name}"
        self._note("refitted", pts, what=f"the picture changes from {was} to {found}")

    def _skipped(self) -> None:
        """Note a packet lost: the first of those that no picture has come of.

        The decoder works on several at once, and fails at one when it is given a later one.
        """
        claimed = self._sent.popleft() if self._sent else None
        pts = self._clock.next if claimed is None else claimed + self._clock.shift
        self._report.count("skipped", pts)
        self._note("lost", pts)

    def _pictures(self, source: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
        """Decoded frames, over damaged packets and unreadable stretches of the file."""
        any_picture = False
        self._sent.clear()
        packets = packets_of(source, [stream], lambda fault: self._skipped())
        while True:
            try:
                packet = next(packets, None)
            except FAULTS:
                if any_picture:
                    return
                with reading(self.info.path, "cannot be read"):
                    raise
            if packet is None:
                return
            claimed = packet.dts if packet.pts is None else packet.pts
            if packet.size and claimed is not None:
                self._sent.append(claimed)
            try:
                pictures = packet.decode()
            except EOFError:
                return
            except FAULTS:
                self._skipped()
                continue
            for picture in pictures:
                any_picture = True
                self._arrived(picture.pts)
                yield picture

    def _arrived(self, pts: int | None) -> None:
        """A picture has come, and no earlier one will."""
        if pts is not None:
            waiting = [claimed for claimed in self._sent if claimed > pts]
            self._sent.clear()
            self._sent.extend(waiting)

    def _frame(
        self,
        picture: av.VideoFrame,
        following: av.VideoFrame | None,
        number: int,
        stream: VideoStream,
    ) -> Frame:
        info, clock = self.info, self._clock
        duration = clock.believed(picture.duration or 0)
        shift = clock.shift
        pts = clock.place(picture.pts, duration, None if following is None else following.pts)
        if picture.pts is None or pts != picture.pts:
            self._report.count("retimed", pts)
        if clock.shift != shift:
            self._note("clock", pts)
        if picture.is_corrupt:
            self._note("patched", pts)
        with reading(info.path, "cannot convert its pictures"):
            if fits(picture, info):
                luma, owner = read_luma(picture, info.color)
            else:
                self._changed(picture, pts)
                luma = self._fitting.luma(picture, stream.codec_context.sample_aspect_ratio)
                owner = picture
            first_field = None
            if info.fields is not None:
                flagged = info.fields.flagged
                first_field = self._fields.first(picture) if flagged else info.fields.first
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
