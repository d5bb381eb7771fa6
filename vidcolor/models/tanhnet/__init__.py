"""The blocks of ECCV16, with colours behind a tanh in place of a distribution over colours.

``detect`` and ``load`` are what the registry asks of every architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from vidcolor.models.tanhnet.net import TanhNet


def detect(names: Iterable[str]) -> bool:
    """True if the names of a state's arrays are those of a TanhNet."""
    found = set(names)
    return {"model1.0.weight", "model8.6.weight"} <= found and "model_out.weight" not in found


def load(state: Mapping[str, NDArray[Any]], config: Mapping[str, Any]) -> TanhNet:
    """The network with ``state``, in eval mode and float32; ``config`` tells its colour space.

    Raises RuntimeError, TypeError or KeyError when state and config do not fit exactly.
    """
    from vidcolor.models.tanhnet.net import TanhNet
    from vidcolor.models.torch_state import filled

    return filled(lambda: TanhNet(len(state["model1.0.weight"]), **config), state)
