"""What old stock, prints and transfers do to a picture, for a whole batch on its device.

The same faults in the same shares and strengths as `vidcolor.train.examples.age`, drawn for all
pictures at once; what a picture does not have is drawn too and multiplied by nothing, because a
device is faster at the same for everyone than at asking who needs what.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from vidcolor.train.resampling import blur_matrix, smooth_field

_SCRATCHES = 4
_SPECKS = 11
_SPECK_REACH = 4
"""No speck is longer than this from its middle."""

# fmt: off
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)
# fmt: on
"""Steps for luminance of ITU-T T.81, table K.1."""


class Chance:
    """Random draws for a batch of ``count`` pictures, the same for the same generator's state.

    Every draw is made for the whole batch and then cut to ``rows``, this process's share of it: a
    batch is the same however many processes make it.
    """

    def __init__(self, generator: torch.Generator, count: int, rows: slice) -> None:
        self.generator, self.count, self.rows = generator, count, rows
        self.device = generator.device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """(n, *shape) float32 in low … high."""
        draw = torch.rand(self.count, *shape, generator=self.generator, device=self.device)
        return low + (high - low) * draw[self.rows]

    def normal(self, spread: float, *shape: int) -> Tensor:
        draw = torch.randn(self.count, *shape, generator=self.generator, device=self.device)
        return spread * draw[self.rows]

    def whole(self, low: int, high: int, *shape: int) -> Tensor:
        """(n, *shape) int64 of low … high - 1."""
        draw = torch.randint(
            low, high, (self.count, *shape), generator=self.generator, device=self.device
        )
        return draw[self.rows]

    def happens(self, share: float, *shape: int) -> Tensor:
        """(n, *shape) bool, true with probability ``share``."""
        return self.uniform(0, 1, *shape) < share

    def sign(self, *shape: int) -> Tensor:
        return 2.0 * self.happens(0.5, *shape) - 1


def age_batch(lightness: Tensor, chance: Chance) -> Tensor:
    """``lightness`` (N, S, S) L*, S a multiple of 8, as it comes back from a worn print."""
    size = lightness.shape[-1]
    tone = (lightness / 100).clamp(0, 1) ** chance.uniform(0.7, 1.45, 1, 1)
    tone = (tone - 0.5) * chance.uniform(0.6, 1.15, 1, 1) + 0.5 + chance.uniform(-0.12, 0.12, 1, 1)
    soft = blur_matrix(chance.uniform(0.3, 1.3) * chance.happens(0.6), size)
    tone = soft @ tone @ soft.mT
    # The frame's light breathes and falls off, never evenly.
    uneven = smooth_field(chance.normal(0.06, 3, 3), size)
    tone = tone + uneven * chance.happens(0.2, 1, 1)
    tone = tone + _grain(size, chance)
    tone = tone + _scratches(tone, chance) + _dust(tone, chance)
    coded = _blocks(tone, chance.whole(15, 70))
    tone = torch.where(chance.happens(0.15, 1, 1), coded, tone)
    return (tone * 100).clamp(0, 100)


def _grain(size: int, chance: Chance) -> Tensor:
    grain = chance.normal(1, size, size)
    clump = blur_matrix(torch.full((1,), 0.7, device=chance.device), size)[0]
    coarse = 2 * (clump @ grain @ clump.T)
    grain = torch.where(chance.happens(0.5, 1, 1), coarse, grain)
    return grain * chance.uniform(0.005, 0.06, 1, 1) * chance.happens(0.7, 1, 1)


def _scratches(tone: Tensor, chance: Chance) -> Tensor:
    """Thin, nearly upright lines, dark or bright, some of them broken: (N, S, S) to be added."""
    size = tone.shape[-1]
    x = chance.uniform(0, size, _SCRATCHES, 1)
    ends = chance.uniform(-0.5, 1.5, _SCRATCHES, 2).sort(2).values * size
    start, stop = ends[..., :1], ends[..., 1:]
    lean = chance.normal(2, _SCRATCHES, 1)
    strength = chance.uniform(0.1, 0.6, _SCRATCHES, 1) * chance.sign(_SCRATCHES, 1)
    number = torch.arange(_SCRATCHES, device=tone.device)[:, None]
    drawn = (number < chance.whole(1, 1 + _SCRATCHES, 1, 1)) & chance.happens(0.15, 1, 1)
    row = torch.arange(size, device=tone.device)
    column = torch.round(x + lean * (row - start) / (stop - start).clamp_min(1)).long()
    inside = (row >= start) & (row <= stop) & (column >= 0) & (column < size) & drawn
    place = row * size + column.clamp(0, size - 1)
    return _added(tone, place, strength * inside)


def _dust(tone: Tensor, chance: Chance) -> Tensor:
    """Specks and hairs, dark or bright: (N, S, S) to be added."""
    size = tone.shape[-1]
    middle = chance.whole(0, size, _SPECKS, 2)
    long = chance.whole(1, 4, _SPECKS, 1) + 0.45
    wide = chance.whole(1, 3, _SPECKS, 1) + 0.45
    angle = chance.uniform(0, math.pi, _SPECKS, 1)
    strength = chance.uniform(0.2, 0.8, _SPECKS, 1) * chance.sign(_SPECKS, 1)
    number = torch.arange(_SPECKS, device=tone.device)[:, None]
    drawn = (number < chance.whole(1, 1 + _SPECKS, 1, 1)) & chance.happens(0.15, 1, 1)
    down, along = square(_SPECK_REACH, tone.device)
    u = angle.cos() * along + angle.sin() * down
    v = angle.cos() * down - angle.sin() * along
    covered = (u / long).square() + (v / wide).square() <= 1
    place, inside = around(middle, down, along, size)
    return _added(tone, place, strength * (covered & inside & drawn))


def square(reach: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Steps (down, along) of every pixel of a square from its middle pixel, each (side²,)."""
    steps = torch.arange(-reach, reach + 1, device=device)
    down, along = torch.meshgrid(steps, steps, indexing="ij")
    return down.flatten(), along.flatten()


def around(middle: Tensor, down: Tensor, along: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Flat places (N, k, side²) of the squares about ``middle`` (N, k, 2), and which are inside.

    Places outside the picture are moved to its border.
    """
    y, x = middle[..., :1] + down, middle[..., 1:] + along
    inside = (y >= 0) & (y < size) & (x >= 0) & (x < size)
    return y.clamp(0, size - 1) * size + x.clamp(0, size - 1), inside


def _added(like: Tensor, place: Tensor, value: Tensor) -> Tensor:
    flat = torch.zeros_like(like).flatten(1)
    return flat.scatter_add_(1, place.flatten(1), value.flatten(1)).view_as(like)


def _blocks(tone: Tensor, quality: Tensor) -> Tensor:
    """The picture after JPEG at ``quality`` (N,), 15 … 69: its transform and steps, no file."""
    count, size, _ = tone.shape
    percent = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality).view(-1, 1, 1)
    table, cosine = _transform(tone.device)
    step = ((table * percent + 50) / 100).floor().clamp(1, 255)[:, None, None]
    codes = (tone.clamp(0, 1) * 255).floor() - 128
    tiles = codes.view(count, size // 8, 8, size // 8, 8).transpose(2, 3)
    waves = torch.round(cosine @ tiles @ cosine.T / step) * step
    tiles = cosine.T @ waves @ cosine
    back = tiles.transpose(2, 3).reshape(count, size, size)
    return (back + 128).round().clamp(0, 255) / 255


@lru_cache(maxsize=8)
def _transform(device: torch.device) -> tuple[Tensor, Tensor]:
    """JPEG's steps and its cosine transform, both (8, 8), kept on the device."""
    k = torch.arange(8, dtype=torch.float32)
    cosine = torch.cos(math.pi / 16 * (2 * k[None, :] + 1) * k[:, None]) / 2
    cosine[0] /= math.sqrt(2)
    table = torch.tensor(_LUMINANCE, dtype=torch.float32).view(8, 8)
    return table.to(device), cosine.to(device)
