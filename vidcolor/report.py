"""What a job has to tell: while it runs, and when it is done."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from vidcolor.settings import Settings

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Controls, ends of lines, and what stands for bytes of a name that are no text."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Told after every frame: frames done so far, and how many there will be if known."""

    done: int
    total: int | None
    resumed: int = 0
    """Of those done, how many an earlier run had finished."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one job. Times are wall seconds; stages run beside each other."""

    source: str
    target: str
    frames: int
    """In the target; `resumed` of them were there before."""
    cuts: int
    """Shots begun after the first one."""
    seconds: float
    stages: dict[str, float]
    """Seconds of work by stage, summed over threads."""
    model: dict[str, str]
    settings: Settings
    codec: str
    pixel_format: str
    decoder: str = "software"
    """What decoded the film: ``software``, or a device."""
    resumed: int = 0
    copied: list[str] = field(default_factory=list)
    converted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    kept_color: int = 0
    """Frames that kept the film's own colour."""
    damaged: int = 0
    """Frames the decoder patched over damage."""
    skipped: int = 0
    """Packets of the picture that could not be decoded at all."""
    damage: list[dict[str, Any]] = field(default_factory=list)
    """Where the picture was damaged or not as promised: each ``kind``, ``start`` and ``end`` in
    seconds since the film's first timestamp, and ``count`` of frames or packets."""
    verification: dict[str, Any] | None = None
    """What `vidcolor.verify` found, as plain values; None if it was not asked."""

    @property
    def frames_per_second(self) -> float:
        return (self.frames - self.resumed) / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        values = dataclasses.asdict(self)
        values["frames_per_second"] = round(self.frames_per_second, 3)
        values["stage_frames_per_second"] = {
            name: round(self.frames / spent, 3) if spent > 0 else None
            for name, spent in self.stages.items()
        }
        return values

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, default=_plain)


def plural(count: int, thing: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def visible(line: str) -> str:
    """``line`` as a terminal shows it and does not obey: the name of a film may have an end of a
    line in it, or a colour. Such characters are written as in Python, ``\\n`` and ``\\x1b``."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), line)


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
