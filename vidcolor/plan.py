"""What a job will do, and what its source turned out to lack: all but the work itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import cast

from vidcolor.errors import UsageError
from vidcolor.frames import FieldOrder, Fields, VideoInfo, name_stream
from vidcolor.look import check_luts
from vidcolor.media.damage import DecodeReport, Span
from vidcolor.media.devices import check_device
from vidcolor.media.encoders import with_all_greys
from vidcolor.media.mux import Writer
from vidcolor.media.probe import probe
from vidcolor.media.series import USUAL_RATE, series_at
from vidcolor.media.target import check_target, container_of
from vidcolor.media.trial import with_device
from vidcolor.report import plural
from vidcolor.settings import SOFTWARE, Settings
from vidcolor.shots import clock
from vidcolor.shrink import working_size

_FEWEST_LINES = 8
"""A picture of fewer is a strip, whose chroma may have no line for each field."""
_PLACES_TOLD = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would do, found out without doing it."""

    info: VideoInfo
    frames: int | None
    size: tuple[int, int]
    """(h, w) of the small picture the network sees."""
    device: str
    decoder: str
    """``software``, or the device that decodes the film."""
    codec: str
    pixel_format: str
    encoder_options: Mapping[str, str]
    copied: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_video(source: Path | str, target: Path | str, settings: Settings = Settings()) -> Plan:
    """Check everything that can be checked before a job; raises what the job would raise then."""
    # Imported here, because what only reads films needs the rest of this module, and no network.
    from vidcolor.models.blend import colorizer_for

    check_device(settings.decoder.device)
    info = as_written(examine(source, settings), target, settings)
    info, lack = with_device(info, settings.decoder.device, settings.limits)
    device = colorizer_for(settings.color).description["device"]
    check_luts(settings)
    writer = open_writer(target, info, settings)
    try:
        return Plan(
            info,
            expected_frames(info, settings),
            small_size(info, settings),
            device,
            decoder_of(info),
            writer.choice.encoder,
            writer.choice.pixel_format,
            writer.choice.options,
            tuple(name_stream(item) for item in writer.copied),
            (*(() if lack is None else (lack,)), *doubts(info, settings), *writer.warnings),
        )
    finally:
        writer.abandon()


def examine(
    source: Path | str,
    settings: Settings,
    described: Callable[[VideoInfo], None] | None = None,
) -> VideoInfo:
    """`probe` the film, and hold its fields for what the settings say. Raises SourceError, and
    UsageError as it does.

    ``described`` is told of it earlier, as `probe` tells.
    """
    wanted = settings.fields
    info = probe(
        Path(source),
        settings.limits,
        described,
        with_fields=wanted.order == "auto",
        rate=settings.rate,
        sound=settings.sound,
    )
    fields = info.fields
    if wanted.order not in ("auto", "progressive"):
        fields = Fields(cast(FieldOrder, wanted.order), flagged=False)
    if fields is not None and info.height < _FEWEST_LINES:
        fields = None
    if fields is not None:
        fields = replace(fields, deinterlace=wanted.deinterlace)
    return replace(info, fields=fields)


def as_written(info: VideoInfo, target: Path | str, settings: Settings) -> VideoInfo:
    """``info`` as its codes are to be read for ``target``, where that is for us to choose.

    Raises UsageError and TargetError as `open_writer` does.
    """
    target = Path(target)
    _check_suffix(target, settings)
    return with_all_greys(info, settings.encoder, container_of(target))


def decoder_of(info: VideoInfo) -> str:
    """What decodes the film: ``software``, or a device."""
    return SOFTWARE if info.surface is None else info.surface.device


def untold_rate(source: Path, settings: Settings) -> Iterator[str]:
    """A line of warning about numbered pictures whose frame rate nobody told."""
    if settings.rate is None and series_at(source) is not None:
        yield (
            f"{source}: numbered pictures tell no frame rate; taken for {USUAL_RATE} a second, "
            "--fps if they are not"
        )


def doubts(info: VideoInfo, settings: Settings) -> Iterator[str]:
    """What the user should know before the work begins, one line each."""
    yield from stray_shots(info, settings)
    yield from short_range(info, settings)
    yield from untold_rate(info.path, settings)
    wanted, fields = settings.fields, info.fields
    if fields is None:
        if wanted.deinterlace:
            yield f"{info.path}: not interlaced, nothing to deinterlace"
        return
    if not fields.flagged and wanted.order == "auto":
        why = "as its container says" if info.field_order > 1 else "without saying so"
        yield (
            f"{info.path}: looks interlaced, {fields.first} field first, {why}; "
            "--fields progressive if it is not"
        )
    if fields.deinterlace:
        yield f"{info.path}: deinterlaced, so half of the luma's lines are not the film's own"


def expected_frames(info: VideoInfo, settings: Settings) -> int | None:
    """How many frames the job will have, as far as the container tells; None if it does not."""
    crop = settings.range
    total = info.frame_count
    if crop.end_frame is not None or crop.first_frame is not None:
        first = crop.first_frame or 0
        if crop.end_frame is None:
            return None if total is None else max(0, total - first)
        end = crop.end_frame if total is None else min(crop.end_frame, total)
        return max(0, end - first)
    if crop.whole or info.average_rate is None:
        return total
    span = crop.duration
    if info.duration is not None:
        left = max(info.duration - (crop.start or 0), Fraction(0))
        span = left if span is None else min(span, left)
    return None if span is None else round(span * info.average_rate)


def open_writer(target: Path | str, info: VideoInfo, settings: Settings) -> Writer:
    """A writer for the job, which must be ended or abandoned. Raises UsageError and TargetError."""
    target = Path(target)
    _check_suffix(target, settings)
    return Writer(target, info, settings.encoder, overwrite=settings.overwrite, crop=settings.range)


def refuse_target(target: Path, source: Path, settings: Settings) -> None:
    """Raise what `open_writer` would, of what can be told by the target's name and place alone."""
    _check_suffix(target, settings)
    container_of(target)
    check_target(target, source, settings.overwrite)


def _check_suffix(target: Path, settings: Settings) -> None:
    needed = settings.encoder.container
    if needed is not None and target.suffix.lower() != f".{needed}":
        raise UsageError(
            f"{target}: these settings write {settings.encoder.codec or 'films'} into .{needed} "
            f"files; name the target {target.stem or 'out'}.{needed}"
        )


def small_size(info: VideoInfo, settings: Settings) -> tuple[int, int]:
    """(h, w) of the small picture the network sees."""
    short = settings.color.short_side
    return working_size(info.width, info.height, info.sample_aspect_ratio, short)


def stray_shots(info: VideoInfo, settings: Settings, frames: int | None = None) -> Iterator[str]:
    """A line of warning if the settings have shots that begin behind the film's last frame.

    ``frames`` is how many the film has, as counted; without it nothing is said of a film whose
    container does not tell for certain.
    """
    if frames is None and info.frame_count_is_exact:
        frames = info.frame_count
    if frames is not None and settings.shots is not None and settings.shots[-1] >= frames:
        has = plural(frames, "frame")
        yield (
            f"{info.path}: it has {has}, but the shot list goes on to a shot at frame "
            f"{settings.shots[-1]}; is it the list of another film?"
        )


def short_range(info: VideoInfo, settings: Settings, frames: int | None = None) -> Iterator[str]:
    """A line of warning if the film ends before the range of frames in the settings does.

    ``frames`` is as in `stray_shots`. Of a range that holds no frame nothing is said here.
    """
    if frames is None and info.frame_count_is_exact:
        frames = info.frame_count
    first, end = settings.range.first_frame or 0, settings.range.end_frame
    if frames is not None and end is not None and first < frames < end:
        asked = f"--frames {first}:{end} asks for"
        yield f"{info.path}: it has {plural(frames, 'frame')}, fewer than {asked}"


def losses(info: VideoInfo, settings: Settings, report: DecodeReport) -> Iterator[str]:
    """What was wrong with the source's picture, one line for each kind of damage."""
    path, damage, crop = info.path, report.damage, settings.range
    if report.damaged:
        count, where = plural(report.damaged, "frame"), _places(damage.of("patched"))
        yield f"{path}: {count} damaged, patched as well as could be{where}"
    if report.skipped:
        count, where = plural(report.skipped, "packet"), _places(damage.of("lost"))
        yield f"{path}: {count} of the picture could not be decoded{where}"
    if report.retimed:
        count = plural(report.retimed, "frame")
        yield f"{path}: {count} given a timestamp, having no usable one"
    if anew := damage.of("clock"):
        yield f"{path}: its timestamps begin anew, and were carried on{_places(anew)}"
    if turned := damage.of("software"):
        where = _places(turned)
        yield f"{path}: the device that was to decode it could not; software went on there{where}"
    if changed := damage.of("refitted"):
        frames = plural(sum(span.count for span in changed), "frame")
        yield (
            f"{path}: {frames} of another size or depth fitted into "
            f"{info.width}x{info.height}{_places(changed)}"
        )
    if retagged := damage.of("retagged"):
        yield (
            f"{path}: its pixel aspect or its range of codes changes, and the target has but one: "
            f"that of the film's beginning{_places(retagged)}"
        )
    to_the_end = crop.end_frame is None and crop.start is None and crop.duration is None
    if to_the_end and not info.frame_count_is_exact:
        yield from stray_shots(info, settings, (crop.first_frame or 0) + report.frames)
    if not list(short_range(info, settings)):
        # Else that was told beforehand.
        yield from short_range(info, settings, (crop.first_frame or 0) + report.frames)
    for span in damage.of("absent"):
        if info.frame_count_is_exact:
            there = f"{report.frames} of its {info.frame_count} frames"
            yield f"{path}: {there} were there; is it truncated?"
        else:
            yield (
                f"{path}: the picture ends at {float(span.start):.1f} s, the file promises "
                f"{float(span.end):.1f} s; is it truncated?"
            )


def _places(spans: Sequence[Span]) -> str:
    """Where the first of ``spans`` are, in the film's time, and how many more there are."""
    told = [f"{clock(span.start)} to {clock(span.end)}" for span in spans[:_PLACES_TOLD]]
    more = len(spans) - len(told)
    return f": {', '.join(told)}" * bool(told) + f" and {more} more places" * bool(more)
