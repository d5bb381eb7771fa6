"""The generators of DeOldify (Antic, 2018 to 2020): Artistic, Stable and Video.

``detect`` and ``load`` are what the registry asks of every architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from vidcolor.models.deoldify.net import Generator


def detect(names: Iterable[str]) -> bool:
    """True if the names of a state's arrays are those of the published checkpoints."""
    wanted = {"layers.0.0.weight", "layers.4.shuf.conv.0.weight_orig", "layers.8.conv.0.weight_g"}
    return wanted <= set(names)


def load(state: Mapping[str, NDArray[Any]], config: Mapping[str, Any]) -> Generator:
    """The generator with ``state``, in eval mode and float32; its size is read from the arrays.

    Raises RuntimeError, KeyError or ValueError when the state does not fit exactly.
    """
    from vidcolor.models.deoldify.net import Generator, Shape
    from vidcolor.models.deoldify.norms import folded
    from vidcolor.models.torch_state import filled

    plain = folded(state)
    shape = Shape.of(plain)
    return filled(lambda: Generator(shape), plain)
