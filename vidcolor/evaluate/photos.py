"""A model's figures on colour photographs: turned to grey, coloured again, compared.

Each photo is taken whole, its short side scaled to 256 pixels; the network sees the small image
that the film pipeline would show it by default; the colours are brought to the photo's size and
shown with the photo's true lightness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.evaluate import metrics
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import Settings
from vidcolor.shrink import working_size
from vidcolor.train.photos import load_photos

Float32 = NDArray[np.float32]

SHORT_SIDE = 256
MUTED = 4.5
"""Mean chroma of the truth under which a photo counts as muted."""
BANDS = (0.0, 5.0, 8.0, 12.0, 18.0, 30.0, 200.0)


@dataclass(frozen=True, slots=True)
class PhotoScore:
    """One photo's figures; ``grey_psnr`` is what leaving it grey would score."""

    name: str
    psnr: float
    grey_psnr: float
    ab_rmse: float
    colorfulness: float
    true_colorfulness: float
    true_chroma: float

    @property
    def gain(self) -> float:
        """PSNR over leaving it grey, in dB."""
        return self.psnr - self.grey_psnr


@dataclass(frozen=True, slots=True)
class Case:
    """A photo ready to be coloured: its name, true Lab (h, w, 3) and small lightness."""

    name: str
    lab: Float32
    rgb: Float32
    lightness: Float32


def load_cases(
    sources: Iterable[Path],
    limit: int | None = None,
    short_side: int = Settings().color.short_side,
) -> Iterator[Case]:
    """The photos of folders, tar files or lists, prepared one after the other.

    ``short_side`` is that of the small picture the network sees, as in the settings of a film.
    """
    photos = load_photos(sources, short_side=10_000, limit=limit, grey_chroma=0.0)
    for name, image in zip(photos.names, photos.images, strict=True):
        scale = SHORT_SIDE / min(image.shape[:2])
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        rgb = np.asarray(cv2.resize(image, size, interpolation=how), np.float32) / np.float32(255)
        lab = metrics.lab_of(rgb)
        height, width = working_size(*size, Fraction(1), short_side)
        small = cv2.resize(lab[..., 0], (width, height), interpolation=cv2.INTER_AREA)
        yield Case(name, lab, rgb, np.asarray(small, np.float32))


def score(case: Case, ab: Float32) -> PhotoScore:
    """Compare small ab (2, h, w) with the photo."""
    height, width = case.lab.shape[:2]
    planes = np.ascontiguousarray(ab.transpose(1, 2, 0))
    full = np.asarray(cv2.resize(planes, (width, height)), np.float32)
    lightness = case.lab[..., 0]
    coloured = metrics.rgb_of(lightness, full)
    grey = metrics.rgb_of(lightness, np.zeros_like(full))
    return PhotoScore(
        name=case.name,
        psnr=metrics.psnr(coloured, case.rgb),
        grey_psnr=metrics.psnr(grey, case.rgb),
        ab_rmse=metrics.ab_rmse(full, case.lab[..., 1:]),
        colorfulness=metrics.colorfulness(coloured),
        true_colorfulness=metrics.colorfulness(case.rgb),
        true_chroma=metrics.mean_chroma(case.lab[..., 1:]),
    )


def evaluate(
    colorizer: Colorizer,
    sources: Iterable[Path],
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
    short_side: int = Settings().color.short_side,
) -> list[PhotoScore]:
    """Score every photo. Raises SourceError when there is none."""
    scores = []
    for case in load_cases(sources, limit, short_side):
        scores.append(score(case, colorizer.colors(case.lightness[None])[0]))
        if progress is not None:
            progress(len(scores))
    return scores


def summarise(scores: list[PhotoScore]) -> dict[str, float]:
    """Means over photos, and the gain by how colourful the truth is."""
    mean = {
        "photos": float(len(scores)),
        "psnr": _mean(item.psnr for item in scores),
        "grey_psnr": _mean(item.grey_psnr for item in scores),
        "gain": _mean(item.gain for item in scores),
        "ab_rmse": _mean(item.ab_rmse for item in scores),
        "colorfulness": _mean(item.colorfulness for item in scores),
        "true_colorfulness": _mean(item.true_colorfulness for item in scores),
    }
    mean["colorfulness_ratio"] = mean["colorfulness"] / mean["true_colorfulness"]
    muted = [item.gain for item in scores if item.true_chroma < MUTED]
    if muted:
        mean["gain_muted"] = _mean(muted)
    for low, high in pairwise(BANDS):
        inside = [item.gain for item in scores if low <= item.true_chroma < high]
        if inside:
            mean[f"gain_chroma_{low:g}_{high:g}"] = _mean(inside)
    return mean


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
