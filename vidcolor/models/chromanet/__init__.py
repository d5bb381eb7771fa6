"""The default network: a mobile encoder, a small decoder, a distribution over ab at quarter size.

``detect`` and ``load`` are what the registry asks of every architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vidcolor.models.chromanet.net import ChromaNet, NetConfig


def detect(state: Mapping[str, Tensor]) -> bool:
    """True if the names of ``state`` are those of a folded ChromaNet."""
    return {"encoder.stem.conv.weight", "step4.first.conv.weight", "log_prior"} <= state.keys()


def load(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> ChromaNet:
    """A folded ChromaNet with ``state``, in eval mode and float32.

    Raises RuntimeError, TypeError or KeyError when state and config do not fit exactly.
    """
    # Without storage at first: random weights would be drawn only to be replaced.
    with torch.device("meta"):
        net = ChromaNet(NetConfig.from_dict(dict(config)), folded=True)
    wide = {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }
    net.load_state_dict(wide, strict=True, assign=True)
    return net.eval().requires_grad_(False)
