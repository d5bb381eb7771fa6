"""An encoder–decoder that joins what it sees at each place with what the whole picture is.

``detect`` and ``load`` are what the registry asks of every architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from vidcolor.models.fusionnet.net import FusionNet


def detect(names: Iterable[str]) -> bool:
    """True if the names of a state's arrays are those of a FusionNet."""
    return {"low.0.0.weight", "told.weight", "join.weight"} <= set(names)


def load(state: Mapping[str, NDArray[Any]], config: Mapping[str, Any]) -> FusionNet:
    """The network with ``state``, in eval mode and float32.

    Raises RuntimeError, TypeError or KeyError when state and config do not fit exactly.
    """
    from vidcolor.models.fusionnet.net import FusionConfig, FusionNet
    from vidcolor.models.torch_state import filled

    return filled(lambda: FusionNet(FusionConfig(**config)), state)
