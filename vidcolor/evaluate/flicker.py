"""What steadying does, to look at: frame by frame, as in the film, and the difference."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.color import rgb
from vidcolor.frames import ColoredFrame
from vidcolor.media.pictures import PictureWriter
from vidcolor.media.probe import probe
from vidcolor.paint import Painter
from vidcolor.stills import panel_size

Picture = NDArray[np.uint8]

TALLEST = 480
"""Greatest height of a panel, in pixels."""
GAIN = 8
"""By what the difference is multiplied."""
_GREY = 128


class FlickerVideo:
    """Three panels side by side, upright and with square pixels, in the time of the clip.

    Left the network frame by frame, in the middle the film, on the right the film less the other,
    times 8 around mid-grey: grey is no difference, and what flickers there is what steadying took
    away. Panels have at most the clip's own size. Used as a context manager; see `PictureWriter`
    for what it raises and when the file appears.
    """

    def __init__(self, target: Path, clip: Path, saturation: float = 1.0) -> None:
        info = probe(clip)
        self._turns = info.quarter_turns
        self._size = panel_size(info, TALLEST)
        chroma = (-(-info.height // 2), -(-info.width // 2))
        self._painter = Painter(chroma, saturation)
        height, width = self._size[:: -1 if self._turns % 2 else 1]
        self._writer = PictureWriter(target, info, (height, 3 * width))

    def add(self, alone: ColoredFrame, film: ColoredFrame) -> None:
        """Take the next frame: as coloured by itself, and as coloured in the film."""
        one, two = self._panel(alone), self._panel(film)
        frame = film.frame
        panels = np.hstack((one, two, difference(one, two)))
        self._writer.write(np.ascontiguousarray(panels), frame.pts, frame.duration)

    def _panel(self, colored: ColoredFrame) -> Picture:
        painted = self._painter.paint(colored)
        frame = painted.frame
        picture = rgb(frame.luma, painted.cb, painted.cr, frame.color)
        small = cv2.resize(picture, self._size[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(np.rot90(small, self._turns), np.uint8)

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)


def difference(one: Picture, two: Picture) -> Picture:
    """``two`` less ``one``, both (h, w, 3), times 8 around mid-grey."""
    gap = two.astype(np.int16) - one
    return np.asarray(np.clip(_GREY + GAIN * gap, 0, 255), np.uint8)
