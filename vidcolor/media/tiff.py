"""TIFF files looked into before FFmpeg reads them: some that it does not know come out black."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vidcolor.errors import SourceError

_SUFFIXES = (".tif", ".tiff")
_KIND, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR = 254, 259, 262, 277, 284
_TILE_WIDTH, _TILE_OFFSETS, _EXTRA = 322, 324, 338
_JPEG = frozenset({6, 7})
_SMALLER = 1
"""A bit of the kind: the same picture once more, with fewer pixels."""
_PREMULTIPLIED = 1
_SEPARATE = 2
_LAYOUTS = {42: ("I", "H", "HHI4s"), 43: ("Q", "Q", "HHQ8s")}
"""Of TIFF and of BigTIFF: the types of a directory's place, of its number of entries, and of an
entry: tag, type, count, and its value or where that is."""
_WHOLE = {3: "H", 4: "I"}
"""Types of whole numbers of 16 and of 32 bits, as `struct` has them."""
_MOST_PAGES = 1000
_LOOKED_INTO = 1000
"""Of numbered pictures: reading a bit of each takes long on network drives, and those of one film
were written by one program."""


@dataclass(frozen=True, slots=True)
class Directory:
    """What is stored in what way: one picture of a TIFF file."""

    compression: int
    tiled: bool
    smaller: bool
    """It is another one once more, with fewer pixels."""
    premultiplied: bool
    """Its colours were multiplied by its transparency."""
    big: bool
    """Its places have 64 bits."""
    photometric: int
    """What its samples mean: 0 and 1 grey, 0 being white and black; 2 R'G'B'."""
    samples: int
    """Of each pixel."""
    planes: bool
    """Each colour's samples lie apart from the others'."""


def directories(path: Path) -> list[Directory]:
    """Those of a TIFF file, in order; empty where it is none, or is broken. Raises OSError."""
    found: list[Directory] = []
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        try:
            version = struct.unpack_from(f"{order or '<'}H", head, 2)[0]
            if order is None or version not in _LAYOUTS:
                return []
            place = order + _LAYOUTS[version][0]
            (at,) = struct.unpack_from(place, head, 4 if version == 42 else 8)
            seen: set[int] = set()
            while at and at not in seen and len(seen) < _MOST_PAGES:
                seen.add(at)
                directory, at = _read(file, at, order, *_LAYOUTS[version])
                found.append(directory)
        except struct.error:
            pass
    return found


def check_tiff(path: Path) -> None:
    """Raises SourceError for a TIFF that FFmpeg reads as black, or whose later pages it leaves out;
    OSError."""
    if not path.name.lower().endswith(_SUFFIXES):
        return
    pages = [page for page in directories(path) if not page.smaller]
    if len(pages) > 1:
        raise SourceError(
            f"{path}: it holds {len(pages)} pages; make a file of each, with numbered names, and "
            "give their folder"
        )
    for page in pages:
        check_layout(path, page)


def check_layout(path: Path, page: Directory) -> None:
    """Raises SourceError for a page that FFmpeg reads as black, or not at all."""
    if page.tiled:
        raise SourceError(
            f"{path}: its pixels lie in tiles, which cannot be read here; save it in strips, as "
            "most programs do"
        )
    if page.compression in _JPEG:
        raise SourceError(
            f"{path}: it is compressed as JPEG within TIFF, which cannot be read; save it as JPEG, "
            "or without this compression"
        )
    if page.big:
        raise SourceError(f"{path}: a BigTIFF, which cannot be read here; save it as plain TIFF")


def check_series(pictures: Iterable[Path], count: int) -> None:
    """`check_tiff` for ``count`` numbered pictures, or for a thousand of them. Raises as that."""
    step = -(-count // _LOOKED_INTO)
    for number, picture in enumerate(pictures):
        if number % step == 0 or number == count - 1:
            check_tiff(picture)


def _read(
    file: BinaryIO, at: int, order: str, place: str, counted: str, entry: str
) -> tuple[Directory, int]:
    """The directory at ``at``, and where the next one is. Raises struct.error."""
    file.seek(at)
    (count,) = struct.unpack(order + counted, file.read(struct.calcsize(counted)))
    size = struct.calcsize(order + entry)
    data = file.read(min(count, 1 << 16) * size)
    values: dict[int, int] = {}
    for start in range(0, len(data) - size + 1, size):
        tag, kind, _, value = struct.unpack_from(order + entry, data, start)
        if kind in _WHOLE:
            values[tag] = struct.unpack_from(order + _WHOLE[kind], value)[0]
        else:
            values.setdefault(tag, 0)
    (following,) = struct.unpack(order + place, file.read(struct.calcsize(place)))
    directory = Directory(
        compression=values.get(_COMPRESSION, 1),
        tiled=_TILE_WIDTH in values or _TILE_OFFSETS in values,
        smaller=bool(values.get(_KIND, 0) & _SMALLER),
        premultiplied=values.get(_EXTRA) == _PREMULTIPLIED,
        big=place == _LAYOUTS[43][0],
        photometric=values.get(_PHOTOMETRIC, 1),
        samples=values.get(_SAMPLES, 1),
        planes=values.get(_PLANAR) == _SEPARATE and values.get(_SAMPLES, 1) > 1,
    )
    return directory, following
