"""``vidcolor shots FILE``: where the shots of a film begin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from vidcolor.errors import TargetExistsError
from vidcolor.settings import Settings

from .flags import Duration, Fps, Frames, Limits, Start
from .options import parse_range, with_limits, with_range, with_rate
from .progress import show_progress
from .reports import check_place


def shots(
    file: Annotated[Path, Argument(help="The film.", metavar="FILE")],
    output: Annotated[
        Path | None, Option(metavar="FILE.json", help="Write a shot list, to edit and use.")
    ] = None,
    frames: Frames = None,
    start: Start = None,
    duration: Duration = None,
    fps: Fps = None,
    limits: Limits = None,
    as_json: Annotated[bool, Option("--json", help="Print the list, not a table.")] = False,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace the list.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Find where the shots of FILE begin.

    The list that --output writes may be corrected by hand; vidcolor FILE TARGET --shots FILE.json
    then goes by it.
    """
    settings = with_range(Settings(), parse_range(frames, start, duration), overwrite=overwrite)
    settings = with_limits(with_rate(settings, fps), limits, strict=False)
    if output is not None:
        check_place(output, file)
        if output.exists() and not overwrite:
            raise TargetExistsError(f"{output}: exists already; give --overwrite to replace it")

    from vidcolor.shots import write_shots
    from vidcolor.survey import find_shots

    with show_progress(quiet=quiet) as (progress, note):
        found = find_shots(file, settings, progress=progress, warn=note)
        if output is not None:
            write_shots(output, found.to_list())
            if not settings.range.whole:
                note(f"{output}: holds the shots of this range; the rest was not looked at")
    print(found.to_list().to_json() if as_json else found.to_text())
