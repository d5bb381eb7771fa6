"""A U-Net with colours behind a tanh, as in pix2pix; it may be told a palette.

``load`` and one of the ``detect`` functions are what the registry asks of an architecture. With a
palette it is one of its own, because it can be told colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from vidcolor.models.unet.net import UNet

_FIRST = "down.0.conv.weight"
_PALETTE = "palette.0.weight"


def detect(names: Iterable[str]) -> bool:
    """True if the names of a state's arrays are those of a UNet without a palette."""
    found = set(names)
    return _FIRST in found and _PALETTE not in found


def detect_palette(names: Iterable[str]) -> bool:
    """True if the names of a state's arrays are those of a PaletteNet."""
    return {_FIRST, _PALETTE} <= set(names)


def load(state: Mapping[str, NDArray[Any]], config: Mapping[str, Any]) -> UNet:
    """The network with ``state``, in eval mode and float32; ``config`` tells its colour space.

    Raises RuntimeError, TypeError or KeyError when state and config do not fit exactly.
    """
    from vidcolor.models.torch_state import filled
    from vidcolor.models.unet.net import PaletteNet, UNet

    kind = PaletteNet if _PALETTE in state else UNet
    return filled(lambda: kind(len(state[_FIRST]), **config), state)
