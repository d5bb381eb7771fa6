"""Weights on disk: one safetensors file, with the architecture and its shape in the header.

safetensors holds plain arrays and text: opening one runs no code, whoever made it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vidcolor.disk import put_in_place
from vidcolor.errors import ModelError

FORMAT = "vidcolor-1"
_FOREIGN = frozenset({"BF16", "F8_E4M3", "F8_E5M2"})
"""Types of safetensors that NumPy lacks and PyTorch has."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``state`` maps names to arrays; ``config`` rebuilds the architecture they belong to.

    A foreign file names no ``architecture``: it is empty then, and config and card are too.
    ``beside`` are files that it goes with.
    """

    architecture: str
    config: dict[str, Any]
    state: dict[str, NDArray[Any]]
    card: dict[str, Any]
    beside: tuple[Path, ...] = ()


def read_checkpoint(path: Path, *, foreign: bool = False) -> Checkpoint:
    """Read a vidcolor checkpoint, or with ``foreign`` the arrays of any safetensors file.

    Raises ModelError when it is missing, broken, or foreign and that was not asked for.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="np") as archive:
            header = archive.metadata() or {}
            named = header.get("format", "unnamed")
            # Of ours, one of a later version is not to be guessed at.
            if named != FORMAT and (not foreign or named.startswith("vidcolor")):
                raise ModelError(f"{path}: not a vidcolor checkpoint (format {named})")
            state = _arrays(path, archive)
            if named != FORMAT:
                return Checkpoint("", {}, state, {})
            return Checkpoint(
                header["architecture"],
                json.loads(header["config"]),
                state,
                json.loads(header.get("card", "{}")),
            )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: broken checkpoint, or not one at all: {error}") from error


def _arrays(path: Path, archive: Any) -> dict[str, NDArray[Any]]:
    """The arrays of an open file; those that NumPy has no type for, as float32."""
    kinds = {name: archive.get_slice(name).get_dtype() for name in archive.keys()}  # noqa: SIM118
    state = {name: archive.get_tensor(name) for name in kinds if kinds[name] not in _FOREIGN}
    if len(state) < len(kinds):
        with safe_open(path, framework="pt") as tensors:
            for name in kinds.keys() - state.keys():
                state[name] = tensors.get_tensor(name).float().numpy()
    return {name: state[name] for name in kinds}


def write_checkpoint(
    path: Path,
    architecture: str,
    config: Mapping[str, Any],
    state: Mapping[str, ArrayLike],
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint under a temporary name, then put it in place in one step.

    ``state`` may hold anything NumPy takes for an array, a network's tensors on the CPU among it.
    """
    header = {
        "format": FORMAT,
        "architecture": architecture,
        "config": json.dumps(dict(config)),
        "card": json.dumps(dict(card or {})),
    }
    part = path.with_name(f".{path.name}.part")
    arrays = {name: np.asarray(value, order="C") for name, value in state.items()}
    try:
        # Not by safetensors' own writer, whose files nobody but their owner may read.
        part.write_bytes(save(arrays, metadata=header))
        put_in_place(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def digest(path: Path, *more: Path) -> str:
    """SHA-256 of the file, in hex; with ``more``, that of the digests of all."""
    if more:
        return hashlib.sha256("".join(map(digest, (path, *more))).encode()).hexdigest()
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def to_half(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Floating-point arrays as float16, for shipping; others as they are."""
    return {
        name: value.astype(np.float16) if np.issubdtype(value.dtype, np.floating) else value
        for name, value in state.items()
    }
