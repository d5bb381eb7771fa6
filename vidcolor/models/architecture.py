"""What the colorizer must know of a kind of network, ours or someone else's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vidcolor.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    from torch import Tensor

Float32 = NDArray[np.float32]


class ColorNet(Protocol):
    """What every network for PyTorch offers, whatever its architecture."""

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


class Engine(Protocol):
    """A network that is ready to run."""

    @property
    def description(self) -> dict[str, str]:
        """For reports: ``engine`` with its version, ``device`` and ``dtype``."""
        ...

    def run(self, lightness: Float32, hints: Float32 | None = None) -> Float32:
        """``lightness`` (N, h, w) and ``hints`` (N, 3, h, w) to ab (N, 2, h/s, w/s) float32.

        The network decides on s, how much smaller than its picture its colours are.
        """
        ...


@runtime_checkable
class Sized(Protocol):
    """Of an engine that has work to do for each new size of pictures, before the first of them."""

    def prepare(self, height: int, width: int) -> None:
        """Do it now, for pictures of that size without hints."""
        ...


@dataclass(frozen=True, slots=True)
class Architecture:
    """``detect`` tells by the names of its arrays whether a state belongs here.

    ``load`` builds the network for PyTorch, ``graph``, where there is one, for OpenVINO. ``hinted``
    tells whether the network can be told colours.

    One that needs neither has ``open``, which is given a path, its checkpoint and a device (as in
    `vidcolor.device`). Files that end in one of ``suffixes`` are its own, and ``read`` reads them.
    ``weights`` is a checkpoint that comes with it.
    """

    name: str
    detect: Callable[[Iterable[str]], bool]
    load: Callable[[Mapping[str, NDArray[Any]], Mapping[str, Any]], ColorNet] | None = None
    graph: Graph | None = None
    hinted: bool = True
    open: Callable[[Path, Checkpoint, str], Engine] | None = None
    suffixes: tuple[str, ...] = ()
    read: Callable[[Path], Checkpoint] | None = None
    weights: Path | None = None

    def __post_init__(self) -> None:
        if self.load is None and self.open is None:
            raise TypeError(f"{self.name}: an architecture needs either load or open")
        if bool(self.suffixes) != (self.read is not None):
            raise TypeError(f"{self.name}: suffixes and read go together")
        if not isinstance(self.weights, Path | None):
            raise TypeError(f"{self.name}: weights must be a Path, not {self.weights!r}")
