"""What a job will do, and what its source turned out to lack: all but the work itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vidcolor.errors import UsageError
from vidcolor.frames import StreamInfo, VideoInfo
from vidcolor.media.decode import DecodeReport
from vidcolor.media.mux import Writer
from vidcolor.media.probe import probe
from vidcolor.settings import Settings
from vidcolor.shrink import working_size


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would do, found out without doing it."""

    info: VideoInfo
    frames: int | None
    size: tuple[int, int]
    """(h, w) of the small picture the network sees."""
    device: str
    codec: str
    pixel_format: str
    encoder_options: Mapping[str, str]
    copied: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_video(source: Path | str, target: Path | str, settings: Settings = Settings()) -> Plan:
    """Check everything that can be checked before a job; raises what the job would raise then."""
    # Imported here, because what only reads films needs the rest of this module, and no network.
    from vidcolor.models.blend import open_colorizer

    info = probe(Path(source))
    device = open_colorizer(settings.color.model, settings.color.device).description["device"]
    writer = open_writer(target, info, settings)
    try:
        return Plan(
            info,
            expected_frames(info, settings),
            small_size(info, settings),
            device,
            writer.codec,
            writer.pixel_format,
            writer.options,
            tuple(name_stream(item) for item in writer.copied),
            (*stray_shots(info, settings), *writer.warnings),
        )
    finally:
        writer.abandon()


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
    needed = settings.encoder.container
    if needed is not None and target.suffix.lower() != f".{needed}":
        raise UsageError(
            f"{target}: these settings write {settings.encoder.codec or 'films'} into .{needed} "
            f"files; name the target {target.stem or 'out'}.{needed}"
        )
    return Writer(target, info, settings.encoder, overwrite=settings.overwrite, crop=settings.range)


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
        yield (
            f"{info.path}: it has {frames} frames, but the shot list goes on to a shot at frame "
            f"{settings.shots[-1]}; is it the list of another film?"
        )


def losses(
    info: VideoInfo, settings: Settings, damage: DecodeReport, end: Fraction
) -> Iterator[str]:
    """What was wrong with the source's picture, one line each; ``end`` is where it ended."""
    if damage.damaged:
        yield f"{info.path}: {damage.damaged} frames are damaged, patched as well as could be"
    if damage.skipped:
        yield f"{info.path}: {damage.skipped} packets of the picture could not be decoded"
    if damage.retimed:
        yield f"{info.path}: {damage.retimed} frames had no usable timestamp and were given one"
    count, declared = info.frame_count, info.duration
    crop = settings.range
    to_the_end = crop.end_frame is None and crop.start is None and crop.duration is None
    if to_the_end and not info.frame_count_is_exact:
        yield from stray_shots(info, settings, (crop.first_frame or 0) + damage.frames)
    if info.frame_count_is_exact and count is not None:
        if settings.range.whole and damage.frames < count:
            yield f"{info.path}: {damage.frames} of its {count} frames were there; is it truncated?"
    elif "matroska" in info.container and declared is not None:
        # Its length is that of its longest stream, from time 0.
        open_end = settings.range.end_frame is None and settings.range.duration is None
        if open_end and declared - end > max(Fraction(1), declared / 20):
            yield (
                f"{info.path}: the picture ends at {float(end):.1f} s, the file promises "
                f"{float(declared):.1f} s; is it truncated?"
            )


def name_stream(stream: StreamInfo) -> str:
    """A stream in a few words: ``audio 1 (aac, eng)``."""
    words = [word for word in (stream.codec, stream.language) if word]
    return f"{stream.kind} {stream.index} ({', '.join(words)})"
