"""Colour points: known colours at places of a picture, and how they spread over it.

The network takes points as an input and gives their colour to what looks alike, but it need not
obey. What it left undone, the difference between a point's colour and the result there, is spread
by Gaussian process regression (Rasmussen and Williams, "Gaussian Processes for Machine Learning",
2006): near the points, in the nearness of place, lightness and predicted colour, the difference
is taken over; far from all of them the network's own colour stays. How much of a difference is of
the thing a point is on, and how much of the whole picture, the points tell (their marginal
likelihood, chapter 5 there).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.models.colorizer import Colorizer

Float32 = NDArray[np.float32]

PATCH = 5
"""Side of the square a point covers, in pixels of the picture the network sees."""
_MOST = 500
"""Points that one solution takes into account; more are merged by neighbourhood first."""
_JUDGED = 100
"""Points whose likelihood is asked for."""
_TOLD = (0.5, 10)
"""Greatest share of the network's answer to the points, against its answer without any, and the
number of points at which it is half of that."""
_SCENE = (5.0, 1.5, 25.0)
"""What the light of the whole scene does to colours: its size in ab units, its reach in short sides
of the picture and in L*. This and what follows was chosen on training photographs, see
benchmarks/TRAINING.md."""
_STRENGTH = 0.3
"""By what share of themselves all colours of a picture may be too strong, too weak or turned."""
_THING = (0.45, 15.0, 13.0, 7.0)
"""Reach of a thing: in short sides, in L*, in L* of what is around, in ab units unaided."""
_SIZES = (4.0, 8.0, 16.0, 32.0)
"""Sizes, in ab units, that the differences of single things may have; the likeliest is taken."""
_NOISE = (1.5, 0.1)
"""Deviation of a point's colour: in ab units, and as a share of that size."""
_AROUND = 2.5
"""Deviation of the blur that tells what is around, in pixels of a quarter of the size."""


def color_with_points(
    colorizer: Colorizer, lightness: Float32, points: Float32, unaided: Float32 | None = None
) -> Float32:
    """The ab (2, h, w) of ``lightness`` (h, w) L*, told colours: ``points`` (K, 4) y, x, a*, b*.

    The network is asked twice, with the points and without (``unaided``, if that is at hand), and
    something between both is taken: the more points, the nearer to their mean, which was closer to
    the truth than either. Then the points are enforced by `spread`. A network that cannot be told
    colours is asked once, and the points are spread over its answer.
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
        most, half = _TOLD
        counts = np.array([len(points[number]) for number in some], np.float32)
        shares = (most * counts / (counts + half))[:, None, None, None]
        ab[some] += shares * (colorizer.colors(lightness[some], hints) - unaided[some])
    for number in some:
        ab[number] = spread(ab[number], lightness[number], points[number], unaided[number])
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


def spread(
    ab: Float32, lightness: Float32, points: Float32, unaided: Float32 | None = None
) -> Float32:
    """Draw ``ab`` (2, h, w) towards the colours of ``points`` (K, 4): y, x, a*, b* in pixels.

    ``lightness`` (h, w) is L*. What is of one thing is told by ``unaided`` (2, h, w), colours that
    know nothing of the points (else ``ab``): where the network was told them, its colours are alike
    around each point, whatever is there. Costs some three milliseconds for ten points and fifteen
    for a hundred at a short side of 192 pixels: it works at a quarter of the size, which is finer
    than any colour the eye can place.
    """
    if not len(points):
        return ab
    height, width = lightness.shape
    size = (max(1, width // 4), max(1, height // 4))
    rows = np.minimum(points[:, 0] * size[1] / height, size[1] - 1).astype(np.intp)
    columns = np.minimum(points[:, 1] * size[0] / width, size[0] - 1).astype(np.intp)
    rows, columns, wanted = _merge(rows, columns, points[:, 2:], size)

    here = rows * size[0] + columns
    missing = wanted - _small(ab, size)[here]
    every = _Likeness.of(lightness, ab if unaided is None else unaided, size)
    known = every.at(here)
    scene, thing = known.scene(known), known.thing(known)
    every_nth = slice(None, None, -(-len(here) // _JUDGED))
    judged = scene[every_nth, every_nth], thing[every_nth, every_nth], missing[every_nth]
    best = max(_SIZES, key=lambda own: _likelihood(*judged, own))
    among = _covariance(scene, thing, best)
    towards = every.scene(known) + best * best * every.thing(known)
    change = towards @ np.linalg.solve(among, missing)
    planes = np.asarray(change.T, np.float32).reshape(2, size[1], size[0])
    return ab + np.stack([cv2.resize(plane, (width, height)) for plane in planes])


@dataclass(frozen=True, slots=True)
class _Likeness:
    """By what N pixels are compared: ``place`` (N, 2) in short sides, their ``tone`` (N, 1) and
    that ``around`` them in L*, their unaided ``color`` (N, 2)."""

    place: Float32
    tone: Float32
    around: Float32
    color: Float32

    @classmethod
    def of(cls, lightness: Float32, unaided: Float32, size: tuple[int, int]) -> _Likeness:
        """All pixels of a picture at ``size`` (w, h)."""
        tone = np.asarray(cv2.resize(lightness, size, interpolation=cv2.INTER_AREA), np.float32)
        around = np.asarray(cv2.GaussianBlur(tone, (0, 0), _AROUND), np.float32)
        place = np.indices(size[::-1]).reshape(2, -1).T / min(size)
        return cls(
            np.asarray(place, np.float32),
            tone.reshape(-1, 1),
            around.reshape(-1, 1),
            _small(unaided, size),
        )

    def at(self, chosen: NDArray[np.intp]) -> _Likeness:
        """Some of the pixels."""
        parts = (self.place, self.tone, self.around, self.color)
        return _Likeness(*(part[chosen] for part in parts))

    def scene(self, other: _Likeness) -> Float32:
        """Covariance (N, M) of what befalls the whole picture: its light, and colours all too
        strong, too weak or turned, a linear function of the unaided ones."""
        deviation, reach, tones = _SCENE
        one, two = (np.hstack((p.place / reach, p.tone / tones)) for p in (self, other))
        light = deviation**2 * np.exp(-0.5 * _apart(one, two))
        return np.asarray(light + _STRENGTH**2 * self.color @ other.color.T, np.float32)

    def thing(self, other: _Likeness) -> Float32:
        """Correlation (N, M) of what befalls things: Gaussian in place, so that it ends; in looks
        a rational quadratic, as things differ in how alike their parts are."""
        reach, tones, arounds, colors = _THING
        one, two = (
            np.hstack((p.tone / tones, p.around / arounds, p.color / colors)) for p in (self, other)
        )
        near = np.exp(-0.5 * _apart(self.place / reach, other.place / reach))
        return np.asarray(near / (1 + 0.5 * _apart(one, two)), np.float32)


def _covariance(scene: Float32, thing: Float32, size: float) -> NDArray[np.float64]:
    """That of points (K, K) whose own differences have this ``size``, with their noise."""
    least, share = _NOISE
    noise = least**2 + (share * size) ** 2
    return np.asarray(scene + size * size * thing + noise * np.eye(len(scene)), np.float64)


def _likelihood(scene: Float32, thing: Float32, missing: Float32, size: float) -> float:
    """Logarithm of that of the differences ``missing`` (K, 2), up to a constant."""
    among = _covariance(scene, thing, size)
    fit = float((missing * np.linalg.solve(among, missing)).sum())
    return -0.5 * fit - float(np.linalg.slogdet(among)[1])


def _small(ab: Float32, size: tuple[int, int]) -> Float32:
    """The colours (N, 2) of ``ab`` (2, h, w) at ``size`` (w, h)."""
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA).ravel() for plane in ab]
    return np.asarray(np.stack(planes, axis=1), np.float32)


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


def _apart(one: Float32, other: Float32) -> Float32:
    """Squared distances between rows: (len(one), len(other))."""
    far = (one * one).sum(1)[:, None] + (other * other).sum(1) - 2 * one @ other.T
    return np.asarray(np.maximum(far, 0), np.float32)
