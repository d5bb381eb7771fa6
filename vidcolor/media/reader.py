"""Reads a film from its beginning or from a key frame, frame by frame: ``Reader``."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from fractions import Fraction
from itertools import chain, islice, pairwise
from typing import TypeAlias

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vidcolor.errors import SourceError
from vidcolor.frames import Frame, VideoInfo
from vidcolor.media.clock import Clock
from vidcolor.media.damage import WORDS, DecodeReport, Kind, Span
from vidcolor.media.decoder import Decoder, Opened, open_picture, undamaged
from vidcolor.media.faults import FAULTS, reading
from vidcolor.media.fields import FieldReader, deinterlaced
from vidcolor.media.fitting import Fitting, alike, fits
from vidcolor.media.picture import read_luma
from vidcolor.media.reordered import held_back, in_order
from vidcolor.media.surface import Downloads, UnfitError
from vidcolor.settings import LimitSettings, RangeSettings

Decoded: TypeAlias = tuple[av.VideoFrame, VideoStream]
"""A picture, and the stream that is being read."""

_OF_A_DEVICE: tuple[type[Exception], ...] = (UnfitError, *FAULTS)
"""What is raised where a device cannot go on."""


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
        self._surface = info.surface
        self._tags: tuple[VideoStream, Fraction | None, int] | None = None
        """Pixel aspect and range of the picture before, and what that was read from."""

    def forget(self) -> None:
        """Begin again: nothing of what was noted so far counts."""
        self._report.forget()
        self._clock = Clock(self.info)
        self._tags = None

    def frames(self, seek_to: Fraction | None) -> Generator[Frame]:
        """The film's frames, from the key frame before ``seek_to`` seconds if that is given."""
        with self.opened(seek_to) as (source, stream):
            yield from self.read(source, stream, seek_to)

    @contextmanager
    def opened(self, seek_to: Fraction | None = None) -> Iterator[Opened]:
        """The film, for `read`, by which it is to be read from ``seek_to`` first."""
        info, limits = self.info, self._limits
        with ExitStack() as stack:
            self._surface = info.surface
            if info.surface is not None:
                by_device = open_picture(info, limits, info.surface.device)
                try:
                    opened = stack.enter_context(by_device)
                except SourceError:
                    self._surface = None
                    self._gives_up(seek_to)
            if self._surface is None:
                opened = stack.enter_context(open_picture(info, limits))
            yield opened

    def read(
        self, source: InputContainer, stream: VideoStream, seek_to: Fraction | None
    ) -> Generator[Frame]:
        """As ``frames``, from what was ``opened``; none where the film cannot be sought through."""
        info = self.info
        if not self._sought(source, stream, seek_to):
            return
        whole = info.fields is not None and info.fields.deinterlace
        with closing(self._pictures(source, stream, seek_to)) as pictures:
            behind = held_back(info)
            frames = self._placed(pictures if behind is None else in_order(pictures, behind))
            yield from deinterlaced(frames) if whole else frames

    def _sought(
        self, source: InputContainer, stream: VideoStream, seek_to: Fraction | None
    ) -> bool:
        """Go to the key frame before ``seek_to``, if that is given; False if it cannot be done."""
        if seek_to is not None:
            try:
                source.seek(int(seek_to / self.info.time_base), stream=stream)
            except FAULTS:
                return False
        return True

    def _pictures(
        self, source: InputContainer, stream: VideoStream, seek_to: Fraction | None
    ) -> Generator[Decoded]:
        """The pictures from where ``source`` stands: those of the device that decodes the film up
        to the first thing that is wrong with them, all others by software."""
        info = self.info
        if self._surface is None:
            for picture in Decoder(info.path, self._lost).pictures(source, stream):
                yield picture, stream
            return
        downloads, given = Downloads(info, self._surface), 0
        try:
            for picture in undamaged(source, stream):
                plain = downloads.plain(picture)
                given += 1
                yield plain, stream
            return
        except _OF_A_DEVICE:
            self._gives_up()
        # Damage is for software to tell of, so it begins where the device began.
        with open_picture(info, self._limits) as (source, stream):
            if self._sought(source, stream, seek_to):
                pictures = Decoder(info.path, self._lost).pictures(source, stream)
                for picture in islice(pictures, given, None):
                    yield picture, stream

    def _gives_up(self, at: Fraction | None = None) -> None:
        """The device is of no use from ``at`` seconds on, or from where the clock is."""
        pts = self._clock.next if at is None else int(at / self.info.time_base)
        self._note("software", pts)

    def _placed(self, pictures: Iterator[Decoded]) -> Iterator[Frame]:
        """The frames with their times, each judged by that of the frame after it, too."""
        for number, (decoded, following) in enumerate(pairwise(chain(pictures, [None]))):
            if number + self._report.skipped >= self._limits.frames:
                raise SourceError(
                    f"{self.info.path}: over the limit of {self._limits.frames} frames; if it is "
                    "meant to be as long, raise it with --limits frames=…"
                )
            assert decoded is not None
            yield self._frame(*decoded, None if following is None else following[0], number)

    def check_end(self, crop: RangeSettings, last: Frame) -> None:
        """Note it if the film ended, with ``last``, before what its header promises."""
        info, promised = self.info, self.info.duration
        if info.frame_count_is_exact and info.frame_count is not None:
            missing = info.frame_count - self._report.frames
            if crop.whole and missing > 0:
                self._note("absent", self._clock.next, promised, missing)
        elif "matroska" in info.container and promised is not None:
            # Its own length, or that of the longest stream, from time 0.
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

    def _lost(self, claimed: int | None) -> None:
        """No picture came of a packet whose pts was to be ``claimed``."""
        pts = self._clock.next if claimed is None else claimed + self._clock.shift
        self._report.count("skipped", pts)
        self._note("lost", pts)

    def _changed(self, picture: av.VideoFrame, pts: int) -> None:
        info = self.info
        was = f"{info.width}x{info.height} {info.pixel_format}"
        found = f"{picture.width}x{picture.height} {picture.format.name}"
        self._note("refitted", pts, what=f"the picture changes from {was} to {found}")

    def _watch_tags(self, picture: av.VideoFrame, stream: VideoStream, pts: int) -> None:
        """Note it where the shape of pixels or the meaning of codes is no more what it was."""
        aspect, span = stream.codec_context.sample_aspect_ratio or None, int(picture.color_range)
        # A device and software may say different things of the same pictures.
        last = self._tags
        if last is not None and last[0] is stream and last[1:] != (aspect, span):
            self._note("retagged", pts)
        self._tags = stream, aspect, span

    def _frame(
        self,
        picture: av.VideoFrame,
        stream: VideoStream,
        following: av.VideoFrame | None,
        number: int,
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
                self._watch_tags(picture, stream, pts)
            else:
                if not alike(picture, info):
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
            moved=clock.shift,
            owner=owner,
        )
