"""Two models as one: the weighted mean of their colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vidcolor.errors import UsageError
from vidcolor.models.colorizer import Colorizer, Float32
from vidcolor.models.tiled import Tiled
from vidcolor.settings import ColorSettings
from vidcolor.tiling import WHOLE, parse_tiles


class Blend(Colorizer):
    """Asks two colorizers and mixes their ab; ``share`` (0 … 1) is the second one's."""

    def __init__(self, first: Colorizer, second: Colorizer, share: float) -> None:
        self._pair = (first, second)
        self._share = share
        self.takes_hints = first.takes_hints or second.takes_hints

    @property
    def path(self) -> Path:
        """The first one's."""
        return self._pair[0].path

    @property
    def architecture(self) -> str:
        """As in ``description``."""
        return self.description["architecture"]

    @property
    def card(self) -> dict[str, Any]:
        """Those of both, as ``models``."""
        return {"models": [member.card for member in self._pair]}

    @property
    def description(self) -> dict[str, str]:
        """What both have in common once, the rest joined by a plus."""
        one, other = (member.description for member in self._pair)
        joined = {
            key: one[key] if one[key] == other[key] else f"{one[key]} + {other[key]}" for key in one
        }
        return {**joined, "shares": f"{1 - self._share:g} + {self._share:g}"}

    def prepare(self, height: int, width: int) -> None:
        """As `Colorizer.prepare`, both."""
        for member in self._pair:
            member.prepare(height, width)

    def colors(self, lightness: Float32, hints: Float32 | None = None) -> Float32:
        """As `Colorizer.colors`; hints go to those networks that take them."""
        first, second = (
            member.colors(lightness, hints if member.takes_hints else None) for member in self._pair
        )
        return first + self._share * (second - first)


def open_colorizer(
    model: str,
    device: str = "auto",
    tiles: str = WHOLE,
    *,
    warn: Callable[[str], None] | None = None,
) -> Colorizer:
    """The colorizer of ``model``: a name, a path, or two of these with a plus between them.

    ``one+other:0.3`` gives the other a share of 0.3; without a number it is a half. A file with a
    plus in its name can be used alone only. ``tiles`` is as in `vidcolor.tiling`. Raises UsageError
    for an impossible share, SettingsError for impossible tiles, and what `Colorizer` raises.
    """
    parse_tiles(tiles)  # Before a network is loaded for nothing.
    return in_tiles(_open(model, device, warn), tiles)


def colorizer_for(
    color: ColorSettings,
    given: Colorizer | None = None,
    warn: Callable[[str], None] | None = None,
) -> Colorizer:
    """The colorizer that ``color`` asks for; one that is ``given`` takes the place of its model and
    device. Raises what `open_colorizer` raises."""
    if given is not None:
        return in_tiles(given, color.tiles)
    return open_colorizer(color.model, color.device, color.tiles, warn=warn)


def in_tiles(colorizer: Colorizer, tiles: str) -> Colorizer:
    """``colorizer``, which is shown ``tiles`` unless it is already shown some. Raises SettingsError
    for impossible ones."""
    ways = parse_tiles(tiles)
    if tiles == WHOLE or "tiles" in colorizer.description:
        return colorizer
    return Tiled(colorizer, ways, tiles)


def first_of(model: str) -> str:
    """The name or path of the first of two that are mixed, or of the only one."""
    return model if _is_file(model) else model.partition("+")[0]


def members(model: str) -> tuple[str, ...]:
    """The names or paths of the two that are mixed, or of the only one. Raises UsageError for an
    impossible share."""
    return _parts(model)[0]


def _open(model: str, device: str, warn: Callable[[str], None] | None) -> Colorizer:
    names, share = _parts(model)
    first, *others = [Colorizer(name, device, warn=warn) for name in names]
    return Blend(first, others[0], share) if others else first


def _parts(model: str) -> tuple[tuple[str, ...], float]:
    """The `members`, and the share of the last."""
    one = first_of(model)
    if one == model:
        return (model,), 1.0
    other, share = model[len(one) + 1 :], 0.5
    head, _, tail = other.rpartition(":")
    # Drives on Windows have a colon too.
    if head and not _is_file(other):
        other, share = head, _read_share(model, tail)
    return (one, other), share


def _read_share(model: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise UsageError(f"model {model!r}: the share behind the colon must be 0 to 1, not {text}")
    return share


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:
        return False
