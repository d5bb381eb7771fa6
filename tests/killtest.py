"""``make killtest``: the command line killed at random moments, and called again until it is done.

The moments are spread over start-up, the work, the writing of records, the joining of the chunks
and the end. Whatever they are, every call but the killed ones must succeed, none may lose more than
a chunk, nothing may be left behind, and the film must be the one that is made in one go.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from contents import differences
from networks import tiny_checkpoint

from vidcolor.chunks import RUN_OUT, ChunkLength

SAMPLE = Path(__file__).parent.parent / "sample_clips" / "sample_bw.mp4"
SIZE = 320, 180
LOSSLESS = {".mkv": ("ffv1", ""), ".mp4": ("h264", "qp=0")}
"""By the target's suffix, an encoder and its options; what is decoded is what was painted."""

_PAUSE = 0.001
_JOINED = 1 << 18
"""Bytes; a header alone is shorter."""

# The command line itself, which tells of every frame instead of one now and then.
# What was started in the background ignores Ctrl-C, and so would its children.
_CHILD = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from vidcolor import job
from vidcolor.chunks import ChunkLength
from vidcolor_cli import main, progress
job.LENGTH = ChunkLength({}, {})
progress._EVERY = 0
main.main()
"""


@dataclass(frozen=True)
class Case:
    """One film to colour, again and again."""

    film: Path
    target: Path
    model: Path
    length: ChunkLength

    @property
    def command(self) -> list[str]:
        codec, options = LOSSLESS[self.target.suffix]
        child = _CHILD.format(self.length.least, self.length.most)
        return [
            *(sys.executable, "-c", child, str(self.film), str(self.target)),
            *("--model", str(self.model), "--short-side", "64", "--keyframes", "4"),
            *("--codec", codec, *(("--encoder-options", options) if options else ())),
        ]

    @property
    def work(self) -> Path:
        return self.target.parent / f".{self.target.name}.vidcolor"

    @property
    def part(self) -> Path:
        return self.target.parent / f".{self.target.name}.part{self.target.suffix}"


@dataclass(frozen=True)
class Ended:
    """A call that has ended. ``code`` is None if it was killed; ``begun`` and ``reached`` are the
    frames it had before its first and after its last one, None if there were none."""

    code: int | None
    seconds: float
    begun: int | None
    reached: int | None
    said: str


def call(
    case: Case,
    due: Callable[[float], bool] = lambda seconds: False,
    how: signal.Signals = signal.SIGKILL,
) -> Ended:
    """Run the command; kill it as soon as it is ``due``, which is asked with the seconds so far."""
    with tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        process = subprocess.Popen(case.command, stdout=subprocess.DEVNULL, stderr=errors)
        while process.poll() is None:
            if due(time.monotonic() - start):
                process.send_signal(how)
                process.wait()
                break
            time.sleep(_PAUSE)
        errors.seek(0)
        said = errors.read().decode()
    code = None if process.returncode < 0 else process.returncode
    found = re.search(r"goes on after (\d+) frames", said)
    counts = re.findall(r"^(\d+) of \d+ frames", said, re.MULTILINE)
    # The first frame of a call is not told of: it has no speed yet.
    reached = int(counts[-1]) if counts else None
    begun = int(found[1]) if found else None if reached is None else 0
    return Ended(code, time.monotonic() - start, begun, reached, said)


def moments(case: Case, seconds: float, rng: random.Random) -> Iterator[Callable[[float], bool]]:
    """When to kill, for one call after the other; a whole one takes about ``seconds``."""
    while True:
        kind = rng.choice(("start", "any", "any", "any", "record", "record", "join", "end"))
        if kind in ("start", "any"):
            at = rng.uniform(0, min(2, seconds) if kind == "start" else seconds)
            yield lambda now, at=at: now >= at
        elif kind == "record":
            yield after(changed(case.work, rng.randint(1, 3)), rng.uniform(0, 0.01))
        elif kind == "join":
            yield after(lambda: _size(case.part) > _JOINED, rng.uniform(0, 0.3))
        else:
            yield after(case.target.exists, rng.uniform(0, 0.005))


def after(event: Callable[[], bool], seconds: float) -> Callable[[float], bool]:
    since: list[float] = []

    def due(now: float) -> bool:
        if not since and event():
            since.append(now)
        return bool(since) and now >= since[0] + seconds

    return due


def changed(folder: Path, times: int) -> Callable[[], bool]:
    """Whether the finished files in a folder have changed that often."""
    seen: list[set[str]] = []

    def check() -> bool:
        there = {path.name for path in folder.glob("*") if path.suffix in (".json", ".packets")}
        if not seen or there != seen[-1]:
            seen.append(there)
        return len(seen) > times

    return check


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def torture(
    case: Case, straight: Path, seconds: float, kills: int, rng: random.Random
) -> tuple[int, int, list[str]]:
    """Kill the work on a film up to ``kills`` times, then let it end.

    ``straight`` is the film as it should be. Returns how often it was killed, the most frames a
    kill has cost, and what was wrong.
    """
    faults: list[str] = []
    killed, cost, reached = 0, 0, 0
    before = set(case.target.parent.iterdir())
    when = moments(case, seconds, rng)
    while True:
        made = case.target.exists()
        ended = call(case, next(when)) if killed < kills else call(case)
        if ended.begun is not None:
            cost = max(cost, reached - ended.begun)
            reached = max(ended.begun, ended.reached or 0)
        if ended.code is not None:
            break
        killed += 1
    # Killed with the film in place, all that is left is to tidy up, and to say that it is there.
    if ended.code != (4 if made else 0):
        faults.append(f"exit code {ended.code}: {ended.said.splitlines()[-1:]}")
    # No split just before a cut or the end makes a chunk a little longer.
    if cost > case.length.most + RUN_OUT:
        faults.append(f"{cost} frames were lost at once")
    left = {path.name for path in set(case.target.parent.iterdir()) - before - {case.target}}
    if left:
        faults.append(f"left behind: {', '.join(sorted(left))}")
    if not case.target.exists():
        return killed, cost, [*faults, "no film"]
    return killed, cost, faults + [f"other {what}" for what in differences(case.target, straight)]


def repeated(film: Path, seconds: float, path: Path) -> Path:
    """``film`` over and over for so many seconds, every other time mirrored, with its sound."""
    with av.open(str(path), "w") as output:
        with av.open(str(film)) as source:
            rate = source.streams.video[0].average_rate
            pictures = [
                frame.reformat(*SIZE, format="gray").to_ndarray()
                for frame in source.decode(video=0)
            ]
            sound = source.streams.best("audio")
            picture: Any = output.add_stream("libx264", rate=rate, options={"preset": "fast"})
            picture.width, picture.height, picture.pix_fmt = *SIZE, "yuv420p"
            copy = None if sound is None else output.add_stream_from_template(sound)
        for number in range(round(seconds * rate)):
            again, index = divmod(number, len(pictures))
            plane = pictures[index] if again % 2 == 0 else np.fliplr(pictures[index])
            frame = av.VideoFrame.from_ndarray(plane.copy(), format="gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, 1 / rate
            output.mux(picture.encode(frame))
            if index == 0 and copy is not None:
                _add_sound(film, output, copy, again * len(pictures) / rate, len(pictures) / rate)
        output.mux(picture.encode(None))
    return path


def _add_sound(film: Path, output: Any, copy: Any, start: Fraction, length: Fraction) -> None:
    with av.open(str(film)) as source:
        for packet in source.demux(source.streams.best("audio")):
            if packet.size and packet.pts >= 0 and (packet.pts + 1024) * packet.time_base < length:
                offset = int(start / packet.time_base)
                packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                packet.stream = copy
                output.mux(packet)


def main(arguments: Sequence[str] | None = None) -> int:
    """Go through as many films as it takes; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--film", type=Path, default=SAMPLE, help="what the film is made of")
    parser.add_argument("--seconds", type=float, default=180, help="how long the film is")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=20, help="kills of one film")
    parser.add_argument("--chunk", type=int, nargs=2, default=(480, 1440), help="its frames")
    asked = parser.parse_args(arguments)
    rng, length = random.Random(asked.seed), ChunkLength(*asked.chunk)
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        film = repeated(asked.film, asked.seconds, folder / "film.mp4")
        model = tiny_checkpoint(folder / "tiny.safetensors")
        straight: dict[str, tuple[Path, float]] = {}
        killed, faulty, number = 0, 0, 0
        while killed < asked.kills:
            suffix = list(LOSSLESS)[number % len(LOSSLESS)]
            number += 1
            if suffix not in straight:
                whole = Case(film, folder / f"straight{suffix}", model, length)
                ended = call(whole)
                if ended.code:
                    print(ended.said)
                    return 1
                straight[suffix] = whole.target, ended.seconds
                print(f"straight{suffix}: {ended.seconds:.0f} s", flush=True)
            place = folder / str(number)
            place.mkdir()
            case = Case(film, place / f"out{suffix}", model, length)
            times = min(asked.most, asked.kills - killed)
            done, cost, faults = torture(case, *straight[suffix], times, rng)
            killed += done
            faulty += bool(faults)
            case.target.unlink(missing_ok=True)
            outcome = "; ".join(faults) or "as if made in one go"
            print(
                f"film {number}{suffix}: {done} kills, each lost {cost} frames or less: {outcome}",
                flush=True,
            )
    print(f"{killed} kills, {number} films, {faulty} of them wrong")
    return int(faulty > 0)


if __name__ == "__main__":
    sys.exit(main())
