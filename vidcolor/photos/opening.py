"""Photos opened with Pillow: its faults made ours, its limit put aside, its turning kept off."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from vidcolor.aside import Aside, no_warnings
from vidcolor.errors import SourceError
from vidcolor.photos.kinds import kind_of
from vidcolor.photos.tags import ORIENTATION

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
_WHOLE = {3: "H", 4: "I"}
"""TIFF's types of a whole number of 16 and of 32 bits, as `struct` has them."""
_LAYOUTS = {42: (4, "I", "H", 12, 8), 43: (8, "Q", "Q", 20, 12)}
"""Of TIFF and of BigTIFF: where the place of the first directory is, its type and that of the count
of entries, an entry's length, and where in it its value is."""
_FAULTS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow raises over broken files."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[Image.Image, int | None]]:
    """The photo, and, of a TIFF, its orientation, which Pillow does not get to see: it would turn
    the pixels, and garbles them where they are not compressed (as of 13.0).

    Raises SourceError for what is no photo, and, also in the block, for one that is broken.
    """
    with _ours(path):
        if kind_of(path) != "TIFF":
            with Image.open(path, formats=_FORMATS) as image:
                yield image, None
            return
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_COPY) as data:
            turned = unturn(data)
            with Image.open(data, formats=_FORMATS) as image:  # type: ignore[arg-type]
                yield image, turned


@contextmanager
def _ours(path: Path) -> Iterator[None]:
    """Pillow's faults in ours; its own limit, one for the whole process, gives way to ours."""
    try:
        with _pixels.held(), no_warnings.held():
            yield
    except SourceError:
        raise
    except UnidentifiedImageError as fault:
        if kind_of(path) == "TIFF":
            raise SourceError(
                f"{path}: a TIFF of a kind that is not read, such as 16 bits of grey with "
                "transparency; save it anew as plain grey, as RGB or as PNG"
            ) from fault
        raise SourceError(
            f"{path}: no photo that can be read; give a JPEG, PNG, TIFF or WebP"
        ) from fault
    except _FAULTS as fault:
        why = " ".join(str(fault).split()) or type(fault).__name__
        raise SourceError(f"{path}: this photo is broken or truncated: {why}") from fault


def _no_limit() -> int | None:
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    return usual


def _usual_limit(usual: int | None) -> None:
    Image.MAX_IMAGE_PIXELS = usual


_pixels = Aside(_no_limit, _usual_limit)


def unturn(data: mmap) -> int:
    """The orientation in a TIFF's first directory, which is then 1 there. Raises struct.error."""
    order = "<" if data[:2] == b"II" else ">"
    (version,) = struct.unpack_from(f"{order}H", data, 2)
    start, place, counted, size, inside = _LAYOUTS.get(version, _LAYOUTS[42])
    (at,) = struct.unpack_from(order + place, data, start)
    (count,) = struct.unpack_from(order + counted, data, at)
    first = at + struct.calcsize(order + counted)
    for entry in range(first, first + size * count, size):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag == ORIENTATION and kind in _WHOLE:
            (value,) = struct.unpack_from(order + _WHOLE[kind], data, entry + inside)
            struct.pack_into(order + _WHOLE[kind], data, entry + inside, 1)
            return int(value)
    return 1
