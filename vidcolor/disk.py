"""What is asked of a disk: to hold what was written, to have room, to keep others from a file."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from vidcolor.errors import TargetError, TargetExistsError

_LEAST_ROOM = 64 << 20
_READ_TO_SEE = 64 << 20
_PIECE = 1 << 20
# In bytes, of the 255 that file systems take; in letters, of up to four bytes each.
_LONGEST_NAME = 200
_CUT_NAME = 40


def name_for(path: Path) -> str:
    """What files that belong to ``path`` are called after: its name, with room for more letters.

    One that is too long for that is cut, and marked so that it stays the only one.
    """
    name = path.name
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return name
    return f"{name[:_CUT_NAME]}.{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"


def free_name(path: Path) -> Path:
    """``path``, or with a number before its suffix where something is there."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def real(path: Path) -> Path:
    """Where links lead; of those that lead in a circle, which the system refuses to follow, some
    link of them. `Path.resolve` raises RuntimeError then, before Python 3.13."""
    return Path(os.path.realpath(path))


def put_in_place(part: Path, path: Path, *, fresh: bool = False) -> None:
    """Let the file ``part`` take the place of ``path`` in one step, so that after a power cut one
    of the two is there, whole. Raises OSError; TargetExistsError if ``path`` was to be ``fresh``
    and something has come to be there."""
    # The bytes before the name: else the name may survive and the bytes not.
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    if fresh:
        try:
            _put_where_nothing_is(part, path)
        except FileExistsError as error:
            raise TargetExistsError(
                f"{path}: exists now, and did not when the work began; move it away, or give "
                "--overwrite to replace it"
            ) from error
    else:
        os.replace(part, path)
    sync_folder(path.parent)


def _put_where_nothing_is(part: Path, path: Path) -> None:
    # A new name for a file is refused where there is one; renaming would take its place.
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system gives a file two names.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.replace(part, path)
    else:
        part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable, where the system lets one ask for that."""
    # Windows opens no folder, and some network drives sync none; the files are safe by then.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def unreadable(path: Path, start: int = 0) -> OSError | None:
    """Why the system cannot read the file ``path``, at its begin or for up to 64 MiB from ``start``
    on; None where it can, or where it is no file at all, as the pattern of numbered pictures is."""
    try:
        if not path.exists() and path.parent.is_dir() and "%" in path.name:
            return None
        with path.open("rb") as file:
            file.read(1)
            file.seek(start)
            left = _READ_TO_SEE
            while left > 0 and (piece := file.read(_PIECE)):
                left -= len(piece)
    except OSError as error:
        return error
    return None


def least_room(source: Path) -> int:
    """Bytes that must be free before the long work on ``source`` is begun: its size, up to 64 MiB.

    No forecast: targets vary too much for one. It is what hardly any gets by with less of.
    """
    with suppress(OSError):
        return min(_LEAST_ROOM, source.stat().st_size)
    return 0


def check_room(folder: Path, needed: int, path: Path) -> None:
    """Raise TargetError, about ``path``, if the disk of ``folder`` has less than ``needed`` bytes.

    Where that cannot be known, all is well.
    """
    with suppress(OSError):
        usage = shutil.disk_usage(folder)
        # Some network drives say 0 of 0.
        if usage.total and usage.free < needed:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise TargetError(
                f"{path}: its disk has {_told(usage.free)} free and at least {_told(needed)} are "
                "needed; make room and give the same command again"
            ).because(full)


def _told(count: int) -> str:
    """``count`` bytes in a unit that leaves some digits to them."""
    for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= 10 * size:
            return f"{count / size:.0f} {name}"
    return f"{count} bytes"


class Claim:
    """The file ``path``, made if it is not there, and this process's own until it is let go.

    A claim ends with its process, however that ends; the file stays then, and the next one takes
    it over. Where the system or the file system knows no such locks, nobody is kept off. Raises
    BlockingIOError if another process has it, another OSError if it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        anew = False
        while True:
            # Its name can be foreseen: in a folder for all, others may have put a link there.
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            self._handle = os.open(path, flags, 0o666)
            try:
                # Whoever had it before may have removed or renamed it since it was opened here.
                if not _lock(self._handle) or _is(path, os.fstat(self._handle)):
                    # Once: some file systems cannot count names.
                    if anew or os.fstat(self._handle).st_nlink < 2:
                        return
                    # A run was killed while it put its file in place: this is another name of what
                    # is finished now, and is not to be written to.
                    anew = True
            except BaseException:
                self.release()
                raise
            self.release()
            if anew:
                path.unlink(missing_ok=True)

    def release(self) -> None:
        """Let go; may be called again."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def _lock(handle: int) -> bool:
    """Lock an open file; False where there are no locks. Raises BlockingIOError if it is locked."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _is(path: Path, found: os.stat_result) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.lstat(), found)
    return False
