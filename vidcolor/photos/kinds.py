"""Which files are photographs: by what is in them, and, of targets, by what they are called."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from vidcolor.errors import TargetError
from vidcolor.media.target import container_of

SUFFIXES = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""The kind that a photo of this suffix is written as."""
_HEADS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
}


def kind_of(path: Path) -> str | None:
    """What kind of photo is in a file, whatever it is called; None if none, or not to be read."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(12)
            if head[:4] == b"RIFF" and head[8:] == b"WEBP":
                return "WEBP"
            return next((kind for begin, kind in _HEADS.items() if head.startswith(begin)), None)
    return None


def check_pair(source: Path, target: Path) -> None:
    """Of a job that is none for photos: raise TargetError where it can be none for films either."""
    wanted = target.suffix.lower()
    # A path asks the system, which has no answer for a name that is too long.
    there = False
    with suppress(OSError):
        there = source.is_file()
    if not there:
        return
    if wanted in SUFFIXES:
        raise TargetError(
            f"{target}: a photo is made of a JPEG, PNG, TIFF or WebP, and {source} is none of "
            "them; a film's name ends in .mp4, .mkv or .mov"
        )
    if kind_of(source) is not None:
        try:
            container_of(target)
        except TargetError as error:
            raise TargetError(f"{error}, or for a photo {', '.join(SUFFIXES)}") from None


def is_photo_job(source: Path, target: Path) -> bool:
    """Whether a photo is to become a photo: one whose target is called a film is a film."""
    if target.suffix.lower() not in SUFFIXES:
        return False
    # What cannot be a film either, such as an empty file, goes by its name.
    return kind_of(source) is not None or (
        source.suffix.lower() in SUFFIXES and not source.is_dir()
    )
