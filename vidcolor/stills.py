"""Stills of films to look at: R'G'B' with square pixels, and as JPEG."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.color import rgb
from vidcolor.frames import Frame, PaintedFrame, VideoInfo
from vidcolor.media.picture import grey_picture, picture_of, read_chroma, read_luma

Pixels = NDArray[np.uint8]


def still(frame: Frame, info: VideoInfo, short_side: int) -> Pixels:
    """The frame with the colours its file has, upright, as (h, w, 3) uint8 R'G'B'.

    Its pixels are square, its short side is ``short_side`` pixels.
    """
    aspect = info.sample_aspect_ratio if info.sample_aspect_ratio > 0 else Fraction(1)
    width, height = info.width * aspect, Fraction(info.height)
    scale = short_side / min(width, height)
    return upright(reduced(frame, info, (round(height * scale), round(width * scale))), info)


def reduced(frame: Frame, info: VideoInfo, size: tuple[int, int]) -> PaintedFrame:
    """The frame at ``size`` (h, w), not turned, in 8 bits, with chroma of its own as large as luma.

    Coloured anew, its ``frame`` shows at this size what painting would give at full size.
    """
    owner = frame.owner
    if (owner.width, owner.height) != (info.width, info.height):
        # One of another size than the film's was fitted into it, and lies nowhere but in its luma.
        owner = grey_picture(frame.luma, frame.color.depth)
    # Scaled as it lies there, and to 8 bits, by the decoder's library; the range must stay.
    span, made = (2 if info.color.full_range else 1), picture_of(owner.format.name)
    scaled = owner.reformat(
        width=size[1],
        height=size[0],
        format="yuv444p" if made.coded else "gbrp",
        interpolation="AREA" if size[0] < info.height else "BICUBIC",
        src_color_range=span if made.coded else None,
        dst_color_range=span if made.coded else None,
    )
    color = replace(info.color, depth=8)
    luma, held = read_luma(scaled, color)
    chroma = read_chroma(held, color)
    assert chroma is not None  # Neither format is grey.
    small = replace(frame, luma=luma, color=color, owner=held)
    return PaintedFrame(small, *chroma)


def upright(painted: PaintedFrame, info: VideoInfo) -> Pixels:
    """A frame of ``info`` as R'G'B' (h, w, 3) uint8, turned as players turn it."""
    frame = painted.frame
    picture = rgb(frame.luma, painted.cb, painted.cr, frame.color)
    # As an array of its own: what is turned by a quarter could not be written on.
    return np.ascontiguousarray(np.rot90(picture, info.quarter_turns))


def panel_size(
    info: VideoInfo, tallest: int | None = None, widest: int | None = None
) -> tuple[int, int]:
    """(h, w) of a picture before it is turned upright: even, square pixels, at most the film's and,
    once upright, at most ``tallest`` and ``widest``."""
    aspect = info.sample_aspect_ratio if info.sample_aspect_ratio > 0 else Fraction(1)
    # Square pixels by making one side smaller, never the other larger.
    width = info.width * min(aspect, Fraction(1))
    height = info.height / max(aspect, Fraction(1))
    turned = info.quarter_turns % 2
    scale = Fraction(1)
    for side, most in zip(
        (width, height) if turned else (height, width), (tallest, widest), strict=True
    ):
        scale = scale if most is None else min(scale, most / side)
    return max(2, int(height * scale) // 2 * 2), max(2, int(width * scale) // 2 * 2)


def shrunk(pixels: Pixels, tallest: int) -> Pixels:
    """A picture (h, w, 3) uint8 at most ``tallest`` pixels high, its shape kept."""
    height, width = pixels.shape[:2]
    if height <= tallest:
        return pixels
    size = (max(1, round(width * tallest / height)), max(1, tallest))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(pixels: Pixels, quality: int) -> bytes:
    """R'G'B' (h, w, 3) uint8 as a JPEG file; ``quality`` is 1 to 100."""
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, quality))
    return bytes(data)


def png(pixels: Pixels) -> bytes:
    """R'G'B' (h, w, 3) uint8 as a PNG file."""
    return bytes(cv2.imencode(".png", pixels[..., ::-1])[1])
