"""TanhNet: lightness in, two maps of colour out, at a quarter of the size.

The blocks are those of Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016), which
also trained them on the squared distance of a single answer, to show what a distribution over
colours gains.
"""

from __future__ import annotations

from torch import Tensor

from vidcolor.models.eccv16.net import WIDTH, Trunk, classes, scale_lightness
from vidcolor.models.trainable import Regressor


class TanhNet(Trunk, Regressor):
    """Lightness (N, 1, H, W), L*, to (N, 2 or 3, H/4, W/4); H and W are multiples of 8."""

    architecture = "tanhnet"
    hinted = False

    def __init__(self, width: int = WIDTH, space: str = "lab") -> None:
        super().__init__(1, width, strided=True)
        self.paint_in(space)
        self.model8 = classes(width, 2)

    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
        """Raises ValueError for hints: this network cannot be told colours."""
        if hints is not None:
            raise ValueError("TanhNet takes no hints")
        x = self.model8(self.through(scale_lightness(lightness), 1, 7))
        return self.with_lightness(x, lightness)
