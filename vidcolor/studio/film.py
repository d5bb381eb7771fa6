"""The film that is open: its frames by number, the ones looked at last kept warm."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SourceError, SourceNotFoundError, UsageError
from vidcolor.frames import PaintedFrame, SmallFrame
from vidcolor.hintlist import Hint
from vidcolor.media.count import timeline
from vidcolor.media.glimpse import Glimpser
from vidcolor.plan import examine, small_size
from vidcolor.settings import Settings
from vidcolor.shots import clock
from vidcolor.shrink import shrink
from vidcolor.stills import panel_size, reduced
from vidcolor.studio.recent import Recent

TALLEST, WIDEST = 720, 1280
"""Of the picture that is shown, in pixels."""
_KEPT = 24
"""Frames kept warm, of some 3 MB each at the most."""
_SMALL = 256
"""Frames of which what the network sees is kept, a quarter of a megabyte each."""

Float32: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Warm:
    """A frame that was looked at: as it is shown, in the size for that, and as the network sees it.

    ``small.frame`` is the same frame at the size shown.
    """

    shown: PaintedFrame
    small: SmallFrame


class OpenFilm:
    """The film at ``path``, to be looked at by one thread. A context manager.

    All its packets are read once, for the times of its frames; where they tell none, it is decoded.
    Raises SourceError.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.info = examine(path, settings)
        found = timeline(self.info, settings.limits)
        self._times = found.times
        if not len(self._times):
            raise SourceError(f"{path}: not one picture was found in it")
        self.panel = panel_size(self.info, TALLEST, WIDEST)
        self._size = small_size(self.info, settings)
        self._state = _state(path)
        self._warm: Recent[Warm] = Recent(_KEPT)
        self._small: Recent[SmallFrame] = Recent(_SMALL)
        self._glimpser = Glimpser(self.info, settings.limits, seeks=found.sought)

    @property
    def frames(self) -> int:
        return len(self._times)

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the picture as it is shown, upright."""
        return self.panel[::-1] if self.info.quarter_turns % 2 else self.panel

    def __enter__(self) -> Self:
        self._glimpser.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._warm.clear()
        self._small.clear()
        self._glimpser.__exit__(None, None, None)

    def check(self) -> None:
        """Raise SourceNotFoundError or SourceError if the file is no longer what was opened."""
        if _state(self.path) != self._state:
            raise SourceError(f"{self.path.name}: the file was changed; open it again")

    def time(self, number: int) -> Fraction:
        """Seconds from the film's first timestamp to the frame ``number``, or to the end."""
        base, origin = self.info.time_base, self.info.start_pts or 0
        if number >= self.frames:
            step = 1 / self.info.average_rate if self.info.average_rate else base
            return (int(self._times[-1]) - origin) * base + step
        return (int(self._times[number]) - origin) * base

    def clock(self, number: int) -> str:
        """The time of a frame, to read."""
        return clock(max(Fraction(0), self.time(number)))

    def frame_of(self, hint: Hint) -> int:
        """The frame that a hint is on; `frames` or more where that is after the film's end."""
        if hint.frame is not None:
            return hint.frame
        assert hint.time is not None
        return self.number_at(hint.time)

    def number_at(self, time: Fraction) -> int:
        """The first frame at or after ``time``, in seconds as `time` has them."""
        return bisect_left(self._times, time / self.info.time_base + (self.info.start_pts or 0))

    def check_number(self, number: int) -> None:
        """Raise UsageError if there is no frame ``number``."""
        if not 0 <= number < self.frames:
            raise UsageError(
                f"frame {number}: after the end of {self.path.name}; its last is {self.frames - 1}"
            )

    def frame(self, number: int) -> Warm:
        """The frame ``number``. Raises UsageError if there is none, SourceError."""
        self.check_number(number)
        return self._warm.get(number, lambda: self._look(number))

    def small(self, number: int) -> SmallFrame:
        """As the network sees the frame ``number``; its ``frame`` has next to no luma."""

        def bare() -> SmallFrame:
            small = self.frame(number).small
            frame = replace(small.frame, luma=small.frame.luma[:1, :1].copy())
            return replace(small, frame=frame)

        return self._small.get(number, bare)

    def _look(self, number: int) -> Warm:
        time = self.time(number)
        frame = self._glimpser.near(time, time)
        if frame is None:
            raise SourceError(f"{self.path.name}: nothing can be decoded at frame {number}")
        shown = reduced(replace(frame, index=number), self.info, self.panel)
        return Warm(shown, SmallFrame(shown.frame, shrink(frame, self._size), True))


def _state(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise SourceNotFoundError(
            f"{path.name}: no longer there; put it back and open it again. What was set for it is "
            "kept here, and can be saved"
        ) from error
    return found.st_ino, found.st_size, found.st_mtime_ns
