"""Several models on the same photos and clips: their figures, and pictures to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SourceError
from vidcolor.evaluate.clips import is_clip, load_frames
from vidcolor.evaluate.hints import psnr_by_points
from vidcolor.evaluate.metrics import rgb_of
from vidcolor.evaluate.photos import (
    Case,
    PhotoScore,
    load_cases,
    mean_score,
    score,
    shown,
    summarise,
)
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import Settings
from vidcolor.train.photos import GREY_CHROMA

Float32 = NDArray[np.float32]

_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and how much of it.

    ``limit`` counts photos, and frames of each clip; ``hints`` measures colour points too;
    ``pictures`` keeps pictures to show; ``short_side`` is that of the picture the network sees.
    """

    limit: int | None = None
    hints: bool = False
    pictures: bool = False
    short_side: int = Settings().color.short_side


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo, or one frame of a clip, as JPEG files: grey, by each model, and the truth."""

    name: str
    grey: bytes
    coloured: tuple[bytes, ...]
    truth: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """One model's scores. ``label`` is what people call it, ``model`` says exactly what ran."""

    label: str
    model: dict[str, str]
    scores: tuple[PhotoScore, ...]

    @property
    def summary(self) -> dict[str, float]:
        """The means, see `vidcolor.evaluate.photos.summarise`."""
        return summarise(self.scores)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: ``model``, ``summary``, ``photos``, and ``clips`` where there were some."""
        photos = [item.to_dict() for item in self.scores if item.frames is None]
        clips = [item.to_dict() for item in self.scores if item.frames is not None]
        values = {"model": self.model, "summary": self.summary, "photos": photos}
        return {**values, "clips": clips} if clips else values


@dataclass(frozen=True, slots=True)
class Comparison:
    """One result for each model, with scores in the same order; ``shots`` too, if kept."""

    results: tuple[Result, ...]
    shots: tuple[Shot, ...]

    def to_json(self) -> str:
        """One model's result, or ``{"models": [...]}`` with those of several.

        The same models, photos and options on the same machine give the same text.
        """
        values = [item.to_dict() for item in self.results]
        return json.dumps(values[0] if len(values) == 1 else {"models": values}, indent=1)

    def to_text(self) -> str:
        """The summaries as a table: a line for each figure, a column for each model."""
        labels = [item.label for item in self.results]
        several = len(labels) > 1
        widths = [max(9, len(label) + 2) if several else 9 for label in labels]
        columns = [item.summary for item in self.results]
        head = "".join(f"{label:>{width}}" for label, width in zip(labels, widths, strict=True))
        lines = [" " * 24 + head] if several else []
        for name in columns[0]:
            cells = (f"{one[name]:{width}.3f}" for one, width in zip(columns, widths, strict=True))
            lines.append(f"{name.replace('_', ' '):<24}{''.join(cells)}")
        return "\n".join(lines)


def compare(
    models: Sequence[tuple[str, Colorizer]],
    sources: Sequence[Path],
    options: Options = Options(),
    progress: Callable[[int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Comparison:
    """Score every photo and every clip of ``sources`` with every model.

    ``models`` are labels and loaded networks, at least one. ``progress`` is told how many pictures
    are done, ``warn`` in one line what is amiss. Raises SourceError when there is nothing to
    measure or a source cannot be read, DeviceError when memory does not suffice.
    """
    warn = warn or (lambda line: None)
    colorizers = [colorizer for _, colorizer in models]
    scores: list[list[PhotoScore]] = []
    shots: list[Shot] = []
    done = 0
    for name, cases in _items(sources, options, warn):
        rows: list[list[PhotoScore]] = []
        shot: Shot | None = None
        worst = math.inf
        for case in cases:
            row, ab = _measure(case, colorizers, options)
            # Of a clip, the first model's worst frame is shown: that is where to look.
            if options.pictures and row[0].gain < worst:
                shot, worst = _shot(case, ab), row[0].gain
            rows.append(row)
            done += 1
            if progress is not None:
                progress(done)
        if name is not None:
            rows = [[mean_score(name, column) for column in zip(*rows, strict=True)]]
            if rows[0][0].true_chroma < GREY_CHROMA:
                # Every colour on it would count as wrong, and one such film would sway the means.
                warn(f"{name}: black and white, there is no true colour; left out")
                continue
        scores += rows
        if shot is not None:
            shots.append(shot)
    if not scores:
        raise SourceError("no colour in any of these clips to compare with; give colour ones")
    results = tuple(
        Result(label, colorizer.description, tuple(column))
        for (label, colorizer), column in zip(models, zip(*scores, strict=True), strict=True)
    )
    return Comparison(results, tuple(shots))


def label_models(models: Sequence[str]) -> list[str]:
    """Short names for models given as names or paths: as much of the path's end as differs."""
    paths = [Path(name).with_suffix("") for name in models]
    longest = max(len(path.parts) for path in paths)
    for depth in range(1, longest + 1):
        labels = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(labels)) == len(set(models)):
            return labels
    return list(models)


def _items(
    sources: Sequence[Path], options: Options, warn: Callable[[str], None]
) -> Iterator[tuple[str | None, Iterator[Case]]]:
    """The photos, each by itself and without a name, then the clips, each with all its frames."""
    photos = [path for path in sources if not is_clip(path)]
    if photos:
        for case in load_cases(photos, options.limit, options.short_side, warn):
            yield None, iter([case])
    for path in sources:
        if is_clip(path):
            yield path.name, load_frames(path, options.limit, options.short_side)


def _measure(
    case: Case, colorizers: Sequence[Colorizer], options: Options
) -> tuple[list[PhotoScore], list[Float32]]:
    """Each model's score and small ab (2, h, w)."""
    row, colours = [], []
    for colorizer in colorizers:
        ab = colorizer.colors(case.lightness[None])[0]
        points = psnr_by_points(colorizer, case, ab) if options.hints else None
        row.append(score(case, ab, points))
        colours.append(ab)
    return row, colours


def _shot(case: Case, colours: Sequence[Float32]) -> Shot:
    grey = rgb_of(case.lab[..., 0], np.zeros_like(case.lab[..., 1:]))
    coloured = tuple(_jpeg(shown(case, ab)[1]) for ab in colours)
    return Shot(case.name, _jpeg(grey), coloured, _jpeg(case.rgb))


def _jpeg(picture: Float32) -> bytes:
    pixels = np.rint(picture[..., ::-1] * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    return bytes(data)
