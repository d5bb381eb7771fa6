"""From a photo to what the network sees and shall say: lightness, colour, hints, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Augment:
    """How much a photo is varied. Shares are probabilities, 0 to 1."""

    smallest_crop: float = 0.55
    """Side of the smallest square crop, as a share of the photo's short side."""
    degraded: float = 0.5
    points: float = 0.3
    dense: float = 0.15
    rotate: float = 0.0
    """Degrees by which a crop is turned at most, either way; its edges are mirrored."""
    shrink: int = 4
    """How much smaller than the crop the true colours are told."""
    mirror: float = 0.5
    stretch: float = 0.1
    """A crop is at most this much, in log units, wider or higher than a square."""


class Batch(NamedTuple):
    """Lightness (N, 1, S, S), ab (N, 2, s, s), hints (N, 3, S, S), and the photos' numbers (N,)."""

    lightness: Tensor
    ab: Tensor
    hints: Tensor
    number: Tensor


@dataclass(frozen=True, slots=True)
class Example:
    """``lightness`` (1, S, S) L*, ``ab`` (2, s, s), ``hints`` (3, S, S): a*, b*, mask.

    s is S / ``Augment.shrink``.
    """

    lightness: NDArray[np.float32]
    ab: NDArray[np.float32]
    hints: NDArray[np.float32]


def make_example(
    image: NDArray[np.uint8], size: int, augment: Augment, rng: np.random.Generator
) -> Example:
    """Crop, mirror, turn, convert, age the lightness, draw hints. ``size``: a multiple of 32."""
    height, width = image.shape[:2]
    side = min(height, width) * rng.uniform(augment.smallest_crop, 1)
    aspect = np.exp(rng.uniform(-augment.stretch, augment.stretch))
    crop_h = round(min(height, side * aspect))
    crop_w = round(min(width, side / aspect))
    top, left = rng.integers(height - crop_h + 1), rng.integers(width - crop_w + 1)
    crop = image[top : top + crop_h, left : left + crop_w]
    way = cv2.INTER_AREA if crop_h > size else cv2.INTER_LINEAR
    rgb = cv2.resize(crop, (size, size), interpolation=way)
    if rng.random() < augment.mirror:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
    if augment.rotate:
        angle = float(rng.uniform(-augment.rotate, augment.rotate))
        about = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), angle, 1)
        rgb = cv2.warpAffine(rgb, about, (size, size), borderMode=cv2.BORDER_REFLECT)
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    lightness = np.ascontiguousarray(lab[..., 0], np.float32)
    ab = np.ascontiguousarray(lab[..., 1:], np.float32)
    hints = _draw_hints(ab, augment, rng)
    if rng.random() < augment.degraded:
        lightness = age(lightness, rng)
    side = size // augment.shrink
    small = np.asarray(cv2.resize(ab, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    return Example(lightness[None], small.transpose(2, 0, 1), hints.transpose(2, 0, 1))


def age(lightness: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """What old stock, prints and transfers do to a picture's L*.

    Tone and softness nearly always; then, each in a share of the pictures, uneven light, grain,
    scratches along the film, dust, and the blocks of a poor digital copy.
    """
    height, width = lightness.shape
    tone = np.clip(lightness / 100, 0, 1) ** np.float32(rng.uniform(0.7, 1.45))
    tone = (tone - 0.5) * rng.uniform(0.6, 1.15) + 0.5 + rng.uniform(-0.12, 0.12)
    if rng.random() < 0.6:
        tone = np.asarray(cv2.GaussianBlur(tone, (0, 0), rng.uniform(0.3, 1.3)), np.float32)
    if rng.random() < 0.2:
        # The frame's light breathes and falls off, never evenly.
        coarse = rng.normal(0, 0.06, (3, 3)).astype(np.float32)
        tone = tone + cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.7:
        grain = rng.standard_normal((height, width), dtype=np.float32) * rng.uniform(0.005, 0.06)
        if rng.random() < 0.5:
            grain = 2 * np.asarray(cv2.GaussianBlur(grain, (0, 0), 0.7), np.float32)
        tone = tone + grain
    old: NDArray[np.float32] = np.ascontiguousarray(tone, np.float32)
    if rng.random() < 0.15:
        _scratch(old, rng)
    if rng.random() < 0.15:
        _dust(old, rng)
    if rng.random() < 0.15:
        old = _blocks(old, int(rng.integers(15, 70)))
    return np.clip(old * 100, 0, 100).astype(np.float32)


def _blocks(tone: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    coded = (np.clip(tone, 0, 1) * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", coded, (cv2.IMWRITE_JPEG_QUALITY, quality))
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert image is not None, "what was just encoded can be decoded"
    return np.divide(image, 255, dtype=np.float32)


def _scratch(tone: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Draw thin, nearly upright lines, dark or bright, some of them broken, into ``tone``."""
    height, width = tone.shape
    for _ in range(int(rng.integers(1, 5))):
        x = float(rng.uniform(0, width))
        start, stop = sorted(rng.uniform(-0.5, 1.5, 2) * height)
        lean = float(rng.normal(0, 2))
        line = np.zeros_like(tone)
        ends = ((round(x), round(start)), (round(x + lean), round(stop)))
        cv2.line(line, *ends, 1.0, 1, cv2.LINE_AA)
        tone += line * np.float32(rng.choice((-1, 1)) * rng.uniform(0.1, 0.6))


def _dust(tone: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Draw specks and hairs, dark or bright, into ``tone``."""
    height, width = tone.shape
    for _ in range(int(rng.integers(1, 12))):
        speck = np.zeros_like(tone)
        middle = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(1, 4)), int(rng.integers(1, 3)))
        cv2.ellipse(speck, middle, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1, cv2.LINE_AA)
        tone += speck * np.float32(rng.choice((-1, 1)) * rng.uniform(0.2, 0.8))


def _draw_hints(
    ab: NDArray[np.float32], augment: Augment, rng: np.random.Generator
) -> NDArray[np.float32]:
    size = ab.shape[0]
    hints = np.zeros((size, size, 3), np.float32)
    draw = rng.random()
    if draw < augment.points:
        for _ in range(int(np.exp(rng.uniform(0, np.log(100))))):
            half = int(rng.integers(0, 5))
            y, x = rng.integers(0, size, 2)
            area = np.s_[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
            hints[area][..., :2] = ab[area].mean((0, 1))
            hints[area][..., 2] = 1
    elif draw < augment.points + augment.dense:
        # Colours warped along the flow: nearly everywhere, a little wrong, with ragged holes.
        coarse = rng.standard_normal((6, 6), dtype=np.float32)
        field = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
        known = field > rng.uniform(-1.2, 0.8)
        shift = rng.normal(0, 3, 2).astype(np.float32)
        hints[..., :2] = np.where(known[..., None], ab + shift, 0)
        hints[..., 2] = known
    return hints
