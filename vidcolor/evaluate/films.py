"""How steady a clip is as the film pipeline colours it, beside the network frame by frame.

The truth, where there is one, and the clip left grey are measured along with the two: they tell
what a figure can be at best, and what of it colour has no part in.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.colorize import colorize
from vidcolor.evaluate import metrics
from vidcolor.evaluate.clips import load_frames
from vidcolor.evaluate.figures import FIGURES, VERSIONS, Figures, Steadiness, known
from vidcolor.evaluate.photos import CEILING, shown
from vidcolor.evaluate.steadiness import SPAN, Drift, Palette, known_mean
from vidcolor.evaluate.traces import JudgeFlow, Trace, Trail, own_trace
from vidcolor.flow import motion_size, single_threaded_cv2
from vidcolor.frames import ColoredFrame
from vidcolor.keyframes import LinkedFrame, keyed
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.plan import small_size
from vidcolor.scenes import find_cuts
from vidcolor.settings import Settings
from vidcolor.stabilize import stabilize

Float32 = NDArray[np.float32]
Look = Callable[[ColoredFrame, ColoredFrame], None]


@dataclass(slots=True)
class Tally:
    """How many frames went by, and about how many of them the network was asked."""

    frames: int = 0
    asked: int = 0

    def counted(self, frames: Iterable[LinkedFrame]) -> Iterator[LinkedFrame]:
        """Pass frames on, counting them."""
        for frame in frames:
            self.frames += 1
            self.asked += frame.key
            yield frame


def steady_clip(
    clip: Path, settings: Settings, colorizer: Colorizer, tally: Tally | None = None
) -> Generator[ColoredFrame]:
    """The frames of a clip with the small colours that `vidcolor.pipeline` gives them.

    The same stages in the same order, without its threads; a test holds the two together. With
    ``stabilize`` 0 every frame has the network's own colours. Raises what the stages raise.
    """
    info, color = probe(clip), settings.color
    with single_threaded_cv2(), closing(decode(info, settings.range)) as frames:
        small = find_cuts(frames, small_size(info, settings))
        linked = keyed(small, color.stabilize, color.keyframes)
        counted = (tally or Tally()).counted(linked)
        guessed = colorize(counted, colorizer, color.batch_size, info.quarter_turns)
        yield from stabilize(guessed, color.stabilize)


def measure_clip(
    clip: Path,
    colorizer: Colorizer,
    settings: Settings = Settings(),
    judge: JudgeFlow | None = None,
    *,
    truth: bool = True,
    look: Look | None = None,
) -> Steadiness:
    """Colour a clip both ways, and measure both, the truth, and the clip left grey.

    ``settings`` are those of the film; its range may name no more than an end frame. ``truth`` is
    whether the clip's own colours are true ones; without, there is neither PSNR nor a row for
    them. ``look`` is shown each frame, coloured alone and as in the film. Raises SourceError, and
    DeviceError when memory does not suffice.
    """
    info, end = probe(clip), settings.range.end_frame
    turns = info.quarter_turns
    height, width = small_size(info, settings)
    half = motion_size((width, height) if turns % 2 else (height, width))
    other = None if judge is None else (judge.valid.shape[2], judge.valid.shape[1])
    meters = {name: _Meter(half, other) for name in VERSIONS if truth or name != "truth"}
    tally, unsteady = Tally(), settings.replace("color", stabilize=0.0)
    motion = _Motion(judge)
    with (
        # Around both, which end in the order they began in: the second would put back what it saw.
        single_threaded_cv2(),
        closing(steady_clip(clip, unsteady, colorizer)) as alone,
        closing(steady_clip(clip, settings, colorizer, tally)) as film,
        closing(load_frames(clip, end, settings.color.short_side)) as cases,
    ):
        for one, two, case in zip(alone, film, cases, strict=True):
            if look is not None:
                look(one, two)
            traces = motion.to(case.lightness, two.cut)
            colours = {"frame by frame": one.ab, "film": two.ab}
            for name, meter in meters.items():
                if name in colours:
                    small = np.rot90(colours[name], turns, axes=(1, 2))
                    ab, picture = shown(case, np.ascontiguousarray(small))
                elif name == "truth":
                    ab, picture = case.lab[..., 1:], case.rgb
                else:
                    ab = np.zeros_like(case.lab[..., 1:])
                    picture = metrics.rgb_of(case.lab[..., 0], ab)
                compared = case.rgb if truth and name != "truth" else None
                meter.add(ab, picture, compared, cut=two.cut, traces=traces)
    figures = {name: meter.figures for name, meter in meters.items()}
    return Steadiness(clip.name, tally.frames, tally.asked, figures)


@dataclass(frozen=True, slots=True)
class _Traces:
    """From a frame to the last one and over the long range: our own, and the judge's."""

    near: Trace | None
    far: Trace | None
    told: Trace | None
    told_far: Trace | None


class _Motion:
    """The traces of a film's frames, one frame after the other."""

    def __init__(self, judge: JudgeFlow | None) -> None:
        self._steps = iter(() if judge is None else judge.traces())
        self._own, self._judged = Trail(SPAN), Trail(SPAN)
        self._last: Float32 | None = None

    def to(self, lightness: Float32, cut: bool) -> _Traces:
        near = told = None
        if self._last is not None:
            near = None if cut else own_trace(self._last, lightness)
            told = next(self._steps, None)
        self._last = lightness
        return _Traces(near, self._own.add(near), told, self._judged.add(told))


class _Meter:
    """Gathers the figures of one version. Sizes are (w, h): of our own flow, and of the judge's."""

    def __init__(self, own: tuple[int, int], judge: tuple[int, int] | None) -> None:
        self._own_size, self._judge_size = own, judge
        self._own, self._judged, self._palette = Drift(), Drift(), Palette()
        self._vivid: list[float] = []
        self._psnr: list[float] = []

    def add(
        self, ab: Float32, picture: Float32, truth: Float32 | None, *, cut: bool, traces: _Traces
    ) -> None:
        """Take the next frame: its ab (h, w, 2), its R'G'B' and, to compare with, the true one."""
        self._own.add(_area(ab, self._own_size), traces.near, traces.far)
        if self._judge_size is not None:
            self._judged.add(_area(ab, self._judge_size), traces.told, traces.told_far)
        self._palette.add(picture, cut=cut)
        self._vivid.append(metrics.colorfulness(picture))
        if truth is not None:
            self._psnr.append(min(CEILING, metrics.psnr(picture, truth)))

    @property
    def figures(self) -> Figures:
        """Those of `FIGURES` that could be measured."""
        errors = (self._judged.near, self._judged.far, self._own.near, self._own.far)
        rest = (self._palette.cdc, known_mean(self._vivid), known_mean(self._psnr))
        return known(dict(zip(FIGURES, (*errors, *rest), strict=True)))


def _area(ab: Float32, size: tuple[int, int]) -> Float32:
    return np.asarray(cv2.resize(ab, size, interpolation=cv2.INTER_AREA), np.float32)
