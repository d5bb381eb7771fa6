"""Stills of films to look at: R'G'B' with square pixels, and as JPEG."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.color import rgb
from vidcolor.frames import Frame, VideoInfo

Pixels = NDArray[np.uint8]


def still(frame: Frame, info: VideoInfo, short_side: int) -> Pixels:
    """The frame with the colours its file has, upright, as (h, w, 3) uint8 R'G'B'.

    Its pixels are square, its short side is ``short_side`` pixels.
    """
    aspect = info.sample_aspect_ratio if info.sample_aspect_ratio > 0 else Fraction(1)
    width, height = info.width * aspect, Fraction(info.height)
    scale = short_side / min(width, height)
    # Scaled in Y'CbCr, and to 8 bits, by the decoder's library; the range must stay what it is.
    span = 2 if info.color.full_range else 1
    planes = frame.owner.reformat(
        width=round(width * scale),
        height=round(height * scale),
        format="yuv444p",
        interpolation="AREA" if scale < 1 else "BICUBIC",
        src_color_range=span,
        dst_color_range=span,
    ).to_ndarray()
    luma, cb, cr = planes
    picture = rgb(luma, cb, cr, replace(info.color, depth=8))
    return np.rot90(picture, round(info.rotation / 90) % 4)


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """R'G'B' (h, w, 3) uint8 as a JPEG file; ``quality`` is 1 to 100."""
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, quality))
    return bytes(data)
