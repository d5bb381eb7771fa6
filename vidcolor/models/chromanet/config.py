"""The shape of a ChromaNet, known without the library that runs it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

HINT_CHANNELS = 3
"""a*, b* and a mask, at the size of the lightness."""

HEADS = 4
"""Heads of each attention block."""

FAINT, MIDDLE = 8.0, 20.0
"""Units of ab: what is added to a colour's chroma, and the sum ``chroma_power`` leaves alone."""


@dataclass(frozen=True, slots=True)
class NetConfig:
    """The shape of a ChromaNet, and how its distribution becomes one colour.

    ``stages`` lists (repeats, kernel, stride, expansion, channels) of the encoder; ``widths`` are
    the decoder's channels at 1/32, 1/16, 1/8 and 1/4 of the input's size, and ``attention`` is the
    number of attention blocks at 1/16. ``temperature`` is that
    of the annealed mean: 1 gives the mean, towards 0 the mode. ``rebalance`` raises rare colours:
    the logits gain ``-rebalance * log(prior)``. The result is multiplied by ``vividness`` of its
    chroma: ``chroma_gain``, and where ``chroma_power`` is above 0, more for strong colours than for
    faint ones, which are more often there for want of anything better than in truth.
    """

    stem: int = 32
    stages: tuple[tuple[int, int, int, int, int], ...] = (
        (1, 3, 1, 1, 16),
        (2, 3, 2, 6, 24),
        (2, 5, 2, 6, 40),
        (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112),
        (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    )
    widths: tuple[int, int, int, int] = (160, 160, 112, 72)
    attention: int = 0
    temperature: float = 0.5
    rebalance: float = 0.0
    chroma_gain: float = 1.0
    chroma_power: float = 0.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetConfig:
        """Rebuild a config from JSON, where tuples have become lists."""
        changes = dict(values)
        changes["stages"] = tuple(tuple(stage) for stage in values["stages"])
        changes["widths"] = tuple(values["widths"])
        return cls(**changes)

    def vividness(self, chroma: Any) -> Any:
        """What colours of this chroma (a number, an array or a tensor of units of ab) are
        multiplied by."""
        return self.chroma_gain * ((chroma + FAINT) / MIDDLE) ** self.chroma_power

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
