"""ECCV16: lightness in, a distribution over 313 colours out.

Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016). Modules are named as in the
release of its weights (github.com/richzhang/colorization, BSD-2-Clause), which load unchanged.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

AB_SCALE = 110.0
"""ab of the networks' output, and of hints, is in shares of this."""

_STAGES = ((2, 64, 1), (2, 128, 1), (3, 256, 1), (3, 512, 1), (3, 512, 2), (3, 512, 2), (3, 512, 1))
"""(convolutions, channels, dilation) of ``model1`` to ``model7``."""


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


class Trunk(nn.Module):
    """``model1`` to ``model7``, which ECCV16 and SIGGRAPH17 have in common.

    The first three halve the size: by a strided last convolution, if ``strided``; otherwise whoever
    calls leaves out every second pixel behind them.
    """

    def __init__(self, inputs: int, *, strided: bool) -> None:
        super().__init__()
        for number, (count, channels, dilation) in enumerate(_STAGES, 1):
            stride = 2 if strided and number <= 3 else 1
            widths = (inputs, *(channels,) * count)
            self.add_module(f"model{number}", stage(widths, stride=stride, dilation=dilation))
            inputs = channels

    def through(self, x: Tensor, first: int, last: int) -> Tensor:
        """``x`` through ``model{first}`` to ``model{last}``."""
        for number in range(first, last + 1):
            x = self.get_submodule(f"model{number}")(x)
        return x


class EccvNet(Trunk):
    """Lightness (N, 1, H, W), L*, to logits (N, 313, H/4, W/4); H and W are multiples of 8."""

    def __init__(self) -> None:
        super().__init__(1, strided=True)
        self.model8 = nn.Sequential(
            doubling(512, 256),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 313, 1),
        )
        self.model_out = nn.Conv2d(313, 2, 1, bias=False)

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Raises ValueError for hints: this network cannot be told colours."""
        if hints is not None:
            raise ValueError("ECCV16 takes no hints")
        logits: Tensor = self.model8(self.through(scale_lightness(lightness), 1, 7))
        return logits

    def decode(self, logits: Tensor) -> Tensor:
        """The distribution's mean over the 313 colours in ``model_out``: ab (N, 2, H/4, W/4).

        The paper's annealed mean, softmax at a lower temperature; as released, the last
        convolution gives logits to which a plain softmax is applied.
        """
        ab: Tensor = self.model_out(torch.softmax(logits.float(), 1)) * AB_SCALE
        return ab
