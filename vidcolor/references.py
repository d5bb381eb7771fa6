"""Reference stills: colour pictures by which a film, or a part of it, is coloured.

One picture is for the whole film. In a folder the name of each tells what it is for: ``3.jpg`` or
``shot_3.jpg`` for the third shot, as ``vidcolor shots`` counts them, and ``ref_000120.png`` for the
shot in which frame 120 lies.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from vidcolor.errors import SettingsError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

_SHOT = re.compile(r"(?:shot[_-]?)?0*([1-9]\d{0,8})", re.IGNORECASE)
_FRAME = re.compile(r"ref[_-]?(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reference:
    """A still, and what it is for: a ``shot``, counted from 1, the shot of a ``frame``, counted
    from 0, or, where both are None, the whole film. ``sha256`` is that of the file."""

    path: Path
    sha256: str
    shot: int | None = None
    frame: int | None = None


def find_references(path: Path | str) -> tuple[Reference, ...]:
    """The stills that ``path``, a picture or a folder of them, stands for.

    Raises SettingsError where there is none, or one whose name does not tell what it is for.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return (Reference(path, _digest(path)),)
        found = sorted(item for item in path.iterdir() if is_still(item))
        if not found:
            raise SettingsError(f"{path}: no picture in this folder")
        return tuple(_named(item) for item in found)
    except OSError as error:
        raise SettingsError(f"{path}: cannot read this still: {error.strerror}") from error


def is_still(path: Path) -> bool:
    """Whether a file in a folder of stills is called a picture, and is not hidden: a Mac leaves
    ._1.jpg beside 1.jpg on other disks."""
    return path.suffix.lower() in SUFFIXES and path.name[0] != "."


def _named(path: Path) -> Reference:
    if match := _FRAME.fullmatch(path.stem):
        return Reference(path, _digest(path), frame=int(match[1]))
    if match := _SHOT.fullmatch(path.stem):
        return Reference(path, _digest(path), shot=int(match[1]))
    raise SettingsError(
        f"{path}: name it after its shot (3{path.suffix}) or its frame (ref_000120{path.suffix})"
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
