"""ECCV16: lightness in, a distribution over 313 colours out.

Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016). Modules are named as in the
release of its weights (github.com/richzhang/colorization, BSD-2-Clause), which load unchanged.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from vidcolor.models.lab import AB_SCALE
from vidcolor.models.trainable import TrainableNet

WIDTH = 64
"""Channels of the first stage, as published; all others are multiples of them."""
_STAGES = ((2, 1, 1), (2, 2, 1), (3, 4, 1), (3, 8, 1), (3, 8, 2), (3, 8, 2), (3, 8, 1))
"""(convolutions, channels in widths, dilation) of ``model1`` to ``model7``."""


def scale_lightness(lightness: Tensor) -> Tensor:
    """L* (0 … 100) as the networks expect it: -0.5 … 0.5."""
    return (lightness - 50) / 100


def stage(
    widths: tuple[int, ...], *, stride: int = 1, dilation: int = 1, after_sum: bool = False
) -> nn.Sequential:
    """3x3 convolutions from each of ``widths`` to the next, each with ReLU, then a batch norm.

    ``stride`` is that of the last one. ``after_sum`` begins with a ReLU, for an input that is the
    sum of two convolutions.
    """
    layers: list[nn.Module] = [nn.ReLU()] if after_sum else []
    for number, (inputs, outputs) in enumerate(pairwise(widths), 2):
        step = stride if number == len(widths) else 1
        layers.append(nn.Conv2d(inputs, outputs, 3, step, dilation, dilation))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers, nn.BatchNorm2d(widths[-1]))


def doubling(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """A transposed convolution to twice the size."""
    return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)


def classes(width: int, outputs: int) -> nn.Sequential:
    """``model8``: from the trunk's features at 1/8 to ``outputs`` maps at 1/4."""
    return nn.Sequential(
        doubling(8 * width, 4 * width),
        nn.ReLU(inplace=True),
        nn.Conv2d(4 * width, 4 * width, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(4 * width, 4 * width, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(4 * width, outputs, 1),
    )


class Trunk(TrainableNet):
    """``model1`` to ``model7``, which ECCV16 and SIGGRAPH17 have in common, of so much ``width``.

    The first three halve the size: by a strided last convolution, if ``strided``; otherwise whoever
    calls leaves out every second pixel behind them.
    """

    def __init__(self, inputs: int, width: int, *, strided: bool) -> None:
        super().__init__()
        for number, (count, times, dilation) in enumerate(_STAGES, 1):
            stride = 2 if strided and number <= 3 else 1
            widths = (inputs, *(times * width,) * count)
            self.add_module(f"model{number}", stage(widths, stride=stride, dilation=dilation))
            inputs = times * width

    def through(self, x: Tensor, first: int, last: int) -> Tensor:
        """``x`` through ``model{first}`` to ``model{last}``."""
        for number in range(first, last + 1):
            x = self.get_submodule(f"model{number}")(x)
        return x


class EccvNet(Trunk):
    """Lightness (N, 1, H, W), L*, to logits (N, Q, H/4, W/4); H and W are multiples of 8.

    As published it is 64 wide and knows 313 colours.
    """

    architecture = "eccv16"
    hinted = False

    def __init__(self, width: int = WIDTH, colours: int = 313, temperature: float = 1.0) -> None:
        super().__init__(1, width, strided=True)
        self.temperature = temperature
        self.model8 = classes(width, colours)
        self.model_out = nn.Conv2d(colours, 2, 1, bias=False)

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Raises ValueError for hints: this network cannot be told colours."""
        if hints is not None:
            raise ValueError("ECCV16 takes no hints")
        logits: Tensor = self.model8(self.through(scale_lightness(lightness), 1, 7))
        return logits

    def decode(self, logits: Tensor) -> Tensor:
        """The distribution's mean over the colours in ``model_out``: ab (N, 2, H/4, W/4).

        The paper's annealed mean, softmax at a lower ``temperature``; as released, the last
        convolution gives logits to which a plain softmax is applied.
        """
        shares = torch.softmax(logits.float() / self.temperature, 1)
        ab: Tensor = self.model_out(shares) * AB_SCALE
        return ab

    def answer(self) -> nn.Module:
        return self.model8[-1]  # Behind it is only the table of colours.

    def shape(self) -> dict[str, Any]:
        return {"temperature": self.temperature}
