"""FFmpeg's and the system's faults, told in vidcolor's own errors.

PyAV raises several unrelated things: its FFmpegError family, plain ValueError for what it checks
itself, OSError from the file system. Whoever catches ours must never meet one of those, so every
call into ``av`` happens inside ``reading`` or ``writing``.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from vidcolor.errors import (
    EncodeError,
    SourceError,
    SourceNotFoundError,
    TargetError,
    VidcolorError,
)

FAULTS: tuple[type[Exception], ...] = (
    av.FFmpegError,
    OSError,
    ValueError,
    MemoryError,
    OverflowError,  # a time beyond what FFmpeg can count
)
"""What a call into ``av`` may raise for reasons that lie in the files, not in our code."""

_DISK = {
    errno.ENOSPC: "no space is left on its disk; free some and run again",
    errno.EDQUOT: "the disk quota is used up; free some space and run again",
    errno.EFBIG: "its file system does not allow files this large",
    errno.EROFS: "its file system is read-only; choose another folder",
    errno.EACCES: "permission denied; check the rights of the file and its folder",
    errno.EPERM: "permission denied; check the rights of the file and its folder",
    errno.ENOENT: "a file or folder that was there is gone",
    errno.ESTALE: "its network drive is gone",
    errno.ENOTCONN: "its network drive is gone",
    errno.EIO: "the disk reports an input/output error",
    errno.ENAMETOOLONG: "the file name is too long",
}


def on_disk(fault: BaseException) -> bool:
    """True if the disk or its rights are to blame, not what was to be written."""
    return getattr(fault, "errno", None) in _DISK


def reason(fault: BaseException) -> str:
    """Why ``fault`` happened, in a few words on one line, without file name or error number."""
    code = getattr(fault, "errno", None)
    if code in _DISK:
        return _DISK[code]
    text = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
    return " ".join(str(text).split())


@contextmanager
def reading(path: Path, doing: str = "cannot read this file as a film") -> Iterator[None]:
    """Turn a fault inside the block into SourceError, or SourceNotFoundError, about ``path``."""
    try:
        yield
    except VidcolorError:
        raise  # Some of ours are ValueError or OSError too.
    except FileNotFoundError as fault:
        raise SourceNotFoundError(f"{path}: no such file") from fault
    except FAULTS as fault:
        raise SourceError(f"{path}: {doing}: {reason(fault)}") from fault


@contextmanager
def writing(path: Path, doing: str = "cannot write this film") -> Iterator[None]:
    """Turn a fault inside the block into TargetError (disk) or EncodeError (refusal)."""
    try:
        yield
    except VidcolorError:
        raise
    except FAULTS as fault:
        kind = TargetError if on_disk(fault) else EncodeError
        raise kind(f"{path}: {doing}: {reason(fault)}").because(fault) from fault
