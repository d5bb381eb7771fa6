"""Photos for training: found in folders, tar shards and lists, and decoded once."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.aside import Aside
from vidcolor.errors import SourceError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
GREY_CHROMA = 1.5
"""Mean chroma under which a photo is a black-and-white one and can teach nothing."""
LEAST_SIDE = 32
"""Pixels of the short side under which a picture is an icon or a thumbnail, and no photo."""
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_SPOILT = (OSError, UnicodeDecodeError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError)
"""What reading a source raises."""
_NAMED = 3
"""Unreadable photos that are told by name."""


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Decoded photos, (h, w, 3) uint8 RGB each, their names, and how many were left out.

    ``spoilt`` are the names of the first unreadable ones. ``folders`` are those that the photos lie
    in, empty for what lies in none.
    """

    images: tuple[NDArray[np.uint8], ...]
    names: tuple[str, ...]
    unreadable: int
    grey: int
    unwanted: int = 0
    small: int = 0
    spoilt: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """`` (a.jpg, b.jpg, …)``: the first unreadable ones; empty where all can be read."""
        more = ", …" if self.unreadable > len(self.spoilt) else ""
        return f" ({', '.join(self.spoilt)}{more})" if self.spoilt else ""

    @property
    def left_out(self) -> str:
        """How many were left out, and why, for people."""
        told = (
            f"{self.unreadable} unreadable{self.named}, {self.grey} grey, {self.unwanted} excluded"
        )
        return f"{told}, {self.small} too small" if self.small else told

    def subset(self, chosen: Sequence[int]) -> PhotoSet:
        """The photos with these numbers, in this order; the counts stay."""
        return replace(
            self,
            images=tuple(self.images[k] for k in chosen),
            names=tuple(self.names[k] for k in chosen),
            folders=tuple(self.folders[k] for k in chosen) if self.folders else (),
        )


def load_photos(
    sources: Iterable[Path],
    short_side: int,
    limit: int | None = None,
    grey_chroma: float = GREY_CHROMA,
    wanted: Callable[[str, str], bool] | None = None,
    threads: int = 2,
) -> PhotoSet:
    """Read every photo of the given folders, tar shards, list files (``.txt``) and single files.

    A photo larger than ``short_side`` is reduced to it. Unreadable ones, those too small to be any,
    and grey ones (mean chroma under ``grey_chroma``), are counted and left out, and so are those
    for which ``wanted``, asked with a photo's name and its source's, says no. Raises SourceError
    when a source does not exist or nothing is left.
    """
    sources = list(sources)
    images, names, spoilt, folders = [], [], [], []
    places: deque[str] = deque()
    """The folders of those that are being decoded."""
    small = grey = unwanted = 0

    def chosen() -> Iterator[tuple[str, bytes]]:
        nonlocal unwanted
        for name, place, data in encoded_photos(sources):
            if wanted is None or wanted(name, place):
                places.append(_folder(name, place))
                yield name, data
            else:
                unwanted += 1

    for name, image in _decoded(chosen(), short_side, threads):
        folder = places.popleft()
        if image is None:
            spoilt.append(name)
        elif min(image.shape[:2]) < LEAST_SIDE:
            small += 1
        elif _mean_chroma(image) < grey_chroma:
            grey += 1
        else:
            images.append(image)
            names.append(name)
            folders.append(folder)
            if limit is not None and len(images) >= limit:
                break
    found = PhotoSet(
        tuple(images),
        tuple(names),
        len(spoilt),
        grey,
        unwanted,
        small,
        tuple(spoilt[:_NAMED]),
        tuple(folders),
    )
    if not images:
        where = ", ".join(str(source) for source in sources)
        raise SourceError(f"no colour photo: {found.left_out} in {where}")
    return found


def _folder(name: str, place: str) -> str:
    """The folder that a photo lies in, within its source, or itself that; shards are none."""
    parent = str(PurePosixPath(name).parent)
    if parent == ".":
        return "" if place.lower().endswith(TARS) else place
    return parent


def _decoded(
    photos: Iterator[tuple[str, bytes]], short_side: int, threads: int
) -> Iterator[tuple[str, NDArray[np.uint8] | None]]:
    """Decode in order, a few photos ahead: a pool's own map would first read all files."""
    waiting: deque[tuple[str, Future[NDArray[np.uint8] | None]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for name, data in photos:
            waiting.append((name, pool.submit(_decode, data, short_side)))
            if len(waiting) > 8 * threads:
                first, future = waiting.popleft()
                yield first, future.result()
        for name, future in waiting:
            yield name, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def encoded_photos(sources: Iterable[Path]) -> Iterator[tuple[str, str, bytes]]:
    """(name, name of its source, bytes) of every photo of folders, tars, lists and single files.

    Raises SourceError for a source that does not exist or cannot be read.
    """
    yield from _photos(sources, ())


def _photos(sources: Iterable[Path], lists: tuple[Path, ...]) -> Iterator[tuple[str, str, bytes]]:
    """As `encoded_photos`, for what stands in ``lists``, each of which stands in the one before."""
    for source in sources:
        if not _exists(source):
            raise SourceError(f"{source}: no such folder, tar file or photo")
        if source.suffix == ".txt" and source.resolve() in lists:
            raise SourceError(f"{source}: this list names itself; take that line out")
        try:
            yield from _encoded(source, lists)
        except _SPOILT as error:
            raise SourceError(f"{source}: cannot read these photos: {error}") from error


def _encoded(source: Path, lists: tuple[Path, ...]) -> Iterator[tuple[str, str, bytes]]:
    """The photos of one source, which stands in ``lists``."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source)
            if _called_photo(name):
                with suppress(IsADirectoryError):
                    yield name.as_posix(), source.name, _bytes(path)
    elif source.name.lower().endswith(TARS):
        with tarfile.open(source) as archive:
            for member in archive:
                if not _called_photo(PurePosixPath(member.name)):
                    continue
                try:
                    handle = archive.extractfile(member)
                except (KeyError, RecursionError):  # A link to what is not there, or to itself.
                    yield member.name, source.name, b""
                    continue
                if handle is not None:
                    yield member.name, source.name, handle.read()
    elif source.suffix == ".txt" and source.is_file():
        # Some editors begin a file with a mark of its encoding.
        lines = source.read_text(encoding="utf-8-sig").split("\n")
        entries = [source.parent / line.strip() for line in lines if line.strip()]
        yield from _photos(entries, (*lists, source.resolve()))
    else:
        yield source.name, source.parent.name, _bytes(source)


def _called_photo(name: PurePath) -> bool:
    """Whether a file of a folder or tar is a photo by its name: hidden ones are thumbnails, and
    what a Mac leaves beside others."""
    hidden = any(part[0] == "." and part not in (".", "..") for part in name.parts)
    return name.suffix.lower() in SUFFIXES and not hidden


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError:
        raise
    except OSError:  # No permission, or a bad disk: one unreadable photo among many.
        return b""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # A name too long for the system, for one.
        return False


def _silent() -> int:
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return before


_no_lines = Aside(_silent, cv2.utils.logging.setLogLevel)
"""OpenCV tells of files in lines of its own, which do not name them."""


def _decode(data: bytes, short_side: int) -> NDArray[np.uint8] | None:
    try:
        with _no_lines.held():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            return None
        scale = short_side / min(image.shape[:2])
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    except cv2.error:  # An empty file, or a size OpenCV takes for an attack.
        return None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _mean_chroma(image: NDArray[np.uint8]) -> float:
    small = cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2Lab)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())
