"""Running one job with its progress, and telling what it will do or did."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

from vidcolor.chunkwork import Hands
from vidcolor.job import colorize_video
from vidcolor.plan import plan_video
from vidcolor.report import Report, plural, visible
from vidcolor.settings import SOFTWARE, Settings
from vidcolor.textfile import TextFile

from .options import check_one
from .progress import show_progress
from .reports import check_report
from .verify import check, tell


def check_hands(workers: int, cluster: str | None, settings: Settings) -> None:
    """Raise UsageError for what `open_hands` and a job with these would."""
    check_one(workers, cluster)
    if cluster is not None or workers > 1:
        from vidcolor.job import check_shared

        check_shared(settings)


def open_hands(
    workers: int, cluster: str | None, settings: Settings
) -> AbstractContextManager[Hands | None]:
    """Who does the chunks of a film: several processes, a cluster's, or (None) this one alone."""
    if cluster is not None:
        from vidcolor.jobs.cluster import Cluster

        check_one(workers, cluster)
        return Cluster(cluster, settings.color.device)
    if workers > 1:
        from vidcolor.jobs.pool import Pool

        return Pool(workers)
    return nullcontext()


def run_job(
    source: Path,
    target: Path,
    settings: Settings,
    report: Path | None,
    verified: bool,
    hands: Hands | None = None,
    *,
    quiet: bool,
    verbose: bool,
) -> None:
    """Colour the film, showing progress on stderr and the outcome on stdout.

    Raises VerificationError, after all else is done, if the target is ``verified`` and fails.
    """
    with ExitStack() as stack:
        told = None
        if report is not None:
            check_report(report, source, target)
            # Opened before the work: nobody should learn after a night that it cannot be written.
            told = stack.enter_context(TextFile(report))
        with show_progress(quiet=quiet) as (progress, note):
            result = colorize_video(
                source, target, settings, progress=progress, warn=note, hands=hands
            )
        found = None
        if verified:
            found = check(source, target, settings, quiet=quiet)
            result = dataclasses.replace(result, verification=found.to_dict())
        if told is not None:
            told.write(result.to_json())
    if not quiet:
        print(_outcome(result))
    if verbose:
        print(_stages(result))
    if found is not None:
        tell(found, quiet=quiet)


def describe_plan(source: Path, target: Path, settings: Settings, report: Path | None) -> str:
    """What a job would do, for reading."""
    if report is not None:
        check_report(report, source, target)
    plan = plan_video(source, target, settings)
    info = plan.info
    count = "an unknown number of" if plan.frames is None else str(plan.frames)
    lines = [
        f"source    {info.path}: {info.codec} {info.width}x{info.height} {info.pixel_format}, "
        f"{info.color.matrix} {'full' if info.color.full_range else 'limited'} range",
        f"frames    {count}, seen by the network at {plan.size[1]}x{plan.size[0]}",
        f"model     {settings.color.model} on {plan.device}",
        f"colour    saturation {settings.color.saturation:g}, "
        f"stabilize {settings.color.stabilize:g}",
        f"target    {target}: {plan.codec} {plan.pixel_format} "
        + " ".join(f"{key}={value}" for key, value in plan.encoder_options.items()),
    ]
    if plan.decoder != SOFTWARE:
        lines.insert(1, f"decoder   {plan.decoder}")
    if settings.shots is not None:
        lines.append(f"shots     by the list, which has {len(settings.shots)}")
    lines += [f"copied    {line}" for line in plan.copied]
    lines += [f"warning   {line}" for line in plan.warnings]
    return "\n".join(lines)


def _outcome(result: Report) -> str:
    speed = result.frames_per_second
    length = f"{plural(result.frames, 'frame')}, {plural(result.cuts + 1, 'shot')}"
    return f"{visible(result.target)}: {length}, {result.seconds:.1f} s, {speed:.1f} frames/s"


def _stages(result: Report) -> str:
    rows = [f"  {name:<22}{spent:8.2f} s" for name, spent in result.stages.items()]
    model = ", ".join(f"{key} {value[:16]}" for key, value in result.model.items())
    return "\n".join([*rows, f"  {model}"])
