"""The folder in which a job keeps what it has finished, so that the same call goes on from there.

It holds the chunks, see `vidcolor.records`. ``job.json`` says what they are of (source, settings,
weights, version); if one of these is another now, they are thrown away.
``target.json`` says which file the job's film is, from just before that takes the target's place
until all else here is gone: what a run leaves that is killed in between is known to be of no use.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from vidcolor.disk import name_for, sync_folder
from vidcolor.errors import TargetError
from vidcolor.frames import ChunkStart
from vidcolor.identity import sample_digest
from vidcolor.records import (
    KIND,
    DoneChunk,
    any_packets,
    enter,
    entered,
    packets_of,
    read_values,
    record_of,
)
from vidcolor.textfile import write_text, writing

_JOB, _TARGET, _LOCK = "job.json", "target.json", "lock"
_TRIES = 10


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

    @property
    def frames(self) -> int:
        """How many frames are finished, from the first on."""
        return _frames(self.chunks)

    @property
    def kept(self) -> list[DoneChunk]:
        """All that is finished, with or without gaps."""
        return [*self.chunks, *self.ahead.values()]

    @property
    def kept_frames(self) -> int:
        """How many frames are finished, with or without gaps."""
        return _frames(self.kept)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._leave)
            try:
                self._enter()
                self._take_stock()
            except Timeout as error:
                raise TargetError(
                    f"{self.path}: another vidcolor is at work on this target; wait for it to end"
                ) from error
            # What the lock raises where files cannot be locked differs with its version.
            except (OSError, NotImplementedError) as error:
                why = getattr(error, "strerror", None) or "files cannot be locked there"
                raise TargetError(
                    f"{self.path}: cannot keep finished work here: {why}; "
                    "choose another place with --work-dir"
                ) from error
            stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.kept and kind is not None and self.path.is_dir():
            self._tell(
                f"{self.kept_frames} frames are kept in {self.path}; the same command goes on there"
            )
        self._leave(done=kind is None)

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
        while (following := self._next()) is not None and following in self.ahead:
            self.chunks.append(self.ahead.pop(following))

    def sign(self, film: Path) -> None:
        """Note that ``film`` is what the job has made, see `clear_made`."""
        write_text(self.path / _TARGET, json.dumps(sample_digest(film)), KIND)

    def drop_broken(self) -> None:
        """Throw away, from the first chunk on that is not as it was written, what there is."""
        for number, chunk in enumerate(self.chunks):
            try:
                whole = chunk.segment.whole()
            except OSError:
                continue  # What cannot be read now may well be there again later.
            if not whole:
                del self.chunks[number:]
                with writing(self.path, KIND):
                    self._tidy(self._in_use())
                self._tell(
                    f"{chunk.segment.path}: changed on disk since it was written; it and what "
                    "follows it is thrown away, and the same command does it again"
                )
                return

    def _enter(self) -> None:
        """Make the folder if need be, and lock it."""
        for _ in range(_TRIES):
            self.path.mkdir(parents=True, exist_ok=True)
            # One who has just ended may remove it, lock and all, between any two of these lines.
            with suppress(FileNotFoundError):
                self._lock.acquire()
                if (self.path / _LOCK).exists():
                    sync_folder(self.path.parent)
                    return
            self._lock.release()
        raise Timeout(str(self.path / _LOCK))

    def _leave(self, *, done: bool = False) -> None:
        """Let go; the folder goes if it is ``done`` with, or holds no chunk."""
        removed = False
        try:
            if self._lock.is_locked:
                with suppress(OSError):
                    removed = done or not any_packets(self.path)
            if removed:
                with suppress(OSError):
                    self._tidy({self.path / _LOCK})
                shutil.rmtree(self.path, ignore_errors=True)
        finally:
            # Also at a Ctrl-C: in a notebook the process goes on, and would keep itself out.
            self._lock.release()
        if removed and os.name == "nt":
            # There, what is open cannot be removed, and the lock was until now.
            with suppress(OSError):
                (self.path / _LOCK).unlink()
                self.path.rmdir()

    def _take_stock(self) -> None:
        known = read_values(self.path / _JOB)
        if known == self._job:
            for chunk in entered(self.path):
                self.accept(chunk)
        elif any_packets(self.path):
            changed = [key for key in self._job if known.get(key) != self._job[key]]
            why = f"it was made with another {' and '.join(changed)}"
            if not known:
                why = "what it was made of cannot be told any more"
            self._tell(f"{self.path}: what was finished there is thrown away, because {why}")
        self._tidy(self._in_use())
        if not self.kept:
            write_text(self.path / _JOB, json.dumps(self._job, indent=1), KIND)

    def _next(self) -> int | None:
        """The frame with which the first chunk begins that is missing; None if none is."""
        if not self.chunks:
            return self._first
        following = self.chunks[-1].following
        return None if following is None else following.index

    def _tidy(self, wanted: set[Path]) -> None:
        """Remove all that is not ``wanted``."""
        # What tells that the rest is of no use goes last: this, too, may be broken off.
        for file in sorted(self.path.iterdir(), key=lambda file: file.name == _TARGET):
            if file not in wanted:
                file.unlink()

    def _in_use(self) -> set[Path]:
        """The lock, and what belongs to finished chunks."""
        used = {self.path / _LOCK}
        for chunk in self.kept:
            # Not the segment's own path: another process may have named the folder otherwise.
            packets = self.segment(chunk.start)
            used |= {self.path / _JOB, packets, record_of(packets)}
        return used


def folder_for(target: Path, work_dir: Path | None) -> Path:
    """Where the chunks of the film ``target`` are kept: beside it, or in ``work_dir``."""
    if work_dir is None:
        return target.parent / f".{name_for(target)}.vidcolor"
    mark = hashlib.sha256(os.fsencode(target.absolute())).hexdigest()[:12]
    return work_dir / f"{name_for(target)}.{mark}.vidcolor"


def is_kept(folder: Path) -> bool:
    """Whether there is a `WorkFolder` at ``folder``."""
    return (folder / _JOB).is_file()


def clear_made(path: Path, target: Path) -> None:
    """Remove ``path`` if the job that was kept there is done: a run was killed after it had put its
    film in place as ``target``, and before it had removed this. Raises TargetError."""
    if not path.is_dir() or not target.is_file():
        return
    try:
        signed = json.loads((path / _TARGET).read_text(encoding="utf-8"))
        made = signed == sample_digest(target)
    except FileNotFoundError:
        made = not any_packets(path)
    except (OSError, ValueError):
        made = False
    if made:
        _remove(path)


def _remove(path: Path) -> None:
    with WorkFolder(path, {}):
        pass  # Nobody's at work there, and what is left without an error goes.


def throw_away(path: Path, tell: Callable[[str], None]) -> None:
    """Remove what an earlier run has kept in ``path``, if anything. Raises TargetError."""
    if path.is_dir():
        found = any_packets(path)
        _remove(path)
        if found:
            tell(f"{path}: what was finished there is thrown away, because of --no-resume")


def _frames(chunks: Iterable[DoneChunk]) -> int:
    return sum(len(chunk.segment.pts) for chunk in chunks)
