"""One film from source to target: ``colorize_video``.

The picture is encoded in chunks, which are kept until all of them are there; then they are joined,
with the sound and all else. So a job that was broken off, in whichever way, goes on from the last
chunk it had finished when it is called again.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from vidcolor.chunks import RUN_OUT, WARM_UP, ChunkLength
from vidcolor.chunkwork import ChunkJob, Hands, tasks
from vidcolor.errors import TargetError, UsageError
from vidcolor.flow import single_threaded_cv2
from vidcolor.frames import ChunkStart, Frame, PaintedFrame, VideoInfo, name_stream
from vidcolor.media.mux import Writer
from vidcolor.media.segments import SegmentWriter
from vidcolor.models.blend import open_colorizer
from vidcolor.models.colorizer import Colorizer
from vidcolor.pipeline import Noticed, Pipeline
from vidcolor.plan import doubts, examine, expected_frames, losses, open_writer
from vidcolor.report import Progress, Report
from vidcolor.settings import Settings
from vidcolor.stopwatch import Stopwatch
from vidcolor.workfolder import DoneChunk, WorkFolder, sample_digest

LENGTH = ChunkLength()


class Sink(Protocol):
    """Where painted frames go, in order."""

    def write(self, painted: PaintedFrame) -> None: ...


def colorize_video(
    source: Path | str,
    target: Path | str,
    settings: Settings = Settings(),
    *,
    progress: Callable[[Progress], None] | None = None,
    warn: Callable[[str], None] | None = None,
    colorizer: Colorizer | None = None,
    hands: Hands | None = None,
) -> Report:
    """Colour the film ``source`` into the new file ``target``.

    Luma, timestamps, sound and everything else are kept; see README. ``warn`` is told, one line
    each, what could not be. A ready ``colorizer`` may be given to be used again for many films.
    With ``hands``, as from `vidcolor.jobs.pool.Pool`, others do its chunks, several at once.
    ``target`` appears when it is complete and not before, and is left as it was on any error.
    Finished chunks are then kept, unless ``settings.resume`` is off, and the same call goes on from
    there; one with other settings begins anew.

    Raises the errors of `vidcolor.errors`.
    """
    watch = Stopwatch()
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if warn is not None:
            warn(line)

    if hands is not None and not settings.resume:
        raise UsageError("several workers at one film must keep finished work: no --no-resume")
    info = examine(source, settings)
    total = expected_frames(info, settings)
    noticed = Noticed()
    with ExitStack() as stack:
        # The target is checked before the model is loaded: a typing mistake should not cost time.
        writer = open_writer(target, info, settings)
        stack.callback(writer.abandon)
        known = len(writer.warnings)
        for line in (*doubts(info, settings), *writer.warnings):
            tell(line)
        chosen = settings.color
        if hands is not None:
            model = hands.model(settings)
        else:
            colorizer = colorizer or open_colorizer(chosen.model, chosen.device, warn=warn)
            model = colorizer.description
        stack.enter_context(single_threaded_cv2())
        pipeline = Pipeline(info, settings, colorizer, watch, LENGTH)

        def advance(so_far: int) -> None:
            if progress is not None:
                progress(Progress(so_far, total))

        sink: Sink = writer
        done, resume, complete = 0, None, False
        if settings.resume:
            work = stack.enter_context(_work(info, settings, model, writer, tell))
        stack.enter_context(_ending(writer, watch))
        if settings.resume:
            sink = chunks = stack.enter_context(Chunks(writer, work, pipeline, noticed, watch))
            done, resume, complete = chunks.frames, chunks.resume, chunks.complete
        resumed = done
        if hands is not None and not complete:
            job = ChunkJob(
                dataclasses.replace(info, path=info.path.absolute()),
                settings,
                writer.choice,
                writer.container,
                LENGTH,
                model,
                work.path.absolute(),
            )
            with watch.running("wait for workers"):
                resumed = chunks.share(job, hands, advance)
            done = chunks.frames
        elif not complete:
            painted = pipeline.painted(writer.chroma_shape, writer.field_marks, stack, resume)
            for frame in watch.timed("wait for picture", painted):
                with watch.running("encode"):
                    sink.write(frame)
                done += 1
                for line in pipeline.seen.notes(info.path, ended=False):
                    tell(line)
                advance(done)
        if not settings.resume:
            noticed.add(pipeline.notes())
    noticed.damage.frames = done
    late = [*writer.warnings[known:], *losses(info, settings, noticed.damage)]
    for line in (*late, *pipeline.seen.notes(info.path, ended=True)):
        tell(line)
    return Report(
        source=str(source),
        target=str(target),
        frames=done,
        resumed=resumed,
        cuts=max(0, noticed.cuts - 1),
        seconds=watch.total,
        stages={name: round(spent, 4) for name, spent in sorted(watch.seconds().items())},
        model=dict(model),
        settings=settings,
        codec=writer.codec,
        pixel_format=writer.pixel_format,
        copied=[name_stream(item) for item in writer.copied],
        converted=[f"{name_stream(item)}: {result}" for item, result in writer.converted],
        dropped=[f"{name_stream(item)}: {why}" for item, why in writer.dropped],
        warnings=told,
        kept_color=noticed.kept,
        damaged=noticed.damage.damaged,
        skipped=noticed.damage.skipped,
        damage=[span.to_dict() for span in noticed.damage.damage.spans],
    )


class Chunks:
    """Takes painted frames and keeps them in ``work``, chunk by chunk; joins all in the end.

    A context manager. What an earlier run had finished comes first: ``frames`` of them; ``resume``
    is where the next one begins, None for the start of the film; ``complete``: there is none.
    """

    def __init__(
        self,
        writer: Writer,
        work: WorkFolder,
        pipeline: Pipeline,
        noticed: Noticed,
        watch: Stopwatch,
    ) -> None:
        self._writer = writer
        self._work = work
        self._pipeline = pipeline
        self._watch = watch
        self._start: ChunkStart | None = None
        self._segment: SegmentWriter | None = None
        last = work.chunks[-1] if work.chunks else None
        self.frames = sum(len(chunk.segment.pts) for chunk in work.chunks)
        self.resume = None if last is None else last.following
        self.complete = last is not None and last.following is None
        self._noticed = noticed
        for chunk in work.chunks:
            pipeline.recall(chunk.notes)
            noticed.add(chunk.notes)

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

    def share(self, job: ChunkJob, hands: Hands, advance: Callable[[int], None]) -> int:
        """Have ``hands`` do what is missing; ``advance`` is told how many frames are done.

        Returns how many were before.
        """
        work, before = self._work, len(self._work.chunks)
        known = {chunk.start.index: chunk for chunk in (*work.chunks, *work.ahead.values())}
        resumed = self.frames = sum(len(chunk.segment.pts) for chunk in known.values())

        def more(frames: int) -> None:
            self.frames += frames
            advance(self.frames)

        with closing(hands.chunks(tasks(job, known), more)) as finished:
            for chunk in finished:
                work.accept(chunk)
        if work.ahead or not work.chunks or work.chunks[-1].following is not None:
            raise TargetError(
                f"{work.path}: the finished parts do not follow each other; do all workers have "
                "the same film and the same version of vidcolor?"
            )
        for chunk in work.chunks[before:]:
            self._pipeline.recall(chunk.notes)
            self._noticed.add(chunk.notes)
        return resumed

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
                    self._writer.join([chunk.segment for chunk in self._work.chunks])
        finally:
            if self._segment is not None:
                self._segment.discard()

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


def _work(
    info: VideoInfo,
    settings: Settings,
    model: Mapping[str, str],
    writer: Writer,
    tell: Callable[[str], None],
) -> WorkFolder:
    """The folder for the job's chunks: beside the target, or in the one that was named."""
    target = writer.path
    if settings.work_dir is None:
        path = target.with_name(f".{target.name}.vidcolor")
    else:
        mark = hashlib.sha256(str(target.absolute()).encode()).hexdigest()[:12]
        path = settings.work_dir / f"{target.name}.{mark}.vidcolor"
    job = _identity(info, settings, model, writer)
    return WorkFolder(path, job, settings.range.first_frame or 0, tell)


def _identity(
    info: VideoInfo, settings: Settings, model: Mapping[str, str], writer: Writer
) -> dict[str, Any]:
    """All that a chunk depends on, in words that say what has changed."""
    chosen = dataclasses.asdict(settings)
    for key in ("overwrite", "resume", "work_dir"):
        del chosen[key]
    return {
        "source": sample_digest(info.path),
        "settings": repr(chosen),
        "model": dict(model),
        "encoder": [writer.codec, writer.pixel_format, dict(writer.options)],
        "target": writer.path.suffix,
        "version": [version("vidcolor"), *dataclasses.astuple(LENGTH), WARM_UP, RUN_OUT],
    }


@contextmanager
def _ending(writer: Writer, watch: Stopwatch) -> Iterator[None]:
    """Ends the writer, and charges that to ``encode``: encoders hold dozens of frames back."""
    try:
        yield
    except BaseException as error:
        writer.__exit__(type(error), error, error.__traceback__)
        raise
    with watch.running("encode"):
        writer.__exit__(None, None, None)
