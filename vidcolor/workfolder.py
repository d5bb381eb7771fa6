"""The folder in which a job keeps what it has finished, so that the same call goes on from there.

A chunk is two files: its packets, and a record that is written only when those are safe on disk.
The records are the ledger: a chunk without one never happened. ``job.json`` says what the chunks
are of (source, settings, weights, version); if one of these is another now, they are thrown away.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from vidcolor.errors import TargetError
from vidcolor.frames import ChunkStart, Place
from vidcolor.media.segments import Segment
from vidcolor.textfile import write_text

_JOB, _LOCK, _KIND = "job.json", "lock", "finished work"
_SAMPLE = 1 << 20


@dataclass(frozen=True, slots=True)
class DoneChunk:
    """A finished chunk: where it began, its packets, where the next one begins (None at the end of
    the film), and what was noticed in it, in values that JSON keeps."""

    start: ChunkStart
    segment: Segment
    following: ChunkStart | None
    notes: Mapping[str, Any]


class WorkFolder:
    """``path``, locked for this process as long as the context lasts.

    ``job`` identifies the work, in values that JSON keeps, and ``first`` is the number of its first
    frame; chunks of another job are thrown away, which ``tell`` is told. Left without an error the
    folder goes; else it stays if it holds a finished chunk. Raises TargetError if another process
    is at the same work, or the folder cannot be used.
    """

    def __init__(
        self,
        path: Path,
        job: Mapping[str, Any],
        first: int = 0,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.path = path
        self._first = first
        self._job = json.loads(json.dumps(job))
        self._tell = tell
        self._lock = FileLock(path / _LOCK, timeout=0)
        self.chunks: list[DoneChunk] = []
        """What is finished, from the first frame on, without a gap."""
        self.ahead: dict[int, DoneChunk] = {}
        """What is finished beyond that, by its first frame, as it may be when several share the
        work."""

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._take_stock()
        except Timeout as error:
            raise TargetError(
                f"{self.path}: another vidcolor is at work on this target; wait for it to end"
            ) from error
        except OSError as error:
            self._lock.release()
            raise TargetError(
                f"{self.path}: cannot keep finished work here: {error.strerror}; "
                "choose another place with --work-dir"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        kept = [*self.chunks, *self.ahead.values()]
        if kind is None or not kept:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            frames = sum(len(chunk.segment.pts) for chunk in kept)
            self._tell(f"{frames} frames are kept in {self.path}; the same command goes on there")
        self._lock.release()

    def segment(self, start: ChunkStart) -> Path:
        """The file of the packets of the chunk that begins at ``start``."""
        return packets_of(self.path, start)

    def add(self, chunk: DoneChunk) -> None:
        """Enter the next chunk, whose packets are safe on disk."""
        enter(self.path, chunk)
        self.ahead.pop(chunk.start.index, None)
        self.chunks.append(chunk)

    def accept(self, chunk: DoneChunk) -> None:
        """Take note of a chunk that was entered by another process, in any order."""
        self.ahead[chunk.start.index] = chunk
        while (following := self._next()) in self.ahead:
            self.chunks.append(self.ahead.pop(following))

    def _next(self) -> int:
        """The frame with which the first chunk begins that is missing; -1: none is."""
        if not self.chunks:
            return self._first
        following = self.chunks[-1].following
        return -1 if following is None else following.index

    def _take_stock(self) -> None:
        job = self.path / _JOB
        known = _read(job)
        if known != self._job:
            if known is not None and any(self.path.glob("*.packets")):
                changed = [key for key in self._job if known.get(key) != self._job[key]]
                self._tell(
                    f"{self.path}: what was finished there is thrown away, because it was made "
                    f"with another {' and '.join(changed)}"
                )
            for file in self.path.iterdir():
                if file.name != _LOCK:
                    file.unlink()
            write_text(job, json.dumps(self._job, indent=1), _KIND)
        for record in sorted(self.path.glob("[0-9]*.json")):
            values = _read(record)
            chunk = None if values is None else self._chunk(values)
            if chunk is not None and chunk.segment.path.is_file():
                self.accept(chunk)
        wanted = {chunk.segment.path for chunk in (*self.chunks, *self.ahead.values())}
        for file in self.path.glob("*.p*"):
            if file not in wanted:
                file.unlink()

    def _chunk(self, values: dict[str, Any]) -> DoneChunk | None:
        """None where the record is not one of this version's."""
        try:
            start, following = _start(values["start"]), values["following"]
            stored = values["segment"]
            segment = Segment(
                self.segment(start),
                stored["start"],
                tuple(stored["pts"]),
                stored["duration"],
                stored["depth"],
            )
            after = None if following is None else _start(following)
            return DoneChunk(start, segment, after, values["notes"])
        except (KeyError, TypeError):
            return None


def is_kept(folder: Path) -> bool:
    """Whether there is a `WorkFolder` at ``folder``."""
    return (folder / _JOB).is_file()


def packets_of(folder: Path, start: ChunkStart) -> Path:
    """The file in ``folder`` for the packets of the chunk that begins at ``start``."""
    return folder / f"{start.index:09d}.packets"


def enter(folder: Path, chunk: DoneChunk) -> None:
    """Write the record of a chunk whose packets are safe on disk."""
    record = packets_of(folder, chunk.start).with_suffix(".json")
    write_text(record, json.dumps(dataclasses.asdict(chunk), default=str), _KIND)


def sample_digest(path: Path) -> str:
    """SHA-256, in hex, of a file's length, its first, middle and last MiB: the whole of a film
    takes too long to read just to know whether it is the same."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        found.update(str(size).encode())
        for at in (0, max(0, size // 2 - _SAMPLE // 2), max(0, size - _SAMPLE)):
            file.seek(at)
            found.update(file.read(_SAMPLE))
    return found.hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return values


def _start(found: dict[str, Any]) -> ChunkStart:
    return ChunkStart(found["index"], found["split"], Place(**found["warm_up"]))
