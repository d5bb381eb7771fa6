"""The distance of two pictures as a pretrained network sees them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.parts import Encoder
from vidcolor.models.chromanet.pretrained import encoder_stages, load_imagenet_encoder


class Perceptual(nn.Module):
    """Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer" (ECCV 2016).

    Here with EfficientNet-lite instead of VGG, at 1/4 to 1/32 of the size, and with absolute
    differences, each in shares of the true features' mean. Raises ModelError when the package with
    the weights is missing.
    """

    def __init__(self, variant: str) -> None:
        super().__init__()
        config = NetConfig(stages=encoder_stages(variant))
        self.encoder = Encoder(config, folded=False, planes=3)
        load_imagenet_encoder(self.encoder, variant)
        self.eval().requires_grad_(False)

    def forward(self, found: Tensor, true: Tensor) -> Tensor:
        """The distance of R'G'B' pictures (N, 3, H, W), 0 … 1, a scalar."""
        with torch.no_grad():
            wanted = self.encoder(2 * true - 1)
        return torch.stack(
            [
                (one - other).abs().mean() / other.abs().mean()
                for one, other in zip(self.encoder(2 * found - 1), wanted, strict=True)
            ]
        ).mean()
