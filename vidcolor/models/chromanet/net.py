"""ChromaNet: L* and colour hints in, a distribution over ab out.

An EfficientNet-lite encoder (Tan and Le, 2019; the "lite" variants have neither squeeze-excitation
nor swish, so that they quantise and run well on plain CPUs) reads the lightness alone. A U-Net
decoder (Ronneberger et al., 2015) of plain 3x3 convolutions climbs to quarter size; the hints
(Zhang et al., SIGGRAPH 2017) join it at every scale, and a global descriptor of the whole picture
tells it how colourful the scene is at all, and attention blocks at 1/16 compare all places. The
head classifies over ab nodes (Zhang et al., ECCV 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.models.chromanet.bins import nodes
from vidcolor.models.chromanet.config import HINT_CHANNELS, NetConfig
from vidcolor.models.chromanet.parts import ConvUnit, DecoderStep, Encoder, GlobalMixer
from vidcolor.models.trainable import TrainableNet


class ChromaNet(TrainableNet):
    """Lightness (N, 1, H, W) and hints (N, 3, H, W) to logits (N, Q, H/4, W/4).

    Lightness is L* (0 … 100); hints are a*, b* (where the mask is 1) and the mask (0 or 1). H and W
    are multiples of 32. ``folded=True`` builds the network without batch norm, as it ships.
    """

    architecture = "chromanet"
    nodes: Tensor
    log_prior: Tensor

    def __init__(self, config: NetConfig | None = None, *, folded: bool = False) -> None:
        super().__init__()
        self.config = config = config or NetConfig()
        self.encoder = Encoder(config, folded=folded)
        quarter, eighth, sixteenth, deepest = self.encoder.channels
        w32, w16, w8, w4 = config.widths
        self.context = nn.Sequential(nn.Linear(deepest, w32), nn.ReLU(), nn.Linear(w32, w32))
        self.bottom = ConvUnit(deepest + HINT_CHANNELS, w32, 3, folded=folded)
        self.step16 = DecoderStep(w32, sixteenth, w16, folded=folded)
        self.mixers = nn.Sequential(*(GlobalMixer(w16) for _ in range(config.attention)))
        self.step8 = DecoderStep(w16, eighth, w8, folded=folded)
        self.step4 = DecoderStep(w8, quarter, w4, folded=folded)
        self.register_buffer("nodes", nodes())
        self.register_buffer("log_prior", torch.zeros(len(self.nodes)))
        self.head = nn.Conv2d(w4, len(self.nodes), 1)

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        x = lightness.to(self.head.weight.dtype) / 50 - 1
        x = x.contiguous(memory_format=torch.channels_last)
        f4, f8, f16, f32 = self.encoder(x)
        h4, h8, h16, h32 = pool_hints(hints, f4)
        context = self.context(f32.mean((2, 3)))
        x = self.bottom(torch.cat((f32, h32.to(f32.dtype)), 1)) + context[:, :, None, None]
        x = self.mixers(self.step16(x, f16, h16))
        x = self.step4(self.step8(x, f8, h8), f4, h4)
        logits: Tensor = self.head(x)
        return logits

    def decode(self, logits: Tensor) -> Tensor:
        """The annealed mean of the distribution, made vivid: (N, 2, H/4, W/4) float32 ab."""
        config = self.config
        count, nodes, height, width = logits.shape
        # Pixels as rows, which channels-last logits already are: softmax along the last axis and
        # one matrix product take a third of the time of the same along the second.
        rows = logits.permute(0, 2, 3, 1).reshape(-1, nodes)
        rows = torch.sub(rows, config.rebalance * self.log_prior).mul_(1 / config.temperature)
        mean = torch.softmax(rows, 1) @ self.nodes
        ab: Tensor = mean * config.vividness(mean.norm(dim=1, keepdim=True))
        return ab.reshape(count, height, width, 2).permute(0, 3, 1, 2)

    def shape(self) -> dict[str, Any]:
        return self.config.to_dict()

    def for_films(self) -> ChromaNet:
        return deepcopy(self).eval().fold()

    def units(self) -> Iterator[ConvUnit]:
        return (module for module in self.modules() if isinstance(module, ConvUnit))

    def fold(self) -> ChromaNet:
        """Merge every batch norm into its convolution, in place; the output stays the same."""
        for unit in self.units():
            unit.fold()
        return self


def pool_hints(hints: Tensor | None, like: Tensor) -> list[Tensor]:
    """Hints at 1/4, 1/8, 1/16 and 1/32 size, as (N, 3, h, w) in the network's units.

    The colour of a cell is the mean over its *hinted* pixels, so that one clicked point is as
    vivid at 1/32 as it was at full size; the mask is 1 where the cell holds any hint.
    """
    count, _, height, width = like.shape
    if hints is None:
        return [like.new_zeros(count, 3, height >> k, width >> k) for k in range(4)]
    mask = hints[:, 2:]
    mass = F.avg_pool2d(torch.cat((hints[:, :2] * mask / 100, mask), 1), 4)
    pooled = []
    for step in range(4):
        if step:
            mass = F.avg_pool2d(mass, 2)
        weight = mass[:, 2:]
        pooled.append(torch.cat((mass[:, :2] / weight.clamp_min(1e-6), (weight > 0).float()), 1))
    return pooled
