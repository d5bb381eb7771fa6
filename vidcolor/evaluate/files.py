"""The files a report is written to: refused before the work, put in place whole after it."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from vidcolor.errors import TargetError


class ReportFile:
    """A report that appears under its name when it is written, and not before.

    Used as a context manager: entering makes a temporary file beside it, so that a place that
    cannot be written is known at once; leaving removes that, if nothing was written. An existing
    report is replaced. Raises TargetError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> ReportFile:
        with _writing(self.path):
            # Of a link, what it points at is replaced; the link stays.
            self._real = self.path.resolve()
            self._mode = None
            with suppress(FileNotFoundError):
                self._mode = self._real.stat().st_mode
            if self._mode is not None and not stat.S_ISREG(self._mode):
                raise TargetError(f"{self.path}: not a regular file; name one for the report")
            self._part = self._real.with_name(f".vidcolor.{secrets.token_hex(8)}.part")
            self._part.touch(exist_ok=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._part.unlink(missing_ok=True)

    def write(self, text: str) -> None:
        """Put ``text`` and a line's end in place, in one step."""
        with _writing(self.path):
            with self._part.open("w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            if self._mode is not None:
                self._part.chmod(stat.S_IMODE(self._mode))
            os.replace(self._part, self._real)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(f"{path}: cannot write the report: {error.strerror}") from error
