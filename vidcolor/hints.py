"""Colour points: known colours at places of a picture, and how they spread over it.

The network takes points as an input and gives their colour to what looks alike, but it need not
obey. What it left undone, the difference between a point's colour and the result there, is spread
by Gaussian process regression (Rasmussen and Williams, "Gaussian Processes for Machine Learning",
2006): near the points, in the nearness of place, lightness and predicted colour, the difference
is taken over; far from all of them the network's own colour stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.models.colorizer import Colorizer

Float32 = NDArray[np.float32]

PATCH = 5
"""Side of the square a point covers, in pixels of the picture the network sees."""
_MOST = 500
"""Points that one solution takes into account; more are merged by neighbourhood first."""
_NOISE = 0.06
"""Variance of a point's colour against that of the difference, both as shares of the latter."""
_KERNELS = ((0.35, 0.8, 30.0, np.inf), (0.65, 0.5, 25.0, 30.0))
"""(share, reach in short sides of the picture, in L*, in ab units): the whole scene's light, and
things of one tone and colour. Chosen on training photographs, see benchmarks/RESULTS.md."""


def color_with_points(
    colorizer: Colorizer, lightness: Float32, points: Float32, unaided: Float32 | None = None
) -> Float32:
    """The ab (2, h, w) of ``lightness`` (h, w) L*, told colours: ``points`` (K, 4) y, x, a*, b*.

    The network is asked twice, with the points and without (``unaided``, if that is at hand): the
    mean of both was closer to the truth than either. Then the points are enforced by `spread`. A
    network that cannot be told colours is asked once, and the points are spread over its answer.
    """
    first = colorizer.colors(lightness[None]) if unaided is None else unaided[None]
    return np.asarray(_told(colorizer, lightness[None], first, [points])[0], np.float32)


def color_frames(
    colorizer: Colorizer, lightness: Float32, points: Sequence[Float32 | None]
) -> Float32:
    """The ab (N, 2, h, w) of ``lightness`` (N, h, w), each picture told its own ``points``.

    These are (K, 5) y, x, a*, b* and a share, 0 … 1, of how much of that colour counts against the
    network's own; None or none at all leaves a picture to the network.
    """
    unaided = colorizer.colors(lightness)
    mixed: list[Float32] = []
    for ab, known in zip(unaided, points, strict=True):
        known = np.zeros((0, 5), np.float32) if known is None else known
        rows, columns = (known[:, :2].T + 0.5).astype(np.intp)
        height, width = ab.shape[1:]
        own = ab[:, np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)].T
        colors = own + known[:, 4:] * (known[:, 2:4] - own)
        mixed.append(np.column_stack((known[:, :2] + 0.5, colors)).astype(np.float32))
    return _told(colorizer, lightness, unaided, mixed)


def _told(
    colorizer: Colorizer, lightness: Float32, unaided: Float32, points: Sequence[Float32]
) -> Float32:
    """``unaided`` colours (N, 2, h, w) once each picture's ``points`` (K, 4) are told."""
    some = [number for number, known in enumerate(points) if len(known)]
    if not some:
        return unaided
    ab = unaided.copy()
    if colorizer.takes_hints:
        size = lightness.shape[1:]
        hints = np.stack([draw_points(points[number], *size) for number in some])
        ab[some] = (colorizer.colors(lightness[some], hints) + unaided[some]) / 2
    for number in some:
        ab[number] = spread(ab[number], lightness[number], points[number])
    return ab


def draw_points(points: Float32, height: int, width: int) -> Float32:
    """Points (K, 4), each y, x, a*, b* in pixels, as the network's hints (3, height, width).

    Where points overlap, the later one holds.
    """
    hints = np.zeros((3, height, width), np.float32)
    half = PATCH // 2
    for y, x, a, b in points:
        row, column = int(y), int(x)
        area = np.s_[max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1]
        hints[0][area], hints[1][area], hints[2][area] = a, b, 1
    return hints


def turned(points: Float32, size: tuple[int, ...], turns: int) -> Float32:
    """Points (K, …), first y and x, of a picture of ``size`` (h, w) once it is turned by so many
    quarters counter-clockwise."""
    height, width = size
    for _ in range(turns % 4):
        points = np.column_stack((width - 1 - points[:, 1], points[:, 0], points[:, 2:]))
        height, width = width, height
    return points


def spread(ab: Float32, lightness: Float32, points: Float32) -> Float32:
    """Draw ``ab`` (2, h, w) towards the colours of ``points`` (K, 4): y, x, a*, b* in pixels.

    ``lightness`` (h, w) is L*. Costs about a millisecond for ten points and ten for a hundred at
    a short side of 192 pixels: it works at a quarter of the size, which is finer than any colour
    the eye can place.
    """
    if not len(points):
        return ab
    height, width = lightness.shape
    size = (max(1, width // 4), max(1, height // 4))
    tone = cv2.resize(lightness, size, interpolation=cv2.INTER_AREA)
    color = cv2.resize(ab.transpose(1, 2, 0), size, interpolation=cv2.INTER_AREA)
    rows = np.minimum(points[:, 0] * size[1] / height, size[1] - 1).astype(np.intp)
    columns = np.minimum(points[:, 1] * size[0] / width, size[0] - 1).astype(np.intp)
    rows, columns, wanted = _merge(rows, columns, points[:, 2:], size)

    missing = wanted - color[rows, columns]
    places = np.indices(size[::-1], dtype=np.float32).transpose(1, 2, 0) / min(size)
    among: Float32 = np.zeros((len(rows), len(rows)), np.float32)
    towards: Float32 = np.zeros((size[0] * size[1], len(rows)), np.float32)
    for share, reach, tones, colors in _KERNELS:
        parts = [places / reach, tone[..., None] / tones]
        if np.isfinite(colors):
            parts.append(color / colors)
        features = np.concatenate(parts, axis=-1).astype(np.float32)
        known = features[rows, columns]
        among += share * _alike(known, known)
        towards += share * _alike(features.reshape(-1, features.shape[-1]), known)
    among[np.diag_indices_from(among)] += _NOISE
    change = towards @ np.linalg.solve(among, missing)
    planes = cv2.resize(change.reshape(size[1], size[0], 2), (width, height))
    return ab + np.asarray(planes, np.float32).transpose(2, 0, 1)


def _merge(
    rows: NDArray[np.intp], columns: NDArray[np.intp], colors: Float32, size: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp], Float32]:
    """One point a cell, with the mean colour; cells grow until there are few enough."""
    cell = 1
    while True:
        key = (rows // cell) * size[0] + columns // cell
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        if len(first) <= _MOST:
            break
        cell *= 2
    means = np.zeros((len(first), 2), np.float32)
    np.add.at(means, group, colors)
    means /= np.bincount(group).astype(np.float32)[:, None]
    return rows[first], columns[first], means


def _alike(one: Float32, other: Float32) -> Float32:
    """Gaussian kernel of the distances between rows: (len(one), len(other))."""
    far = (one * one).sum(1)[:, None] + (other * other).sum(1) - 2 * one @ other.T
    return np.asarray(np.exp(-0.5 * np.maximum(far, 0)), np.float32)
