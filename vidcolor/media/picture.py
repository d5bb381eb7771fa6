"""Where luma lies in the memory of a decoded frame, for every pixel format FFmpeg knows.

Four kinds of format exist for us:

- luma in a plane of its own (``yuv*p``, ``nv12``, ``p010``, ``gray*``) or interleaved at a fixed
  step (``yuyv422``, ``ya8``): read in place, as a strided view;
- the same with samples at the top of their 16 bits (``p010``, ``y210``) or in big-endian order:
  read through one numpy operation that makes an ordinary array of the same codes;
- luma packed in ways of its own (``uyyvyy411``, ``v30x``): converted by swscale to ``yuv444p``, the
  same codes;
- no luma at all (RGB, palettes, one-bit, Bayer, XYZ, float): made of R'G'B' by the film's matrix,
  at the same or the next higher depth, and that by ourselves. Swscale's white of more than 8 bits
  is a third of a percent too bright (943 instead of 940), and in full range a few greys become one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from vidcolor.color import Codes, chroma_from_rgb, luma_from_rgb
from vidcolor.frames import ColorSpec, Matrix

Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

# Samples per luma sample and the first luma sample's place, in packed Y'CbCr and grey + alpha.
_INTERLEAVED = {
    "ya8": (2, 0),
    "ya16": (2, 0),
    "yuyv422": (2, 0),
    "yvyu422": (2, 0),
    "uyvy422": (2, 1),
    "y210": (2, 0),
    "y212": (2, 0),
    "y216": (2, 0),
    "vuya": (4, 2),
    "vuyx": (4, 2),
    "ayuv": (4, 1),
    "uyva": (4, 1),
    "ayuv64": (4, 1),
    "xv36": (4, 1),
    "xv48": (4, 1),
}
_TOP_ALIGNED = re.compile(r"(p[024]1[026]|y21[026]|xv36|.*msb)$")
_PLANAR_RGB = re.compile(r"gbra?p(\d+[lb]e)?$")
_DEPTHS = (8, 9, 10, 12, 14, 16)
ONE_THREAD = 1
"""For swscale. Several share a picture by rows, and beyond 8 bits it writes past the end of a row
whose width is no multiple of 16, into the next one, which may be another thread's and done."""
_SWSCALE_MATRIX: dict[Matrix, Colorspace] = {
    "bt601": Colorspace.ITU601,
    "bt709": Colorspace.ITU709,
    "bt2020": Colorspace.BT2020,
    "smpte240m": Colorspace.SMPTE240M,
    "fcc": Colorspace.FCC,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """What a pixel format means for reading luma and for choosing the target's format."""

    name: str
    depth: int
    """Bits of a luma code as we read it, 8 to 16."""
    subsampling: str
    """``420``, ``422``, ``444``, ``440``, ``411`` or ``410``; ``420`` where the source has no
    chroma planes to go by (grey, RGB, palette)."""
    alpha: bool
    coded: bool
    """It holds Y'CbCr or grey codes, to be kept as they are; not so RGB, palettes, XYZ, floats."""
    grey: bool
    """No colour at all in this format; such codes span the full range unless tagged otherwise."""
    full_range_by_name: bool
    readable: bool
    """Luma can be read in place; where it is coded and cannot, swscale brings it into a plane."""
    step: int
    offset: int
    shift: int
    big_endian: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of one sample in the frame's memory."""
        if self.depth == 8:
            return np.dtype(np.uint8)
        return np.dtype(">u2" if self.big_endian else "<u2")


def planar(subsampling: str, depth: int) -> str:
    """The plain planar Y'CbCr format, e.g. ``yuv420p10le`` for ``("420", 10)``."""
    return f"yuv{subsampling}p" if depth == 8 else f"yuv{subsampling}p{depth}le"


def grey(depth: int) -> str:
    """The plain grey format, e.g. ``gray10le``."""
    return "gray" if depth == 8 else f"gray{depth}le"


@cache
def picture_of(name: str) -> Picture:
    """Describe FFmpeg's pixel format ``name``. Raises ValueError if there is no such format."""
    pixels = av.VideoFormat(name, 64, 64)
    parts = pixels.components
    plain = name.removesuffix("le").removesuffix("be")
    bits = max(part.bits for part in parts) if pixels.is_rgb else parts[0].bits
    # Counted, because PyAV calls a component chroma only where it is smaller than luma.
    colored = sum(not part.is_alpha for part in parts) >= 3
    alone = parts[0].plane == 0 and all(part.plane != 0 for part in parts[1:])
    coded = (
        8 <= bits <= 16
        and not (pixels.is_rgb or pixels.has_palette or pixels.is_bit_stream or pixels.is_bayer)
        and not plain.startswith(("xyz", "bayer"))
        and not re.search(r"f(16|32)$", plain)
    )
    readable = coded and (alone or plain in _INTERLEAVED)
    depth = next((known for known in _DEPTHS if known >= bits), 16)
    step, offset = _INTERLEAVED.get(plain, (1, 0))
    return Picture(
        name=name,
        depth=depth,
        subsampling=_subsampling(pixels) if coded and colored else "420",
        alpha=any(part.is_alpha for part in parts),
        coded=coded,
        grey=plain.startswith(("gray", "ya", "mono")),
        full_range_by_name=plain.startswith("yuvj"),
        readable=readable,
        step=step,
        offset=offset,
        shift=16 - depth if readable and depth > 8 and _TOP_ALIGNED.match(plain) else 0,
        big_endian=pixels.is_big_endian,
    )


def _subsampling(pixels: av.VideoFormat) -> str:
    across, down = 64 // pixels.chroma_width(64), 64 // pixels.chroma_height(64)
    known = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (1, 2): "440", (4, 1): "411"}
    return known.get((across, down), "410")


def as_frame(planes: Sequence[NDArray[Any]], name: str) -> av.VideoFrame:
    """A frame of FFmpeg's format ``name`` that holds these planes, luma first, as they are."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, name)
    for plane, codes in zip(frame.planes, planes, strict=True):
        strides = (plane.line_size, codes.itemsize)
        np.ndarray(codes.shape, codes.dtype, memoryview(plane), 0, strides)[:] = codes
    return frame


def read_luma(frame: av.VideoFrame, color: ColorSpec) -> tuple[Samples, av.VideoFrame]:
    """The luma of a decoded frame, (height, width), and the frame whose memory it looks into, or
    that it was made of.

    uint8 for 8 bits, else native uint16, in the codes of ``color``. No copy is made unless the
    format forces one (see above); the view must not be written to, because the decoder may still
    predict from the same memory.
    """
    picture = picture_of(frame.format.name)
    if not picture.coded:
        return luma_from_rgb(*_rgb(frame, picture), color), frame
    # A negative line size (a picture stored bottom-up) cannot be addressed through PyAV's buffers.
    if not picture.readable or frame.planes[0].line_size < 0:
        frame = _convert(frame, picture, color, planar("444", picture.depth))
        picture = picture_of(frame.format.name)
    return _plane(frame, 0, (frame.height, frame.width), picture), frame


def read_chroma(frame: av.VideoFrame, color: ColorSpec) -> tuple[Samples, Samples] | None:
    """Cb and Cr of a frame that `read_luma` handed back: (rows, columns) each, at the size the film
    has them; None for grey pictures.

    Codes, type and memory are as there. Formats that interleave the two are converted.
    """
    picture = picture_of(frame.format.name)
    if picture.grey:
        return None
    if not picture.coded:
        return chroma_from_rgb(*_rgb(frame, picture), color)
    if len(frame.planes) < 3:
        frame = _convert(frame, picture, color, planar(picture.subsampling, picture.depth))
        picture = picture_of(frame.format.name)
    size = frame.format.chroma_height(frame.height), frame.format.chroma_width(frame.width)
    cb, cr = (_plane(frame, index, size, picture) for index in (1, 2))
    return cb, cr


def _plane(
    frame: av.VideoFrame, index: int, shape: tuple[int, int], picture: Picture
) -> NDArray[Any]:
    """A view of a plane's samples, or an array of the same codes where they need moving."""
    plane = frame.planes[index]
    size = picture.dtype.itemsize
    step, offset = (picture.step, picture.offset) if index == 0 else (1, 0)
    samples: NDArray[Any] = np.ndarray(
        shape,
        picture.dtype,
        buffer=memoryview(plane),
        offset=offset * size,
        strides=(plane.line_size, step * size),
    )
    samples.flags.writeable = False
    if picture.shift:
        samples = samples >> picture.shift
    return samples if samples.dtype.isnative else samples.astype(np.uint16)


def _convert(frame: av.VideoFrame, picture: Picture, color: ColorSpec, to: str) -> av.VideoFrame:
    # Luma that is only moved must not be rescaled: the same range on both sides.
    wanted = ColorRange.JPEG if color.full_range else ColorRange.MPEG
    matrix = _SWSCALE_MATRIX[color.matrix]
    return frame.reformat(
        format=to,
        src_color_range=wanted,
        dst_color_range=wanted,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        threads=ONE_THREAD,
    )


def _rgb(frame: av.VideoFrame, picture: Picture) -> tuple[Samples, Samples, Samples]:
    """Red, green and blue, (height, width) each."""
    if not _PLANAR_RGB.match(picture.name):
        # Others to this only: of planes with alpha to those without, swscale copies half of a row.
        name = "gbrp" if picture.depth == 8 else f"gbrp{picture.depth}le"
        frame, picture = frame.reformat(format=name, threads=ONE_THREAD), picture_of(name)
    shape = frame.height, frame.width
    green, blue, red = (_plane(frame, index, shape, picture) for index in range(3))
    return red, green, blue


def grey_picture(luma: Codes, depth: int) -> av.VideoFrame:
    """Luma of ``depth`` bits as a picture of its own, in 8 bits, its chroma neutral."""
    rounded = (
        luma if depth == 8 else np.minimum((luma >> (depth - 9)).astype(np.int32) + 1 >> 1, 255)
    )
    planes = np.full((3, *luma.shape), 128, np.uint8)
    planes[0] = rounded
    return av.VideoFrame.from_ndarray(planes, format="yuv444p")
