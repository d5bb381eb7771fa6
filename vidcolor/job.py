"""One film from source to target: ``colorize_video``.

The picture is encoded in chunks, which are kept until all of them are there; then they are joined,
with the sound and all else. So a job that was broken off, in whichever way, goes on from the last
chunk it had finished when it is called again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from vidcolor.assembly import Assembly
from vidcolor.chunks import ChunkLength
from vidcolor.chunkwork import ChunkJob, Hands
from vidcolor.disk import check_room, least_room
from vidcolor.errors import UsageError
from vidcolor.flow import single_threaded_cv2
from vidcolor.frames import PaintedFrame, VideoInfo, name_stream
from vidcolor.identity import identity
from vidcolor.loading import Loading
from vidcolor.media.devices import check_device
from vidcolor.media.mux import Writer
from vidcolor.media.trial import with_device
from vidcolor.models.blend import members
from vidcolor.models.colorizer import Colorizer
from vidcolor.noticed import Noticed
from vidcolor.pipeline import Pipeline
from vidcolor.plan import (
    as_written,
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
from vidcolor.workfolder import WorkFolder, clear_made, folder_for, throw_away

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
    sign: Callable[[Path], None] | None = None,
) -> Report:
    """Colour the film ``source`` into the new file ``target``.

    Luma, timestamps, sound and everything else are kept; see README. ``warn`` is told, one line
    each, what could not be. A ready ``colorizer`` may be given to be used again for many films;
    it takes the place of the settings' model and device.
    ``following`` is told as ``progress`` is, while the film is read through for known colours.
    With ``hands``, as from `vidcolor.jobs.pool.Pool`, others do its chunks, several at once.
    ``target`` appears when it is complete and not before, ``sign`` being called with its file just
    before (unless ``settings.resume`` is off), and is left as it was on any error.
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
        check_shared(settings)
        settings = _from_anywhere(settings)
    check_device(settings.decoder.device)
    target = Path(target)
    kept_in = folder_for(target, settings.work_dir)
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

        info = as_written(examine(source, settings, described), target, settings)
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
            of_what = identity(info, settings, model, writer, LENGTH)
            first = settings.range.first_frame or 0
            work = stack.enter_context(WorkFolder(kept_in, of_what, first, tell))
            stack.enter_context(_ending(writer, watch))
            assembly = Assembly(writer, work, pipeline, noticed, watch, sign)
            sink = stack.enter_context(assembly)
            resume, complete = assembly.resume, assembly.complete
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
                assembly.share(job, hands, advance)
        elif not complete:
            painted = pipeline.painted(writer.chroma_shape, writer.choice.fields, stack, resume)
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
        codec=writer.choice.encoder,
        pixel_format=writer.choice.pixel_format,
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


def _from_anywhere(settings: Settings) -> Settings:
    """The settings with the whole paths of the files they name: others' working folder is not
    ours."""

    def whole(name: str) -> str:
        return str(Path(name).absolute()) if Path(name).is_file() else name

    model, look, looks = settings.color.model, settings.look, settings.looks
    parts = members(model)
    share = model[len("+".join(parts)) :]
    settings = settings.replace("color", model="+".join(map(whole, parts)) + share)
    if look.lut is not None:
        settings = settings.replace("look", lut=whole(look.lut))
    if looks is not None:
        settings = settings.replace(
            looks={
                shot: {**own, "lut": whole(own["lut"])} if own.get("lut") else own
                for shot, own in looks.items()
            }
        )
    return settings


def check_shared(settings: Settings) -> None:
    """Raise UsageError for what a film that several do at once cannot have."""
    if not settings.resume:
        raise UsageError("several workers at one film must keep finished work: no --no-resume")
    if settings.guided:
        raise UsageError(
            "known colours (hints, references, --remember) need the whole film in one process; "
            "leave --workers and --cluster out"
        )


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
