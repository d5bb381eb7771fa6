"""Steadiness on clips with true colours, judged by another party's flow.

    python benchmarks/steadiness.py --clips FOLDER --flows FOLDER [--strengths 0,0.9]

For every ``NAME.npz`` among the flows the film ``NAME.mp4`` is coloured from its luma, once a
strength; strength 0 is the network frame by frame, against which ratios are printed. With the
default ``--keyframes`` the network is asked about few of the frames, as when a film is coloured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from vidcolor.color import lab_from_ycbcr
from vidcolor.colorize import colorize
from vidcolor.evaluate import metrics
from vidcolor.evaluate.steadiness import load_judge, warp_error
from vidcolor.flow import motions
from vidcolor.keyframes import all_keys, choose_keys
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.scenes import find_cuts
from vidcolor.settings import RangeSettings, Settings
from vidcolor.shrink import working_size
from vidcolor.stabilize import stabilize


def true_ab(film: Path, count: int, size: tuple[int, int]) -> list[np.ndarray]:
    """The film's own colours, (h, w, 2) each."""
    found = []
    info = probe(film)
    for frame in decode(info, RangeSettings(end_frame=count)):
        planes = frame.owner.reformat(format="yuv420p").to_ndarray()
        height, width = frame.luma.shape
        half = (height // 2, width // 2)
        cb = planes[height : height + half[0] // 2].reshape(half)
        cr = planes[height + half[0] // 2 :].reshape(half)
        luma = cv2.resize(planes[:height], half[::-1], interpolation=cv2.INTER_AREA)
        lab = lab_from_ycbcr(luma, cb, cr, info.color)
        small = cv2.resize(lab.transpose(1, 2, 0), size[::-1], interpolation=cv2.INTER_AREA)
        found.append(small[..., 1:])
    return found


def at(size: tuple[int, int], picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)


def planes(ab: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(ab.transpose(1, 2, 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--flows", type=Path, required=True)
    parser.add_argument("--strengths", default=f"0,{Settings().color.stabilize}")
    parser.add_argument("--keyframes", type=int, default=Settings().color.keyframes)
    parser.add_argument("--model", default="default")
    chosen = parser.parse_args()
    colorizer = Colorizer(chosen.model)
    strengths = [float(item) for item in chosen.strengths.split(",")]
    rows: dict[float, list[tuple[float, float, float]]] = {item: [] for item in strengths}
    truths = []
    asked = frames_seen = 0
    for path in sorted(chosen.flows.glob("*.npz")):
        film, judge = chosen.clips / f"{path.stem}.mp4", load_judge(path)
        count, size = len(judge.flow) + 1, judge.valid.shape[1:]
        info = probe(film)
        short = Settings().color.short_side
        small = working_size(info.width, info.height, info.sample_aspect_ratio, short)
        frames = find_cuts(decode(info, RangeSettings(end_frame=count)), small)
        seen = list(frames)
        linked = list(choose_keys(motions(seen), chosen.keyframes))
        asked += sum(item.key for item in linked)
        frames_seen += len(seen)
        guesses = [ab for _, ab in colorize(all_keys(seen), colorizer, 4, info.rotation)]
        truth = true_ab(film, count, size)
        light = [at(size, item.lightness) for item in seen]
        real = [metrics.rgb_of(one, ab) for one, ab in zip(light, truth, strict=True)]
        truths.append((warp_error(truth, judge), np.mean([metrics.colorfulness(p) for p in real])))
        for strength in strengths:
            told = [
                (item, ab if item.key or not strength else None)
                for item, ab in zip(linked, guesses, strict=True)
            ]
            ab = [at(size, planes(item.ab)) for item in stabilize(told, strength)]
            shown = [metrics.rgb_of(one, two) for one, two in zip(light, ab, strict=True)]
            near = np.mean([metrics.psnr(a, b) for a, b in zip(shown, real, strict=True)])
            vivid = np.mean([metrics.colorfulness(item) for item in shown])
            rows[strength].append((warp_error(ab, judge), float(near), float(vivid)))
        marks = "  ".join(f"{s:g}: {rows[s][-1][0]:.2f}" for s in strengths)
        print(f"{path.stem:<24} ab warp error  truth {truths[-1][0]:.2f}  {marks}", flush=True)
    print(f"with steadying the network was asked about {asked} of {frames_seen} frames")
    first = np.mean(rows[strengths[0]], axis=0)
    print(f"{'':<10}{'warp error':>12}{'ratio':>8}{'PSNR':>8}{'colourful':>11}{'ratio':>8}")
    print(f"{'truth':<10}{np.mean(truths, 0)[0]:12.2f}{'':8}{'':8}{np.mean(truths, 0)[1]:11.1f}")
    for strength in strengths:
        mean = np.mean(rows[strength], axis=0)
        print(
            f"{strength:<10g}{mean[0]:12.2f}{mean[0] / first[0]:8.2f}{mean[1]:8.2f}"
            f"{mean[2]:11.1f}{mean[2] / first[2]:8.2f}"
        )


if __name__ == "__main__":
    main()
