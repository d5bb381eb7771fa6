"""Shot detection on reels spliced from known shots, so that every cut is known.

    python benchmarks/cuts.py --clips FOLDER --photos FOLDER [--reels 4] [--seed 1]

Every clip must be a single shot; photographs become slow camera moves. Out of these come reels with
hard cuts, flashes, dissolves and fades, each as it is and worn: flicker, weave, scratches, grain.
Where `scenedetect` is installed, two of PySceneDetect's detectors judge the same reels, set to luma
only, because these films have no colour.

What is right: a start on the first frame of a hard cut, give or take one; none in a flash; at most
one in a dissolve; one or two in a fade (a hold of black may count as a shot); none elsewhere.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from reels import KINDS, WEAR, Reel, Stock

from vidcolor.frames import ColorSpec, Frame
from vidcolor.scenes import find_cuts

FULL = ColorSpec("bt709", True, 8)
SMALL = (192, 352)

Codes = list[NDArray[np.uint8]]
Detector = Callable[[Codes], list[int]]


def ours(pictures: Codes) -> list[int]:
    frames = (Frame(i, i, 1, picture, FULL) for i, picture in enumerate(pictures))
    return [item.frame.index for item in find_cuts(frames, SMALL) if item.cut][1:]


def detectors() -> dict[str, Detector]:
    """Ours, and PySceneDetect's where it is installed."""
    found: dict[str, Detector] = {"vidcolor": ours}
    try:
        from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode
    except ImportError:
        return found

    def theirs(make: Callable[..., object]) -> Detector:
        def run(pictures: Codes) -> list[int]:
            detector = make(luma_only=True)
            starts = []
            for number, picture in enumerate(pictures):
                at = FrameTimecode(number, fps=24.0)
                starts += detector.process_frame(at, cv2.merge([picture] * 3))
            starts += detector.post_process(FrameTimecode(len(pictures) - 1, fps=24.0))
            return sorted({start.frame_num for start in starts})

        return run

    found["adaptive"] = theirs(AdaptiveDetector)
    found["content"] = theirs(ContentDetector)
    return found


def judge(reel: Reel, starts: Sequence[int]) -> Iterator[tuple[str, str]]:
    """(kind of event, ``ok``, ``missed``, ``extra`` or ``false``): one an event, one a stray."""
    left = list(starts)
    # Hard cuts first: in a range that touches a cut's, the start is the cut's.
    for event in sorted(reel.events, key=lambda event: event.kind != "cut"):
        inside = [start for start in left if event.first <= start <= event.last]
        left = [start for start in left if start not in inside]
        few, many = len(inside) < event.least, len(inside) > event.most
        yield event.kind, "missed" if few else "extra" if many else "ok"
        if event.kind.startswith("dissolve"):
            yield event.kind, f"{min(len(inside), 2)} starts"
    for _ in left:
        yield "elsewhere", "false"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, help="a folder of clips, each a single shot")
    parser.add_argument("--photos", type=Path, help="a folder, tar or list of photographs")
    parser.add_argument("--limit", type=int, default=150, help="photographs to use")
    parser.add_argument("--reels", type=int, default=4, help="of each kind and wear")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    stock = Stock(chosen.clips, chosen.photos, chosen.limit, chosen.seed)
    judges = detectors()
    seconds: Counter[str] = Counter()
    frames = 0
    tally: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for wear, worn in WEAR.items():
        for kind in KINDS:
            for _ in range(chosen.reels):
                reel = Reel(stock.take(48))
                for splice in KINDS[kind]:
                    splice(stock, reel)
                film = [
                    np.rint(picture.clip(0, 255)).astype(np.uint8)
                    for picture in worn(reel.pictures, stock.rng)
                ]
                frames += len(film)
                for name, detector in judges.items():
                    begun = time.perf_counter()
                    starts = detector(film)
                    seconds[name] += time.perf_counter() - begun
                    tally[name, wear].update(judge(reel, starts))
    for name in judges:
        report(name, {wear: tally[name, wear] for wear in WEAR})
        print(f"{1000 * seconds[name] / frames:.2f} ms a frame, {frames} frames\n")


def report(name: str, by_wear: dict[str, Counter[tuple[str, str]]]) -> None:
    """A table of one detector: events that went well, of all; and what went wrong."""
    kinds = sorted({kind for found in by_wear.values() for kind, _ in found} - {"elsewhere"})
    kinds.sort(key=lambda kind: (kind.split()[0], int(kind.split()[-1]) if " " in kind else 0))
    print(f"{name:<12}" + "".join(f"{wear:>24}" for wear in by_wear))
    for kind in kinds:
        cells = []
        for found in by_wear.values():
            ok, missed, extra = (found[kind, word] for word in ("ok", "missed", "extra"))
            wrong = " ".join(f"{n}{w}" for n, w in ((missed, " missed"), (extra, " extra")) if n)
            cells.append(f"{ok}/{ok + missed + extra} {wrong}")
        print(f"{kind:<12}" + "".join(f"{cell.strip():>24}" for cell in cells))
    stray = [found["elsewhere", "false"] for found in by_wear.values()]
    print(f"{'elsewhere':<12}" + "".join(f"{number:24}" for number in stray))
    hits = sum(found["cut", "ok"] for found in by_wear.values())
    lost = sum(found["cut", "missed"] for found in by_wear.values())
    counts: Counter[str] = Counter()
    for found in by_wear.values():
        for (_, word), count in found.items():
            counts[word] += count
    bad = counts["false"] + counts["extra"]
    print(
        f"hard cuts: recall {hits / (hits + lost):.3f}, precision {hits / (hits + bad):.3f}; "
        f"dissolves with one start: {counts['1 starts']}"
    )


if __name__ == "__main__":
    main()
