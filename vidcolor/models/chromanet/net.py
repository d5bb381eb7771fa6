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
from vidcolor.models.chromanet.config import HEADS, HINT_CHANNELS, NetConfig
from vidcolor.models.chromanet.depthwise import FrozenDepthwise
from vidcolor.models.trainable import TrainableNet


class ConvUnit(nn.Module):
    """Convolution with "same" padding, then batch norm (while training), then an activation.

    Strided convolutions pad as TensorFlow does, more at the end than at the beginning: the
    pretrained encoder was trained so. A norm in eval mode is folded into the weights as it runs,
    which spares a pass over the activations; ``fold`` makes that permanent.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activate: bool = True,
        folded: bool = False,
    ) -> None:
        super().__init__()
        self.padding = kernel // 2 if stride == 1 else 0
        self.extra = kernel - stride if stride > 1 else 0
        self.activate = activate
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, self.padding, groups=groups, bias=folded
        )
        self.norm = None if folded else nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        if self.extra:
            before = self.extra // 2
            after = self.extra - before
            x = F.pad(x, (before, after, before, after))
        if self.norm is None:
            x = self.conv(x)
        elif self.norm.training:
            x = self.norm(self.conv(x))
        else:
            weight, bias = self._folded()
            conv = self.conv
            if conv.groups > 1 and not weight.requires_grad:
                weight, bias = weight.to(x.dtype), bias.to(x.dtype)
                stride, padding = conv.stride[0], conv.padding[0]
                x = FrozenDepthwise.apply(x, weight, bias, stride, padding)  # type: ignore[no-untyped-call]
            else:
                x = F.conv2d(x, weight, bias, conv.stride, conv.padding, groups=conv.groups)
        return F.relu6(x) if self.activate else x

    def _folded(self) -> tuple[Tensor, Tensor]:
        norm = self.norm
        assert norm is not None
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return self.conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale

    def fold(self) -> None:
        """Merge the norm's running statistics into the convolution, for good."""
        if self.norm is None:
            return
        with torch.no_grad():
            weight, bias = self._folded()
        self.conv.weight = nn.Parameter(weight)
        self.conv.bias = nn.Parameter(bias)
        self.norm = None


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project back (Sandler et al., MobileNetV2, 2018)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, *, folded: bool
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = ConvUnit(inputs, hidden, 1, folded=folded) if expansion > 1 else None
        self.filter = ConvUnit(hidden, hidden, kernel, stride=stride, groups=hidden, folded=folded)
        self.project = ConvUnit(hidden, outputs, 1, activate=False, folded=folded)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x if self.expand is None else self.expand(x)
        y = self.project(self.filter(y))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """A picture of so many ``planes`` to features at 1/4, 1/8, 1/16 and 1/32 of its size."""

    def __init__(self, config: NetConfig, *, folded: bool, planes: int = 1) -> None:
        super().__init__()
        self.stem = ConvUnit(planes, config.stem, 3, stride=2, folded=folded)
        blocks: list[nn.Module] = []
        taps, channels = [], []
        scale, inputs = 2, config.stem
        for repeats, kernel, stride, expansion, outputs in config.stages:
            if stride > 1:
                taps.append(len(blocks) - 1)
                channels.append(inputs)
                scale *= stride
            for repeat in range(repeats):
                blocks.append(
                    InvertedResidual(
                        inputs,
                        outputs,
                        kernel,
                        stride if repeat == 0 else 1,
                        expansion,
                        folded=folded,
                    )
                )
                inputs = outputs
        if scale != 32:
            raise ValueError(f"the encoder must reduce by 32, not {scale}")
        self.blocks = nn.ModuleList(blocks)
        # The first tap lies at half size, which the decoder has no use for.
        self.taps = (*taps[1:], len(blocks) - 1)
        self.channels = (*channels[1:], inputs)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        features = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taps:
                features.append(x)
        return features


class DecoderStep(nn.Module):
    """Double the size, join the encoder's features and the hints, and mix."""

    def __init__(self, inputs: int, lateral: int, outputs: int, *, folded: bool) -> None:
        super().__init__()
        narrow = outputs // 2
        self.lateral = ConvUnit(lateral, narrow, 1, folded=folded)
        self.first = ConvUnit(inputs + narrow + HINT_CHANNELS, outputs, 3, folded=folded)
        self.second = ConvUnit(outputs, outputs, 3, folded=folded)

    def forward(self, x: Tensor, lateral: Tensor, hints: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = torch.cat((x, self.lateral(lateral), hints.to(x.dtype)), 1)
        mixed: Tensor = self.second(self.first(x))
        return mixed


class GlobalMixer(nn.Module):
    """Self-attention over all places of a map, then a small perceptron (Vaswani et al., 2017).

    A convolution knows its neighbourhood; this lets a coat agree with the same coat across the
    picture, and a hint reach everything that looks like what it was put on. It starts as the
    identity, so that it can be added to a network that is already trained.
    """

    def __init__(self, channels: int, heads: int = HEADS) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(channels)
        self.mix = nn.Linear(channels, 3 * channels)
        self.join = nn.Linear(channels, channels)
        self.between = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 2 * channels)
        self.narrow = nn.Linear(2 * channels, channels)
        for last in (self.join, self.narrow):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        places = x.flatten(2).transpose(1, 2)
        shape = (count, height * width, 3, self.heads, channels // self.heads)
        query, key, value = self.mix(self.before(places)).reshape(shape).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        places = places + self.join(seen.reshape(count, height * width, channels))
        places = places + self.narrow(F.gelu(self.widen(self.between(places))))
        # Channels last, like every map around it.
        mixed: Tensor = places.transpose(1, 2).reshape(count, channels, height, width)
        return mixed


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
        """The annealed mean of the distribution: (N, 2, H/4, W/4) float32 ab."""
        config = self.config
        count, nodes, height, width = logits.shape
        # Pixels as rows, which channels-last logits already are: softmax along the last axis and
        # one matrix product take a third of the time of the same along the second.
        rows = logits.permute(0, 2, 3, 1).reshape(-1, nodes)
        rows = torch.sub(rows, config.rebalance * self.log_prior).mul_(1 / config.temperature)
        ab = torch.softmax(rows, 1) @ (self.nodes * config.chroma_gain)
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
