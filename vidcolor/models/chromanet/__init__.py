"""The default network: a mobile encoder, a small decoder, a distribution over ab at quarter size.

``detect``, ``load`` and ``load_graph`` are what the registry asks of every architecture. The last
two import the library that each is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from vidcolor.models.chromanet.net import ChromaNet


def detect(names: Iterable[str]) -> bool:
    """True if the names of a state's arrays are those of a folded ChromaNet."""
    return {"encoder.stem.conv.weight", "step4.first.conv.weight", "log_prior"} <= set(names)


def load(state: Mapping[str, NDArray[Any]], config: Mapping[str, Any]) -> ChromaNet:
    """A folded ChromaNet with ``state``, in eval mode and float32.

    Raises RuntimeError, TypeError or KeyError when state and config do not fit exactly.
    """
    from vidcolor.models.chromanet.config import NetConfig
    from vidcolor.models.chromanet.net import ChromaNet
    from vidcolor.models.torch_state import filled

    shape = NetConfig.from_dict(dict(config))
    return filled(lambda: ChromaNet(shape, folded=True), state)


def load_graph(
    state: Mapping[str, NDArray[Any]],
    config: Mapping[str, Any],
    height: int,
    width: int,
    *,
    hinted: bool,
    exact: bool = False,
) -> Any:
    """The same as an ``openvino.Model`` for one picture of that size; see `graph.build`."""
    from vidcolor.models.chromanet.graph import build

    return build(state, config, height, width, hinted=hinted, exact=exact)
