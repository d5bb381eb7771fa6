"""Weights on disk: one safetensors file, with the architecture and its shape in the header.

safetensors holds plain arrays and text: opening one runs no code, whoever made it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vidcolor.errors import ModelError

FORMAT = "vidcolor-1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``state`` maps names to arrays; ``config`` rebuilds the architecture they belong to."""

    architecture: str
    config: dict[str, Any]
    state: dict[str, Tensor]
    card: dict[str, Any]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a vidcolor checkpoint. Raises ModelError when it is missing, broken or foreign."""
    if not path.is_file():
        raise ModelError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="pt") as archive:
            header = archive.metadata() or {}
            if header.get("format") != FORMAT:
                raise ModelError(
                    f"{path}: not a vidcolor checkpoint (format {header.get('format', 'unnamed')})"
                )
            state = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
            return Checkpoint(
                header["architecture"],
                json.loads(header["config"]),
                state,
                json.loads(header.get("card", "{}")),
            )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: broken checkpoint, or not one at all: {error}") from error


def write_checkpoint(
    path: Path,
    architecture: str,
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint under a temporary name, then put it in place in one step."""
    header = {
        "format": FORMAT,
        "architecture": architecture,
        "config": json.dumps(dict(config)),
        "card": json.dumps(dict(card or {})),
    }
    part = path.with_name(f".{path.name}.part")
    save_file({name: value.contiguous() for name, value in state.items()}, part, metadata=header)
    os.replace(part, path)


def digest(path: Path) -> str:
    """SHA-256 of the file, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def to_half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating-point arrays as float16, for shipping; others as they are."""
    return {
        name: value.to(torch.float16) if value.is_floating_point() else value
        for name, value in state.items()
    }
