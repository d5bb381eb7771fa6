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


def tiny_checkpoint(path: Path, seed: int = 0) -> Path:
    net = tiny_net(seed).fold()
    # A random head says nearly grey everywhere; a sharper one gives colours to look for.
    with torch.no_grad():
        net.head.weight.mul_(20)
    write_checkpoint(path, "chromanet", TINY.to_dict(), net.state_dict())
    return path
