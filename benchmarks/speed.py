"""End to end against a plain re-encode, in one run, alternately; prints ratios and the budget.

    python benchmarks/speed.py [--heights 360,720,1080] [--seconds 30] [--runs 3] [--film FILE]
    python benchmarks/speed.py --usual           # against the usual script, at 360p
    python benchmarks/speed.py --memory          # peak memory against film length, at 1080p

The clips are the sample clip scaled up under fine moving grain, so that the encoder has to work as
it does on film; ``--film`` uses a film of yours instead. Every figure is of a whole process;
start-up is that of a job of one frame, whose processor time tells more where the machine is busy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "sample_clips" / "sample_bw.mp4"


def make_clip(source: Path, target: Path, height: int, frames: int, rate: int = 24) -> None:
    """``frames`` frames of ``source``, over and over, at ``height``, grey, with grain."""
    with av.open(str(source)) as film:
        luma = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    width = round(luma[0].shape[1] * height / luma[0].shape[0] / 2) * 2
    rng = np.random.default_rng(0)
    grain = [rng.normal(0, 3, (height, width)).astype(np.float32) for _ in range(5)]
    with av.open(str(target), "w") as output:
        options = {"preset": "veryfast", "crf": "16"}
        stream = output.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_type = "AUTO"
        for number, picture in enumerate(islice(cycle(luma), frames)):
            large = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
            grey = np.clip(large + grain[number % 5], 16, 235).astype(np.uint8)
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = grey
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def run(words: list[str]) -> tuple[float, float, float]:
    """Run a process to its end: wall seconds, peak memory in MB, seconds of processor time."""
    begun = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(words)}")
    spent = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - begun, usage.ru_maxrss / 1024, spent


def keep_byte_code(folder: Path) -> None:
    """Have Python keep what it compiles in ``folder``, wherever it was told to keep none.

    Who installs vidcolor has it compiled once; to compile it for every job takes 0.1 s of each.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def ours(film: Path, target: Path, preset: str, x264: str, *more: str) -> list[str]:
    """The words of a job with x264 at this preset of its own, at crf 18."""
    words = [sys.executable, "-m", "vidcolor_cli", str(film), str(target), "--overwrite", "--quiet"]
    words += ["--preset", preset, "--codec", "h264", "--crf", "18"]
    return [*words, "--encoder-options", f"preset={x264}", *more]


def compare(film: Path, folder: Path, presets: Sequence[tuple[str, str]], runs: int) -> None:
    """Alternate plain and vidcolor at each x264 preset; print medians and the ratio."""
    plain_out, ours_out = folder / "plain.mp4", folder / "ours.mp4"
    report = folder / "report.json"
    run(ours(film, ours_out, presets[0][1], presets[0][0], "--frames", "0:1"))  # Compiles.
    for x264, preset in presets:
        plain = [sys.executable, str(HERE / "plain.py"), str(film), str(plain_out)]
        plain += ["libx264", "18", x264]
        job = ours(film, ours_out, preset, x264, "--report", str(report))
        pairs = [(run(plain), run(job)) for _ in range(runs)]
        values = json.loads(report.read_text())
        start, _, worked = run(ours(film, ours_out, preset, x264, "--frames", "0:1"))
        base = statistics.median(plain[0] for plain, _ in pairs)
        mine = statistics.median(own[0] for _, own in pairs)
        ratio = statistics.median(own[0] / plain[0] for plain, own in pairs)
        memory = max(own[1] for _, own in pairs)
        print(
            f"{film.stem:>8} x264 {x264:<9} --preset {preset:<8} {values['frames']:5d} frames  "
            f"plain {base:6.2f} s  ours {mine:6.2f} s "
            f"(start-up {start:.2f}, {worked:.2f} of processor time)  ratio {ratio:.2f}  "
            f"{values['frames'] / mine:6.1f} frames/s  peak {memory:.0f} MB",
            flush=True,
        )
        budget = ", ".join(
            f"{name} {1000 * spent / values['frames']:.1f}"
            for name, spent in values["stages"].items()
            if not name.startswith("wait")
        )
        print(f"         ms a frame: {budget}", flush=True)


def usual(folder: Path, frames: int) -> None:
    """Frames a second of vidcolor and of the usual script, at 360p, without start-up."""
    film = folder / "360p.mp4"
    make_clip(SAMPLE, film, 360, 720)
    job = ours(film, folder / "ours.mp4", "default", "veryfast")
    start, *_ = run([*job, "--frames", "0:1"])
    mine = 719 / (run(job)[0] - start)
    script = [sys.executable, str(HERE / "usual.py"), str(film), str(folder / "usual.mp4")]
    start, *_ = run([*script, "1"])
    theirs = (frames - 1) / (run([*script, str(frames)])[0] - start)
    print(f"vidcolor {mine:.1f} frames/s, the usual script {theirs:.2f}: {mine / theirs:.0f} times")


def memory(folder: Path, short: int, long: int) -> None:
    """Peak memory of a short and of a long film at 1080p."""
    for seconds in (short, long):
        film = folder / f"{seconds}s.mp4"
        make_clip(SAMPLE, film, 1080, seconds * 24)
        words = [sys.executable, "-m", "vidcolor_cli", str(film), str(folder / "o.mp4")]
        words += ["--overwrite", "--quiet", "--encoder-options", "preset=ultrafast"]
        wall, peak, _ = run(words)
        print(f"1080p, {seconds} s of film: {wall:.0f} s, peak {peak:.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heights", default="360,720,1080")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--film", type=Path)
    parser.add_argument("--presets", default="veryfast:default,veryfast:fast,medium:default")
    parser.add_argument("--usual", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--lengths", default="10,600", help="seconds, for --memory")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        keep_byte_code(folder / "compiled")
        if chosen.memory:
            short, long = map(int, chosen.lengths.split(","))
            memory(folder, short, long)
            return
        if chosen.usual:
            usual(folder, frames=12)
            return
        presets = [(x264, ours) for x264, ours in (i.split(":") for i in chosen.presets.split(","))]
        if chosen.film is not None:
            compare(chosen.film, folder, presets, chosen.runs)
            return
        for height in map(int, chosen.heights.split(",")):
            film = folder / f"{height}p.mp4"
            make_clip(SAMPLE, film, height, chosen.seconds * 24)
            compare(film, folder, presets, chosen.runs)


if __name__ == "__main__":
    main()
