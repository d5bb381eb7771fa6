"""Which models there are: the architectures we can load, and the weights known by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from vidcolor.errors import ModelError
from vidcolor.models import chromanet
from vidcolor.models.checkpoint import Checkpoint, read_checkpoint

if TYPE_CHECKING:
    from torch import Tensor


class ColorNet(Protocol):
    """What every network offers the colorizer, whatever its architecture."""

    def __call__(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor: ...

    def decode(self, logits: Tensor) -> Tensor: ...

    def to(self, *args: Any, **kwargs: Any) -> Any: ...


class Graph(Protocol):
    """Builds an ``openvino.Model`` for one picture: lightness, and hints if told, to ab."""

    def __call__(
        self,
        state: Mapping[str, NDArray[Any]],
        config: Mapping[str, Any],
        height: int,
        width: int,
        *,
        hinted: bool,
    ) -> Any: ...


@dataclass(frozen=True, slots=True)
class Architecture:
    """``detect`` tells by the names of its arrays whether a state belongs here.

    ``load`` builds the network for PyTorch, ``graph``, where there is one, for OpenVINO.
    """

    name: str
    detect: Callable[[Iterable[str]], bool]
    load: Callable[[Mapping[str, NDArray[Any]], Mapping[str, Any]], ColorNet]
    graph: Graph | None = None


ARCHITECTURES = (Architecture("chromanet", chromanet.detect, chromanet.load, chromanet.load_graph),)

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


def read_model(path: Path) -> tuple[Architecture, Checkpoint]:
    """A checkpoint and what it belongs to. Raises ModelError when that is nothing we know."""
    checkpoint = read_checkpoint(path)
    for architecture in ARCHITECTURES:
        if architecture.detect(checkpoint.state):
            return architecture, checkpoint
    known = ", ".join(architecture.name for architecture in ARCHITECTURES)
    raise ModelError(f"{path}: its arrays belong to no known architecture ({known})")


def load_net(path: Path) -> tuple[ColorNet, Checkpoint]:
    """Build a checkpoint's network for PyTorch, strictly.

    Raises ModelError when anything does not fit.
    """
    architecture, checkpoint = read_model(path)
    with fitting(path, architecture):
        return architecture.load(checkpoint.state, checkpoint.config), checkpoint


@contextmanager
def fitting(path: Path, architecture: Architecture) -> Iterator[None]:
    """Raises ModelError for what building raises when state and config do not fit."""
    try:
        yield
    except (RuntimeError, TypeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{path}: does not fit {architecture.name}: {reason}") from error
