"""Several models on the same photos and clips: their figures, and pictures to look at.

Of clips it is also measured how steady their colours are; see `vidcolor.evaluate.films`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import UsageError
from vidcolor.evaluate.clips import is_clip, load_frames
from vidcolor.evaluate.figures import Steadiness
from vidcolor.evaluate.films import Look, measure_clip
from vidcolor.evaluate.flicker import FlickerVideo
from vidcolor.evaluate.hints import psnr_by_points
from vidcolor.evaluate.metrics import rgb_of
from vidcolor.evaluate.photos import (
    Case,
    PhotoScore,
    load_cases,
    mean_score,
    score,
    shown,
)
from vidcolor.evaluate.results import Comparison, Result, Shot
from vidcolor.evaluate.traces import find_flow, load_judge
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import RangeSettings, Settings
from vidcolor.stills import jpeg
from vidcolor.train.photos import GREY_CHROMA, PhotoSet

Float32 = NDArray[np.float32]

_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and how much of it.

    ``limit`` counts photos, and frames of each clip; ``hints`` measures colour points too;
    ``pictures`` keeps pictures to show; ``short_side`` is that of the picture the network sees.
    ``flow`` is another party's flow to judge clips by, see `vidcolor.evaluate.traces.find_flow`;
    ``flicker`` a video to write of the one clip, see `vidcolor.evaluate.flicker`.
    """

    limit: int | None = None
    hints: bool = False
    pictures: bool = False
    short_side: int = Settings().color.short_side
    flow: Path | None = None
    flicker: Path | None = None

    @property
    def settings(self) -> Settings:
        """Those with which clips are coloured as films."""
        crop = RangeSettings(end_frame=self.limit)
        return replace(Settings(), range=crop).replace("color", short_side=self.short_side)


def compare(
    models: Sequence[tuple[str, Colorizer]],
    sources: Sequence[Path] | PhotoSet,
    options: Options = Options(),
    progress: Callable[[int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Comparison:
    """Score every photo and every clip of ``sources``, or of a set, with every model.

    ``models`` are labels and loaded networks, at least one. ``progress`` is told how many pictures
    are done, ``warn`` in one line what is amiss. Raises SourceError when there is nothing to
    measure or a source cannot be read, DeviceError when memory does not suffice; UsageError and
    TargetError for a flow or a video that do not fit.
    """
    warn = warn or (lambda line: None)
    clips = [] if isinstance(sources, PhotoSet) else [path for path in sources if is_clip(path)]
    if options.flow is not None and not clips:
        raise UsageError("--flow is what clips are judged by, and there is none; give a clip")
    flows = {clip: find_flow(options.flow, clip, len(clips), warn) for clip in clips}
    colorizers = [colorizer for _, colorizer in models]
    scores: list[list[PhotoScore]] = []
    steady: list[list[Steadiness]] = []
    shots: list[Shot] = []
    done = 0
    with ExitStack() as stack:
        look = _open_flicker(options.flicker, clips, len(models), stack)
        for clip, cases in _items(sources, options, warn):
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
            if clip is not None:
                rows = [[mean_score(clip.name, column) for column in zip(*rows, strict=True)]]
                # Every colour on a grey film would count as wrong, and one would sway the means.
                true = rows[0][0].true_chroma >= GREY_CHROMA
                flow = flows[clip]
                judge = None if flow is None else load_judge(flow)
                steady.append(
                    [
                        measure_clip(clip, one, options.settings, judge, truth=true, look=look)
                        for one in colorizers
                    ]
                )
                if not true:
                    warn(f"{clip.name}: black and white, no true colour; only its steadiness")
                    continue
            scores += rows
            if shot is not None:
                shots.append(shot)
    results = tuple(
        Result(
            label,
            colorizer.description,
            tuple(row[at] for row in scores),
            tuple(row[at] for row in steady),
        )
        for at, (label, colorizer) in enumerate(models)
    )
    return Comparison(results, tuple(shots))


def label_models(models: Sequence[str]) -> list[str]:
    """Short names for models given as names or paths: as much of the path's end as differs.

    A blend keeps its name: the end of it says little.
    """
    paths = [Path(name).with_suffix("") for name in models]
    longest = max(len(path.parts) for path in paths)
    for depth in range(1, longest + 1):
        labels = [
            name if "+" in name else "/".join(path.parts[-depth:])
            for name, path in zip(models, paths, strict=True)
        ]
        if len(set(labels)) == len(set(models)):
            return labels
    return list(models)


def _items(
    sources: Sequence[Path] | PhotoSet, options: Options, warn: Callable[[str], None]
) -> Iterator[tuple[Path | None, Iterator[Case]]]:
    """The photos, each by itself and without a path, then the clips, each with all its frames."""
    paths = () if isinstance(sources, PhotoSet) else sources
    photos = sources if isinstance(sources, PhotoSet) else [p for p in paths if not is_clip(p)]
    if photos:
        for case in load_cases(photos, options.limit, options.short_side, warn):
            yield None, iter([case])
    for path in paths:
        if is_clip(path):
            yield path, load_frames(path, options.limit, options.short_side)


def _open_flicker(
    target: Path | None, clips: Sequence[Path], models: int, stack: ExitStack
) -> Look | None:
    """What is to be shown the frames, if a video of them is wanted; ``stack`` finishes the file."""
    if target is None:
        return None
    if len(clips) != 1 or models != 1:
        raise UsageError("--flicker shows one clip by one model; give one of each")
    return stack.enter_context(FlickerVideo(target, clips[0])).add


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
    return jpeg(np.rint(picture * 255).astype(np.uint8), _QUALITY)
