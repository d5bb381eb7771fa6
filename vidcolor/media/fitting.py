"""Pictures that do not have the film's size or depth, brought to it: ``Fitting``."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from vidcolor.frames import ColorSpec, VideoInfo
from vidcolor.media.colortags import grey_is_full
from vidcolor.media.picture import ONE_THREAD, as_frame, grey, picture_of, read_luma


def fits(frame: av.VideoFrame, info: VideoInfo) -> bool:
    """True if ``frame`` has the film's size, depth and meaning of codes."""
    own, film = picture_of(frame.format.name), picture_of(info.pixel_format)
    # Of R'G'B' the codes are ours, of grey its own.
    return alike(frame, info) and own.coded == film.coded


def alike(frame: av.VideoFrame, info: VideoInfo) -> bool:
    """True if ``frame`` has the film's size and depth, and nobody need be told of it."""
    own, film = picture_of(frame.format.name), picture_of(info.pixel_format)
    return (
        (frame.width, frame.height) == (info.width, info.height)
        and own.depth == info.color.depth
        and own.full_range_by_name == film.full_range_by_name
    )


class Fitting:
    """Scales pictures into the film's size, keeping their shape as displayed, black around it."""

    def __init__(self, info: VideoInfo) -> None:
        self._info = info
        # One for all: each frame's own would keep its tables as long as the frame lives.
        self._scaler = VideoReformatter()

    def luma(self, frame: av.VideoFrame, aspect: Fraction | None) -> NDArray[Any]:
        """The luma of ``frame`` as the film's own would be: its size, depth and range.

        ``aspect`` is the frame's sample aspect ratio, None or 0 for unknown.
        """
        film = self._info.color
        described = picture_of(frame.format.name)
        full = film.full_range
        if described.coded:
            tagged = {1: False, 2: True}.get(int(frame.color_range))
            usual = described.full_range_by_name or full
            if described.grey:
                usual = grey_is_full(self._info.codec)
            full = usual if tagged is None else tagged
        own = replace(film, full_range=full, depth=described.depth)
        codes, _ = read_luma(frame, own)
        return self._sized(_recoded(codes, own, film), aspect or Fraction(1))

    def _sized(self, codes: NDArray[Any], aspect: Fraction) -> NDArray[Any]:
        info = self._info
        if codes.shape == (info.height, info.width):
            return codes
        height, width = codes.shape
        # As wide as it would have to be stored in the film's own pixels to keep its shape.
        alike = width * aspect / info.sample_aspect_ratio
        scale = min(info.width / alike, Fraction(info.height, height))
        inner = max(1, round(alike * scale)), max(1, round(height * scale))
        name = grey(info.color.depth)
        frame = as_frame((codes,), name)
        scaled = self._scaler.reformat(frame, *inner, format=name, threads=ONE_THREAD)
        small, _ = read_luma(scaled, info.color)
        black = _ends(info.color)[0]
        whole = np.full((info.height, info.width), black, codes.dtype)
        top, left = (info.height - inner[1]) // 2, (info.width - inner[0]) // 2
        whole[top : top + inner[1], left : left + inner[0]] = small
        return whole


def _ends(color: ColorSpec) -> tuple[int, int]:
    """The codes of black and white."""
    if color.full_range:
        return 0, (1 << color.depth) - 1
    return 16 << (color.depth - 8), 235 << (color.depth - 8)


def _recoded(codes: NDArray[Any], own: ColorSpec, film: ColorSpec) -> NDArray[Any]:
    """``codes`` of one depth and range in those of another."""
    if (own.depth, own.full_range) == (film.depth, film.full_range):
        return codes
    (black, white), (to_black, to_white) = _ends(own), _ends(film)
    levels = np.arange(1 << own.depth, dtype=np.float64)
    moved = to_black + (levels - black) * ((to_white - to_black) / (white - black))
    table = np.clip(np.rint(moved), 0, (1 << film.depth) - 1)
    return np.asarray(table.astype(np.uint8 if film.depth == 8 else np.uint16)[codes])
