"""Progress on stderr: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vidcolor.report import Progress

_EVERY = 10.0
"""Seconds between two plain lines."""

Shown = tuple[Callable[[Progress], None], Callable[[str], None]]


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Shown]:
    """Gives a function to call with each Progress, and one for warnings.

    Warnings are shown even when ``quiet``: they tell what the target lacks.
    """
    if quiet:
        yield (lambda progress: None), _warn
    elif sys.stderr.isatty():
        yield from _bar()
    else:
        yield from _lines()


class _Speed:
    """Frames a second since the first frame: loading the model says nothing of the time left."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def __call__(self, done: int) -> float:
        now = time.monotonic()
        if self._begun is None:
            self._begun, self._first = now, done
        return (done - self._first) / max(now - self._begun, 1e-3)


def _lines() -> Iterator[Shown]:
    speed_of = _Speed()
    last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        speed, now = speed_of(progress.done), time.monotonic()
        if now - last < _EVERY or not speed:
            return
        last = now
        line = f"{progress.done} frames, {speed:.1f} frames/s"
        if progress.total:
            left = max(progress.total - progress.done, 0) / speed
            line = f"{progress.done} of {progress.total} frames, {speed:.1f} frames/s, " + (
                f"{_clock(left)} left"
            )
        print(line, file=sys.stderr, flush=True)

    yield show, _warn


def _bar() -> Iterator[Shown]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]:.1f} frames/s"),
        TimeRemainingColumn(),
    )
    speed_of = _Speed()
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, speed=0.0)

        def show(progress: Progress) -> None:
            speed = speed_of(progress.done)
            total = None if progress.total is None else max(progress.total, progress.done)
            bar.update(task, completed=progress.done, total=total, speed=speed)

        yield show, lambda line: console.print(f"warning: {line}", markup=False, highlight=False)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
