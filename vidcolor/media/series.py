"""Films that lie there as numbered pictures, one file a frame, as scanners leave them.

They are named by FFmpeg's pattern, ``scan/reel1_%06d.dpx``, or by their folder where it holds one
such series alone.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from vidcolor.errors import SourceError, SourceNotFoundError
from vidcolor.media.tiff import check_series

USUAL_RATE = Fraction(24)
"""Frames per second: the pictures do not tell, and most film has these."""

_SUFFIXES = (
    *(".bmp", ".dpx", ".j2c", ".j2k", ".jp2", ".jpc", ".jpeg", ".jpg", ".pam", ".pgm", ".png"),
    *(".pnm", ".ppm", ".sgi", ".tga", ".tif", ".tiff", ".webp"),
)
_PLACE = re.compile(r"%(?:0?(\d+))?d")
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.ASCII | re.DOTALL)
"""A name without its suffix; its last number counts the frames."""
_LARGEST = 2**31 - 1
"""What FFmpeg counts to."""
_TOLD = 3


@dataclass(frozen=True, slots=True)
class Series:
    """The pictures ``folder``/``before`` number ``after``, without a gap from ``first`` on.

    Numbers have ``digits`` at least, filled up with zeros.
    """

    folder: Path
    before: str
    digits: int
    after: str
    first: int
    count: int

    @property
    def address(self) -> str:
        """What FFmpeg opens."""
        folder = Path(_plain(str(self.folder.absolute())))
        return str(folder / _pattern(self.before, self.digits, self.after))

    @property
    def options(self) -> dict[str, str]:
        """Options under which FFmpeg opens these pictures, and nothing else."""
        return {
            "protocol_whitelist": "file",
            "format_whitelist": "image2",
            "pattern_type": "sequence",
            "start_number": str(self.first),
            "start_number_range": "1",
            "framerate": str(USUAL_RATE),
        }

    def files(self) -> Iterator[Path]:
        """The pictures, in order."""
        for number in range(self.first, self.first + self.count):
            yield self.folder / f"{self.before}{number:0{self.digits}}{self.after}"

    def check(self) -> None:
        """Raises SourceError for empty pictures, at which FFmpeg takes the film to end, and for
        such as it reads as black; OSError."""
        empty = [picture.name for picture in self.files() if not picture.stat().st_size]
        if empty:
            what = "picture is" if len(empty) == 1 else "pictures are"
            names = ", ".join(empty[:_TOLD]) + " …" * (len(empty) > _TOLD)
            raise SourceError(
                f"{self.folder}: {len(empty)} {what} empty: {names}; copied to the end?"
            )
        check_series(self.files(), self.count)


def as_source(path: Path) -> Path:
    """``path``, or for a folder of one series of numbered pictures, and no other, their pattern.

    Raises SourceError for a folder of several, OSError for one that cannot be read.
    """
    if not path.is_dir():
        return path
    numbers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name in _pictures(path):
        suffix = Path(name).suffix
        found = _NUMBERED.fullmatch(name[: -len(suffix)])
        if found is not None:
            numbers[found[1], found[3] + suffix].append(found[2])
    several = {key: found for key, found in numbers.items() if len(found) > 1}
    patterns = [
        _pattern(before, min(map(len, found)), after)
        for (before, after), found in sorted(several.items())
    ]
    if len(patterns) > 1:
        raise SourceError(
            f"{path}: holds {len(patterns)} series of numbered pictures; give each a folder of its "
            "own, or name one: "
            + ", ".join(str(path / name) for name in patterns[:_TOLD])
            + " …" * (len(patterns) > _TOLD)
        )
    for (start, end), series in several.items():
        taken = set(map(int, series))
        for (before, after), names in numbers.items():
            # One alone is no series, but may be a picture of this one.
            number = int(names[0])
            alike = before == start and after.rpartition(".")[0] == end.rpartition(".")[0]
            if alike and number not in taken and {number - 1, number + 1} & taken:
                raise SourceError(
                    f"{path}: {before}{names[0]}{after} is numbered as those before or after it, "
                    f"but is no *{end}; save it as they are, or take it away"
                )
    return path / patterns[0] if patterns else path


def series_at(path: Path) -> Series | None:
    """The pictures that ``path`` is a pattern of; None where it is none, but a file's own name.

    Raises SourceNotFoundError where there are no such pictures, SourceError where some are missing
    between others, OSError where their folder cannot be read.
    """
    places = list(_PLACE.finditer(path.name.replace("%%", "\0\0")))
    if not path.name.lower().endswith(_SUFFIXES) or len(places) != 1 or path.is_file():
        return None
    place = places[0]
    before, after = (
        part.replace("%%", "%") for part in (path.name[: place.start()], path.name[place.end() :])
    )
    digits = int(place[1] or 1)
    folder = path.parent
    numbers = sorted(
        int(number)
        for name in _pictures(folder)
        if name.startswith(before) and name.endswith(after)
        for number in [name[len(before) : len(name) - len(after)]]
        if _is_number(number, digits)
    )
    if not numbers:
        raise SourceNotFoundError(f"{path}: no such file, and no pictures that are numbered so")
    if numbers[-1] > _LARGEST:
        raise SourceError(f"{path}: numbers above {_LARGEST} are none of frames; rename the files")
    first, count = numbers[0], len(numbers)
    if numbers[-1] - first + 1 != count:
        raise SourceError(f"{path}: {_missing(numbers)}; a film has no gaps")
    return Series(folder, before, digits, after, first, count)


def _pattern(before: str, digits: int, after: str) -> str:
    return f"{_plain(before)}%0{digits}d{_plain(after)}"


def _plain(text: str) -> str:
    """``text`` in a pattern, where it stands for itself."""
    return text.replace("%", "%%")


def is_picture(name: str) -> bool:
    """Whether a file of this name may be one of a series."""
    # A dot in front: what other systems leave beside each file.
    return not name.startswith(".") and name.lower().endswith(_SUFFIXES)


def _pictures(folder: Path) -> Iterator[str]:
    """The names in ``folder`` that pictures have."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_picture(entry.name) and entry.is_file():
                yield entry.name


def _is_number(text: str, digits: int) -> bool:
    """Whether FFmpeg would write a number so: with zeros in front up to ``digits``, not beyond."""
    if not (text.isascii() and text.isdecimal()):
        return False
    return len(text) == digits or (len(text) > digits and text[0] != "0")


def _missing(numbers: list[int]) -> str:
    gaps = [(one + 1, other - 1) for one, other in pairwise(numbers) if other - one > 1]
    count = sum(last - first + 1 for first, last in gaps)
    told = [f"{first}" if first == last else f"{first} to {last}" for first, last in gaps[:_TOLD]]
    what = "picture is" if count == 1 else "pictures are"
    return f"{count} {what} missing: {', '.join(told)}" + " …" * (len(gaps) > _TOLD)
