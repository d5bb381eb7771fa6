"""What training asks of a network, besides what the colorizer does."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.models.lab import AB_SCALE, SPACES, ab_of


class TrainableNet(nn.Module):
    """Lightness (N, 1, H, W) L*, and hints (N, 3, H, W), to an output that ``decode`` makes ab of.

    ``shrink`` is how much smaller the output is than the lightness.
    """

    architecture: ClassVar[str]
    """The name in the registry."""
    shrink: ClassVar[int] = 4
    hinted: ClassVar[bool] = True
    space: str = "lab"
    """What ``chroma`` is in, see `vidcolor.models.lab`."""

    def decode(self, output: Tensor) -> Tensor:
        """What ``forward`` returned to ab (N, 2, h, w) float32."""
        raise NotImplementedError

    def chroma(self, output: Tensor) -> Tensor:
        """What ``forward`` returned to colours in ``space``, -1 … 1: (N, 2, h, w) float32."""
        return self.decode(output) / AB_SCALE

    def answer(self) -> nn.Module:
        """The layer that answers: of most networks the last one with weights."""
        return [layer for layer in self.modules() if [*layer.parameters(recurse=False)]][-1]

    def shape(self) -> dict[str, Any]:
        """What tells, with the arrays' own shapes, how to build the network again."""
        return {}

    def for_films(self) -> TrainableNet:
        """A copy in eval mode, as it is to be exported."""
        return deepcopy(self).eval()


class Regressor(TrainableNet):
    """A network whose output, behind a tanh, is colours in its ``space``.

    Where that is not a*b*, the output's third map is the lightness, which is needed to come back.
    """

    def paint_in(self, space: str) -> None:
        """Let the answers be colours in ``space``. Raises ValueError for one that is unknown."""
        if space not in SPACES:
            raise ValueError(f"space {space!r}: unknown; valid are {', '.join(SPACES)}")
        self.space = space

    def with_lightness(self, x: Tensor, lightness: Tensor) -> Tensor:
        """``x`` (N, 2, h, w) as ``forward`` returns it."""
        if self.space == "lab":
            return x
        return torch.cat((x.float(), F.avg_pool2d(lightness.float(), self.shrink)), 1)

    def chroma(self, output: Tensor) -> Tensor:
        return torch.tanh(output[:, :2].float())

    def decode(self, output: Tensor) -> Tensor:
        return ab_of(output[:, 2:].float(), self.chroma(output), self.space)

    def shape(self) -> dict[str, Any]:
        return {"space": self.space}
