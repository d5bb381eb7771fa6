"""An ImageNet classifier that a network carries along, never trained: EfficientNet-lite."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.parts import ConvUnit, Encoder
from vidcolor.models.chromanet.pretrained import (
    encoder_stages,
    load_imagenet_encoder,
    load_imagenet_head,
)
from vidcolor.models.lab import grey_of

FEATURES, CLASSES = 1280, 1000
SIDE = 224
"""Pixels a side of the pictures it was trained on; any other picture is brought to this size."""


class Classifier(nn.Module):
    """L* (N, 1, H, W) to the last features (N, 1280) and the logits of ImageNet's 1000 classes.

    ``variant`` is ``lite0`` to ``lite2``. It is always in eval mode, and its weights are fixed.
    """

    def __init__(self, variant: str, *, folded: bool = True) -> None:
        super().__init__()
        config = NetConfig(stages=encoder_stages(variant))
        self.encoder = Encoder(config, folded=folded)
        self.last = ConvUnit(self.encoder.channels[-1], FEATURES, 1, folded=folded)
        self.classes = nn.Linear(FEATURES, CLASSES)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Classifier:
        """Stays in eval mode, whatever it is part of."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, lightness: Tensor) -> tuple[Tensor, Tensor]:
        picture = grey_of(lightness.float())
        if picture.shape[-2:] != (SIDE, SIDE):
            picture = F.interpolate(picture, (SIDE, SIDE), mode="bilinear", antialias=True)
        # As it was trained: codes of a picture, not lightness, from -1 to 1.
        deepest = self.encoder(2 * picture - 1)[-1]
        features = self.last(deepest).mean((2, 3))
        return features, self.classes(features)

    def embedding(self, lightness: Tensor, which: str) -> Tensor:
        """``logits`` or ``features``, of mean 0 and variance 1 within each picture: (N, C)."""
        features, logits = self(lightness)
        known = logits if which == "logits" else features
        return F.layer_norm(known.float(), known.shape[1:])


def published(variant: str) -> Classifier:
    """The classifier with its published weights.

    Raises ModelError when the package that has them is missing.
    """
    net = Classifier(variant, folded=False)
    load_imagenet_encoder(net.encoder, variant)
    load_imagenet_head(net.last, net.classes, variant)
    for unit in net.modules():
        if isinstance(unit, ConvUnit):
            unit.fold()
    return net.requires_grad_(False)
