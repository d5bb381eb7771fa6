"""The network of Zhang et al., "Real-Time User-Guided Image Colorization with Learned Deep Priors"
(SIGGRAPH 2017).

``detect`` and ``load`` are what the registry asks of every architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from vidcolor.models.siggraph17.net import SiggraphNet


def detect(names: Iterable[str]) -> bool:
    """True if the names of a state's arrays are those of the published checkpoint."""
    return {"model1.0.weight", "model1short10.0.weight", "model_out.0.weight"} <= set(names)


def load(state: Mapping[str, NDArray[Any]], config: Mapping[str, Any]) -> SiggraphNet:
    """The network with ``state``, in eval mode and float32; the arrays tell its width.

    Raises RuntimeError when the state does not fit exactly.
    """
    from vidcolor.models.siggraph17.net import SiggraphNet
    from vidcolor.models.torch_state import filled

    return filled(lambda: SiggraphNet(len(state["model1.0.weight"])), state)
