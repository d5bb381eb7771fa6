"""Photos of 16 bits, by whichever decoder knows how they lie in their file."""

from __future__ import annotations

from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SourceError
from vidcolor.media.faults import reading
from vidcolor.media.samples import divided, read_samples
from vidcolor.media.tiff import Directory, directories
from vidcolor.photos.opening import unturn
from vidcolor.settings import LimitSettings

_WHITE_IS_ZERO = 0
_LAYOUTS = ((_WHITE_IS_ZERO, 1), (1, 1), (2, 3), (2, 4))
"""What OpenCV reads as it is: what the samples mean, and how many a pixel has."""


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
    # A plane for each colour it would take for one plane of all, grey with alpha for grey of 8
    # bits; and of what it refuses it writes lines of its own.
    codes = None
    if not page.planes and (page.photometric, page.samples) in _LAYOUTS:
        codes = _decoded(path)
    if codes is None or codes.dtype != np.uint16:
        raise SourceError(
            f"{path}: its samples cannot be read as they lie in tiles or a BigTIFF; save it in "
            "strips, as plain TIFF"
        )
    if codes.ndim == 2:
        grey = codes[..., None].astype(np.uint16, copy=False)
        return ~grey if page.photometric == _WHITE_IS_ZERO else grey
    order = cv2.COLOR_BGRA2RGBA if codes.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(codes, order), np.uint16)


def _decoded(path: Path) -> NDArray[Any] | None:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_COPY) as data:
        unturn(data)
        stored = np.frombuffer(data, np.uint8)
        try:
            return cv2.imdecode(stored, cv2.IMREAD_UNCHANGED)
        except cv2.error:
            return None
        finally:
            del stored
