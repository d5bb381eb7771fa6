"""The files that ``--report`` writes are checked before the work."""

from __future__ import annotations

import json
import os
from pathlib import Path

from vidcolor.disk import real
from vidcolor.errors import TargetError, TargetExistsError

_PAGE = b"<!doctype html>"
_REPORTS = (
    {"source", "target", "frames"},
    {"model", "summary", "photos"},
    {"models"},
    {"source", "target", "films"},
)
"""What is in those of a job, of one model compared, of several, and of a batch."""


def check_report(report: Path, *films: Path) -> None:
    """Raise TargetError if ``report`` cannot be written, or would take the place of a film or of
    anything else but an earlier report."""
    check_place(report, *films)
    try:
        replaced = not report.is_file() or _is_report(report)
    except OSError as error:
        raise TargetError(f"{report}: cannot write the report: {error.strerror}") from error
    if not replaced:
        raise TargetExistsError(
            f"{report}: is there already, and no report of vidcolor's; choose another name"
        )


def _is_report(path: Path) -> bool:
    """Whether the file is empty, a page of ours, or JSON with what our reports hold."""
    with path.open("rb") as file:
        head = file.read(1024)
        if not head or (head.startswith(_PAGE) and b"<title>vidcolor " in head):
            return True
        if not head.lstrip().startswith(b"{"):
            return False
        try:
            value = json.loads(head + file.read())
        except (ValueError, RecursionError):
            return False
    return isinstance(value, dict) and any(keys <= value.keys() for keys in _REPORTS)


def check_place(report: Path, *films: Path) -> None:
    """Raise TargetError if ``report`` cannot be written, or is one of the ``films``."""
    try:
        if report.is_dir():
            raise TargetError(f"{report}: this is a folder; name a file in it for the report")
        if not report.parent.is_dir():
            raise TargetError(f"{report}: its folder does not exist; create it first")
        if real(report) in map(real, films):
            raise TargetError(f"{report}: the report would replace the film; choose another name")
        if not os.access(report if report.exists() else report.parent, os.W_OK):
            raise TargetError(f"{report}: not writable; choose another place for the report")
    except OSError as error:
        raise TargetError(f"{report}: cannot write the report: {error.strerror}") from error
