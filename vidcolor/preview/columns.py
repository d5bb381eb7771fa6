"""What is put beside each other: models, and settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vidcolor.models.blend import open_colorizer
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import Settings


@dataclass(frozen=True, slots=True)
class Column:
    """One way to colour a film, and what it is called beside others."""

    label: str
    settings: Settings


def open_colorizers(
    columns: Sequence[Column], warn: Callable[[str], None] | None = None
) -> list[Colorizer]:
    """The network of each column, loaded once however many have it. Raises what loading raises."""
    chosen = [column.settings.color for column in columns]
    wanted = [(color.model, color.device, color.tiles) for color in chosen]
    loaded = {way: open_colorizer(*way, warn=warn) for way in dict.fromkeys(wanted)}
    return [loaded[way] for way in wanted]
