"""The network of Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016).

``detect`` and ``load`` are what the registry asks of every architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from vidcolor.models.eccv16.net import EccvNet


def detect(names: Iterable[str]) -> bool:
    """True if the names of a state's arrays are those of the published checkpoint."""
    return {"model1.0.weight", "model8.6.weight", "model_out.weight"} <= set(names)


def load(state: Mapping[str, NDArray[Any]], config: Mapping[str, Any]) -> EccvNet:
    """The network with ``state``, in eval mode and float32; the arrays tell its width and colours.

    Raises RuntimeError, TypeError or ValueError when state and config do not fit exactly.
    """
    from vidcolor.models.eccv16.net import EccvNet
    from vidcolor.models.torch_state import filled

    temperature = float(config.get("temperature", 1.0))
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    width, colours = len(state["model1.0.weight"]), state["model_out.weight"].shape[1]
    return filled(lambda: EccvNet(width, colours, **{**config, "temperature": temperature}), state)
