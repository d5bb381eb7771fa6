"""SIGGRAPH17: lightness and colour points in, ab at full size out.

Zhang, Zhu, Isola, Geng, Lin, Yu and Efros, "Real-Time User-Guided Image Colorization with Learned
Deep Priors" (SIGGRAPH 2017): the trunk of ECCV16, with shortcuts from its first stages to a decoder
that climbs to full size. Modules are named as in the release of its weights
(github.com/richzhang/colorization, BSD-2-Clause), which load unchanged.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidcolor.models.eccv16.net import WIDTH, Trunk, doubling, scale_lightness, stage
from vidcolor.models.lab import AB_SCALE


class SiggraphNet(Trunk):
    """Lightness (N, 1, H, W) and hints (N, 3, H, W) to (N, 2, H, W) before the last tanh.

    Lightness is L* (0 … 100); hints are a*, b* (where the mask is 1) and the mask (0 or 1). H and W
    are multiples of 8.
    """

    architecture = "siggraph17"
    shrink = 1

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__(4, width, strided=False)
        twice, wide = 2 * width, 4 * width
        self.model8up = nn.Sequential(doubling(8 * width, wide))
        self.model3short8 = nn.Sequential(nn.Conv2d(wide, wide, 3, padding=1))
        self.model8 = stage((wide, wide, wide), after_sum=True)
        self.model9up = nn.Sequential(doubling(wide, twice))
        self.model2short9 = nn.Sequential(nn.Conv2d(twice, twice, 3, padding=1))
        self.model9 = stage((twice, twice), after_sum=True)
        self.model10up = nn.Sequential(doubling(twice, twice))
        self.model1short10 = nn.Sequential(nn.Conv2d(width, twice, 3, padding=1))
        self.model10 = nn.Sequential(
            nn.ReLU(), nn.Conv2d(twice, twice, 3, padding=1), nn.LeakyReLU(0.2)
        )
        self.model_class = nn.Sequential(nn.Conv2d(wide, 529, 1))
        self.model_out = nn.Sequential(nn.Conv2d(twice, 2, 1))

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        full, half, quarter = self._encode(lightness, hints)
        x = self.model9up(quarter) + self.model2short9(half)
        x = self.model10up(self.model9(x)) + self.model1short10(full)
        out: Tensor = self.model_out(self.model10(x))
        return out

    def decode(self, logits: Tensor) -> Tensor:
        """ab (N, 2, H, W) float32, each within -110 … 110."""
        return torch.tanh(logits.float()) * AB_SCALE

    def classify(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """The classification branch: logits (N, 529, H/4, W/4) over a grid of 23 x 23 colours.

        a* and b* go from -110 to 110 in steps of 10. The paper offers its peaks to users as the
        likely colours of a place; the colours of a film come from the regression in ``forward``.
        """
        logits: Tensor = self.model_class(self._encode(lightness, hints)[2])
        return logits

    def _encode(self, lightness: Tensor, hints: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Features at full and half size, and those at a quarter that both branches start from."""
        if hints is None:
            given = torch.zeros_like(lightness).expand(-1, 3, -1, -1)
        else:
            mask = hints[:, 2:]
            given = torch.cat((hints[:, :2] * mask / AB_SCALE, mask), 1)
        full = self.through(torch.cat((scale_lightness(lightness), given), 1), 1, 1)
        half = self.through(full[..., ::2, ::2], 2, 2)
        quarter = self.through(half[..., ::2, ::2], 3, 3)
        deep = self.through(quarter[..., ::2, ::2], 4, 7)
        return full, half, self.model8(self.model8up(deep) + self.model3short8(quarter))
