"""Painting interlaced frames: each field by its own luma, as the chroma lines belong to fields too.

The two fields of a frame are two moments. Chroma computed from the whole frame would mix them:
coloured ghosts beside everything that moves. The frame's small colour is that of its first field;
for the second it is moved along the motion between the two. That a field lies half a line higher
than the other is left out of account: it is a fifth of a small pixel at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from vidcolor.color import Codes
from vidcolor.flow import search, structure, warp
from vidcolor.frames import ColoredFrame, FieldOrder, PaintedFrame
from vidcolor.paint import Painter
from vidcolor.shrink import shrink


class FieldPainter:
    """Paints the frames of an interlaced film; arguments and limits are those of `Painter`.

    ``always`` paints frames that are one moment by fields as well, for a target in which all frames
    count as interlaced and have their chroma read so.
    """

    def __init__(
        self, chroma_shape: tuple[int, int], saturation: float = 1.0, *, always: bool = False
    ) -> None:
        height, width = chroma_shape
        if height < 2:
            raise ValueError(f"a chroma plane of {chroma_shape} holds no two fields")
        self._shape = chroma_shape
        self._always = always
        self._whole = Painter(chroma_shape, saturation)
        # Of an odd height, the top field has the line more.
        self._painters = tuple(
            Painter((lines, width), saturation) for lines in (-(-height // 2), height // 2)
        )

    def paint(self, frame: ColoredFrame) -> PaintedFrame:
        """The frame with its Cb and Cr planes, in the codes of ``frame.frame.color``."""
        whole = frame.frame
        if whole.keeps_color or (whole.first_field is None and not self._always):
            return self._whole.paint(frame)
        cb, cr = (np.empty(self._shape, whole.luma.dtype) for _ in range(2))
        ratio = -(-whole.luma.shape[0] // self._shape[0])
        moments = [frame, frame if whole.first_field is None else _second(frame)]
        if whole.first_field == "bottom":
            moments.reverse()
        for parity, (moment, painter) in enumerate(zip(moments, self._painters, strict=True)):
            lines = cb[parity::2].shape[0] * ratio
            # Of an odd number of chroma lines, the last of the top field is alone: the bottom
            # field's luma may go on for a line that has no chroma in it.
            luma: Codes = whole.luma[parity::2][:lines]
            painted = painter.paint(replace(moment, frame=replace(whole, luma=luma)))
            cb[parity::2], cr[parity::2] = painted.cb, painted.cr
        return PaintedFrame(whole, cb, cr)


def _second(frame: ColoredFrame) -> ColoredFrame:
    """The frame with the lightness and colour of its first field moved to where things are in its
    second."""
    later: FieldOrder = "top" if frame.frame.first_field == "bottom" else "bottom"
    lightness = shrink(replace(frame.frame, first_field=later), frame.lightness.shape)
    flow = search(structure(frame.lightness), structure(lightness))
    height, width = lightness.shape
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    flow = np.asarray(cv2.resize(flow * scale, (width, height)), np.float32)
    # A fourth channel for speed, see `warp`.
    moved = cv2.split(warp(cv2.merge([frame.lightness, *frame.ab, frame.lightness]), flow))
    light, a, b = (np.asarray(plane, np.float32) for plane in moved[:3])
    return replace(frame, lightness=light, ab=np.stack([a, b]))


def paint_fields(
    frames: Iterable[ColoredFrame],
    chroma_shape: tuple[int, int],
    saturation: float = 1.0,
    *,
    always: bool = False,
) -> Iterator[PaintedFrame]:
    """Each frame with its chroma planes; see `FieldPainter`."""
    painter = FieldPainter(chroma_shape, saturation, always=always)
    for frame in frames:
        yield painter.paint(frame)
