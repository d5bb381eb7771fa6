"""Tiny random networks, so that loading and running are tested without real weights."""

from __future__ import annotations

from pathlib import Path

import torch

from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.net import ChromaNet

TINY = NetConfig(
    stem=8,
    stages=(
        (1, 3, 1, 1, 8),
        (1, 3, 2, 2, 8),
        (1, 5, 2, 2, 8),
        (1, 3, 2, 2, 16),
        (1, 3, 2, 2, 16),
    ),
    widths=(16, 16, 16, 16),
    temperature=1.0,
)


def tiny_net(seed: int = 0, *, folded: bool = False) -> ChromaNet:
    torch.manual_seed(seed)
    return ChromaNet(TINY, folded=folded).eval()


def tiny_lively_net(seed: int = 0) -> ChromaNet:
    """Folded, and with colours to look for: a random head says nearly grey everywhere, and random
    filters do not use the range that the decoder's integers are for, as trained ones do."""
    net = tiny_net(seed).fold()
    with torch.no_grad():
        net.head.weight.mul_(20)
        for name, value in net.named_parameters():
            if name.startswith("step") and name.endswith("conv.weight"):
                value.mul_(2)
    return net


def tiny_checkpoint(path: Path, seed: int = 0) -> Path:
    net = tiny_lively_net(seed)
    write_checkpoint(path, "chromanet", TINY.to_dict(), net.state_dict())
    return path
