"""The long work that a page may order: to find the shots, to make a clip, to colour the film."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from vidcolor.errors import UsageError
from vidcolor.job import colorize_video
from vidcolor.preview.clip import make_clip
from vidcolor.preview.columns import Column
from vidcolor.references import Reference
from vidcolor.report import plural
from vidcolor.settings import RangeSettings, Settings
from vidcolor.shots import ShotList
from vidcolor.studio.film import OpenFilm
from vidcolor.studio.pictures import Pictures
from vidcolor.studio.work import Shown
from vidcolor.survey import find_shots

CLIP = Fraction(10)
"""Seconds of a shot that a clip shows, at most."""
WIDTH = 1280
"""Of a clip, in pixels, at most."""

Order: TypeAlias = Callable[[Shown], tuple[str, Any]]
"""The work itself, which tells how it goes; it gives a line to read and its result."""


def shots(film: OpenFilm, settings: Settings, found: Callable[[ShotList], None]) -> Order:
    """Find the shots of the film; ``found`` is told of them."""

    def do(shown: Shown) -> tuple[str, Any]:
        survey = find_shots(film.path, settings, progress=shown.progress, warn=shown.warn)
        listed = survey.to_list()
        found(listed)
        return f"{len(listed.shots)} shots", None

    return do


def clip(
    film: OpenFilm,
    pictures: Pictures,
    settings: Settings,
    frame: int,
    target: Path,
    *,
    split: bool,
) -> Order:
    """Make a clip, as `vidcolor.preview.clip.make_clip`, of the shot of ``frame``, or of a part of
    it. Raises UsageError for a frame that is not there."""
    first, end = clip_range(film, settings.shots or (0,), frame)
    start = film.time(first)
    crop = RangeSettings(start=start, duration=film.time(end) - start)
    # In a range shots count from its start; these stills are for the one there is.
    stills = pictures.references_of(frame, settings)
    everywhere = tuple(Reference(item.path, item.sha256) for item in stills)
    hints = pictures.hints_of(frame, settings)
    inside = tuple(hint for hint in hints if first <= (hint.frame or 0) < end)
    settings = settings.replace(range=crop, references=everywhere, hints=inside)

    def do(shown: Shown) -> tuple[str, Any]:
        if left := len(hints) - len(inside):
            shown.warn(f"hints on frames outside of this clip, left out of it: {left}")
        count = make_clip(
            film.path,
            target,
            [Column("", settings)],
            split=split,
            width=WIDTH,
            progress=shown.progress,
            warn=shown.warn,
        )
        return plural(count, "frame"), {"first": first, "end": end, "split": split}

    return do


def film(source: Path, target: Path, settings: Settings) -> Order:
    """Colour the film."""

    def do(shown: Shown) -> tuple[str, Any]:
        report = colorize_video(
            source,
            target,
            settings,
            progress=shown.progress,
            warn=shown.warn,
            following=lambda progress: shown.progress(progress, "follow"),
        )
        speed = f"{report.frames_per_second:.1f} frames/s"
        done = f"{target.name}: {plural(report.frames, 'frame')}, {report.seconds:.1f} s, {speed}"
        return done, {"name": target.name}

    return do


def clip_range(film: OpenFilm, starts: tuple[int, ...], frame: int) -> tuple[int, int]:
    """The frames (half-open) of the shot of ``frame``, or those of it that a clip shows."""
    if not 0 <= frame < film.frames:
        raise UsageError(f"frame {frame}: after the film's end")
    first = max(start for start in starts if start <= frame)
    end = min((start for start in starts if start > frame), default=film.frames)
    end = min(end, film.frames)
    if film.time(end) - film.time(first) <= CLIP:
        return first, end
    latest = film.number_at(film.time(end) - CLIP)
    first = min(max(first, film.number_at(film.time(frame) - CLIP / 2)), latest)
    return first, min(end, film.number_at(film.time(first) + CLIP))
