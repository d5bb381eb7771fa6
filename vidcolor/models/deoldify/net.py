"""DeOldify's generators: a grey picture in three channels in, a colour picture out.

Antic, "DeOldify" (github.com/jantic/DeOldify, MIT; 2018 to 2020): a U-Net on a ResNet encoder (He
et al., 2016) that grows by pixel shuffle (Shi et al., 2016) with a blur behind it (Sugawara et
al., 2018), and looks at all of the picture once, by self-attention (Zhang et al., 2019). Stable and
Video are the wide kind on ResNet-101, Artistic is the deep kind on ResNet-34. Modules are named as
in the released weights; those of a kind that holds no weights are left out or stand in by an
identity, so that the numbers agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from vidcolor.models.lab import grey_of, picture_ab

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of R'G'B'; the network sees and answers in these terms."""
_REACH = 3.0
"""The answer lies within ± this, in those terms."""
_STEPS = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """``stages`` are (blocks, width) of the encoder's four, ``steps`` (channels that were brought
    up, channels out) of the decoder's four. ``bottleneck`` tells ResNet-101's blocks from
    ResNet-34's, ``deep`` two convolutions a step from one."""

    stem: int
    stages: tuple[tuple[int, int], ...]
    steps: tuple[tuple[int, int], ...]
    bottleneck: bool
    deep: bool

    @classmethod
    def of(cls, state: Mapping[str, NDArray[Any]]) -> Shape:
        """That of the network a state belongs to. Raises KeyError for an array that is missing."""

        def width(name: str) -> int:
            if f"{name}.weight" not in state:
                raise KeyError(f"missing array {name}.weight")
            return len(state[f"{name}.weight"])

        stages = []
        for stage in range(4, 8):
            names = (f"layers.0.{stage}.{number}.conv1.weight" for number in count())
            blocks = next(number for number, name in enumerate(names) if name not in state)
            stages.append((blocks, width(f"layers.0.{stage}.0.conv1")))
        deep = "layers.4.conv1.0.weight" in state
        last = "conv2" if deep else "conv"
        steps = (f"layers.{number}" for number in range(4, 4 + _STEPS))
        return cls(
            width("layers.0.0"),
            tuple(stages),
            tuple((width(f"{step}.shuf.conv.0") // 4, width(f"{step}.{last}.0")) for step in steps),
            "layers.0.4.0.conv3.weight" in state,
            deep,
        )


class Generator(nn.Module):
    """Lightness (N, 1, H, W), L*, to pictures (N, 4, s, s) with s the shorter side.

    These are R'G'B' and the grey they were made from, 0 … 1 but for overshoots. As published, the
    picture is stretched to a square for the network. H and W are multiples of 32.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        encoder, skips = _encoder(shape)
        deepest = skips.pop()
        middle = nn.Sequential(_unit(deepest, 2 * deepest), _unit(2 * deepest, deepest))
        layers = [encoder, nn.BatchNorm2d(deepest), nn.ReLU(), middle]
        inputs = deepest
        for number, (up, outputs) in enumerate(shape.steps):
            layers.append(_Step(inputs, skips.pop(), up, outputs, shape.deep, number == _STEPS - 3))
            inputs = outputs
        layers += [_Shuffle(inputs, inputs, normed=False), nn.Identity()]
        inputs += 3
        layers += [_Residual(inputs), nn.Sequential(nn.Conv2d(inputs, 3, 1))]
        self.layers = nn.ModuleList(layers)

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Raises ValueError for hints: this network cannot be told colours."""
        if hints is not None:
            raise ValueError("DeOldify takes no hints")
        side = min(lightness.shape[2:])
        square = F.interpolate(lightness, (side, side), mode="bilinear", antialias=True)
        grey = grey_of(square.clamp(0, 100))
        # Number by number: a tensor made of numbers is a copy to the device, which waits for it
        # and cannot be recorded.
        ways = tuple(zip(_MEAN, _STD, strict=True))
        picture = torch.cat([(grey - mean) / std for mean, std in ways], 1)
        parts = self._through(picture).unbind(1)
        rgb = torch.stack([x * std + mean for x, (mean, std) in zip(parts, ways, strict=True)], 1)
        return torch.cat((rgb, grey), 1)

    def decode(self, pictures: Tensor) -> Tensor:
        """ab (N, 2, s, s) float32, of the chroma of ``pictures`` under the luma of their grey."""
        return picture_ab(pictures)

    def _through(self, picture: Tensor) -> Tensor:
        encoder, norm, relu, middle = self.layers[:4]
        assert isinstance(encoder, nn.Sequential)
        x, kept = picture, []
        for number, layer in enumerate(encoder):
            x = layer(x)
            if number in (2, 4, 5, 6):
                kept.append(x)
        x = middle(relu(norm(x)))
        for step in self.layers[4 : 4 + _STEPS]:
            x = step(x, kept.pop())
        shuffle, _, residual, last = self.layers[4 + _STEPS :]
        x = residual(torch.cat((shuffle(x), picture), 1))
        return _REACH * (2 * torch.sigmoid(last(x).float()) - 1)


def _encoder(shape: Shape) -> tuple[nn.Sequential, list[int]]:
    """The ResNet without its classifier, and the channels at 1/2, 1/4, 1/8, 1/16 and 1/32."""
    layers = [
        nn.Conv2d(3, shape.stem, 7, 2, 3, bias=False),
        nn.BatchNorm2d(shape.stem),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = [shape.stem]
    for number, (blocks, width) in enumerate(shape.stages):
        stage = []
        for block in range(blocks):
            stride = 2 if number and not block else 1
            outputs = width * 4 if shape.bottleneck else width
            inputs = outputs if block else channels[-1]
            stage.append(_Block(inputs, width, outputs, stride, shape.bottleneck))
        layers.append(nn.Sequential(*stage))
        channels.append(outputs)
    return nn.Sequential(*layers), channels


class _Block(nn.Module):
    """A residual block; one with a bottleneck has its stride in the middle, as in torchvision."""

    def __init__(self, inputs: int, width: int, outputs: int, stride: int, narrow: bool) -> None:
        super().__init__()
        kernels = (1, 3, 1) if narrow else (3, 3)
        strides = (1, stride, 1) if narrow else (stride, 1)
        widths = (inputs, *(width,) * (len(kernels) - 1), outputs)
        self._count = len(kernels)
        for n, (kernel, step) in enumerate(zip(kernels, strides, strict=True)):
            conv = nn.Conv2d(widths[n], widths[n + 1], kernel, step, kernel // 2, bias=False)
            self.add_module(f"conv{n + 1}", conv)
            self.add_module(f"bn{n + 1}", nn.BatchNorm2d(widths[n + 1]))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for number in range(1, self._count + 1):
            y = F.relu(y) if number > 1 else y
            y = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def _unit(inputs: int, outputs: int, *more: nn.Module) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.ReLU(), nn.BatchNorm2d(outputs), *more)


class _Shuffle(nn.Module):
    """To twice the size; the blur takes out the checkerboard that the shuffle leaves."""

    def __init__(self, inputs: int, outputs: int, *, normed: bool) -> None:
        super().__init__()
        conv = nn.Conv2d(inputs, 4 * outputs, 1, bias=not normed)
        self.conv = nn.Sequential(conv, *[nn.BatchNorm2d(4 * outputs)] * normed)

    def forward(self, x: Tensor) -> Tensor:
        large = F.pixel_shuffle(F.relu(self.conv(x)), 2)
        return F.avg_pool2d(F.pad(large, (1, 0, 1, 0), mode="replicate"), 2, 1)


class _Step(nn.Module):
    """One step of the decoder: up to twice the size, and joined with the encoder's features."""

    def __init__(
        self, inputs: int, skip: int, up: int, outputs: int, deep: bool, attentive: bool
    ) -> None:
        super().__init__()
        self.shuf = _Shuffle(inputs, up, normed=True)
        self.bn = nn.BatchNorm2d(skip)
        attention = [_Attention(outputs)] * attentive
        if deep:
            self.conv1 = _unit(up + skip, outputs)
            self.conv2 = _unit(outputs, outputs, *attention)
        else:
            self.conv = _unit(up + skip, outputs, *attention)
        self._deep = deep

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.relu(torch.cat((self.shuf(x), self.bn(skip)), 1))
        joined: Tensor = self.conv2(self.conv1(x)) if self._deep else self.conv(x)
        return joined


class _Attention(nn.Module):
    """Every place looks at all others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv1d(channels, channels // 8, 1, bias=False)
        self.key = nn.Conv1d(channels, channels // 8, 1, bias=False)
        self.value = nn.Conv1d(channels, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        places = x.flatten(2)
        # Shares over the places of the query, as in the weights' training, not over the key's.
        alike = self.query(places).transpose(1, 2) @ self.key(places)
        seen = self.value(places) @ torch.softmax(alike, 1)
        sharper: Tensor = x + (self.gamma * seen).view_as(x)
        return sharper


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        pair = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.layers = nn.ModuleList(nn.Sequential(conv, nn.ReLU()) for conv in pair)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.layers
        y: Tensor = x + second(first(x))
        return y
