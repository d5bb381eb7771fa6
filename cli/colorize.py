"""``vidcolor SOURCE TARGET``: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Context, Exit, Option

from vidcolor.errors import UsageError

from .flags import (
    Cluster,
    Config,
    Deinterlace,
    Device,
    Duration,
    FieldOrders,
    Fps,
    Frames,
    Hints,
    Limits,
    Lut,
    Model,
    Preset,
    Reference,
    Saturation,
    Sound,
    Start,
    Tiles,
    Tint,
    Vibrance,
    Warmth,
)
from .options import (
    build_settings,
    look_flags,
    parse_range,
    tile_flags,
    with_decoder,
    with_keep,
    with_limits,
    with_lists,
    with_range,
    with_rate,
)

EPILOG = """Other commands, each with its own --help: vidcolor batch SOURCE_DIR TARGET_DIR, a folder
of films; preview FILE, a sheet of stills or a short clip; studio FILE, a page to set colours by
eye; probe FILE, what is known of a film; shots FILE, where its shots begin; verify SOURCE TARGET,
whether all but the colour is as it was; models, which networks there are; eval PHOTOS, how close a
model's colours come; train RECIPE, train a network."""
KEEP = "Frames that keep the colour they have; auto: all that are in colour."


def colorize(
    context: Context,
    source: Annotated[Path, Argument(help="The film, or a photo.", metavar="SOURCE")],
    target: Annotated[Path, Argument(help="The new file: mp4, mkv, jpg, png …", metavar="TARGET")],
    preset: Preset = "default",
    config: Config = None,
    model: Model = None,
    device: Device = None,
    frames: Frames = None,
    start: Start = None,
    duration: Duration = None,
    fps: Fps = None,
    sound: Sound = None,
    shots: Annotated[Path | None, Option(metavar="FILE.json", help="Where shots begin.")] = None,
    saturation: Saturation = None,
    warmth: Warmth = None,
    tint: Tint = None,
    vibrance: Vibrance = None,
    lut: Lut = None,
    stabilize: Annotated[float | None, Option(help="Steadiness, 0 (off) to 1.")] = None,
    no_stabilize: Annotated[bool, Option("--no-stabilize", help="Same as 0.")] = False,
    hints: Hints = None,
    reference: Reference = None,
    reference_strength: Annotated[float | None, Option(help="0 (none) to 1.")] = None,
    remember: Annotated[
        bool, Option("--remember", help="What comes again keeps its colours.")
    ] = False,
    keep_colour: Annotated[str | None, Option(metavar="A:B|auto", help="Frames to keep.")] = None,
    keyframes: Annotated[int | None, Option(help="Ask the network every N frames or more.")] = None,
    short_side: Annotated[int | None, Option(help="Of the network's picture, in pixels.")] = None,
    tiles: Tiles = None,
    batch_size: Annotated[int | None, Option(help="Frames the network sees at once.")] = None,
    fields: FieldOrders = None,
    deinterlace: Deinterlace = False,
    decoder: Annotated[str | None, Option(help="software, or a device: cuda, vaapi …")] = None,
    codec: Annotated[str | None, Option(help="h264, h265, av1, vp9, ffv1, prores …")] = None,
    crf: Annotated[float | None, Option(help="Quality; smaller is better and larger.")] = None,
    audio: Annotated[str | None, Option(help="Sound in another codec becomes aac, flac …")] = None,
    encoder_options: Annotated[str | None, Option(metavar="K=V[,K=V]")] = None,
    limits: Limits = None,
    strict: Annotated[bool, Option("--strict", help="Stop at the first damage.")] = False,
    report: Annotated[Path | None, Option(metavar="FILE.json", help="Write a report.")] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace TARGET.")] = False,
    no_resume: Annotated[bool, Option("--no-resume", help="Keep nothing to go on from.")] = False,
    work_dir: Annotated[Path | None, Option(help="For finished parts; else beside TARGET.")] = None,
    workers: Annotated[int, Option(min=1, max=64, help="Processes; 1 uses all cores too.")] = 1,
    cluster: Cluster = None,
    verify: Annotated[bool, Option("--verify", help="Compare TARGET with SOURCE after.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Print the plan, do nothing.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Only errors.")] = False,
    verbose: Annotated[bool, Option("--verbose", "-v", help="Stages and their speed.")] = False,
    version: Annotated[
        bool, Option("--version", is_eager=True, callback=lambda on: _version(on))
    ] = False,
) -> None:
    """Colour the film or photo SOURCE into the new file TARGET.

    Luma, timestamps, sound, subtitles and chapters are kept as they are.
    """
    interlacing = {"order": fields, "deinterlace": deinterlace or None}
    if no_stabilize and stabilize:
        raise UsageError("give either --stabilize or --no-stabilize")
    color = {
        "model": model,
        "device": device,
        "saturation": saturation,
        "reference_strength": reference_strength,
        "remember": remember or None,
        "stabilize": 0.0 if no_stabilize else stabilize,
        "keyframes": keyframes,
        "short_side": short_side,
        "tiles": tile_flags(tiles),
        "batch_size": batch_size,
    }
    encoder = {"codec": codec, "crf": crf, "options": encoder_options, "audio": audio}
    look = look_flags(warmth, tint, vibrance, lut)
    settings = build_settings(preset, config, color, encoder, interlacing, look)
    settings = with_keep(with_lists(settings, shots, hints, reference), keep_colour)
    if reference_strength is not None and not settings.references:
        raise UsageError("--reference-strength: of what --reference gives, which there is none")
    settings = with_range(settings, parse_range(frames, start, duration), overwrite=overwrite)
    settings = with_decoder(with_limits(settings, limits, strict=strict), decoder)
    settings = with_rate(settings, fps, sound)
    settings = settings.replace(resume=not no_resume, work_dir=work_dir)

    # Imported here so that --help need not wait for either, nor a film for what photos need.
    from vidcolor.photos.kinds import check_pair, is_photo_job

    if is_photo_job(source, target):
        from . import photo

        photo.refuse(source, context)
        photo.run_photo(source, target, settings, report, dry=dry_run, quiet=quiet)
        return
    check_pair(source, target)
    from . import job

    if dry_run:
        job.check_hands(workers, cluster, settings)
        print(job.describe_plan(source, target, settings, report))
    else:
        with job.open_hands(workers, cluster, settings) as hands:
            job.run_job(
                source, target, settings, report, verify, hands, quiet=quiet, verbose=verbose
            )


def _version(on: bool) -> None:
    if on:
        from vidcolor import __version__

        print(f"vidcolor {__version__}", file=sys.stdout)
        raise Exit
