"""Whether what a later shot shows again has the colours it had: clips cut in two, others between.

    python benchmarks/returns.py --clips FOLDER --flows FOLDER [--model default]

Of every clip that has a flow file (``NAME.npz``) the first half of the frames is one shot, and
after a shot of the next clip the second half is another, as it is or as a close-up: the middle 60 %
of the picture, whose place is known. Told is the difference in a*b* units between the last frame
before and the first after, along the given flow, where both show the same; and the RMS distance of
the later shot's colours from the true ones. Once as the film pipeline does by default, once with
``remember``; beside them the difference where the film was not cut at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.colorize import colorize
from vidcolor.evaluate.clips import load_frames
from vidcolor.evaluate.photos import Case
from vidcolor.evaluate.traces import JudgeFlow, load_judge
from vidcolor.flow import single_threaded_cv2, warp
from vidcolor.frames import ColorSpec, Frame, SmallFrame
from vidcolor.guide.survey import Wishes, make_guide
from vidcolor.keyframes import keyed
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.features import Features
from vidcolor.settings import Settings
from vidcolor.stabilize import stabilize

Float32 = NDArray[np.float32]

_CLOSE = 0.6
"""Share of the picture's sides that a close-up shows."""


def middle(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The part (h, w, …) that a close-up shows."""
    height, width = picture.shape[:2]
    top, left = (round(side * (1 - _CLOSE) / 2) for side in (height, width))
    return picture[top : height - top, left : width - left]


def close_up(case: Case) -> Float32:
    """The lightness (h, w) of a close-up of a frame."""
    height, width = case.lightness.shape
    found = cv2.resize(middle(case.lab[..., 0]), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(found, np.float32)


def film(shots: Sequence[Sequence[Float32]]) -> list[SmallFrame]:
    """A film of shots, each of lightness images (h, w)."""
    frames, nothing = list[SmallFrame](), np.zeros((2, 2), np.uint8)
    spec = ColorSpec("bt709", False, 8)
    for shot in shots:
        for number, lightness in enumerate(shot):
            frame = Frame(len(frames), len(frames), 1, nothing, spec)
            frames.append(SmallFrame(frame, lightness, number == 0))
    return frames


def coloured(
    frames: list[SmallFrame], colorizer: Colorizer, features: Features, *, remember: bool
) -> list[Float32]:
    """Each frame's ab (2, h, w), as the film pipeline gives it."""
    color = Settings().color
    linked = keyed(iter(frames), color.stabilize, color.keyframes)
    wishes = Wishes((), remember=remember)
    with make_guide(
        lambda: iter(frames), wishes, color.short_side, colorizer, print, features
    ) as guide:
        guessed = colorize(guide.told(linked), colorizer, color.batch_size)
        return [item.ab for item in stabilize(guessed, color.stabilize)]


def apart(before: Float32, after: Float32, judge: JudgeFlow, step: int, *, close: bool) -> float:
    """Mean ab distance between two frames' colours (2, h, w) where they show the same."""
    flow, valid = judge.flow[step], judge.valid[step]
    height, width = valid.shape
    one = warp(_planes(before, (width, height)), flow)
    if close:
        one, valid = middle(one), middle(valid)
        height, width = valid.shape
    distance = np.linalg.norm(one - _planes(after, (width, height)), axis=2)
    return float(distance[valid].mean())


def _planes(ab: Float32, size: tuple[int, int]) -> Float32:
    return np.asarray(cv2.resize(ab.transpose(1, 2, 0), size), np.float32)


def error(colours: Sequence[Float32], cases: Sequence[Case], *, close: bool) -> float:
    """RMS ab distance of frames' colours (2, h, w) from the true ones."""
    squares = []
    for ab, case in zip(colours, cases, strict=True):
        truth = middle(case.lab[..., 1:]) if close else case.lab[..., 1:]
        found = _planes(ab, truth.shape[1::-1])
        squares.append(np.square(found - truth).sum(axis=2).mean())
    return float(np.sqrt(np.mean(squares)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--flows", type=Path, required=True)
    parser.add_argument("--model", default="default")
    chosen = parser.parse_args()
    colorizer, features = Colorizer(chosen.model, "cpu"), Features()
    clips = []
    for path in sorted(chosen.flows.glob("*.npz")):
        judge = load_judge(path)
        cases = list(load_frames(chosen.clips / f"{path.stem}.mp4", len(judge.flow) + 1))
        clips.append((path.stem, judge, cases))
    if len(clips) < 2:
        raise SystemExit(f"{chosen.flows}: at least two flow files (NAME.npz) are needed")
    heads = ("uncut", "cut", "remember", "error", "remember")
    print(f"{'':34}{'difference':^30}{'from the truth':^20}")
    print(f"{'':34}" + "".join(f"{head:>10}" for head in heads))
    rows = []
    for number, (name, judge, cases) in enumerate(clips):
        _, _, other = clips[(number + 1) % len(clips)]
        half = len(cases) // 2
        sized = [_resized(case, cases[0].lightness.shape) for case in other[:half]]
        whole = coloured(
            film([[case.lightness for case in cases]]), colorizer, features, remember=False
        )
        for close in (False, True):
            later = [close_up(case) if close else case.lightness for case in cases[half:]]
            shots = [[case.lightness for case in cases[:half]], sized, later]
            uncut = apart(whole[half - 1], whole[half], judge, half - 1, close=False)
            found = [uncut]
            errors = []
            for remember in (False, True):
                ab = coloured(film(shots), colorizer, features, remember=remember)
                found.append(apart(ab[half - 1], ab[2 * half], judge, half - 1, close=close))
                errors.append(error(ab[2 * half :], cases[half:], close=close))
            rows.append((close, found + errors))
            print(told(f"{name}{', close-up' if close else ''}", found + errors), flush=True)
    for close, what in ((False, "mean, as it is"), (True, "mean, close-up")):
        print(told(what, np.mean([row for kind, row in rows if kind is close], axis=0).tolist()))


def _resized(case: Case, size: tuple[int, ...]) -> Float32:
    return np.asarray(cv2.resize(case.lightness, size[::-1]), np.float32)


def told(what: str, values: Sequence[float]) -> str:
    """A row of the table."""
    return f"{what:34}" + "".join(f"{value:10.2f}" for value in values)


if __name__ == "__main__":
    with single_threaded_cv2():
        main()
