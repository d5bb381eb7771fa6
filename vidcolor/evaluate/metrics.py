"""Measures of colour, each after its source. Pictures are (h, w, 3) float32 R'G'B', 0 … 1."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.color import lab_from_rgb

Float32 = NDArray[np.float32]

_WINDOW = 11
_SIGMA = 1.5
"""Wang et al.'s window: 11 pixels wide, a Gaussian of 1.5."""


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


def ssim(picture: Float32, truth: Float32) -> float:
    """Structural similarity, -1 to 1, the mean over the three channels.

    Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004):
    a Gaussian window of 11 x 11 pixels, K1 = 0.01, K2 = 0.03, only where the window lies within the
    picture. Both are (h, w, 3) of one size, at least 11 pixels either way.
    """
    if picture.shape != truth.shape or min(picture.shape[:2]) < _WINDOW:
        raise ValueError(f"ssim of {picture.shape} and {truth.shape}: one size, 11 pixels or more")
    # Variances are small differences of large numbers: single precision would show in the result.
    x, y = picture.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = _windowed(x * x + y * y) - squares
    covariance = _windowed(x * y) - product
    c1, c2 = 0.01**2, 0.03**2
    index = (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    edge = _WINDOW // 2
    return float(index[edge:-edge, edge:-edge].mean())


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA), np.float64)


def saturation_distance(ab: Float32, truth: Float32) -> float:
    """Earth mover's distance between the chroma of two (…, 2) ab pictures, in a*b* units.

    By how much the chroma of the pixels has to change for its histogram to become that of the
    truth; where in the picture it lies does not count. In one dimension that is the area between
    the two cumulative histograms, or, with as many pixels in either, the mean difference of their
    sorted values, which needs no bins. After Rubner et al., "The earth mover's distance as a metric
    for image retrieval" (2000).
    """
    if ab.shape != truth.shape:
        raise ValueError(f"saturation_distance needs one size, not {ab.shape} and {truth.shape}")
    one, other = (np.sort(np.hypot(item[..., 0], item[..., 1]), axis=None) for item in (ab, truth))
    return float(np.mean(np.abs(one.astype(np.float64) - other)))


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
