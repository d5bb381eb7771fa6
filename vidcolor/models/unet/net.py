"""UNet: lightness in, two maps of colour out, at full size.

The generator of Isola, Zhu, Zhou and Efros, "Image-to-Image Translation with Conditional
Adversarial Networks" (CVPR 2017), with five halvings, so that films' small pictures fit, group
norms (Wu and He, 2018), which a batch's other pictures have no part in, and no dropout: a film's
colours are not to be drawn by lot.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.models.chromanet.bins import encode, nodes
from vidcolor.models.eccv16.net import doubling, scale_lightness
from vidcolor.models.trainable import Regressor

WIDTH = 64
"""Channels at half the size, as published."""
_TIMES = (1, 2, 4, 8, 8)
"""Channels at 1/2 to 1/32, in widths."""


class Down(nn.Module):
    """Half the size: LeakyReLU, a strided 4x4 convolution, a norm."""

    def __init__(self, inputs: int, outputs: int, *, first: bool = False) -> None:
        super().__init__()
        self.slope = 1.0 if first else 0.2
        self.conv = nn.Conv2d(inputs, outputs, 4, 2, 1)
        self.norm = nn.Identity() if first else nn.GroupNorm(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(F.leaky_relu(x, self.slope)))
        return out


class UNet(Regressor):
    """Lightness (N, 1, H, W), L*, to (N, 2 or 3, H, W); H and W are multiples of 32."""

    architecture = "unet"
    shrink = 1
    hinted = False

    def __init__(self, width: int = WIDTH, space: str = "lab") -> None:
        super().__init__()
        self.paint_in(space)
        channels = [times * width for times in _TIMES]
        self.down = nn.ModuleList(
            Down(inputs, outputs, first=number == 0)
            for number, (inputs, outputs) in enumerate(zip((1, *channels), channels, strict=False))
        )
        self.up = nn.ModuleList()
        self.norms = nn.ModuleList()
        inputs = channels[-1]
        for outputs in channels[-2::-1]:
            self.up.append(doubling(inputs, outputs))
            self.norms.append(nn.GroupNorm(8, outputs))
            inputs = 2 * outputs
        self.last = doubling(inputs, 2)

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Raises ValueError for hints where the network has no palette."""
        x = scale_lightness(lightness)
        found = []
        for down in self.down:
            x = down(x)
            found.append(x)
        x = self.told(found.pop(), hints)
        for up, norm in zip(self.up, self.norms, strict=True):
            x = torch.cat((norm(up(F.relu(x))), found.pop()), 1)
        return self.with_lightness(self.last(F.relu(x)), lightness)

    def told(self, deepest: Tensor, hints: Tensor | None) -> Tensor:
        """The deepest features, with what ``hints`` say."""
        if hints is not None:
            raise ValueError("UNet takes no hints")
        return deepest


class PaletteNet(UNet):
    """A UNet that is told which colours occur, but not where.

    After the global hints of Zhang et al., "Real-Time User-Guided Image Colorization with Learned
    Deep Priors" (SIGGRAPH 2017). Here the palette is sparse: a yes or no for each node of the ab
    grid that a hint comes near, wherever the hint lies and however large it is.
    """

    architecture = "palettenet"
    hinted = True

    def __init__(self, width: int = WIDTH, space: str = "lab") -> None:
        super().__init__(width, space)
        deepest = _TIMES[-1] * width
        self.nodes = len(nodes())
        self.palette = nn.Sequential(
            nn.Linear(self.nodes + 1, deepest), nn.ReLU(), nn.Linear(deepest, deepest)
        )

    def answer(self) -> nn.Module:
        return self.last

    def told(self, deepest: Tensor, hints: Tensor | None) -> Tensor:
        count = len(deepest)
        if hints is None:
            hints = deepest.new_zeros(count, 3, 1, 1)
        said: Tensor = self.palette(self.colours(hints).to(deepest.dtype))
        return deepest + said[:, :, None, None]

    def colours(self, hints: Tensor) -> Tensor:
        """(N, Q + 1), 0 … 1: how near a hint comes to each node of the grid; any hint at all."""
        mask = hints[:, 2:] > 0
        number, share = encode(hints[:, :2].float())
        near = hints.new_zeros(len(hints), self.nodes, dtype=torch.float32)
        near.scatter_reduce_(1, number.flatten(1), (share * mask).flatten(1), "amax")
        return torch.cat((near, mask.flatten(1).any(1, keepdim=True).float()), 1)
