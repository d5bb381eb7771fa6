"""The file a film is written to: refused early, written aside, put in place in one step."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av

from vidcolor.disk import Claim, check_room, least_room, name_for, put_in_place, real
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


class Target:
    """A target path, checked before any work, and the temporary file that becomes it.

    ``container`` is FFmpeg's muxer name, from the suffix. ``part`` is the temporary file beside
    the target, with the same suffix. There is one for each target: what a killed run has left of
    it is taken over by the next one, and two runs at a time cannot have it. Raises
    TargetExistsError if the target exists and ``overwrite`` is False, TargetError if it is the
    source, a folder, in a folder that is missing, not writable or on a full disk, has a suffix that
    names no container, or if another process is writing it.
    """

    def __init__(self, path: Path | str, source: Path, *, overwrite: bool) -> None:
        self.path = Path(path)
        self.container = container_of(self.path)
        check_target(self.path, source, overwrite)
        self._fresh = not overwrite
        check_room(self.path.parent, least_room(source), self.path)
        # Of a link, what it points at is replaced; the link stays.
        self._real = real(self.path) if self.path.is_symlink() else self.path
        self.part = self._real.with_name(f".{name_for(self._real)}.part{self.path.suffix}")
        with writing(self.path, "cannot create a file in its folder"):
            try:
                self._claim = Claim(self.part)
            except BlockingIOError as fault:
                raise TargetError(
                    f"{self.path}: another vidcolor is writing it; wait for that to end"
                ).because(fault) from fault
        self._ended = False

    def commit(self, sign: Callable[[Path], None] | None = None) -> None:
        """Make the temporary file durable and let it take the target's place in one step.

        ``sign`` is called with it just before. Raises TargetExistsError where something has come
        to be there meanwhile, unless it was to be overwritten.
        """
        with writing(self.path, "cannot put the finished film in place"):
            if self._real.exists():
                self.part.chmod(self._real.stat().st_mode & 0o777)
            if sign is not None:
                sign(self.part)
            put_in_place(self.part, self._real, fresh=self._fresh)
        self._ended = True
        self._claim.release()

    def discard(self) -> None:
        """Delete the temporary file, if it is still there, and let go of it. May be called again,
        and does nothing after `commit`."""
        if self._ended:
            return
        self._ended = True
        # Where it cannot be deleted, the next run takes it over.
        with suppress(OSError):
            self.part.unlink(missing_ok=True)
        self._claim.release()


def container_of(path: Path) -> str:
    """FFmpeg's muxer name for a target's suffix. Raises TargetError."""
    suffix = path.suffix.lower()
    if suffix not in _CONTAINERS:
        known = ", ".join(_CONTAINERS)
        what = f"the suffix {suffix!r} names no film container" if suffix else "it has no suffix"
        raise TargetError(f"{path}: {what}; use one of {known}")
    container = _CONTAINERS[suffix]
    if container not in av.formats_available:
        raise TargetError(f"{path}: this build of FFmpeg cannot write {container}")
    return container


def check_target(path: Path, source: Path, overwrite: bool) -> None:
    """Raise TargetError for a path that cannot be a target, TargetExistsError for one that is
    there already."""
    folder = path.parent
    with writing(path, "cannot be used as a target"):
        with suppress(FileNotFoundError):  # But links that lead in a circle are refused.
            path.stat()
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
