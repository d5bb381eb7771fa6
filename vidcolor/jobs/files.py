"""What tells that a file is the one it was; and which one a film's target is, noted in time.

A run may be killed after a film was put in place, and before the ledger could say so. What then
lies there may as well be somebody else's: so the file is noted down just before it is put in place,
which changes neither its size nor its time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from vidcolor.textfile import write_text


class Identity(NamedTuple):
    """What tells that a file is the one it was: its size in bytes and its time of change."""

    size: int
    mtime_ns: int


def identify(path: Path) -> Identity | None:
    """None where there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Identity(found.st_size, found.st_mtime_ns)


def note(path: Path, file: Path) -> None:
    """Write down in ``path`` which file ``file`` is. Raises TargetError."""
    write_text(path, json.dumps(identify(file)), "note of a finished film")


def noted(path: Path) -> Identity | None:
    """What was written down in ``path``; None where nothing was, or it cannot be told."""
    try:
        size, mtime_ns = json.loads(path.read_text(encoding="utf-8"))
        return Identity(int(size), int(mtime_ns))
    except (OSError, ValueError, TypeError):
        return None
