"""One film from source to target: ``colorize_video``.

The picture is encoded in chunks, which are kept until all of them are there; then they are joined,
with the sound and all else. So a job that was broken off, in whichever way, goes on from the last
chunk it had finished when it is called again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from vidcolor.chunks import RUN_OUT, WARM_UP, ChunkLength
from vidcolor.chunkwork import ChunkJob, Hands, tasks
from vidcolor.disk import check_room, least_room, name_for
from vidcolor.errors import EncodeError, TargetError, UsageError
from vidcolor.flow import single_threaded_cv2
from vidcolor.frames import ChunkStart, Frame, PaintedFrame, VideoInfo, name_stream
from vidcolor.loading import Loading
from vidcolor.look import lut_paths
from vidcolor.media.devices import check_device
from vidcolor.media.mux import Writer
from vidcolor.media.segments import SegmentWriter
from vidcolor.media.trial import with_device
from vidcolor.models.checkpoint import digest
from vidcolor.models.colorizer import Colorizer
from vidcolor.pipeline import Noticed, Pipeline
from vidcolor.plan import (
    decoder_of,
    doubts,
    examine,
    expected_frames,
    losses,
    open_writer,
    refuse_target,
)
from vidcolor.report import Progress, Report
from vidcolor.settings import Settings
from vidcolor.stopwatch import Stopwatch
from vidcolor.workfolder import DoneChunk, WorkFolder, clear_made, sample_digest, throw_away

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
    following: Callable[[Progress], None] | None = None,
) -> Report:
    """Colour the film ``source`` into the new file ``target``.

    Luma, timestamps, sound and everything else are kept; see README. ``warn`` is told, one line
    each, what could not be. A ready ``colorizer`` may be given to be used again for many films.
    ``following`` is told as ``progress`` is, while the film is read through for known colours.
    With ``hands``, as from `vidcolor.jobs.pool.Pool`, others do its chunks, several at once.
    ``target`` appears when it is complete and not before, and is left as it was on any error.
    Finished chunks are then kept, and the same call goes on from there; one with other settings, or
    with ``settings.resume`` off, throws them away and begins anew.

    Raises the errors of `vidcolor.errors`.
    """
    watch = Stopwatch()
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if warn is not None:
            warn(line)

    if hands is not None:
        _check_shared(settings)
    check_device(settings.decoder.device)
    target = Path(target)
    kept_in = _folder(target, settings)
    noticed = Noticed()
    with ExitStack() as stack:
        loading = Loading(settings, colorizer, warn)

        def described(info: VideoInfo) -> None:
            # The target is checked before the model is loaded: a typing mistake should not cost
            # time.
            clear_made(kept_in, target)
            refuse_target(target, info.path, settings)
            if hands is None:
                stack.enter_context(loading).begin(info)

        info = examine(source, settings, described)
        total = expected_frames(info, settings)
        writer = open_writer(target, info, settings)
        stack.callback(writer.abandon)
        known = len(writer.warnings)
        for line in (*doubts(info, settings), *writer.warnings):
            tell(line)
        info, lack = with_device(info, settings.decoder.device, settings.limits)
        if lack is not None:
            tell(lack)
        if hands is not None:
            model = hands.model(settings)
        else:
            colorizer = loading.colorizer()
            model = colorizer.description
        stack.enter_context(single_threaded_cv2())

        def followed(frames: int) -> None:
            if following is not None:
                following(Progress(frames, total))

        pipeline = Pipeline(info, settings, colorizer, watch, LENGTH, tell, followed)
        sink: Sink = writer
        done = resumed = 0
        resume, complete = None, False

        def advance(frames: int) -> None:
            nonlocal done
            done += frames
            if progress is not None:
                progress(Progress(done, total, resumed))

        if not settings.resume:
            throw_away(kept_in, tell)
            stack.enter_context(_ending(writer, watch))
        else:
            identity = _identity(info, settings, model, writer)
            first = settings.range.first_frame or 0
            work = stack.enter_context(WorkFolder(kept_in, identity, first, tell))
            stack.enter_context(_ending(writer, watch))
            sink = chunks = stack.enter_context(Chunks(writer, work, pipeline, noticed, watch))
            resume, complete = chunks.resume, chunks.complete
            # One alone does anew what was finished beyond a gap.
            done = resumed = work.frames if hands is None else work.kept_frames
            if not complete:
                check_room(kept_in, least_room(info.path), kept_in)
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
                chunks.share(job, hands, advance)
        elif not complete:
            painted = pipeline.painted(writer.chroma_shape, writer.field_marks, stack, resume)
            for frame in watch.timed("wait for picture", painted):
                with watch.running("encode"):
                    sink.write(frame)
                for line in pipeline.seen.notes(info.path, ended=False):
                    tell(line)
                advance(1)
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
        decoder=decoder_of(info),
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

    A context manager. What an earlier run had finished comes first; ``resume`` is where the next
    chunk begins, None for the start of the film; ``complete``: there is none.
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
        self.resume = None if last is None else last.following
        self.complete = last is not None and last.following is None
        self._noticed = noticed
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
        try:
            self._writer.join([chunk.segment for chunk in self._work.chunks], self._work.sign)
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


def _check_shared(settings: Settings) -> None:
    """Raise UsageError for what a film that several do at once cannot have."""
    if not settings.resume:
        raise UsageError("several workers at one film must keep finished work: no --no-resume")
    if settings.guided:
        raise UsageError(
            "known colours (hints, references, --remember) need the whole film in one process; "
            "leave --workers and --cluster out"
        )


def _folder(target: Path, settings: Settings) -> Path:
    """Where the job's chunks are: beside the target, or in the folder that was named for them."""
    if settings.work_dir is None:
        return target.parent / f".{name_for(target)}.vidcolor"
    mark = hashlib.sha256(os.fsencode(target.absolute())).hexdigest()[:12]
    return settings.work_dir / f"{name_for(target)}.{mark}.vidcolor"


def _identity(
    info: VideoInfo, settings: Settings, model: Mapping[str, str], writer: Writer
) -> dict[str, Any]:
    """All that a chunk depends on, in words that say what has changed."""
    # Imported here, while the network is being compiled: it is slow for what it does.
    from importlib.metadata import version

    chosen = dataclasses.asdict(settings)
    # Whatever decodes the film, its frames are the same.
    for key in ("overwrite", "resume", "work_dir", "decoder"):
        del chosen[key]
    return {
        "source": sample_digest(info.path),
        "settings": repr(chosen),
        "luts": [digest(Path(lut)) for lut in lut_paths(settings)],
        "model": dict(model),
        "encoder": [writer.codec, writer.pixel_format, dict(writer.options)],
        "target": writer.path.suffix,
        "version": [
            version("vidcolor"),
            version("av"),
            *dataclasses.astuple(LENGTH),
            WARM_UP,
            RUN_OUT,
        ],
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
