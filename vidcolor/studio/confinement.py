"""The one folder that the studio may read and write: ``Folder``.

Paths come from a browser as text, with slashes, relative to that folder. What they lead to is found
out first, links and all, and then has to lie within it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePath

from vidcolor.disk import real
from vidcolor.errors import SourceNotFoundError, UsageError
from vidcolor.jobs.found import FILMS
from vidcolor.studio.faults import ForbiddenError

_MOST = 2000
"""Entries of a folder that are listed."""
_SPECIAL = frozenset("\\\0" + (":" if os.name == "nt" else ""))
"""What no name has here; with a colon Windows names drives and streams."""
_LONGEST = 255
"""Bytes of a name, as file systems have it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in a folder: ``folders`` and ``films`` by name; ``cut`` if there are too many."""

    path: str
    folders: tuple[str, ...]
    films: tuple[str, ...]
    cut: bool


class Folder:
    """``root`` and all below it. Raises SourceNotFoundError if it is no folder."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise SourceNotFoundError(f"{root}: no such folder; name one with --folder")
        self.root = root.resolve()

    def path(self, name: str) -> Path:
        """The file or folder that ``name`` stands for, real and within.

        Raises ForbiddenError, SourceNotFoundError.
        """
        if _SPECIAL & set(name) or name.startswith("/"):
            raise ForbiddenError(f"{name}: not a path within {self.root}")
        try:
            found = (self.root / name).resolve(strict=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle.
            raise SourceNotFoundError(f"{name}: no such file in {self.root}") from error
        if not found.is_relative_to(self.root):
            raise ForbiddenError(f"{name}: lies outside {self.root}; see --folder")
        return found

    def name(self, path: Path) -> str:
        """The inverse of `path`. Raises ForbiddenError for what lies outside."""
        found = real(path)
        if not found.is_relative_to(self.root):
            raise ForbiddenError(f"{path}: lies outside {self.root}; see --folder")
        return found.relative_to(self.root).as_posix()

    def beside(self, path: Path, name: str) -> Path:
        """A file to be written in the folder of ``path``, which is within.

        Raises ForbiddenError for a name that is no plain one, or a link to elsewhere, UsageError
        for one that is too long.
        """
        if not name or "/" in name or not _plain(name):
            raise ForbiddenError(f"{name!r}: give a plain file name, without folders")
        if len(os.fsencode(name)) > _LONGEST:
            raise UsageError(f"{name[:40]}…: this name is too long; choose a shorter one")
        target = path.parent / name
        if target.is_symlink():
            raise ForbiddenError(f"{name}: is a link; choose another name")
        return target

    def listing(self, name: str) -> Listing:
        """The folders and films in the folder ``name``, hidden ones, links to elsewhere and names
        that are no text left out. Raises as `path` does."""
        where = self.path(name)
        if not where.is_dir():
            raise SourceNotFoundError(f"{name}: not a folder")
        folders, films = [], []
        try:
            entries = sorted(where.iterdir(), key=lambda item: item.name.casefold())
        except OSError as error:
            raise UsageError(f"{name or '.'}: cannot be read: {error.strerror}") from error
        for item in entries:
            if not (_plain(item.name) and _within(item, self.root)):
                continue
            if item.is_dir():
                folders.append(item.name)
            elif called_film(item) and item.is_file():
                films.append(item.name)
        cut = len(folders) > _MOST or len(films) > _MOST
        path = "" if where == self.root else where.relative_to(self.root).as_posix()
        return Listing(path, tuple(folders[:_MOST]), tuple(films[:_MOST]), cut)


def called_film(path: PurePath) -> bool:
    """Whether a file of this name is taken for a film, as in a batch."""
    return path.suffix.lower() in FILMS


def _plain(name: str) -> bool:
    """Whether a name is one for the page: not hidden, and text that can be shown and sent."""
    return name.isprintable() and not name.startswith(".") and not _SPECIAL & set(name)


def _within(item: Path, root: Path) -> bool:
    try:
        return item.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False
