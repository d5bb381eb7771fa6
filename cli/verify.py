"""``vidcolor verify SOURCE TARGET``, and what ``--verify`` does after a job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from vidcolor.errors import VerificationError
from vidcolor.settings import Settings

from .flags import Deinterlace, Duration, FieldOrders, Fps, Limits, Sound, Start
from .options import parse_range, with_limits, with_range, with_rate
from .progress import show_progress

if TYPE_CHECKING:
    from vidcolor.verify import Verification


def verify(
    source: Annotated[Path, Argument(help="The film as it was.", metavar="SOURCE")],
    target: Annotated[Path, Argument(help="The film made of it.", metavar="TARGET")],
    frames: Annotated[
        str | None, Option(metavar="A:B", help="TARGET holds only these of SOURCE.")
    ] = None,
    start: Start = None,
    duration: Duration = None,
    fps: Fps = None,
    sound: Sound = None,
    fields: FieldOrders = None,
    deinterlace: Deinterlace = False,
    limits: Limits = None,
    lossless: Annotated[
        bool, Option("--lossless", help="Every luma sample must be the same, in any codec.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="For programs.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """Compare TARGET with SOURCE: is all but the colour as it was?

    Reads both films through. Ends with exit code 7 if anything was changed or lost.
    """
    settings = with_range(Settings(), parse_range(frames, start, duration), overwrite=False)
    settings = with_limits(with_rate(settings, fps, sound), limits, strict=False)
    wanted = {"order": fields} if fields is not None else {}
    settings = settings.replace("fields", deinterlace=deinterlace, **wanted)
    found = check(source, target, settings, lossless=lossless or None, quiet=quiet, alone=True)
    if as_json:
        print(found.to_json())
    elif not quiet:
        print(found.to_text())
    _raise_unless_passed(found)


def check(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    lossless: bool | None = None,
    quiet: bool,
    alone: bool = False,
) -> Verification:
    """Compare two films, showing progress on stderr. ``alone``: nobody was warned of them yet."""
    from vidcolor.media.faults import reading
    from vidcolor.media.series import as_source
    from vidcolor.plan import untold_rate
    from vidcolor.verify import verify as compare

    with show_progress(quiet=quiet) as (progress, warn):
        if alone:
            with reading(source, "cannot be opened"):
                for line in untold_rate(as_source(source), settings):
                    warn(line)
        return compare(
            source,
            target,
            settings.range,
            rate=settings.rate,
            sound=settings.sound,
            limits=settings.limits,
            fields=settings.fields,
            lossless=lossless,
            progress=progress,
        )


def tell(found: Verification, *, quiet: bool) -> None:
    """One line on stdout, or the checks that failed on stderr and a VerificationError."""
    if found.passed and not quiet:
        print(found.summary())
    for failure in found.failures:
        print(failure, file=sys.stderr)
    _raise_unless_passed(found, "; the target was left where it is")


def _raise_unless_passed(found: Verification, then: str = "") -> None:
    if not found.passed:
        names = ", ".join(failure.name for failure in found.failures)
        raise VerificationError(f"{found.target}: not as in {found.source}: {names}{then}")
