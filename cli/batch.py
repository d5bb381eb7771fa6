"""``vidcolor batch SOURCE_DIR TARGET_DIR``: folders of films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from vidcolor.errors import UsageError
from vidcolor.report import visible

from .flags import Cluster, Config, Device, Limits, Model, Preset
from .options import build_settings, check_one, with_limits, with_rate
from .progress import say_failed, show_steps
from .reports import check_report


def batch(
    source: Annotated[Path, Argument(help="A folder of films.", metavar="SOURCE_DIR")],
    target: Annotated[Path, Argument(help="Made where it is missing.", metavar="TARGET_DIR")],
    pattern: Annotated[
        list[str] | None,
        Option(metavar="GLOB", help="Only these, as '**/*.avi'; may be repeated."),
    ] = None,
    photos: Annotated[bool, Option("--photos", help="Photos instead of films.")] = False,
    preset: Preset = "default",
    config: Config = None,
    model: Model = None,
    device: Device = None,
    fps: Annotated[
        str | None, Option(metavar="RATE", help="Folders of numbered pictures are films too.")
    ] = None,
    workers: Annotated[int, Option(min=1, max=64, help="Films at once.")] = 1,
    cluster: Cluster = None,
    limits: Limits = None,
    retry_failed: Annotated[
        bool, Option("--retry-failed", help="Also what failed the last time.")
    ] = False,
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace targets that were not made by a batch.")
    ] = False,
    watch: Annotated[
        bool, Option("--watch", help="Go on until Ctrl-C, and take new films as they come.")
    ] = False,
    report: Annotated[
        Path | None, Option(metavar="DIR", help="Write report.html and report.json there.")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Print the report, for programs.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Print the plan, do nothing.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Only warnings and errors.")] = False,
) -> None:
    """Colour all films (or photos) under SOURCE_DIR into the same places under TARGET_DIR.

    What is done already is skipped. Settings for one film may stand in film.toml beside it, those
    for a folder in its vidcolor.toml, in the form of --config; they come before these options.
    """
    settings = build_settings(preset, config, {"model": model, "device": device}, {})
    settings = with_limits(settings.replace(overwrite=overwrite), limits, strict=False)
    settings = with_rate(settings, fps)
    check_one(workers, cluster)
    if photos and fps is not None:
        raise UsageError("--fps: only for films, and --photos asks for photos")

    # Imported here so that --help need not wait for OpenCV.
    from vidcolor.jobs.found import Batch
    from vidcolor.jobs.run import Clock, look, run_batch
    from vidcolor.jobs.tally import Step

    for kind in ("html", "json"):
        if report is not None and report.is_dir():
            check_report(report / f"report.{kind}")
    asked = Batch(source, target, settings, tuple(pattern or ()), retry_failed, photos)
    with show_steps(quiet=quiet) as (tell, warn):
        if dry_run:
            for film in look(asked, warn):
                why = f" ({film.why})" if film.why else ""
                print(visible(f"{film.state:<7} {film.name} -> {film.output}{why}"))
            return
        clock, named = Clock() if watch else None, set[str]()

        def show(step: Step) -> None:
            tell(step)
            if step.film.state == "failed":
                named.add(step.film.name)

        summary = run_batch(
            asked,
            workers=workers,
            cluster=cluster,
            report=report,
            watch=clock,
            tell=show,
            warn=warn,
        )
    if as_json:
        print(summary.to_json())
    elif not quiet:
        print(summary.to_text())
    else:
        # What could not even be begun: the others were named when they ended.
        say_failed(film for film in summary.films if film.name not in named)
    summary.check()
