"""Single frames from anywhere in a film, by seeking: ``Glimpser``."""

from __future__ import annotations

from collections.abc import Iterator
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
    """

    def __init__(self, info: VideoInfo, limits: LimitSettings = LimitSettings()) -> None:
        self._info = info
        self._limits = limits
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
        at ``time``; None where the film has ended.

        Times are in seconds since the film's first timestamp; the frame's ``index`` means nothing.
        Raises SourceError when the file cannot be read.
        """
        if self._shown is None or not 0 <= time - self._time(self._shown) <= _READ_ON:
            self._seek(time)
            if self._shown is None:
                return self._read(time)
            if self._time(self._shown) >= earliest:
                return self._shown
        while self._coming is not None and self._time(self._coming) <= time:
            self._shown, self._coming = self._coming, next(self._frames, None)
        lasts = self._shown.duration * self._info.time_base
        ended = self._coming is None and self._time(self._shown) + lasts < earliest
        return None if ended else self._shown

    def _seek(self, time: Fraction) -> None:
        """Go to the key frame before ``time``."""
        self._reading.close()
        self._reader.forget()
        origin = (self._info.start_pts or 0) * self._info.time_base
        frames = self._reader.read(*self._opened, origin + time)
        self._reading.enter_context(closing(frames))
        self._frames = frames
        self._shown, self._coming = next(frames, None), next(frames, None)

    def _read(self, time: Fraction) -> Frame | None:
        """As a film is read that cannot be sought through."""
        with closing(decode(self._info, RangeSettings(start=time), limits=self._limits)) as frames:
            try:
                return next(frames, None)
            except UsageError:
                return None  # It ends before.

    def _time(self, frame: Frame) -> Fraction:
        return (frame.pts - (self._info.start_pts or 0)) * self._info.time_base
