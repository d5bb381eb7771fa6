"""Normalised weights, as they are stored while a network is trained, made into plain ones.

Spectral normalisation (Miyato et al., 2018) stores a weight with estimates ``u`` and ``v`` of its
first singular vectors, weight normalisation (Salimans and Kingma, 2016) a direction ``v`` and its
length ``g``. When nothing is trained any more, both are a weight like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def folded(state: Mapping[str, Array]) -> dict[str, Array]:
    """``state`` with ``weight`` in place of ``weight_orig``, ``_u``, ``_v`` and of ``_g``, ``_v``.

    Raises KeyError for a part that is missing, ValueError for one that has the wrong shape.
    """
    left = dict(state)
    for name in state:
        stem, _, kind = name.rpartition("_")
        if kind == "orig":
            weight, u, v = (_take(left, f"{stem}_{part}") for part in ("orig", "u", "v"))
            rows = weight.reshape(len(weight), -1)
            _check(f"{stem}_u", u, rows.shape[:1])
            _check(f"{stem}_v", v, rows.shape[1:])
            left[stem] = (weight / (u @ (rows @ v))).astype(np.float32)
        elif kind == "g":
            length, direction = (_take(left, f"{stem}_{part}") for part in ("g", "v"))
            rows = direction.reshape(len(direction), -1)
            _check(name, length, (len(rows), *(1,) * (direction.ndim - 1)))
            norm = np.linalg.norm(rows, axis=1).reshape(length.shape)
            left[stem] = (direction * (length / norm)).astype(np.float32)
    return left


def _take(left: dict[str, Array], name: str) -> Array:
    if name not in left:
        raise KeyError(f"missing array {name}")
    return left.pop(name).astype(np.float64)


def _check(name: str, value: Array, shape: tuple[int, ...]) -> None:
    if value.shape != shape:
        raise ValueError(f"{name} has shape {value.shape}, expected {shape}")
