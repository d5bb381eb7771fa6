"""Pictures that a device decoded, made into what software's decoder would have given.

A device leaves its pictures in ``nv12``, ``p010`` and the like: chroma interleaved, and codes of
more than 8 bits at the top of 16. All that follows the decoder goes by the film's own format, in
what it makes of range, fields and chroma, so the samples are moved there, each as it is.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import Surface, VideoInfo
from vidcolor.media.captions import Captioner
from vidcolor.media.fields import FieldMarker, FieldReader, shape_of
from vidcolor.media.picture import as_frame, picture_of, planar

_BYTE, _WORD = np.dtype(np.uint8), np.dtype("<u2")
_LAYOUTS: dict[str, tuple[str, np.dtype[Any], tuple[int, ...]]] = {
    "nv12": ("420", _BYTE, (8,)),
    "nv16": ("422", _BYTE, (8,)),
    "nv24": ("444", _BYTE, (8,)),
    "p010le": ("420", _WORD, (10,)),
    "p012le": ("420", _WORD, (12,)),
    "p016le": ("420", _WORD, (12, 16)),
    "p210le": ("422", _WORD, (10,)),
    "p212le": ("422", _WORD, (12,)),
    "p216le": ("422", _WORD, (12, 16)),
    "p410le": ("444", _WORD, (10,)),
    "p412le": ("444", _WORD, (12,)),
    "p416le": ("444", _WORD, (12, 16)),
    "yuv444p10msble": ("444", _WORD, (10,)),
    "yuv444p12msble": ("444", _WORD, (12,)),
    "yuv444p16le": ("444", _WORD, (10, 12, 16)),
}
"""Chroma grid, type of a sample, and of how many bits a film's codes may be, which are the upper
ones of each."""


class UnfitError(Exception):
    """A device's decoder is not to be trusted with this; the message says why, in a few words."""


def surface_of(picture: av.VideoFrame, device: str) -> Surface:
    """In what way ``device`` handed over ``picture``."""
    return Surface(device, picture.format.name, int(picture.color_range))


class Downloads:
    """Takes a film's pictures over from a device."""

    def __init__(self, info: VideoInfo, surface: Surface) -> None:
        self._info = info
        self._surface = surface
        self._fields = FieldReader()
        self._marker: FieldMarker | None = None
        self._captioner: Captioner | None = None

    def plain(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The same samples in the film's own pixel format, with their time and order of fields.

        Raises UnfitError for a picture that is not like the film's first, or has no such copy.
        """
        info, surface = self._info, self._surface
        if surface_of(picture, surface.device) != surface or (
            (picture.width, picture.height) != (info.width, info.height)
        ):
            raise UnfitError("the picture changes")
        if surface.pixel_format == info.pixel_format:
            return picture
        # By hand, because swscale is not exact for all of these.
        plain = as_frame(_planes(picture, info), info.pixel_format)
        plain.pts, plain.time_base = picture.pts, info.time_base
        plain.duration = picture.duration
        plain.color_range = picture.color_range
        if self._captioner is None:
            self._captioner = Captioner(shape_of(plain))
        plain = self._captioner.caption(plain, picture)
        first = None if info.fields is None else self._fields.first(picture)
        if first is None:
            return plain
        if self._marker is None:
            self._marker = FieldMarker(shape_of(plain))
        return self._marker.mark(plain, first)


def _planes(picture: av.VideoFrame, info: VideoInfo) -> list[NDArray[Any]]:
    """Y', Cb and Cr of ``picture`` in codes of the film's depth.

    Raises UnfitError if they cannot be had without change.
    """
    name, film = picture.format.name, picture_of(info.pixel_format)
    grid, dtype, depths = _LAYOUTS.get(name, ("", _BYTE, ()))
    if film.depth not in depths or info.pixel_format.replace("yuvj", "yuv") != planar(
        grid, film.depth
    ):
        raise UnfitError(f"it gives {name}, which is no {info.pixel_format}")
    wide = picture.format.chroma_width(picture.width)
    high = picture.format.chroma_height(picture.height)
    luma = _samples(picture, 0, (picture.height, picture.width), dtype)
    if len(picture.planes) == 2:
        both = _samples(picture, 1, (high, 2 * wide), dtype)
        chroma = [both[:, 0::2], both[:, 1::2]]
    else:
        chroma = [_samples(picture, index, (high, wide), dtype) for index in (1, 2)]
    shift = 8 * dtype.itemsize - film.depth
    return [codes >> shift if shift else codes for codes in (luma, *chroma)]


def _samples(
    picture: av.VideoFrame, index: int, shape: tuple[int, int], dtype: np.dtype[Any]
) -> NDArray[Any]:
    plane = picture.planes[index]
    strides = (plane.line_size, dtype.itemsize)
    return np.ndarray(shape, dtype, memoryview(plane), 0, strides)
