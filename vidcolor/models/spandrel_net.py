"""Networks that the package spandrel knows, for those among them that make colour of grey.

spandrel tells by a state's arrays which architecture it belongs to. DDColor (Kang et al., 2023) is
in its second package, spandrel_extra_arches, which is used where it is installed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from vidcolor.models.architecture import ColorNet

_PURPOSES = ("Restoration", "Colorization")
"""spandrel has no purpose for colour of its own; DDColor is among those that restore."""


def installed() -> bool:
    """True if the package is there; it is not imported."""
    return find_spec("spandrel") is not None


def load(state: Mapping[str, NDArray[Any]], config: Mapping[str, Any]) -> ColorNet:
    """The network with ``state``, as spandrel builds it, in eval mode and float32.

    Raises ValueError when spandrel cannot be imported, does not know it either, or it is not for
    colour.
    """
    import torch

    try:
        import spandrel

        if find_spec("spandrel_extra_arches") is not None:
            import spandrel_extra_arches

            spandrel_extra_arches.install(ignore_duplicates=True)
    except ImportError as error:  # Of what they need themselves, such as torchvision.
        raise ValueError(f"spandrel cannot be imported: {error}") from error
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    try:
        model = spandrel.ModelLoader().load_from_state_dict(tensors)
    except spandrel.UnsupportedModelError as error:
        raise ValueError("its arrays belong to no architecture that spandrel knows") from error
    name = model.architecture.name
    if not isinstance(model, spandrel.ImageModelDescriptor) or model.purpose not in _PURPOSES:
        raise ValueError(f"{name} is for {model.purpose}, not for colour")
    channels = (model.input_channels, model.output_channels)
    if channels != (1, 3) or model.scale != 1:
        raise ValueError(f"{name} makes {channels[1]} channels of {channels[0]}, no colour of grey")
    model.eval().float()
    return _wrapped(model)


def _wrapped(model: Any) -> ColorNet:
    """``model``, an ``ImageModelDescriptor``, with the interface of our networks."""
    import torch
    from torch import Tensor, nn

    from vidcolor.models.lab import grey_of, picture_ab

    class SpandrelNet(nn.Module):
        """Lightness (N, 1, H, W), L*, to pictures (N, 4, H, W): R'G'B' and the grey shown."""

        def __init__(self) -> None:
            super().__init__()
            self.net = model.model
            # Some of its networks keep a picture's features in themselves for a while.
            self._alone = threading.Lock()

        def forward(self, lightness: Tensor, hints: Tensor | None = None) -> Tensor:
            if hints is not None:
                raise ValueError("spandrel's networks take no hints")
            grey = grey_of(lightness.float().clamp(0, 100))
            # One at a time and in full precision, which is what the interface promises to take.
            with self._alone, torch.autocast(grey.device.type, enabled=False):
                shown = [model(picture[None]) for picture in grey]
            return torch.cat((torch.cat(shown), grey), 1)

        def decode(self, logits: Tensor) -> Tensor:
            return picture_ab(logits)

    return SpandrelNet().requires_grad_(False)
