"""A reference still as the film's shots are compared with it: small, and without its cast."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SettingsError
from vidcolor.gamut import lab
from vidcolor.scaling import scaled
from vidcolor.shrink import working_size
from vidcolor.transfer import linear

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]

_GREY = 1.5
"""Mean chroma under which a still is a black-and-white one."""
_BANDS = (5.0, 35.0, 65.0, 95.0)
"""L* between which shadows, middle tones and lights lie."""
_LEAST_SHARE = 0.02
"""Of the picture that each of these must take up to have a say about the cast."""
_LEAST_CAST = 4.0
"""Chroma of the greyest quarter of a band under which there is no cast."""
_AGREEMENT = 0.85
"""Cosine between the casts of any two bands from which on they are one cast."""


@dataclass(frozen=True, slots=True)
class Still:
    """``lightness`` (h, w) L* and ``ab`` (2, h, w) of a still, sides a multiple of 32 pixels."""

    lightness: Float32
    ab: Float32


def read_still(path: Path, short_side: int) -> Still:
    """Read a picture. Raises SettingsError for one that is unreadable or grey."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except OSError as error:
        raise SettingsError(f"{path}: cannot read this still: {error.strerror}") from error
    except cv2.error:  # An empty file, or a size OpenCV takes for an attack.
        image = None
    if image is None:
        raise SettingsError(f"{path}: not a picture that can be read; give a JPEG or PNG file")
    height, width = image.shape[:2]
    size = working_size(width, height, Fraction(1), short_side)
    small = scaled(np.asarray(image, np.uint8), size)
    light = linear(np.asarray(small[..., ::-1], np.float64) / 255, "sdr")
    found = lab(without_cast(light))
    if np.hypot(found[..., 1], found[..., 2]).mean() < _GREY:
        raise SettingsError(f"{path}: this still is grey; a reference needs colour")
    planes = np.ascontiguousarray(np.moveaxis(found, -1, 0), np.float32)
    return Still(planes[0], planes[1:])


def without_cast(light: Float64) -> Float64:
    """Linear R'G'B' (h, w, 3) with a cast over the whole picture taken out, if there is one.

    A cast shows in what is greyest in the shadows, in the middle tones and in the lights alike. If
    these differ in hue, or one has none, there is none, and nothing is changed: a picture may be
    mostly of one colour. The three channels are scaled (von Kries, 1902).
    """
    lightness, a, b = np.moveaxis(lab(light), -1, 0)
    chroma = np.hypot(a, b)
    casts, greys = [], []
    for low, high in pairwise(_BANDS):
        band = (lightness >= low) & (lightness < high)
        if np.count_nonzero(band) < _LEAST_SHARE * band.size:
            continue
        chosen = band & (chroma <= np.quantile(chroma[band], 0.25))
        casts.append(np.array([a[chosen].mean(), b[chosen].mean()]))
        greys.append(light[chosen].mean(0))
    sizes = [float(np.hypot(*cast)) for cast in casts]
    if len(casts) < 2 or min(sizes) < _LEAST_CAST:
        return light
    pairs = combinations(range(len(casts)), 2)
    if any(casts[i] @ casts[j] < _AGREEMENT * sizes[i] * sizes[j] for i, j in pairs):
        return light
    grey = np.mean([color / color.sum() for color in greys], axis=0)
    return np.asarray(np.clip(light * (grey.mean() / grey), 0, 1), np.float64)
