"""A film put together of chunks: made here or by others, kept on disk, and joined in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from vidcolor.chunkwork import ChunkJob, Hands, tasks
from vidcolor.errors import EncodeError, TargetError
from vidcolor.frames import ChunkStart, Frame, PaintedFrame
from vidcolor.media.mux import Writer
from vidcolor.media.segments import SegmentWriter
from vidcolor.noticed import Noticed
from vidcolor.pipeline import Pipeline
from vidcolor.records import DoneChunk
from vidcolor.stopwatch import Stopwatch
from vidcolor.workfolder import WorkFolder


class Assembly:
    """Takes painted frames and keeps them in ``work``, chunk by chunk; joins all in the end.

    A context manager. What an earlier run had finished comes first; ``resume`` is where the next
    chunk begins, None for the start of the film; ``complete``: there is none. ``noticed`` takes in
    what each chunk's notes tell. ``sign`` is called with the film just before that takes the
    target's place. Raises EncodeError and TargetError.
    """

    def __init__(
        self,
        writer: Writer,
        work: WorkFolder,
        pipeline: Pipeline,
        noticed: Noticed,
        watch: Stopwatch,
        sign: Callable[[Path], None] | None = None,
    ) -> None:
        self._writer = writer
        self._work = work
        self._pipeline = pipeline
        self._noticed = noticed
        self._watch = watch
        self._sign = sign
        self._start: ChunkStart | None = None
        self._segment: SegmentWriter | None = None
        last = work.chunks[-1] if work.chunks else None
        self.resume = None if last is None else last.following
        self.complete = last is not None and last.following is None
        self._recall(work.chunks)

    def write(self, painted: PaintedFrame) -> None:
        """Take the next frame; the first one begins a chunk."""
        frame = painted.frame
        if frame.start is not None:
            if self._segment is not None:
                self._close(frame)
            elif self.resume is not None:
                self._pipeline.begin(frame)
            self._start = frame.start
            self._segment = self._writer.segment(self._work.segment(frame.start))
        assert self._segment is not None
        self._segment.write(painted)

    def share(self, job: ChunkJob, hands: Hands, advance: Callable[[int], None]) -> None:
        """Have ``hands`` do what is missing; ``advance`` is told how many frames more are done."""
        work, before = self._work, len(self._work.chunks)
        known = {chunk.start.index: chunk for chunk in work.kept}
        with closing(hands.chunks(tasks(job, known), advance)) as finished:
            for chunk in finished:
                work.accept(chunk)
        if work.ahead or not work.chunks or work.chunks[-1].following is not None:
            raise TargetError(
                f"{work.path}: the finished parts do not follow each other; do all workers have "
                "the same film and the same version of vidcolor?"
            )
        self._recall(work.chunks[before:])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                with self._watch.running("encode"):
                    self._close(None)
                    self._join()
        finally:
            if self._segment is not None:
                self._segment.discard()

    def _recall(self, chunks: Iterable[DoneChunk]) -> None:
        """Take in what was noticed in chunks that others, or an earlier run, have done."""
        for chunk in chunks:
            self._pipeline.recall(chunk.notes)
            self._noticed.add(chunk.notes)

    def _join(self) -> None:
        def sign(film: Path) -> None:
            self._work.sign(film)
            if self._sign is not None:
                self._sign(film)

        try:
            self._writer.join([chunk.segment for chunk in self._work.chunks], sign)
        except EncodeError:
            # Else the next call would come here again, and fail again.
            self._work.drop_broken()
            raise

    def _close(self, after: Frame | None) -> None:
        """Finish the chunk, if one is begun; ``after`` is the first frame of the next one."""
        segment, self._segment = self._segment, None
        if segment is None or self._start is None:
            return
        try:
            done = segment.finish(None if after is None else after.pts)
        except BaseException:
            segment.discard()
            raise
        notes = self._pipeline.notes(after)
        self._noticed.add(notes)
        self._work.add(DoneChunk(self._start, done, None if after is None else after.start, notes))
