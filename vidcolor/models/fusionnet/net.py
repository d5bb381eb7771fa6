"""FusionNet: lightness in, two maps of colour out, at half the size.

The layout is that of Iizuka, Simo-Serra and Ishikawa, "Let there be Color!" (SIGGRAPH 2016):
low-level features, mid-level ones, and a vector about the whole picture that joins them at every
place. That vector is learned with the rest, as there, or is what a frozen classifier says, as in
Baldassarre, González Morín and Rodés-Guirao, "Deep Koalarization" (2017).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from vidcolor.models.eccv16.net import scale_lightness
from vidcolor.models.fusionnet.classifier import CLASSES, FEATURES, Classifier
from vidcolor.models.trainable import Regressor

WIDTH = 64
"""Channels of the first layer, as published."""


@dataclass(frozen=True, slots=True)
class FusionConfig:
    """The shape of a FusionNet.

    ``embedding`` is what it knows of the whole picture: ``learned``, or a frozen classifier's
    ``logits`` or ``features``; ``classifier`` is that one's name. ``labels`` is how many kinds of
    picture a learned embedding tells apart while it is trained, 0 for none.
    """

    width: int = WIDTH
    embedding: str = "learned"
    classifier: str = "lite0"
    labels: int = 0
    space: str = "lab"


def unit(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, a batch norm and a ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class FusionNet(Regressor):
    """Lightness (N, 1, H, W), L*, to (N, 2 or 3, H/2, W/2); H and W are multiples of 32."""

    architecture = "fusionnet"
    shrink = 2
    hinted = False

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.config = config
        self.paint_in(config.space)
        w = config.width
        self.low = nn.Sequential(
            *(unit(1, w, 2), unit(w, 2 * w)),
            *(unit(2 * w, 2 * w, 2), unit(2 * w, 4 * w)),
            *(unit(4 * w, 4 * w, 2), unit(4 * w, 8 * w)),
        )
        self.middle = nn.Sequential(unit(8 * w, 8 * w), unit(8 * w, 4 * w))
        if config.embedding == "learned":
            self.whole = nn.Sequential(
                *(unit(8 * w, 8 * w, 2), unit(8 * w, 8 * w)),
                *(unit(8 * w, 8 * w, 2), unit(8 * w, 8 * w)),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                *(nn.Linear(8 * w, 8 * w), nn.ReLU()),
            )
            known = 8 * w
        else:
            self.classifier = Classifier(config.classifier)
            known = CLASSES if config.embedding == "logits" else FEATURES
        self.kinds = nn.Linear(known, config.labels) if config.labels else None
        self.told = nn.Linear(known, 4 * w)
        self.join = nn.Conv2d(4 * w, 4 * w, 1)
        self.high = nn.Sequential(
            nn.ReLU(inplace=True),
            unit(4 * w, 2 * w),
            nn.Upsample(scale_factor=2),
            *(unit(2 * w, w), unit(w, w)),
            nn.Upsample(scale_factor=2),
            unit(w, w // 2),
            nn.Conv2d(w // 2, 2, 3, padding=1),
        )

    def forward(
        self, lightness: Tensor, hints: Tensor | None = None, embedding: Tensor | None = None
    ) -> Tensor:
        """``embedding`` (N, C), where given, is what `embed` would find.

        Raises ValueError for hints: this network cannot be told colours.
        """
        return self.paint(lightness, hints, embedding)[0]

    def paint(
        self, lightness: Tensor, hints: Tensor | None = None, embedding: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """As ``forward``, and logits (N, labels) of the kind of picture, None without labels."""
        if hints is not None:
            raise ValueError("FusionNet takes no hints")
        low = self.low(scale_lightness(lightness))
        known = self.embed(lightness, low) if embedding is None else embedding
        # The same as a 1x1 convolution over the vector laid beside every place's features.
        x = self.join(self.middle(low)) + self.told(known)[:, :, None, None]
        kinds = None if self.kinds is None else self.kinds(known)
        return self.with_lightness(self.high(x), lightness), kinds

    def embed(self, lightness: Tensor, low: Tensor) -> Tensor:
        """What is known of the whole picture (N, C); ``low`` are its low-level features."""
        if self.config.embedding == "learned":
            whole: Tensor = self.whole(low)
            return whole
        return self.classifier.embedding(lightness, self.config.embedding)

    def shape(self) -> dict[str, Any]:
        return asdict(self.config)
