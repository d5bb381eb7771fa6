"""The grid of ab values the network chooses from, and soft encoding onto it.

After Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016), with one change: a colour
is spread over the four grid nodes around it with bilinear weights instead of a Gaussian over five.
The mean of the encoding is then exactly the colour, so that nearly grey scenes, most of old film,
are not pulled towards the nearest node.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidcolor.color import lab_from_rgb

STEP = 10
"""Distance of two neighbouring nodes, in a*b* units."""
_REACH = 11
"""Nodes from the centre to the border of the square lookup grid; sRGB stays within ±110."""
_SIDE = 2 * _REACH + 1


@lru_cache(maxsize=1)
def _grid() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(Q, 2) nodes, and the (side, side) table from grid place to node number, -1 where none."""
    steps = np.linspace(0, 1, 33)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    # Greys come out a hair beside zero; rounding puts them, and only them, on the node.
    ab = lab_from_rgb(cube)[:, 1:].round(3)
    corner = np.floor(ab / STEP).astype(np.int64) + _REACH
    used = np.zeros((_SIDE, _SIDE), dtype=bool)
    for da in (0, 1):
        for db in (0, 1):
            used[corner[:, 0] + da, corner[:, 1] + db] = True
    table = np.full((_SIDE, _SIDE), -1, dtype=np.int64)
    table[used] = np.arange(used.sum())
    nodes = (np.argwhere(used) - _REACH).astype(np.float32) * STEP
    return nodes, table


def nodes() -> Tensor:
    """The grid's nodes: (Q, 2) float32 ab, every node around a colour of the sRGB gamut."""
    return torch.from_numpy(_grid()[0].copy())


@lru_cache(maxsize=8)
def _table(device: torch.device) -> Tensor:
    """The lookup table on its device: fetched anew, it would halt a GPU at every step."""
    return torch.from_numpy(_grid()[1]).to(device)


def encode(ab: Tensor) -> tuple[Tensor, Tensor]:
    """Spread colours over their four surrounding nodes.

    ``ab`` is (N, 2, H, W). Returns node numbers (N, 4, H, W) int64 and their weights (N, 4, H, W),
    which sum to 1. A colour a little outside the grid (possible after resampling) keeps the nodes
    that exist.
    """
    table = _table(ab.device)
    place = (ab / STEP).clamp(-_REACH, _REACH - 1e-3) + _REACH
    low = place.floor()
    part = place - low
    corner = low.long()
    numbers, weights = [], []
    for da in (0, 1):
        for db in (0, 1):
            numbers.append(table[corner[:, 0] + da, corner[:, 1] + db])
            along_a = part[:, 0] if da else 1 - part[:, 0]
            along_b = part[:, 1] if db else 1 - part[:, 1]
            weights.append(along_a * along_b)
    number, weight = torch.stack(numbers, 1), torch.stack(weights, 1)
    weight = torch.where(number < 0, torch.zeros_like(weight), weight)
    weight = weight / weight.sum(1, keepdim=True).clamp_min(1e-6)
    return number.clamp_min(0), weight
