"""How well small colour is brought to the size of a film's chroma planes: on photographs.

    python benchmarks/painting.py PHOTOS [--limit 60]

The true a* and b* of each photograph are reduced to what a perfect network would give, a quarter of
the small size, and painted from there. PSNR of Cb and Cr against the truth in dB, over the whole
picture and over the tenth of it where luma is steepest, means over photographs; beside it the same
colour scaled up by linear interpolation alone.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.color import chroma_from_lab, chroma_scale
from vidcolor.evaluate.metrics import lab_of
from vidcolor.frames import ColoredFrame, ColorSpec, Frame
from vidcolor.gamut import signed_from_rgb
from vidcolor.paint import Painter
from vidcolor.settings import Settings
from vidcolor.shrink import shrink, working_size
from vidcolor.train.photos import load_photos

Float32 = NDArray[np.float32]
SPEC = ColorSpec("bt709", full_range=True, depth=8)
CODED = 4
"""Small pixels per pixel of the network's colour."""


def scores(image: NDArray[np.uint8]) -> dict[str, tuple[float, float]]:
    """PSNR everywhere and at edges, painted and scaled up, of a photograph (h, w, 3)."""
    height, width = (side - side % 2 for side in image.shape[:2])
    rgb = np.asarray(image[:height, :width], np.float32) / np.float32(255)
    luma, *signed = (np.asarray(p, np.float32) for p in signed_from_rgb(rgb, SPEC.matrix))
    half = (width // 2, height // 2)
    truth = [cv2.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in signed]
    frame = Frame(0, 0, 0, np.rint(luma * 255).astype(np.uint8), SPEC)
    size = working_size(width, height, Fraction(1), Settings().color.short_side)
    lightness = shrink(frame, size)
    coded = cv2.resize(
        lab_of(rgb)[..., 1:], (size[1] // CODED, size[0] // CODED), interpolation=cv2.INTER_AREA
    )
    ab = np.ascontiguousarray(cv2.resize(coded, size[::-1]).transpose(2, 0, 1))
    painted = Painter(half[::-1]).paint(ColoredFrame(frame, lightness, ab, False))
    neutral, span = chroma_scale(SPEC)
    found = {
        "painted": [
            (plane.astype(np.float32) - neutral) / span for plane in (painted.cb, painted.cr)
        ],
        "scaled up": [cv2.resize(plane, half) for plane in chroma_from_lab(lightness, ab, SPEC)],
    }
    small = cv2.resize(luma, half, interpolation=cv2.INTER_AREA)
    slope = np.hypot(cv2.Sobel(small, -1, 1, 0), cv2.Sobel(small, -1, 0, 1))
    steep = slope > np.quantile(slope, 0.9)
    result = {}
    for name, planes in found.items():
        error = sum((one - other) ** 2 for one, other in zip(planes, truth, strict=True)) / 2
        result[name] = (_psnr(error), _psnr(error[steep]))
    return result


def _psnr(error: Float32) -> float:
    return float(-10 * np.log10(max(error.mean(), 1e-6)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, default=60, help="photographs at most, evenly chosen")
    chosen = parser.parse_args()
    photos = load_photos(chosen.photos, short_side=10_000, limit=None)
    every = -(-len(photos.images) // chosen.limit)
    sums = defaultdict(list)
    for image in islice(photos.images, 0, None, every):
        for name, values in scores(image).items():
            sums[name].append(values)
    print(f"{'':12}{'everywhere':>12}{'at edges':>12}")
    for name, values in sums.items():
        everywhere, edges = np.mean(values, axis=0)
        print(f"{name:12}{everywhere:12.2f}{edges:12.2f}")


if __name__ == "__main__":
    main()
