"""Single frames from anywhere in a film, by seeking: ``Glimpser``."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from types import TracebackType
from typing import Self

from vidcolor.errors import UsageError
from vidcolor.frames import Frame, VideoInfo
from vidcolor.media.damage import DecodeReport
from vidcolor.media.decode import decode
from vidcolor.media.reader import Reader
from vidcolor.settings import LimitSettings, RangeSettings

_READ_ON = 5
"""Seconds up to which reading on costs no more than seeking, as key frames are usually set."""


class Glimpser:
    """Looks at frames of the film ``info``, best in rising order of time. A context manager.

    The file is opened once: what FFmpeg learns of a film without an index, it need not learn twice.
    Without ``seeks`` the film is read up to each frame, whose times the file itself does not have.
    """

    def __init__(
        self, info: VideoInfo, limits: LimitSettings = LimitSettings(), *, seeks: bool = True
    ) -> None:
        self._info = info
        self._limits = limits
        self._seeks = seeks
        self._reader = Reader(info, DecodeReport(), limits)
        self._stack = ExitStack()
        self._reading = ExitStack()

    def __enter__(self) -> Self:
        self._opened = self._stack.enter_context(self._reader.opened())
        self._stack.push(self._reading)
        self._frames: Iterator[Frame] = iter(())
        self._shown: Frame | None = None
        self._coming: Frame | None = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def near(self, time: Fraction, earliest: Fraction) -> Frame | None:
        """The key frame before ``time``, but if that is before ``earliest`` the frame that is shown
        at ``time``; None where the film has ended. Where it cannot be sought, the first at or after
        ``time``.

        Times are in seconds since the film's first timestamp; the frame's ``index`` means nothing.
        Raises SourceError when the file cannot be read.
        """
        ahead = None if self._shown is None else time - self.time(self._shown)
        if ahead is None or ahead < 0 or (self._seeks and ahead > _READ_ON):
            self._seek(time)
            if self._shown is None:
                return None
            if self.time(self._shown) >= earliest:
                return self._shown
        assert self._shown is not None
        while self._coming is not None and self.time(self._coming) <= time:
            self._shown, self._coming = self._coming, next(self._frames, None)
        lasts = self._shown.duration * self._info.time_base
        ended = self._coming is None and self.time(self._shown) + lasts < earliest
        return None if ended else self._shown

    def _seek(self, time: Fraction) -> None:
        """Go to the key frame before ``time``, or to the frame at or after it where that cannot be
        sought."""
        origin = (self._info.start_pts or 0) * self._info.time_base
        back = Fraction(0)
        while self._seeks and (back <= time or back <= 1):
            self._reader.forget()
            self._begin(self._reader.read(*self._opened, origin + time - back))
            # Some containers are sought by the times of decoding, or to where no key frame is.
            if self._shown is not None and self.time(self._shown) <= time:
                return
            back = max(Fraction(1), 2 * back)
        crop = RangeSettings(start=time)
        self._begin(decode(self._info, crop, limits=self._limits, sought=self._seeks))

    def _begin(self, frames: Generator[Frame]) -> None:
        self._reading.close()
        self._reading.enter_context(closing(frames))
        self._frames = frames
        try:
            self._shown, self._coming = next(frames, None), next(frames, None)
        except UsageError:  # The film ends before.
            self._shown = self._coming = None

    def time(self, frame: Frame) -> Fraction:
        """Seconds since the film's first timestamp."""
        return (frame.pts - (self._info.start_pts or 0)) * self._info.time_base
