"""What a pipeline noticed on the way, in values that JSON keeps, and their sum over a film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vidcolor.media.damage import DecodeReport


def mended(notes: Mapping[str, Any]) -> bool:
    """Whether `Pipeline.notes` tell that times in the film were mended."""
    return bool(notes["damage"]["retimed"] or notes["damage"]["skipped"])


@dataclass(slots=True)
class Noticed:
    """The sum of the notes of all chunks of a film."""

    cuts: int = 0
    """Shots begun, the first included."""
    kept: int = 0
    """Frames that keep the film's own colour."""
    damage: DecodeReport = field(default_factory=DecodeReport)

    def add(self, notes: Mapping[str, Any]) -> None:
        """Take the notes of the next chunk in."""
        self.cuts += notes["cuts"]
        self.kept += notes["kept"]
        self.damage.recall(notes["damage"])
