"""Single frames from anywhere in a film, by seeking: ``Glimpser``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from types import TracebackType
from typing import Self

from vidcolor.errors import UsageError
from vidcolor.frames import Frame, VideoInfo
from vidcolor.media.decode import DecodeReport, Reader, decode
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
        self._at: Fraction | None = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def near(self, time: Fraction, earliest: Fraction) -> Frame | None:
        """The key frame before ``time``, but if that is before ``earliest`` the first frame at or
        after ``time``; None if there is none.

        Times are in seconds since the film's first timestamp; the frame's ``index`` means nothing.
        Raises SourceError when the file cannot be read.
        """
        if self._at is None or not 0 <= time - self._at <= _READ_ON:
            found = self._sought(time, earliest)
            if found is not None:
                return found
        for frame in self._frames:
            self._at = self._time(frame)
            if self._at >= time:
                return frame
        self._at = None
        return self._read(time)

    def _sought(self, time: Fraction, earliest: Fraction) -> Frame | None:
        """Go to the key frame before ``time``; that frame if it will do."""
        self._reading.close()
        self._reader.forget()
        origin = (self._info.start_pts or 0) * self._info.time_base
        frames = self._reader.read(*self._opened, origin + time)
        self._reading.enter_context(closing(frames))
        self._frames = frames
        first = next(self._frames, None)
        if first is None:
            return None
        self._at = self._time(first)
        return first if self._at >= earliest else None

    def _read(self, time: Fraction) -> Frame | None:
        """As a film is read that cannot be sought through."""
        with closing(decode(self._info, RangeSettings(start=time), limits=self._limits)) as frames:
            try:
                return next(frames, None)
            except UsageError:
                return None  # It ends before.

    def _time(self, frame: Frame) -> Fraction:
        return (frame.pts - (self._info.start_pts or 0)) * self._info.time_base
