"""A model's figures on colour photographs: turned to grey, coloured again, compared.

Each photo is taken whole, its short side scaled to 256 pixels; the network sees the small image
that the film pipeline would show it by default; the colours are brought to the photo's size and
shown with the photo's true lightness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.evaluate import metrics
from vidcolor.scaling import scaled
from vidcolor.settings import Settings
from vidcolor.shrink import working_size
from vidcolor.train.photos import PhotoSet, load_photos

Float32 = NDArray[np.float32]

SHORT_SIDE = 256
MUTED = 4.5
"""Mean chroma of the truth under which a photo counts as muted."""
BANDS = (0.0, 5.0, 8.0, 12.0, 18.0, 30.0, 200.0)
CEILING = 60.0
"""The greatest PSNR a score may hold, in dB. The truth has 8 bits, whose rounding alone amounts to
59 dB; and one grey photo met exactly would make every mean infinite."""


@dataclass(frozen=True, slots=True)
class Case:
    """A picture ready to be coloured, and what of its figures no model has a part in.

    ``lab`` (h, w, 3) is the true L*a*b*, ``rgb`` (h, w, 3) the true R'G'B' (0 … 1), ``lightness``
    the small L* the network sees. ``grey_psnr`` and ``grey_ssim`` are those of the picture left
    grey.
    """

    name: str
    lab: Float32
    rgb: Float32
    lightness: Float32
    grey_psnr: float
    grey_ssim: float


@dataclass(frozen=True, slots=True)
class PhotoScore:
    """One photo's figures, or the means over a clip's frames; see `vidcolor.evaluate.metrics`.

    ``grey_psnr`` and ``grey_ssim`` are what leaving it grey would score. ``psnr_points`` holds the
    PSNR by the number of colour points given, where that was measured; ``frames`` their number, of
    a clip.
    """

    name: str
    psnr: float
    grey_psnr: float
    ssim: float
    grey_ssim: float
    ab_rmse: float
    colorfulness: float
    true_colorfulness: float
    saturation_distance: float
    true_chroma: float
    psnr_points: dict[int, float] = field(default_factory=dict)
    frames: int | None = None

    @property
    def gain(self) -> float:
        """PSNR over leaving it grey, in dB."""
        return self.psnr - self.grey_psnr

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what was not measured is left out."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {key: value for key, value in values.items() if value not in (None, {})}


def make_case(name: str, picture: NDArray[np.uint8], size: tuple[int, int]) -> Case:
    """The case of a picture, (h, w, 3) uint8 R'G'B', that the network sees at ``size`` (h, w)."""
    rgb = np.asarray(picture, np.float32) / np.float32(255)
    lab = metrics.lab_of(rgb)
    grey = metrics.rgb_of(lab[..., 0], np.zeros_like(lab[..., 1:]))
    return Case(
        name=name,
        lab=lab,
        rgb=rgb,
        lightness=scaled(np.ascontiguousarray(lab[..., 0], np.float32), size),
        grey_psnr=_psnr(grey, rgb),
        grey_ssim=metrics.ssim(grey, rgb),
    )


def load_cases(
    sources: Iterable[Path] | PhotoSet,
    limit: int | None = None,
    short_side: int = Settings().color.short_side,
    warn: Callable[[str], None] | None = None,
) -> Iterator[Case]:
    """The photos of folders, tar files or lists, or of a set, prepared one after the other.

    ``short_side`` is that of the small picture the network sees, as in the settings of a film.
    ``warn`` is told how many photos could not be read, are too small, or are black and white: every
    colour on these would count as wrong, and a few would sway the means. Raises SourceError when
    none is left.
    """
    photos = sources if isinstance(sources, PhotoSet) else load_photos(sources, SHORT_SIDE, limit)
    if photos.unreadable and warn is not None:
        warn(f"photos left out because they cannot be read: {photos.unreadable}{photos.named}")
    if photos.small and warn is not None:
        warn(f"photos left out because they are too small: {photos.small}")
    if photos.grey and warn is not None:
        warn(f"photos left out because they are black and white: {photos.grey}")
    for name, image in islice(zip(photos.names, photos.images, strict=True), limit):
        scale = SHORT_SIDE / min(image.shape[:2])
        width, height = (round(side * scale) for side in image.shape[1::-1])
        picture = scaled(image, (height, width))
        yield make_case(name, picture, working_size(width, height, Fraction(1), short_side))


def shown(case: Case, ab: Float32) -> tuple[Float32, Float32]:
    """Small ab (2, h, w) at the picture's size (h, w, 2), and the R'G'B' it makes there."""
    height, width = case.lab.shape[:2]
    planes = np.ascontiguousarray(ab.transpose(1, 2, 0))
    full = np.asarray(cv2.resize(planes, (width, height)), np.float32)
    return full, metrics.rgb_of(case.lab[..., 0], full)


def shown_psnr(case: Case, ab: Float32) -> float:
    """The PSNR alone of small ab (2, h, w), in dB."""
    return _psnr(shown(case, ab)[1], case.rgb)


def score(case: Case, ab: Float32, psnr_points: dict[int, float] | None = None) -> PhotoScore:
    """Compare small ab (2, h, w) with the picture."""
    full, coloured = shown(case, ab)
    true_ab = case.lab[..., 1:]
    return PhotoScore(
        name=case.name,
        psnr=_psnr(coloured, case.rgb),
        grey_psnr=case.grey_psnr,
        ssim=metrics.ssim(coloured, case.rgb),
        grey_ssim=case.grey_ssim,
        ab_rmse=metrics.ab_rmse(full, true_ab),
        colorfulness=metrics.colorfulness(coloured),
        true_colorfulness=metrics.colorfulness(case.rgb),
        saturation_distance=metrics.saturation_distance(full, true_ab),
        true_chroma=metrics.mean_chroma(true_ab),
        psnr_points=psnr_points or {},
    )


def mean_score(name: str, frames: Sequence[PhotoScore]) -> PhotoScore:
    """The means over a clip's frames, of which there is at least one."""
    names = [item.name for item in fields(PhotoScore)]
    numbers = {
        key: mean(getattr(item, key) for item in frames)
        for key in names
        if key not in ("name", "psnr_points", "frames")
    }
    points = {
        count: mean(item.psnr_points[count] for item in frames) for count in frames[0].psnr_points
    }
    return PhotoScore(name=name, psnr_points=points, frames=len(frames), **numbers)


def summarise(scores: Sequence[PhotoScore]) -> dict[str, float]:
    """Means over photos, and the gain by how colourful the truth is. A clip counts as one photo.

    Nothing at all where there are no scores.
    """
    if not scores:
        return {}
    clips = sum(item.frames is not None for item in scores)
    found = {"photos": float(len(scores) - clips), "clips": float(clips)}
    if not clips:
        del found["clips"]
    for key in ("psnr", "grey_psnr", "gain", "ssim", "grey_ssim", "ab_rmse", "saturation_distance"):
        found[key] = mean(getattr(item, key) for item in scores)
    found["colorfulness"] = mean(item.colorfulness for item in scores)
    found["true_colorfulness"] = mean(item.true_colorfulness for item in scores)
    if found["true_colorfulness"] > 0:
        found["colorfulness_ratio"] = found["colorfulness"] / found["true_colorfulness"]
    muted = [item.gain for item in scores if item.true_chroma < MUTED]
    if muted:
        found["gain_muted"] = mean(muted)
    for low, high in pairwise(BANDS):
        inside = [item.gain for item in scores if low <= item.true_chroma < high]
        if inside:
            found[f"gain_chroma_{low:g}_{high:g}"] = mean(inside)
    for count in scores[0].psnr_points:
        found[f"psnr_points_{count}"] = mean(item.psnr_points[count] for item in scores)
        found[f"gain_points_{count}"] = found[f"psnr_points_{count}"] - found["grey_psnr"]
    return found


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean."""
    return float(np.mean(list(values)))


def _psnr(picture: Float32, truth: Float32) -> float:
    return min(CEILING, metrics.psnr(picture, truth))
