"""The samples of a still picture of 16 bits, as they were stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SourceError
from vidcolor.media.faults import reading
from vidcolor.media.source import main_video, open_source
from vidcolor.media.tiff import check_layout, directories
from vidcolor.settings import LimitSettings

_GREY_ALPHA = {"ya16le": "<u2", "ya16be": ">u2"}


def read_samples(path: Path, limits: LimitSettings = LimitSettings()) -> NDArray[np.uint16]:
    """(h, w, n) codes: grey, grey and alpha, R'G'B', or R'G'B' and alpha.

    Colours that were multiplied by their alpha are divided by it again. Raises SourceError where it
    cannot be decoded, or has other samples than these.
    """
    with reading(path, "cannot decode this picture"):
        pages = directories(path)
        for page in pages[:1]:
            check_layout(path, page)
    codes = _decoded(path, limits)
    if pages and pages[0].premultiplied:
        return divided(codes)
    return codes


def divided(codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Codes whose last samples are alpha, which the others were multiplied by."""
    if codes.shape[2] not in (2, 4):
        return codes
    alpha = np.maximum(codes[..., -1:], 1).astype(np.float64)
    colors = np.minimum(np.rint(codes[..., :-1] * (65535 / alpha)), 65535)
    return np.concatenate([colors.astype(np.uint16), codes[..., -1:]], 2)


def _decoded(path: Path, limits: LimitSettings) -> NDArray[np.uint16]:
    with open_source(path, limits) as source, reading(path, "cannot decode this picture"):
        stream = main_video(source, path)
        frame = next(source.decode(stream), None)
        if frame is None:
            raise SourceError(f"{path}: no picture in it can be decoded")
        name = frame.format.name
        if name in _GREY_ALPHA:
            plane = frame.planes[0]
            codes: NDArray[Any] = np.ndarray(
                (frame.height, frame.width, 2),
                _GREY_ALPHA[name],
                memoryview(plane),
                strides=(plane.line_size, 4, 2),
            )
            return codes.astype(np.uint16)
        if frame.format.components[0].bits != 16:
            raise SourceError(f"{path}: its samples ({name}) have no 16 bits, as it says they have")
        codes = frame.to_ndarray()
        return np.ascontiguousarray(codes.reshape(frame.height, frame.width, -1), np.uint16)
