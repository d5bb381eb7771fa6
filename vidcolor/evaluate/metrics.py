"""Measures of colour, each after its source. Pictures are (h, w, 3) float32 R'G'B', 0 … 1."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.color import lab_from_rgb

Float32 = NDArray[np.float32]


def psnr(picture: Float32, truth: Float32) -> float:
    """Peak signal-to-noise ratio in dB, computed in float: integers would wrap around."""
    error = float(np.mean((picture.astype(np.float64) - truth) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


def ab_rmse(ab: Float32, truth: Float32) -> float:
    """Root mean square distance of two (…, 2) ab pictures, in a*b* units."""
    return float(np.sqrt(np.mean(np.sum((ab.astype(np.float64) - truth) ** 2, axis=-1))))


def colorfulness(picture: Float32) -> float:
    """Hasler and Süsstrunk, "Measuring colourfulness in natural images" (2003), on 0 … 255.

    The opponent axes keep their sign, as in the paper.
    """
    red, green, blue = (picture[..., c].astype(np.float64) * 255 for c in range(3))
    rg, yb = red - green, (red + green) / 2 - blue
    spread = math.hypot(float(rg.std()), float(yb.std()))
    return spread + 0.3 * math.hypot(float(rg.mean()), float(yb.mean()))


def mean_chroma(ab: Float32) -> float:
    """Mean distance from grey of an (…, 2) ab picture, in a*b* units."""
    return float(np.hypot(ab[..., 0], ab[..., 1]).mean())


def lab_of(picture: Float32) -> Float32:
    """R'G'B' 0 … 1 to L*a*b* (D65), exactly: OpenCV's own way there is off by up to half a unit."""
    return np.asarray(lab_from_rgb(picture.astype(np.float64)), np.float32)


def rgb_of(lightness: Float32, ab: Float32) -> Float32:
    """L* (h, w) and ab (h, w, 2) to R'G'B', limited to 0 … 1 as a screen would."""
    lab = np.dstack((lightness, ab)).astype(np.float32)
    return np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1)
