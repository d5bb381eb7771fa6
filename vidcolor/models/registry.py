"""Which models there are: the architectures we can load, and the weights known by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from vidcolor.errors import ModelError
from vidcolor.models import chromanet
from vidcolor.models.checkpoint import Checkpoint, read_checkpoint


class ColorNet(Protocol):
    """What every network offers the colorizer, whatever its architecture."""

    def __call__(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor: ...

    def decode(self, logits: Tensor) -> Tensor: ...

    def to(self, *args: Any, **kwargs: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Architecture:
    """``detect`` tells by the names of its arrays whether a state belongs here; ``load`` builds."""

    name: str
    detect: Callable[[Mapping[str, Tensor]], bool]
    load: Callable[[Mapping[str, Tensor], Mapping[str, Any]], ColorNet]


ARCHITECTURES = (Architecture("chromanet", chromanet.detect, chromanet.load),)

SHIPPED = ("default",)
"""Names of the weights inside the package."""


def find_model(name: str) -> Path:
    """The checkpoint a model name or path stands for. Raises ModelError naming the known ones."""
    if name in SHIPPED:
        return Path(str(files("vidcolor.models") / "weights" / f"{name}.safetensors"))
    path = Path(name)
    try:
        if path.is_file():
            return path
    except OSError as error:
        raise ModelError(f"model {name!r}: cannot be read: {error.strerror}") from error
    raise ModelError(
        f"model {name!r}: neither a model's name ({', '.join(SHIPPED)}) nor a checkpoint file"
    )


def load_net(path: Path) -> tuple[ColorNet, Checkpoint]:
    """Build the network of a checkpoint, strictly. Raises ModelError when anything does not fit."""
    checkpoint = read_checkpoint(path)
    for architecture in ARCHITECTURES:
        if architecture.detect(checkpoint.state):
            try:
                return architecture.load(checkpoint.state, checkpoint.config), checkpoint
            except (RuntimeError, TypeError, KeyError, ValueError) as error:
                reason = " ".join(str(error).split())[:300]
                raise ModelError(f"{path}: does not fit {architecture.name}: {reason}") from error
    known = ", ".join(architecture.name for architecture in ARCHITECTURES)
    raise ModelError(f"{path}: its arrays belong to no known architecture ({known})")
