"""``vidcolor PHOTO TARGET``: a photo instead of a film."""

from __future__ import annotations

from pathlib import Path

from typer import Context

from vidcolor.errors import UsageError
from vidcolor.look import check_luts
from vidcolor.models.blend import colorizer_for
from vidcolor.photos.job import check_photo_target, colorize_photo
from vidcolor.photos.read import read_photo
from vidcolor.settings import Settings
from vidcolor.textfile import write_text

from .progress import show_progress
from .reports import check_report

FILMS_ONLY = (
    "frames",
    "start",
    "duration",
    "fps",
    "sound",
    "shots",
    "stabilize",
    "no_stabilize",
    "keyframes",
    "fields",
    "deinterlace",
    "decoder",
    "codec",
    "crf",
    "audio",
    "encoder_options",
    "no_resume",
    "work_dir",
    "workers",
    "cluster",
    "verify",
    "remember",
    "strict",
    "batch_size",
)


def refuse(source: Path, context: Context) -> None:
    """Raise UsageError if an option was given that is for films alone."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in FILMS_ONLY
        if (origin := context.get_parameter_source(name)) and origin.name == "COMMANDLINE"
    ]
    if given:
        raise UsageError(f"{', '.join(given)}: only for films, and {source} is a photo")


def run_photo(
    source: Path, target: Path, settings: Settings, report: Path | None, *, dry: bool, quiet: bool
) -> None:
    """Colour the photo, or with ``dry`` tell what would be done."""
    if report is not None:
        check_report(report, source, target)
    with show_progress(quiet=quiet) as (_, note):
        if dry:
            kind = check_photo_target(target, source, overwrite=settings.overwrite)
            info = read_photo(source, settings.limits, note).info
            colorizer_for(settings.color, warn=note)
            check_luts(settings)
            size = f"{info.width}x{info.height}, {info.color.depth} bits"
            print(f"source    {source}: {info.codec} {size}")
            print(f"model     {settings.color.model}, tiles {settings.color.tiles}")
            print(f"target    {target}: {kind.lower()}")
            return
        result = colorize_photo(source, target, settings, warn=note)
    if report is not None:
        write_text(report, result.to_json(), "report")
    if not quiet:
        print(f"{target}: 1 photo, {result.seconds:.1f} s")
