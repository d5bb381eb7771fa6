"""What a ChromaNet is built of: convolutions with their norms, the encoder, the decoder's steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.models.chromanet.config import HEADS, HINT_CHANNELS, NetConfig
from vidcolor.models.chromanet.depthwise import FrozenDepthwise


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
        self.watch: Callable[[Tensor], None] | None = None
        """Told what comes of the convolution, before anything else is done with it."""
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, self.padding, groups=groups, bias=folded
        )
        self.norm = None if folded else nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        """With ``beside``, ``x`` is taken at twice its size, and that joined to it."""
        if self.extra:
            before = self.extra // 2
            after = self.extra - before
            x = F.pad(x, (before, after, before, after))
        conv, norm = self.conv, self.norm
        weight, bias = conv.weight, conv.bias
        if norm is not None and not norm.training:
            weight, bias = self._folded()
        if beside is not None:
            x = _over_doubled(x, beside, weight, bias)
        elif norm is not None and bias is not None and conv.groups > 1 and not weight.requires_grad:
            weight, bias = weight.to(x.dtype), bias.to(x.dtype)
            stride, padding = conv.stride[0], conv.padding[0]
            x = FrozenDepthwise.apply(x, weight, bias, stride, padding)  # type: ignore[no-untyped-call]
        else:
            x = F.conv2d(x, weight, bias, conv.stride, conv.padding, groups=conv.groups)
        if self.watch is not None:
            self.watch(x)
        if norm is not None and norm.training:
            x = norm(x)
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


def _over_doubled(x: Tensor, beside: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Filters of 3x3 over ``x`` at twice its size, each pixel four times, with ``beside`` joined to
    it: over ``x`` as it is, in less than half the multiplications.

    See `vidcolor.models.chromanet.layers.Layers.doubling_unit`.
    """
    above, own = weight.tensor_split([x.shape[1]], 1)
    places = F.conv2d(x, _halved(above), padding=1).permute(0, 2, 3, 1)
    count, rows, columns, _ = places.shape
    # By hand, as pixel_shuffle would leave channels-last.
    places = places.reshape(count, rows, columns, 2, 2, -1).permute(0, 1, 3, 2, 4, 5)
    places = places.reshape(count, 2 * rows, 2 * columns, -1)[:, 1:-1, 1:-1].permute(0, 3, 1, 2)
    return F.conv2d(beside, own, bias, padding=1) + places


def _halved(filters: Tensor) -> Tensor:
    """As `vidcolor.models.chromanet.layers.halved`."""
    rows = [_paired(filters, 2, even=even) for even in (False, True)]
    return torch.cat([_paired(row, 3, even=even) for row in rows for even in (False, True)])


def _paired(filters: Tensor, axis: int, *, even: bool) -> Tensor:
    first, second, third = filters.split(1, axis)
    return torch.cat((first, second + third) if even else (first + second, third), axis)


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
        beside = torch.cat((self.lateral(lateral), hints.to(lateral.dtype)), 1)
        mixed: Tensor = self.second(self.first(x, beside))
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
