"""How steady the colours of a film are, and what steadiness cost.

Always read them together: the errors along the motion fall when colours fade, which colourfulness
shows, and when they are smeared, which PSNR against a truth shows. CDC sees neither motion nor
place, and has a floor that no colours can get below: it counts R'G'B', which moves with the film's
own luma. So what the film scores when left grey, and what the truth scores, belong beside it; the
truth itself may lie above what one would wish for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vidcolor.evaluate.traces import JudgeFlow, Trace, Trail
from vidcolor.flow import warp

Float32 = NDArray[np.float32]

SPAN = 10
"""Frames between the two that the long-range error compares."""
LAGS = (1, 2, 4)
"""Frames between the two whose colours CDC compares."""
_LEAST = 0.01
"""Share of a picture that must be visible in both frames: of a few pixels a mean says nothing."""


def trace_error(before: Float32, now: Float32, trace: Trace) -> float:
    """Mean distance, in a*b* units, of ``now`` from ``before`` moved along the trace.

    Both are (h, w, 2) ab pictures of the trace's size. NaN where next to nothing is visible in
    both.
    """
    if np.count_nonzero(trace.valid) < _LEAST * trace.valid.size:
        return float("nan")
    return float(np.linalg.norm(warp(before, trace.flow) - now, axis=2)[trace.valid].mean())


def warp_error(ab: Sequence[Float32], judge: JudgeFlow) -> float:
    """Mean distance, in a*b* units, between each frame's ab and the last one's moved onto it.

    ``ab`` are (h, w, 2) pictures of the judge's size; frames the judge does not know do not count.
    After Lai et al., "Learning Blind Video Temporal Consistency" (ECCV 2018), on ab instead of
    RGB, over non-occluded pixels. NaN if there are none.
    """
    steps = zip(pairwise(ab), judge.traces(), strict=False)
    return known_mean(trace_error(before, now, trace) for (before, now), trace in steps)


def long_range_error(ab: Sequence[Float32], judge: JudgeFlow, span: int = SPAN) -> float:
    """As `warp_error`, but between each frame and the one ``span`` frames before.

    The judge's flows are joined, see `join`. NaN if no frame has one so far before it.
    """
    trail, drift = Trail(span), Drift(span)
    for picture, trace in zip(ab, [None, *judge.traces()], strict=False):
        drift.add(picture, trace, trail.add(trace))
    return drift.far


class Drift:
    """Both errors of one version of a film's colours; remembers no more than ``span`` frames."""

    def __init__(self, span: int = SPAN) -> None:
        self._latest: deque[Float32] = deque(maxlen=span + 1)
        self._near: list[float] = []
        self._far: list[float] = []

    def add(self, ab: Float32, near: Trace | None, far: Trace | None) -> None:
        """Take the next frame's ab (h, w, 2), its trace to the frame before, and over the span."""
        self._latest.append(ab)
        if near is not None:
            self._near.append(trace_error(self._latest[-2], ab, near))
        if far is not None:
            self._far.append(trace_error(self._latest[0], ab, far))

    @property
    def near(self) -> float:
        """The warp error so far."""
        return known_mean(self._near)

    @property
    def far(self) -> float:
        """The long-range error so far."""
        return known_mean(self._far)


def cdc(pictures: Iterable[Float32], cuts: Collection[int] = ()) -> float:
    """Colour distribution consistency of R'G'B' pictures (h, w, 3), 0 … 1; 0 is steadiest.

    Liu et al., "Temporally Consistent Video Colorization with Deep Feature Propagation and
    Self-regularization Learning" (2021): the Jensen-Shannon divergence, in nats, between the
    histograms of two frames, of 256 bins for each channel; the mean over channels and pairs of
    frames, and over the distances 1, 2 and 4. Pairs on both sides of a cut (the numbers of the
    frames that begin a shot) do not count. NaN without a pair.

    It falls when colours fade, and can fall no lower than the film's luma lets it: see the module.
    """
    palette = Palette()
    for number, picture in enumerate(pictures):
        palette.add(picture, cut=number in cuts)
    return palette.cdc


class Palette:
    """The histograms of a film's last frames, and how they differ; see `cdc`."""

    def __init__(self) -> None:
        self._latest: deque[NDArray[np.float64]] = deque(maxlen=max(LAGS))
        self._unlike: dict[int, list[float]] = {lag: [] for lag in LAGS}

    def add(self, picture: Float32, *, cut: bool = False) -> None:
        """Take the next picture; ``cut`` where it begins a shot."""
        if cut:
            self._latest.clear()
        codes = np.rint(picture * 255).astype(np.uint8)
        counts = [np.bincount(codes[..., c].ravel(), minlength=256) for c in range(3)]
        now = np.stack(counts) / codes[..., 0].size
        for lag, values in self._unlike.items():
            if lag <= len(self._latest):
                values.append(_divergence(self._latest[-lag], now))
        self._latest.append(now)

    @property
    def cdc(self) -> float:
        """CDC so far; distances without a pair do not count."""
        return known_mean([known_mean(values) for values in self._unlike.values()])


def _divergence(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The mean over rows of the Jensen-Shannon divergence of two distributions, in nats."""
    middle = (one + other) / 2
    total = 0.0
    for side in (one, other):
        there = side > 0
        total += float(np.sum(side[there] * np.log(side[there] / middle[there])))
    return total / 2 / len(one)


def known_mean(values: Iterable[float]) -> float:
    """The mean of those that are not NaN; NaN if there are none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
