"""Which models there are: the architectures we can load, and the weights known by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from vidcolor.errors import ModelError
from vidcolor.models import chromanet, eccv16, fusionnet, siggraph17, tanhnet, unet
from vidcolor.models.catalog import CATALOG
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

    ``load`` builds the network for PyTorch, ``graph``, where there is one, for OpenVINO. ``hinted``
    tells whether the network can be told colours.
    """

    name: str
    detect: Callable[[Iterable[str]], bool]
    load: Callable[[Mapping[str, NDArray[Any]], Mapping[str, Any]], ColorNet]
    graph: Graph | None = None
    hinted: bool = True


ARCHITECTURES = (
    Architecture("chromanet", chromanet.detect, chromanet.load, chromanet.load_graph),
    Architecture("eccv16", eccv16.detect, eccv16.load, hinted=False),
    Architecture("siggraph17", siggraph17.detect, siggraph17.load),
    Architecture("tanhnet", tanhnet.detect, tanhnet.load, hinted=False),
    Architecture("fusionnet", fusionnet.detect, fusionnet.load, hinted=False),
    Architecture("unet", unet.detect, unet.load, hinted=False),
    Architecture("palettenet", unet.detect_palette, unet.load),
)

_TORCH_FILES = (".pt", ".pth")
"""Suffixes of PyTorch's own files, which hold arrays and neither architecture nor config."""


def find_model(name: str) -> Path:
    """The checkpoint a model name or path stands for; never downloads one.

    Raises ModelError when a known model is not installed, and for an unknown one.
    """
    known = {model.name: model for model in CATALOG}
    if name in known:
        if known[name].path.is_file():
            return known[name].path
        raise ModelError(f"model {name!r}: not installed; run: vidcolor models pull {name}")
    path = Path(name)
    try:
        if path.is_file():
            return path
    except OSError as error:
        raise ModelError(f"model {name!r}: cannot be read: {error.strerror}") from error
    raise ModelError(
        f"model {name!r}: neither a model's name ({', '.join(known)}) nor a checkpoint file"
    )


def read_model(path: Path) -> tuple[Architecture, Checkpoint]:
    """A checkpoint and what it belongs to. Raises ModelError when that is nothing we know."""
    if path.suffix in _TORCH_FILES:
        from vidcolor.models.torch_state import read_state

        checkpoint = Checkpoint("", {}, read_state(path), {})
    else:
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
