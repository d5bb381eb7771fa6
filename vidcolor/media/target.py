"""The file a film is written to: refused early, written aside, put in place in one step."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import av

from vidcolor.errors import TargetError, TargetExistsError
from vidcolor.media.faults import writing

# Only what holds a film with its sound and any timestamps: AVI has one frame rate for all,
# transport streams move the clock.
_CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
_LONGEST_STEM = 60


class Target:
    """A target path, checked before any work, and the temporary file that becomes it.

    ``container`` is FFmpeg's muxer name, from the suffix. ``part`` is the temporary file beside
    the target, with the same suffix. Raises TargetExistsError if the target exists and
    ``overwrite`` is False, TargetError if it is the source, a folder, in a folder that is missing
    or not writable, or has a suffix that names no container.
    """

    def __init__(self, path: Path | str, source: Path, *, overwrite: bool) -> None:
        self.path = Path(path)
        self.container = _container(self.path)
        _check(self.path, source, overwrite)
        # Of a link, what it points at is replaced; the link stays.
        self._real = self.path.resolve() if self.path.is_symlink() else self.path
        self.part = self._reserve()

    def commit(self) -> None:
        """Make the temporary file durable and let it take the target's place in one step."""
        with writing(self.path, "cannot put the finished film in place"):
            with self.part.open("rb+") as file:
                os.fsync(file.fileno())
            if self._real.exists():
                self.part.chmod(self._real.stat().st_mode & 0o777)
            os.replace(self.part, self._real)
            _sync_folder(self._real.parent)

    def discard(self) -> None:
        """Delete the temporary file, if it is still there."""
        self.part.unlink(missing_ok=True)

    def _reserve(self) -> Path:
        stem = self._real.stem[:_LONGEST_STEM]
        while True:
            name = f".{stem}.{secrets.token_hex(4)}.part{self.path.suffix}"
            part = self._real.with_name(name)
            with writing(self.path, "cannot create a file in its folder"):
                try:
                    part.touch(exist_ok=False)
                except FileExistsError:
                    continue
            return part


def _container(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in _CONTAINERS:
        known = ", ".join(_CONTAINERS)
        what = f"the suffix {suffix!r} names no film container" if suffix else "it has no suffix"
        raise TargetError(f"{path}: {what}; use one of {known}")
    container = _CONTAINERS[suffix]
    if container not in av.formats_available:
        raise TargetError(f"{path}: this build of FFmpeg cannot write {container}")
    return container


def _check(path: Path, source: Path, overwrite: bool) -> None:
    folder = path.parent
    with writing(path, "cannot be used as a target"):
        if path.is_dir():
            raise TargetError(f"{path}: this is a folder; name a file in it")
        if not folder.is_dir():
            raise TargetError(f"{path}: its folder {folder} does not exist; create it first")
        if path.exists() and source.exists() and os.path.samefile(path, source):
            raise TargetError(f"{path}: the target is the source itself; choose another name")
        if not overwrite and os.path.lexists(path):
            raise TargetExistsError(f"{path}: exists already; give --overwrite to replace it")
        if path.exists() and not path.is_file():
            raise TargetError(f"{path}: not a regular file, cannot be replaced")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise TargetError(f"{path}: its folder {folder} is not writable")


def _sync_folder(folder: Path) -> None:
    # Only POSIX can open a folder; elsewhere the replacement is as durable as the system makes it.
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
