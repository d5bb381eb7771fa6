"""The sheet itself: cells in rows on a dark ground, each some pictures with a line below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

GROUND = 24
"""Of what is behind the pictures: dark and neutral, lest it change how their colours look."""
WRITING = 150
_MARGIN, _GUTTER, _GAP = 28, 28, 4
_CAPTION = 22
"""Height of the line below a picture, in pixels."""
_SMALLEST = 112
_SHAPE = 0.7
"""Height to width that is aimed at."""
_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42


@dataclass(frozen=True, slots=True)
class Grid:
    """``cells`` cells of ``panels`` pictures each, of ``picture`` (h, w) pixels."""

    cells: int
    panels: int
    columns: int
    picture: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the sheet."""
        height, width = self._cell
        rows = -(-self.cells // self.columns)
        across = self.columns * width + (self.columns - 1) * _GUTTER
        # The line below the last row is margin enough, nearly.
        down = rows * height + (rows - 1) * (_GUTTER // 2)
        return down + 2 * _MARGIN - _CAPTION // 2, across + 2 * _MARGIN

    @property
    def _cell(self) -> tuple[int, int]:
        height, width = self.picture
        return height + _CAPTION, self.panels * width + (self.panels - 1) * _GAP

    def blank(self) -> Pixels:
        """The sheet with nothing on it, (h, w, 3) uint8."""
        return np.full((*self.size, 3), GROUND, np.uint8)

    def draw(
        self, sheet: Pixels, cell: int, pictures: Sequence[Pixels], captions: Sequence[str]
    ) -> None:
        """Put the ``pictures`` of a cell on the sheet, with a caption below each."""
        row, column = divmod(cell, self.columns)
        (height, width), (tall, wide) = self._cell, self.picture
        top = _MARGIN + row * (height + _GUTTER // 2)
        left = _MARGIN + column * (width + _GUTTER)
        for picture, caption in zip(pictures, captions, strict=True):
            sheet[top : top + tall, left : left + wide] = picture
            write(sheet, caption, (left, top + tall + 14), wide)
            left += wide + _GAP


def arrange(cells: int, panels: int, picture: tuple[int, int], width: int) -> Grid:
    """The grid, at most ``width`` pixels wide, whose sheet comes nearest to a page's shape.

    ``picture`` (h, w) is the film's; pictures are no larger, and keep its shape.
    """
    best: tuple[float, Grid] | None = None
    for columns in range(1, cells + 1):
        across = width - 2 * _MARGIN - (columns - 1) * _GUTTER - columns * (panels - 1) * _GAP
        wide = min(picture[1], across // (columns * panels))
        if best is not None and wide < min(_SMALLEST, picture[1]):
            break
        wide = max(2, wide)
        grid = Grid(cells, panels, columns, (max(1, round(picture[0] * wide / picture[1])), wide))
        height, whole = grid.size
        off = abs(math.log(height / whole / _SHAPE))
        if best is None or off < best[0]:
            best = off, grid
    assert best is not None
    return best[1]


def write(sheet: Pixels, text: str, at: tuple[int, int], room: int, grey: int = WRITING) -> None:
    """Small letters, their baseline beginning at ``at`` (x, y), cut to ``room`` pixels.

    OpenCV's letters are ASCII; others become question marks.
    """
    text = text.encode("ascii", "replace").decode()
    while text and cv2.getTextSize(text, _FONT, _SCALE, 1)[0][0] > room:
        text = text[:-1]
    cv2.putText(sheet, text, at, _FONT, _SCALE, (grey,) * 3, 1, cv2.LINE_AA)
