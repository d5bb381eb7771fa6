"""A photo as the stages of a film take it: a frame of native luma, and what is known of it.

Luma is that of ITU-R BT.601 at full range, as JPEG has it: of a JPEG the plane that its decoder
gives, of R'G'B' the weighted sum, rounded. Pillow reads what has 8 bits and all tags, PyAV what has
16: Pillow knows no 16 bits of R'G'B'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidcolor.color import Codes
from vidcolor.errors import SourceError
from vidcolor.frames import ColorSpec, ColorTags, Frame, VideoInfo
from vidcolor.media.faults import reading
from vidcolor.media.picture import as_frame, grey, read_luma
from vidcolor.media.picture import planar as planar_format
from vidcolor.media.safety import check_pixels, check_source
from vidcolor.photos.deep import read_deep
from vidcolor.photos.opening import opened
from vidcolor.photos.rgb import split_rgb
from vidcolor.photos.tags import ORIENTATION, Tags, read_tags
from vidcolor.settings import LimitSettings

_AS = {"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}
"""What modes of Pillow's are read as, besides those that are read as they are."""
_MODES = ("L", "LA", "RGB", "RGBA", "YCbCr")
_TURNS = {1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}
"""EXIF's orientations as quarters counter-clockwise."""
_MIRRORED = (2, 4, 5, 7)
"""Those to be mirrored, left to right, after that."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of ``info.width`` x ``info.height`` stored pixels.

    ``frame.owner`` holds its own chroma, unless it is grey. ``rgb`` (h, w, 3) are its R'G'B' codes
    where it has such, ``alpha`` (h, w) its transparency, ``mirrored`` whether viewers mirror it
    after they have turned it by ``info.rotation``.
    """

    info: VideoInfo
    frame: Frame
    tags: Tags
    rgb: Codes | None = None
    alpha: Codes | None = None
    mirrored: bool = False


def read_photo(
    path: Path,
    limits: LimitSettings = LimitSettings(),
    warn: Callable[[str], None] = lambda line: None,
    *,
    depth: int = 16,
) -> Photo:
    """Read a photo whole, with 8 bits where ``depth`` is 8. ``warn`` is told what is not kept.

    Raises SourceNotFoundError; SourceError for what is empty, broken, truncated, over the limits,
    animated or of several pages, in CMYK or of another kind than JPEG, PNG, TIFF and WebP.
    """
    with reading(path, "cannot be opened"):
        check_source(path)
    with opened(path) as (image, turned):
        check_pixels(path, *image.size, limits)
        _check_single(path, image, warn)
        if image.mode == "CMYK":
            # Of 16 bits it would pass for R'G'B' with transparency.
            raise SourceError(f"{path}: its colours are CMYK; save it as RGB or as grey")
        deep = _is_deep(path, image)
        orientation = image.getexif().get(ORIENTATION, 1) if turned is None else turned
        planar = image.format in ("JPEG", "MPO") and image.info.get("adobe_transform") != 0
        if planar and image.mode == "RGB":
            # The decoder's own planes, without a way over R'G'B' and back.
            image.draft("YCbCr", image.size)
        # A PNG's tags may come behind its pixels; a TIFF's cannot be read any more once those are.
        if image.format != "TIFF":
            image.load()
        tags, grey_profile = read_tags(path, image, orientation)
        # Also where its pixels are read otherwise: this tells whether all of them are there.
        image.load()
        if image.format == "PNG":
            _scale_key(path, image)
        planes = None if deep else _planes(path, image, planar=planar)
        # A TIFF's fourth samples may be anything: only where it says so are they transparency.
        unnamed = image.format == "TIFF" and _tag(image, 338) == (0,)
        kind, planar = str(image.format), planar and image.mode == "YCbCr"
    if planes is None:
        planes = read_deep(path, limits)
        planes = planes[..., :-1] if unnamed else planes
        if depth == 8:
            warn(f"{path}: its 16 bits are rounded to 8; a PNG or TIFF would keep them")
            planes = ((planes.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if unnamed:
        warn(f"{path}: samples besides its colours, which it does not name, are left out")
    if grey_profile:
        warn(f"{path}: its profile is one of grey, which a photo in colour cannot have; left out")
    return _photo(path, kind, planes, tags, orientation, planar=planar)


def _check_single(path: Path, image: Image.Image, warn: Callable[[str], None]) -> None:
    count = getattr(image, "n_frames", 1)
    if image.format == "MPO":
        warn(f"{path}: of its {count} pictures only the first is coloured, and the others left out")
    elif count > 1:
        raise SourceError(
            f"{path}: it holds {count} pictures, an animation or pages; "
            "make a file of each, with numbered names: their folder is a film, too"
        )


def _scale_key(path: Path, image: Image.Image) -> None:
    """Of a PNG in grey of 2 or 4 bits Pillow scales the codes, but not the one that is clear."""
    key = image.info.get("transparency")
    if image.mode != "L" or not isinstance(key, int):
        return
    with path.open("rb") as file:
        depth = file.read(25)[24]
    if depth < 8:
        image.info["transparency"] = key * 255 // ((1 << depth) - 1)


def _is_deep(path: Path, image: Image.Image) -> bool:
    """Whether it has 16 bits. Raises SourceError for samples that are no codes of 8 or 16 bits."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24] == 16
    if image.format == "TIFF":
        bits, kinds = _tag(image, 258) or (1,), _tag(image, 339) or (1,)
        if max(bits) > 8 and (set(bits) != {16} or set(kinds) != {1}):
            raise SourceError(
                f"{path}: samples of {max(bits)} bits, or other than whole numbers from 0; "
                "save it with 8 or 16 bits, unsigned"
            )
        return bool(max(bits) == 16)
    return False


def _tag(image: Image.Image, number: int) -> Any:
    """What a TIFF has there; None for nothing."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    return tags.get(number)


def _planes(path: Path, image: Image.Image, *, planar: bool) -> NDArray[Any]:
    """(h, w, n) uint8: grey, R'G'B', each with or without alpha, or, if ``planar``, Y'CbCr."""
    mode = _AS.get(image.mode, image.mode)
    if image.mode == "YCbCr" and not planar:
        mode = "RGB"
    if "transparency" in image.info and mode in ("L", "RGB"):
        mode += "A"
    if mode not in _MODES:
        raise SourceError(f"{path}: its colours are {image.mode}; save it as RGB or as grey")
    if image.mode == "1" and mode == "LA":
        # Of one bit Pillow takes no code for clear.
        key, image = image.info["transparency"], image.convert("L")
        image.info["transparency"] = key
    picture = image if image.mode == mode else image.convert(mode)
    return np.asarray(picture).reshape(image.height, image.width, -1)


def _photo(
    path: Path, kind: str, planes: NDArray[Any], tags: Tags, orientation: int, *, planar: bool
) -> Photo:
    height, width, count = planes.shape
    color = ColorSpec("bt601", full_range=True, depth=8 * planes.itemsize)
    alpha = np.ascontiguousarray(planes[..., -1]) if count in (2, 4) else None
    rgb = None
    chroma: tuple[Codes, ...] = ()
    if planar:
        luma, *rest = (np.ascontiguousarray(planes[..., channel]) for channel in range(3))
        chroma = tuple(rest)
    elif count >= 3:
        rgb = planes[..., :3]
        luma, *rest = split_rgb(rgb, color)
        chroma = tuple(rest)
    else:
        luma = np.ascontiguousarray(planes[..., 0])
    name = planar_format("444", color.depth) if chroma else grey(color.depth)
    luma, owner = read_luma(as_frame((luma, *chroma), name), color)
    frame = Frame(0, 0, 1, luma, color, owner=owner)
    info = VideoInfo(
        path=path,
        container="photo",
        stream_index=0,
        codec=kind.lower(),
        width=width,
        height=height,
        pixel_format=name,
        time_base=Fraction(1),
        average_rate=None,
        start_pts=0,
        duration=Fraction(1),
        frame_count=1,
        frame_count_is_exact=True,
        sample_aspect_ratio=Fraction(1),
        rotation=90 * _TURNS.get(orientation, 0),
        turning=None,
        field_order=0,
        color=color,
        tags=ColorTags(),
    )
    return Photo(info, frame, tags, rgb, alpha, orientation in _MIRRORED)
