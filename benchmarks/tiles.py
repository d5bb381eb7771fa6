"""Whether a network does better on overlapping tiles of a picture than on the whole of it.

    python benchmarks/tiles.py PHOTOS... [--every 3] [--model default] [--output tiles.json]

The photos are measured as `vidcolor eval` does, once for each way; clips may be among them, of
which every 24th frame counts as a photo. Times are processor times of the network and the pooling
alone, for one picture of 4:3, as multiples of the first way's. Prints a table for docs/tiles.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from vidcolor.evaluate.clips import is_clip, load_frames
from vidcolor.evaluate.photos import Case, load_cases, score, summarise
from vidcolor.models.blend import open_colorizer
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.tiled import Tiled
from vidcolor.tiling import parse_tiles

WAYS = (
    (192, "whole"),
    (256, "whole"),
    (384, "whole"),
    *((192, f"128:64:{pool}") for pool in ("mean", "max", "gauss")),
    *(
        (384, f"{tiles}:{pool}")
        for tiles in ("128:64", "192:96", "256:128")
        for pool in ("mean", "max", "gauss")
    ),
    (384, "whole@192+256:128"),
    (384, "whole@192+256:128+192:96"),
)
"""Short side of the small picture, and the tiles cut from it."""
_EVERY_FRAME = 24
_RUNS = 3


def cases(sources: Sequence[Path], every: int) -> Iterator[Case]:
    """Each with its lightness at the greatest of the short sides."""
    most = max(short for short, _ in WAYS)
    photos = [source for source in sources if not is_clip(source)]
    if photos:
        yield from islice(load_cases(photos, short_side=most), 0, None, every)
    for clip in sources:
        if is_clip(clip):
            with closing(load_frames(clip, short_side=most)) as frames:
                yield from islice(frames, 0, None, _EVERY_FRAME)


def at(case: Case, short: int) -> Case:
    """The case as the network sees it at this short side."""
    height, width = case.lightness.shape
    size = [32 * round(side * short / min(height, width) / 32) for side in (width, height)]
    small = cv2.resize(case.lightness, size, interpolation=cv2.INTER_AREA)
    return replace(case, lightness=np.asarray(small, np.float32))


def seconds(networks: Sequence[Colorizer]) -> list[float]:
    """Of processor time that each way takes for one picture, once its networks are compiled."""
    spent = []
    for (short, _), network in zip(WAYS, networks, strict=True):
        light = np.full((1, short, short * 4 // 3 // 32 * 32), 50, np.float32)
        network.colors(light)
        begun = time.process_time()
        for _ in range(_RUNS):
            network.colors(light)
        spent.append((time.process_time() - begun) / _RUNS)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, help="only every so many photos")
    parser.add_argument("--model", default="default")
    parser.add_argument("--output", type=Path, help="the figures as JSON")
    chosen = parser.parse_args()
    network = open_colorizer(chosen.model, "cpu")
    networks = [Tiled(network, parse_tiles(tiles), tiles) for _, tiles in WAYS]
    scores: list[list] = [[] for _ in WAYS]
    spent = seconds(networks)
    for case in cases(chosen.photos, chosen.every):
        for number, ((short, _), network) in enumerate(zip(WAYS, networks, strict=True)):
            seen = at(case, short)
            scores[number].append(score(seen, network.colors(seen.lightness[None])[0]))
    found = [summarise(row) for row in scores]
    print("| short side | tiles | gain, dB | colourfulness | time |\n|---|---|---|---|---|")
    for (short, tiles), figures, took in zip(WAYS, found, spent, strict=True):
        print(
            f"| {short} | `{tiles}` | {figures['gain']:+.2f} | "
            f"{100 * figures['colorfulness_ratio']:.0f} % | {took / spent[0]:.1f} × |"
        )
    if chosen.output is not None:
        rows = [
            {"short_side": short, "tiles": tiles, "cpu_seconds": took, **figures}
            for (short, tiles), figures, took in zip(WAYS, found, spent, strict=True)
        ]
        chosen.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
