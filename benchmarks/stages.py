"""Each stage alone, and network and motion together without any film read or written.

    python benchmarks/stages.py [--device auto] [--engine auto] [--size 352x192] [--frames 400]

Shows a moving texture, made here, so that neither films nor PyAV are needed (but for painting): it
runs wherever torch, NumPy and OpenCV do, on a GPU machine too. Stages alone have one thread, the
network as many as it takes; "together" is the chain of a job, on all cores: motion, the choice of
frames to ask about, network and steadying.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vidcolor.color import prepare
from vidcolor.colorize import colorize
from vidcolor.device import cores
from vidcolor.flow import motions, single_threaded_cv2
from vidcolor.frames import ColoredFrame, ColorSpec, Frame, SmallFrame
from vidcolor.keyframes import choose_keys, keyed
from vidcolor.models.colorizer import Colorizer
from vidcolor.prefetch import Prefetch
from vidcolor.settings import Settings
from vidcolor.stabilize import stabilize

SPEC = ColorSpec("bt709", full_range=False, depth=8)


def texture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """L* with detail at every scale, as pictures have it: (height, width) float32."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    scale = 4
    while scale < width:
        coarse = rng.normal(0, 1, (height // scale + 2, width // scale + 2)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * scale**0.7
        scale *= 2
    total -= total.min()
    return total * (95 / total.max())


def moving(count: int, width: int, height: int, luma: np.ndarray) -> list[SmallFrame]:
    """``count`` small frames of one shot, moving by 1.5 and 0.5 pixels a frame, with grain."""
    large = texture(width + 2 * 64, height + 2 * 64)
    rng = np.random.default_rng(1)
    grain = [rng.normal(0, 0.7, (height, width)).astype(np.float32) for _ in range(7)]
    frames = []
    for number in range(count):
        angle = number * 1.5 / 40
        shift = np.array([[1, 0, -64 - 40 * np.sin(angle)], [0, 1, -64 - 13 * np.cos(angle)]])
        view = cv2.warpAffine(large, shift, (width, height), flags=cv2.INTER_LINEAR)
        frame = Frame(number, number, 1, luma, SPEC)
        frames.append(SmallFrame(frame, view + grain[number % 7], cut=number == 0))
    return frames


def spent(work: Callable[[], object], rounds: int = 3) -> float:
    """The shortest of ``rounds`` times, in seconds, after one that does not count."""
    work()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def exhaust(items: object) -> None:
    for _ in items:  # type: ignore[attr-defined]
        pass


def alone(frames: list[SmallFrame], colorizer: Colorizer) -> None:
    """Print what each stage takes by itself."""
    light = np.stack([item.lightness for item in frames[:16]])
    for count in (1, 4, 16):
        took = spent(lambda count=count: colorizer.colors(light[:count]))
        print(f"  network, batches of {count:2}: {1000 * took / count:7.2f} ms a picture")
    part = frames[:100]
    with single_threaded_cv2():
        linked = list(motions(part, None))
        took = spent(lambda: exhaust(motions(part, None)))
        print(f"  motion:                 {1000 * took / len(part):7.2f} ms a frame")
        keys = list(choose_keys(linked, 8))
        guess = colorizer.colors(light[:1])[0]
        given = [(item, guess if item.key else None) for item in keys]
        took = spent(lambda: exhaust(stabilize(given, 0.9)))
        print(f"  steadying:              {1000 * took / len(part):7.2f} ms a frame")
        painting(frames)


def painting(frames: list[SmallFrame]) -> None:
    """Print what bringing colours to the film's size takes."""
    try:
        from vidcolor.paint import paint
    except ImportError:
        print("  painting:               not measured, PyAV is not installed")
        return
    prepare(SPEC)
    across, down = frames[0].lightness.shape[::-1]
    for height in (360, 720, 1080):
        width = round(across * height / down / 2) * 2
        luma = np.clip(texture(width, height) * 2.1 + 20, 16, 235).astype(np.uint8)
        made = []
        for number, item in enumerate(frames[:16]):
            frame = Frame(number, number, 1, luma, SPEC)
            ab = np.full((2, down, across), number, np.float32)
            made.append(ColoredFrame(frame, item.lightness, ab, cut=number == 0))
        half = (height // 2, width // 2)
        took = spent(lambda made=made, half=half: exhaust(paint(made, half)))
        print(f"  painting at {height:4}:       {1000 * took / len(made):7.2f} ms a frame")


def together(frames: list[SmallFrame], colorizer: Colorizer, keyframes: int) -> tuple[float, float]:
    """Frames a second of motion, choice, network and steadying, and the share of frames asked."""
    color = Settings().color

    def chain() -> None:
        with ExitStack() as stack:
            stack.enter_context(single_threaded_cv2())
            flows = stack.enter_context(ThreadPoolExecutor(max(1, cores() // 4)))
            network = stack.enter_context(ThreadPoolExecutor(1))
            linked = stack.enter_context(
                Prefetch(lambda: keyed(frames, color.stabilize, keyframes, flows), 2, "flow")
            )
            guessed = colorize(linked, colorizer, color.batch_size, 0, network)
            exhaust(stabilize(guessed, color.stabilize))

    took = spent(chain, rounds=2)
    keys = sum(item.key for item in keyed(frames, color.stabilize, keyframes))
    return len(frames) / took, keys / len(frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--model", default="default")
    parser.add_argument("--size", default="352x192", help="of the small pictures, in steps of 32")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--keyframes", default="1,8,16")
    chosen = parser.parse_args()
    width, height = map(int, chosen.size.split("x"))
    colorizer = Colorizer(chosen.model, chosen.device, engine=chosen.engine)
    told = colorizer.description
    print(f"{told['engine']}, {told['device']}, {told['dtype']}, {cores()} cores, {width}x{height}")
    frames = moving(chosen.frames, width, height, np.zeros((2, 2), np.uint8))
    alone(frames, colorizer)
    for longest in map(int, chosen.keyframes.split(",")):
        rate, share = together(frames, colorizer, longest)
        print(
            f"  together, every {longest:2}th at least: {rate:6.0f} frames/s, "
            f"{100 * share:.0f} % of them asked about"
        )


if __name__ == "__main__":
    main()
