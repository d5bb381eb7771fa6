"""The files that ``--report`` writes are checked before the work."""

from __future__ import annotations

import os
from pathlib import Path

from vidcolor.errors import TargetError


def check_report(report: Path, *films: Path) -> None:
    """Raise TargetError if ``report`` cannot be written, or would take the place of a film."""
    try:
        if report.is_dir():
            raise TargetError(f"{report}: this is a folder; name a file in it for the report")
        if not report.parent.is_dir():
            raise TargetError(f"{report}: its folder does not exist; create it first")
        if report.resolve() in [film.resolve() for film in films]:
            raise TargetError(f"{report}: the report would replace the film; choose another name")
        if not os.access(report if report.exists() else report.parent, os.W_OK):
            raise TargetError(f"{report}: not writable; choose another place for the report")
    except OSError as error:
        raise TargetError(f"{report}: cannot write the report: {error.strerror}") from error
