"""Progress on stderr: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from vidcolor.report import Progress, plural, visible

from .signals import heed

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from vidcolor.jobs.folder import Film
    from vidcolor.jobs.tally import Step

_EVERY = 10.0
"""Seconds between two plain lines."""

Shown = tuple[Callable[[Progress], None], Callable[[str], None]]


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Shown]:
    """Gives a function to call with each Progress, and one for warnings.

    Warnings are shown even when ``quiet``: they tell what the target lacks.
    """
    if quiet:
        yield (lambda progress: heed()), _warn
    elif sys.stderr.isatty():
        yield from _bar()
    else:
        yield from _lines()


@contextmanager
def show_steps(*, quiet: bool) -> Iterator[tuple[Callable[[Step], None], Callable[[str], None]]]:
    """As `show_progress`, of a batch: a line for each film that ends, and the time left.

    Those that fail are told of even when ``quiet``.
    """
    if quiet:
        yield _failure, _warn
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, soft_wrap=True)
    on_terminal = console.is_terminal
    columns = (BarColumn(), TextColumn("{task.description}", markup=False))
    last = time.monotonic()

    def say(line: str) -> None:
        with suppress(OSError):
            console.print(visible(line), markup=False, highlight=False)

    with _unbroken(Bar(*columns, console=console, transient=True, disable=not on_terminal)) as bar:
        task = bar.add_task("", total=1.0)

        def show(step: Step) -> None:
            nonlocal last
            heed()
            left = "" if step.left is None else f"; {_clock(step.left)} left"
            if step.progress is None:
                say(f"{step.number} of {step.films}: {_ending(step)}{left}")
            elif not on_terminal and time.monotonic() - last >= _EVERY:
                last = time.monotonic()
                say(f"{step.film.name}: {plural(step.progress.done, 'frame')}{left}")
            told = f"{step.number} of {plural(step.films, 'film')}{left}; {visible(step.film.name)}"
            with suppress(OSError):
                bar.update(task, completed=step.share, description=told)

        yield show, lambda line: say(f"warning: {line}")


def _failure(step: Step) -> None:
    heed()
    if step.film.state == "failed":
        _say(_ending(step))


def say_failed(films: Iterable[Film]) -> None:
    """A line for each of those ``films`` that have failed."""
    for film in films:
        if film.state == "failed":
            _say(_state(film))


def _state(film: Film) -> str:
    return f"{film.name}: {film.state}: {film.why}"


def _ending(step: Step) -> str:
    """What came of a film, in a line."""
    film, outcome = step.film, step.outcome
    if outcome is None or outcome.error is not None:
        return _state(film)
    count = len(outcome.warnings)
    warned = f", {plural(count, 'warning')}" if count else ""
    speed = outcome.frames_per_second
    return f"{film.name}: {plural(outcome.frames, 'frame')}, {speed:.1f} frames/s{warned}"


class _Speed:
    """Frames a second since the first frame: loading the model says nothing of the time left."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def __call__(self, progress: Progress, say: Callable[[str], None]) -> float:
        """Frames a second; ``say`` is told, with the first frame, where the work goes on."""
        now, done = time.monotonic(), progress.done
        if self._begun is None:
            self._begun, self._first = now, done
            if progress.resumed:
                say(f"goes on after {plural(progress.resumed, 'frame')} finished before")
        return (done - self._first) / max(now - self._begun, 1e-3)


def _lines() -> Iterator[Shown]:
    speed_of = _Speed()
    last: float | None = None

    def show(progress: Progress) -> None:
        nonlocal last
        heed()
        speed, now = speed_of(progress, _say), time.monotonic()
        # From the first frame on: what came before it says nothing of the speed.
        last = now if last is None else last
        if now - last < _EVERY or not speed:
            return
        last = now
        line = f"{plural(progress.done, 'frame')}, {speed:.1f} frames/s"
        if progress.total:
            left = max(progress.total - progress.done, 0) / speed
            line = f"{progress.done} of {progress.total} frames, {speed:.1f} frames/s, " + (
                f"{_clock(left)} left"
            )
        _say(line)

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
    with _unbroken(Bar(*columns, console=console, transient=True)) as bar:
        task = bar.add_task("", total=None, speed=0.0)

        def show(progress: Progress) -> None:
            heed()
            speed = speed_of(progress, lambda line: console.print(line, highlight=False))
            total = None if progress.total is None else max(progress.total, progress.done)
            with suppress(OSError):
                bar.update(task, completed=progress.done, total=total, speed=speed)

        def warn(line: str) -> None:
            with suppress(OSError):
                console.print(f"warning: {visible(line)}", markup=False, highlight=False)

        yield show, warn


@contextmanager
def _unbroken(bar: Bar) -> Iterator[Bar]:
    """A bar that is shown as long as there is a terminal to show it on."""
    with suppress(OSError):
        bar.start()
    try:
        yield bar
    finally:
        with suppress(OSError):
            bar.stop()


def _warn(line: str) -> None:
    _say(f"warning: {line}")


def _say(line: str) -> None:
    # The terminal may be gone, or the disk of a log full: no reason to end the work.
    with suppress(OSError):
        print(visible(line), file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
