"""A network shown overlapping pieces of a picture, whose colours are put together again.

A network that was trained on small pictures sees more of a large one this way, and less of what
belongs together. How the pieces are named is in `vidcolor.tiling`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from vidcolor.models.colorizer import Colorizer, Float32
from vidcolor.scaling import scaled
from vidcolor.tiling import Tiles

Corner = tuple[int, int, int]
"""A tile's picture in the batch, its top row and its left column."""

_AT_ONCE = 8
"""Tiles that go to the network together, however large the picture is."""
_WIDTH = 0.25
"""Standard deviation of the Gaussian weight, as a share of the tile's side."""


class Tiled(Colorizer):
    """Asks ``inner`` in each of the ``ways``, and takes the mean of what they give."""

    def __init__(self, inner: Colorizer, ways: tuple[Tiles, ...], name: str) -> None:
        self._inner, self._ways, self._name = inner, ways, name
        self.takes_hints = inner.takes_hints

    @property
    def path(self) -> Path:
        """As `Colorizer.path`."""
        return self._inner.path

    @property
    def architecture(self) -> str:
        """As `Colorizer.architecture`."""
        return self._inner.architecture

    @property
    def card(self) -> dict[str, Any]:
        """As `Colorizer.card`."""
        return self._inner.card

    @property
    def description(self) -> dict[str, str]:
        """That of the network, and the tiles."""
        return {**self._inner.description, "tiles": self._name}

    def prepare(self, height: int, width: int) -> None:
        """Nothing: its network is shown other sizes."""

    def colors(self, lightness: Float32, hints: Float32 | None = None) -> Float32:
        """As `Colorizer.colors`; each tile is told the hints that lie in it."""
        found = [self._in_one_way(way, lightness, hints) for way in self._ways]
        return found[0] if len(found) == 1 else np.mean(found, axis=0, dtype=np.float32)

    def _in_one_way(self, way: Tiles, lightness: Float32, hints: Float32 | None) -> Float32:
        size = lightness.shape[1:]
        if way.scale is not None:
            seen = _sides(size, way.scale)
            lightness = np.stack([scaled(plane, seen) for plane in lightness])
            hints = None if hints is None else np.stack([_hints(item, seen) for item in hints])
        ab = self._pooled(way, lightness, hints)
        if ab.shape[2:] == size:
            return ab
        return np.stack([[scaled(plane, size) for plane in planes] for planes in ab])

    def _pooled(self, way: Tiles, lightness: Float32, hints: Float32 | None) -> Float32:
        if way.size is None:
            return self._inner.colors(lightness, hints)
        height, width = lightness.shape[1:]
        tall, wide = min(way.size, height), min(way.size, width)
        tops, lefts = corners(height, tall, way.stride), corners(width, wide, way.stride)
        places = product(range(len(lightness)), tops, lefts)
        ab = np.zeros((len(lightness), 2, height, width), np.float32)
        weights = np.zeros((height, width), np.float32)
        strongest = np.full(lightness.shape, -1, np.float32)
        weight = _weight(tall, wide, way.size) if way.pool == "gauss" else np.float32(1)
        for (number, top, left), colors in self._asked(places, lightness, hints, tall, wide):
            area = np.s_[top : top + tall, left : left + wide]
            here = ab[number][:, *area]
            if way.pool == "max":
                chroma = np.hypot(*colors)
                more = chroma > strongest[number][area]
                strongest[number][area][more] = chroma[more]
                here[:, more] = colors[:, more]
            else:
                here += weight * colors
                if number == 0:
                    weights[area] += weight
        return ab if way.pool == "max" else ab / weights

    def _asked(
        self,
        places: Iterable[Corner],
        lightness: Float32,
        hints: Float32 | None,
        tall: int,
        wide: int,
    ) -> Iterator[tuple[Corner, Float32]]:
        """Each tile with its ab (2, tall, wide), a few tiles in memory at a time."""
        places = iter(places)
        while group := list(islice(places, _AT_ONCE)):
            cuts = [np.s_[n, ..., top : top + tall, left : left + wide] for n, top, left in group]
            light = np.stack([lightness[cut] for cut in cuts])
            told = None if hints is None else np.stack([hints[cut] for cut in cuts])
            yield from zip(group, self._inner.colors(light, told), strict=True)


def corners(length: int, size: int, stride: int) -> list[int]:
    """Where tiles of ``size`` begin along a side: every ``stride``, and the last one at the end."""
    return [*range(0, length - size, stride), length - size]


@lru_cache(maxsize=8)
def _weight(tall: int, wide: int, size: int) -> Float32:
    """(tall, wide) of a tile: 1 in its middle, less toward its edges."""
    down, along = (
        np.exp(-0.5 * np.square((np.arange(side) - (side - 1) / 2) / (_WIDTH * size)))
        for side in (tall, wide)
    )
    return np.asarray(np.outer(down, along), np.float32)


def _sides(size: tuple[int, ...], short: int) -> tuple[int, int]:
    """``size`` (h, w) scaled to this short side, in multiples of 32."""
    height, width = (max(32, 32 * round(side * short / min(size) / 32)) for side in size)
    return height, width


def _hints(hints: Float32, size: tuple[int, ...]) -> Float32:
    """Hints (3, h, w) at another size: a pixel that any of them touches has their mean colour."""
    a, b, share = (scaled(plane, size) for plane in (*(hints[:2] * hints[2]), hints[2]))
    mask = share > 0
    least = np.where(mask, share, 1)
    return np.stack([a / least, b / least, mask]).astype(np.float32)
