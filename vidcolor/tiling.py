"""In which pieces a network is shown a picture: what ``--tiles`` says, read.

::

    whole                   the picture in one piece, as ever
    192:96                  squares of 192 pixels, one every 96
    192:96:max              of the colours that squares give a pixel, the strongest
    whole@192+256:128@512   the mean of two ways, each on the picture scaled to that short side
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from vidcolor.errors import SettingsError

Pool = Literal["mean", "max", "gauss"]
WHOLE = "whole"

_PIECE = re.compile(
    r"(?:(?P<whole>whole)|(?P<size>\d{1,5}):(?P<stride>\d{1,5})(?::(?P<pool>[a-z]+))?)"
    r"(?:@(?P<scale>\d{1,5}))?"
)
_POOLS: tuple[str, ...] = get_args(Pool)
_LEAST, _MOST, _MULTIPLE = 64, 1024, 32


@dataclass(frozen=True, slots=True)
class Tiles:
    """Overlapping squares: ``size`` pixels a side, one every ``stride``; a ``size`` of None is the
    whole picture in one. ``pool`` is how the colours of several become one: their mean, the one
    with the largest chroma, or a mean in which a square counts less toward its edges. ``scale`` is
    the picture's short side while it is cut; None leaves it as it is.
    """

    size: int | None = None
    stride: int = 0
    pool: Pool = "gauss"
    scale: int | None = None


def parse_tiles(text: str) -> tuple[Tiles, ...]:
    """The ways that ``text`` names, with a plus between them. Raises SettingsError."""
    return tuple(_piece(item, text) for item in text.split("+"))


def _piece(item: str, text: str) -> Tiles:
    match = _PIECE.fullmatch(item)
    if match is None:
        raise SettingsError(
            f"tiles {text!r}: give whole or SIZE:STRIDE, such as 192:96 or 192:96:mean@384, "
            "and a plus between two"
        )
    scale = None if match["scale"] is None else _side(match["scale"], "scale", text)
    if match["whole"]:
        return Tiles(scale=scale)
    size, stride = _side(match["size"], "tile", text), int(match["stride"])
    if not size // 8 <= stride <= size:
        raise SettingsError(
            f"tiles {text!r}: tiles of {size} need a stride of {size // 8} to {size}, not {stride}"
        )
    pool = match["pool"] or "gauss"
    if pool not in _POOLS:
        raise SettingsError(f"tiles {text!r}: pool by {', '.join(_POOLS)}, not {pool!r}")
    return Tiles(size, stride, cast(Pool, pool), scale)


def _side(digits: str, what: str, text: str) -> int:
    side = int(digits)
    if not _LEAST <= side <= _MOST or side % _MULTIPLE:
        raise SettingsError(
            f"tiles {text!r}: a {what} must be a multiple of {_MULTIPLE} from {_LEAST} to "
            f"{_MOST}, not {side}"
        )
    return side
