"""Steadiness on clips with true colours, judged by another party's flow, against the targets.

    python benchmarks/steadiness.py --clips FOLDER --flows FOLDER [--model default]

For every ``NAME.npz`` among the flows the film ``NAME.mp4`` is coloured from its luma, as far as
the flow goes: by the network frame by frame, and as the film pipeline does it by default. The
figures are those of ``vidcolor eval --flow``. Then each stage that steadies is timed by itself, on
one thread, as processor time, beside one frame of the network on the same machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch

from vidcolor.evaluate.figures import as_text, build_table, mean_steadiness
from vidcolor.evaluate.films import measure_clip
from vidcolor.evaluate.traces import load_judge
from vidcolor.flow import motions
from vidcolor.frames import SmallFrame
from vidcolor.keyframes import choose_keys
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import RangeSettings, Settings
from vidcolor.shrink import shrink
from vidcolor.stabilize import stabilize

TARGETS = (
    ("judged_warp_error", "ab warp error, given flow", "ratio", 0.0, 0.22),
    ("cdc", "CDC", "ratio", 0.0, 0.45),
    ("colorfulness", "colourfulness", "ratio", 0.95, 1.05),
    ("psnr", "PSNR against truth", "dB", 0.4, float("inf")),
    ("long_range_error", "error over ten frames, own flow", "ratio", 0.0, 0.35),
)
"""Figure, what it is, its unit against frame by frame, and the least and most it should be."""
MOST_MS = 4.0
"""Milliseconds of processor time a frame that all that steadies may take."""
TIMED_SIZE = (256, 456)
NETWORK_SIZE = (256, 448)
"""(h, w) of the pictures that are timed; the network wants multiples of 32."""

Found = TypeVar("Found")


def cost(film: Path, count: int, colorizer: Colorizer, runs: int) -> dict[str, float]:
    """Milliseconds of processor time a frame, by stage, and of one frame of the network.

    Nothing is split over threads. The best of so many runs: what else the machine does can only
    slow them down.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    color = Settings().color
    frames = [
        SmallFrame(frame, shrink(frame, TIMED_SIZE), frame.index == 0)
        for frame in decode(probe(film), RangeSettings(end_frame=count))
    ]
    picture = cv2.resize(frames[0].lightness, NETWORK_SIZE[::-1])[None]
    colorizer.colors(picture)
    ab = cv2.resize(colorizer.colors(picture)[0].transpose(1, 2, 0), TIMED_SIZE[::-1])
    guess = np.ascontiguousarray(ab.transpose(2, 0, 1))
    best: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Found]) -> Found:
        begun = time.process_time()
        found = work()
        spent = 1000 * (time.process_time() - begun) / len(frames)
        best[name] = min(best.get(name, spent), spent)
        return found

    for _ in range(runs):
        linked = timed("flow", lambda: list(motions(frames)))
        chosen = timed("choose", lambda linked=linked: list(choose_keys(linked, color.keyframes)))
        guessed = [(item, guess if item.key else None) for item in chosen]
        timed("stabilize", lambda told=guessed: list(stabilize(told, color.stabilize)))
        timed("network", lambda: [colorizer.colors(picture) for _ in frames])
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--flows", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--runs", type=int, default=3, help="of the timing")
    chosen = parser.parse_args()
    colorizer = Colorizer(chosen.model, "cpu")
    measured = []
    for path in sorted(chosen.flows.glob("*.npz")):
        film, judge = chosen.clips / f"{path.stem}.mp4", load_judge(path)
        count = len(judge.flow) + 1
        settings = Settings(range=RangeSettings(end_frame=count))
        measured.append(measure_clip(film, colorizer, settings, judge))
        print(f"{path.stem}: done", flush=True)
    if not measured:
        raise SystemExit(f"{chosen.flows}: no flow files (NAME.npz) in this folder")
    print(as_text(build_table(measured)))
    mean = mean_steadiness(measured)
    print(f"\n{'against frame by frame':<34}{'film':>8}{'truth':>8}{'grey':>8}   target")
    for key, what, unit, least, most in TARGETS:
        values = [mean.against(name).get(key, float("nan")) for name in ("film", "truth", "grey")]
        print(line(what, unit, values, least, most))
    print(f"share of frames asked: {mean.asked / mean.frames:.2f}")
    spent = cost(film, count, colorizer, chosen.runs)
    network = spent.pop("network")
    height, width = TIMED_SIZE
    print(f"\nprocessor time a frame at {width}x{height}, one thread; network {network:.1f} ms")
    for name, ms in [*spent.items(), ("together", sum(spent.values()))]:
        print(f"{name:<34}{ms:8.2f} ms{ms / network:8.3f} of a network frame")
    verdict = "met" if sum(spent.values()) <= MOST_MS else "missed"
    print(f"target: at most {MOST_MS:g} ms together: {verdict}")


def line(what: str, unit: str, values: list[float], least: float, most: float) -> str:
    """One target, and whether the film meets it."""
    form = "+8.2f" if unit == "dB" else "8.3f"
    cells = "".join(f"{value:{form}}" if np.isfinite(value) else f"{'':8}" for value in values)
    bounds = [f"at least {least:g}"] if least else []
    bounds += [f"at most {most:g}"] if np.isfinite(most) else []
    verdict = "met" if least <= values[0] <= most else "missed"
    return f"{what:<34}{cells}   {' and '.join(bounds)} {unit}: {verdict}"


if __name__ == "__main__":
    main()
