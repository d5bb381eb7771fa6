"""The ledger: what became of every film, in an SQLite file in the target folder.

Times are only ever compared for being the same, so clocks may be set and may differ.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from filelock import FileLock, Timeout

from vidcolor.errors import TargetError
from vidcolor.jobs.files import Identity, noted
from vidcolor.jobs.film import NOTHING, Outcome

NAME = ".vidcolor-ledger.sqlite"
LOCKS = ".vidcolor-locks"
_VERSION = 1
_PATIENCE = 30.0
"""Seconds to wait for another run, which holds the ledger for a moment only."""
_COLUMNS = (
    "name BLOB PRIMARY KEY, source BLOB, size INTEGER, mtime_ns INTEGER, digest TEXT, state TEXT, "
    "target_size INTEGER, target_mtime_ns INTEGER, target BLOB, error TEXT, frames INTEGER, "
    "seconds REAL, length REAL, warnings TEXT, strip BLOB"
)

State = Literal["begun", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one film since it was last taken up.

    ``name`` is its path in the source folder, ``source`` its whole path then, ``target`` its
    path in the target folder, ``digest`` that of its settings. ``written`` is the last target
    that is known to be ours, ``noted`` the one that a run which was killed may have put in place
    after that; ``outcome`` has no strip, which only `Ledger.strip` gives.
    """

    name: str
    source: str
    target: str
    identity: Identity
    digest: str
    state: State
    written: Identity | None = None
    outcome: Outcome = NOTHING
    noted: Identity | None = None


class Ledger:
    """The entries of one target folder. Several runs may use it at once.

    SQLite keeps it whole whenever a run is killed. Raises TargetError when the file cannot be
    used. ``keep`` False is for looking: without a ledger there is nothing known, and none made.
    """

    def __init__(self, folder: Path, *, keep: bool = True) -> None:
        self.path = folder / NAME
        self._locks = folder / LOCKS
        there = keep or self.path.exists()
        with self._using():
            place = str(self.path) if there else ":memory:"
            self._file = sqlite3.connect(place, _PATIENCE, isolation_level=None)
            version = self._file.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION):
                raise TargetError(f"{self.path}: made by a newer vidcolor; use that one")
            self._file.execute(f"CREATE TABLE IF NOT EXISTS films ({_COLUMNS})")
            if version == 0:
                self._file.execute(f"PRAGMA user_version = {_VERSION}")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        # Another run may be at work in it.
        with suppress(OSError):
            self._locks.rmdir()

    def entries(self) -> dict[str, Entry]:
        """All entries by name."""
        return {entry.name: entry for entry in self._select("")}

    def find(self, name: str) -> Entry | None:
        """The entry of one film."""
        return next(self._select(" WHERE name = ?", os.fsencode(name)), None)

    def strip(self, name: str) -> bytes:
        """The strip of pictures of one film, as JPEG; empty if there is none."""
        with self._using():
            row = self._file.execute(
                "SELECT strip FROM films WHERE name = ?", (os.fsencode(name),)
            ).fetchone()
        return bytes(row[0]) if row else b""

    def record(self, entry: Entry) -> None:
        """Put ``entry`` in the place of what was known of that film, and what was noted of it."""
        made, outcome = entry.written, entry.outcome
        row = (
            os.fsencode(entry.name),
            os.fsencode(entry.source),
            *entry.identity,
            entry.digest,
            entry.state,
            *(made if made is not None else (None, None)),
            os.fsencode(entry.target),
            _plain(outcome.error),
            outcome.frames,
            outcome.seconds,
            outcome.length,
            json.dumps(outcome.warnings),
            outcome.strip,
        )
        with self._using():
            marks = ", ".join("?" * len(row))
            self._file.execute(f"INSERT OR REPLACE INTO films VALUES ({marks})", row)
            self.note_of(entry.target).unlink(missing_ok=True)

    def claim(self, target: str) -> FileLock | None:
        """The sole right to make a target, until it is released; None if another run has it.

        The system takes it back from a run that dies, however it dies.
        """
        with self._using():
            lock = FileLock(self._beside(target, ".lock"))
            try:
                lock.acquire(blocking=False)
            except Timeout:
                return None
        return lock

    def release(self, lock: FileLock) -> None:
        """Give a claim back, and leave no file of it."""
        # While it is held: whoever opened the same file before looks at the entry again.
        with suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()

    def note_of(self, target: str) -> Path:
        """Where it is written down which file is put in place as ``target``, see `files.note`."""
        return self._beside(target, ".json")

    def _beside(self, target: str, suffix: str) -> Path:
        digest = hashlib.sha256(os.fsencode(target)).hexdigest()[:32]
        return self._locks / f"{digest}{suffix}"

    def _select(self, where: str, *values: bytes) -> Iterator[Entry]:
        names = ", ".join(column.split()[0] for column in _COLUMNS.split(", ")[:-1])
        with self._using():
            rows = self._file.execute(f"SELECT {names} FROM films{where}", values).fetchall()
        for entry in map(_entry, rows):
            begun = entry.state == "begun"
            yield replace(entry, noted=noted(self.note_of(entry.target))) if begun else entry

    @contextmanager
    def _using(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise TargetError(f"{self.path}: cannot use the ledger: {error}") from error
        except sqlite3.DatabaseError as error:
            raise TargetError(
                f"{self.path}: the ledger is broken ({error}); take it away to start a new one"
            ) from error
        except OSError as error:
            raise TargetError(
                f"{self._locks}: cannot claim films: {error.strerror or error}"
            ) from error


def _plain(text: str | None) -> str | None:
    """Without what stands for bytes of a name that are no text, which SQLite refuses."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def _entry(row: tuple[Any, ...]) -> Entry:
    name, source, size, mtime_ns, digest, state, made_size, made_ns, target, *told = row
    error, frames, seconds, length, warnings = told
    return Entry(
        os.fsdecode(name),
        os.fsdecode(source),
        os.fsdecode(target),
        Identity(size, mtime_ns),
        digest,
        state,
        None if made_size is None else Identity(made_size, made_ns),
        Outcome(error, frames, seconds, length, tuple(json.loads(warnings))),
    )
