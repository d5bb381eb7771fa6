"""Photos of 16 bits, by whichever decoder knows how they lie in their file."""

from __future__ import annotations

from mmap import ACCESS_COPY, mmap
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SourceError
from vidcolor.media.faults import reading
from vidcolor.media.samples import divided, read_samples
from vidcolor.media.tiff import Directory, check_layout, directories
from vidcolor.photos.opening import unturn
from vidcolor.settings import LimitSettings


def read_deep(path: Path, limits: LimitSettings = LimitSettings()) -> NDArray[np.uint16]:
    """(h, w, n) codes: grey, grey and alpha, R'G'B', or R'G'B' and alpha, as they are stored.

    FFmpeg knows no TIFF in tiles and no BigTIFF; OpenCV does. Raises as
    :func:`~vidcolor.media.samples.read_samples` does.
    """
    with reading(path, "cannot decode this picture"):
        pages = directories(path)
    if not pages or not (pages[0].tiled or pages[0].big):
        return read_samples(path, limits)
    codes = _by_opencv(path, pages[0])
    return divided(codes) if pages[0].premultiplied else codes


def _by_opencv(path: Path, page: Directory) -> NDArray[np.uint16]:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_COPY) as data:
        unturn(data)
        stored = np.frombuffer(data, np.uint8)
        try:
            # A plane for each colour it would take for one plane of all; grey with alpha it makes
            # grey of 8 bits.
            codes = None if page.planes else cv2.imdecode(stored, cv2.IMREAD_UNCHANGED)
        except cv2.error:
            codes = None
        finally:
            del stored
    if codes is None or codes.dtype != np.uint16:
        check_layout(path, page)
        raise SourceError(f"{path}: its samples cannot be read; save it in strips, as plain TIFF")
    if codes.ndim == 2:
        grey = codes[..., None].astype(np.uint16, copy=False)
        return ~grey if page.white_is_zero else grey
    order = cv2.COLOR_BGRA2RGBA if codes.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(codes, order), np.uint16)
