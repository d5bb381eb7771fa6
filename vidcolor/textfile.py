"""Files of text, and pictures, that appear under their name whole or not at all."""

from __future__ import annotations

import errno
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from vidcolor.disk import put_in_place, real
from vidcolor.errors import TargetError


class TextFile:
    """A text file that is put in place when it is written, and not before.

    Used as a context manager: entering tries whether a file can be made beside it, so that a place
    that cannot be written is known at once. An existing file is replaced, unless it is to be
    ``fresh``. ``what`` is what messages call it. Raises TargetError; TargetExistsError where
    something is there by then.
    """

    def __init__(self, path: Path, what: str = "report", *, fresh: bool = False) -> None:
        self.path, self._what, self._fresh = path, what, fresh

    def __enter__(self) -> TextFile:
        with writing(self.path, self._what):
            # Of a link, what it points at is replaced; the link stays.
            self._real = real(self.path)
            self._mode = None
            with suppress(FileNotFoundError):
                self._mode = self._real.stat().st_mode
            if self._mode is not None and not stat.S_ISREG(self._mode):
                raise TargetError(f"{self.path}: not a regular file; name one for the {self._what}")
            self._part = self._real.with_name(f".vidcolor.{secrets.token_hex(8)}.part")
            # Not kept meanwhile: a run that is killed would leave it behind.
            self._part.touch(exist_ok=False)
            self._part.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._part.unlink(missing_ok=True)

    def write(self, text: str | Iterable[str]) -> None:
        """Put ``text``, or its pieces in a row, in place in one step; the last line gets its end
        if it has none."""

        def encoded() -> Iterator[bytes]:
            piece = ""
            for piece in (text,) if isinstance(text, str) else text:
                # A file's name may hold bytes that are no letters.
                yield piece.encode("utf-8", "backslashreplace")
            if piece and not piece.endswith("\n"):
                yield b"\n"

        self.write_bytes(encoded())

    def write_bytes(
        self,
        pieces: Iterable[bytes | memoryview],
        sign: Callable[[Path], None] | None = None,
    ) -> None:
        """Put these bytes in place in one step; ``sign`` is called with their file just before."""
        with writing(self.path, self._what):
            with self._part.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
            if self._mode is not None:
                self._part.chmod(stat.S_IMODE(self._mode))
            if sign is not None:
                sign(self._part)
            put_in_place(self._part, self._real, fresh=self._fresh)


def write_text(path: Path, text: str, what: str) -> None:
    """Write ``text`` as a `TextFile`. Raises TargetError."""
    with TextFile(path, what) as file:
        file.write(text)


@contextmanager
def writing(path: Path, what: str) -> Iterator[None]:
    """Turn what can go wrong while ``path`` is written into a TargetError of one line."""
    try:
        yield
    except TargetError:
        raise
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            why += "; make room and give the same command again"
        raise TargetError(f"{path}: cannot write the {what}: {why}").because(error) from error
