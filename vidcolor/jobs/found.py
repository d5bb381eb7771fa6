"""Which films a batch is asked for, and where they lie: found by looking, nothing is touched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vidcolor.disk import real
from vidcolor.errors import SourceError, SourceNotFoundError, UsageError
from vidcolor.jobs.files import Identity, identify
from vidcolor.jobs.sidecars import SOUNDS
from vidcolor.media.series import as_source, is_picture, series_at
from vidcolor.photos.kinds import SUFFIXES
from vidcolor.settings import Settings

FILMS = frozenset(
    {".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".h264"}
    | {".h265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb"}
    | {".ts", ".vob", ".webm", ".wmv", ".y4m"}
)
"""What files are called that are taken for films when no pattern says which."""

_BESIDE = frozenset({".toml", ".json"})
"""What settings, shots and hints beside a film are called, whatever a pattern says."""
_STILLS = ".references"
"""What folders of stills beside a film are called: no films, nor photos to be coloured."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is asked for: all films under ``source``, or those that one of ``patterns`` (as in
    `pathlib.Path.glob`) names, into the same places under ``target``."""

    source: Path
    target: Path
    settings: Settings = Settings()
    patterns: tuple[str, ...] = ()
    retry_failed: bool = False
    photos: bool = False
    """Where no pattern says which: photographs, not films."""


Found = tuple[PurePosixPath, Identity, str]
"""A film's name, what tells it, and what is wrong with it, if anything."""


def check_folders(batch: Batch) -> None:
    """Raises SourceNotFoundError, SourceError or UsageError for folders that cannot be used."""
    if not batch.source.exists():
        raise SourceNotFoundError(f"{batch.source}: no such folder")
    if not batch.source.is_dir():
        raise SourceError(f"{batch.source}: not a folder; vidcolor SOURCE TARGET takes one film")
    source, target = real(batch.source), real(batch.target)
    if source.is_relative_to(target):
        raise UsageError(
            f"{batch.target}: the films to colour are in this folder; name another target, "
            "which may be a folder within the source"
        )
    for pattern in batch.patterns:
        if not pattern or PurePosixPath(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise UsageError(f"--pattern {pattern}: give one relative to SOURCE_DIR, as '**/*.avi'")
        parts = PurePosixPath(pattern).parts
        if not parts or any("**" in part and part != "**" for part in parts):
            raise UsageError(f"--pattern {pattern}: '**' is a whole part, as in '**/*.avi'")


def find_films(batch: Batch, warn: Callable[[str], None]) -> Iterator[Found]:
    """The films, in no order."""
    target = real(batch.target)
    numbered = batch.settings.rate is not None and not batch.photos
    if batch.patterns:
        paths = {path for pattern in batch.patterns for path in batch.source.glob(pattern)}
        inside = real(batch.source)
        skipped = target.relative_to(inside) if target.is_relative_to(inside) else None
        for path in paths:
            name = path.relative_to(batch.source)
            if skipped is not None and name.is_relative_to(skipped):
                continue
            if path.suffix == ".part" or any(part.startswith(".") for part in name.parts):
                continue
            if any(part.lower().endswith(_STILLS) for part in name.parts):
                continue
            if path.is_dir():
                yield from _series(path, name, warn) if numbered else ()
            elif path.suffix not in _BESIDE and not (numbered and _of_series(path)):
                yield from _film(path, name, warn)
        return

    def unreadable(error: OSError) -> None:
        warn(f"{error.filename}: cannot look into this folder: {error.strerror}")

    suffixes = SUFFIXES if batch.photos else FILMS
    for folder, inner, files in os.walk(batch.source, onerror=unreadable):
        here = Path(folder)
        inner[:] = [name for name in inner if _of_films(name) and real(here / name) != target]
        links = [name for name in inner if (here / name).is_symlink()]
        for link in links:
            warn(f"{here / link}: a link to a folder, left out; --pattern can name what is in it")
        for reel in (name for name in inner if numbered and name not in links):
            yield from _series(here / reel, (here / reel).relative_to(batch.source), warn)
        for file in files:
            if file[0] != "." and os.path.splitext(file)[1].lower() in suffixes:  # noqa: PTH122
                yield from _film(here / file, (here / file).relative_to(batch.source), warn)


def _film(path: Path, name: Path, warn: Callable[[str], None]) -> Iterator[Found]:
    try:
        identity = identify(path)  # None: it was there a moment ago.
        if identity is None and path.is_symlink():
            warn(f"{path}: a link to a file that is not there, left out")
        if identity is not None and path.is_file():
            yield PurePosixPath(name.as_posix()), identity, ""
    except OSError as error:
        warn(f"{path}: cannot be looked at: {error.strerror}")


def _of_series(path: Path) -> bool:
    """Whether a file belongs to numbered pictures: one of them, or what is heard with them."""
    return is_picture(path.name) or path.suffix.lower() in SOUNDS


def _series(folder: Path, name: Path, warn: Callable[[str], None]) -> Iterator[Found]:
    """A folder of numbered pictures; of several series, or with gaps, it has a fault."""
    fault = ""
    try:
        try:
            pattern = as_source(folder)
            if pattern == folder:
                return
            series_at(pattern)
        except SourceError as error:
            fault = str(error)
        yield PurePosixPath(name.as_posix()), _whole_of(folder), fault
    except OSError as error:
        warn(f"{folder}: cannot look into this folder: {error.strerror}")


def overlooked(batch: Batch) -> Iterator[str]:
    """Why pictures that are there may not have been taken for a film."""
    if _is_series(batch.source):
        yield (
            f"{batch.source}: holds the pictures of one film: vidcolor SOURCE TARGET takes it, or "
            "this command the folder above"
        )
    elif batch.settings.rate is None and any(map(_is_series, _folders(batch.source))):
        yield f"{batch.source}: has folders of numbered pictures; with --fps they are films"


def _folders(source: Path) -> Iterator[Path]:
    for folder, inner, _ in os.walk(source):
        inner[:] = filter(_of_films, inner)
        yield Path(folder)


def _of_films(name: str) -> bool:
    """Whether a folder of this name may hold films."""
    return name[0] != "." and not name.lower().endswith(_STILLS)


def _is_series(folder: Path) -> bool:
    """Whether a folder holds one series of numbered pictures."""
    with suppress(SourceError, OSError):
        return as_source(folder) != folder
    return False


def _whole_of(folder: Path) -> Identity:
    """The sizes of all pictures together, and in place of a time what tells their names, sizes and
    times."""
    with os.scandir(folder) as entries:
        found = sorted(
            (entry.name, stat.st_size, stat.st_mtime_ns)
            for entry in entries
            if is_picture(entry.name) and entry.is_file()
            for stat in [entry.stat()]
        )
    told = hashlib.sha256(repr(found).encode()).digest()
    # What a database's integer holds.
    return Identity(sum(size for _, size, _ in found), int.from_bytes(told[:7], "big"))
