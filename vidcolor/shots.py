"""The shot list: a small JSON file that tells where the shots of a film begin.

``vidcolor shots FILE --output shots.json`` writes one, and ``vidcolor ... --shots shots.json`` goes
by it. It is made to be edited by hand in between::

    {
      "format": "vidcolor-shots-1",
      "source": "film.mp4",
      "frames": 240,
      "shots": [
        {"first_frame": 0, "start": "0:00:00.000"},
        {"first_frame": 96, "start": "0:00:04.000"}
      ]
    }

``format`` and ``shots`` are required, and of each shot its ``first_frame``: the number, in the
order of presentation, of the frame it begins with. Numbers count from 0 at the film's first frame,
they rise from shot to shot, and the first shot begins at 0. A cut is taken away by deleting its
shot, and added by a shot with a ``first_frame``.

All else is there to be read by people. ``source`` is the film's name, ``frames`` the number of the
frame after the last that was looked at. ``start`` is the time since the film's first frame, cut to
the millisecond: ``--start`` with that time begins at that very frame. What else a shot holds is
kept as it is; anything else at the top is an error.

A shot's ``look`` is for that shot alone, in place of what is set for the film::

    {"first_frame": 96, "look": {"saturation": 0.8, "warmth": 0.2}}

Its keys are ``saturation`` and those of `vidcolor.settings.LookSettings`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from vidcolor.errors import SettingsError
from vidcolor.listfile import check_format, check_keys, read_list
from vidcolor.overrides import beside
from vidcolor.settings import Settings
from vidcolor.textfile import write_text

FORMAT = "vidcolor-shots-1"
"""What ``format`` must be."""

_KEYS = ("format", "source", "frames", "shots")


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot of a list: the number of its first frame, and whatever else the list says of it.

    ``notes`` are the shot's other keys with their JSON values, ``start`` among them.
    """

    first_frame: int
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShotList:
    """Where the shots of a film begin; see the module for the meaning of each part.

    Raises SettingsError if ``shots`` is empty, does not begin at frame 0 or does not rise.
    """

    shots: tuple[Shot, ...]
    source: str | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        if not self.shots or self.shots[0].first_frame != 0:
            raise SettingsError("the first shot must have first_frame 0")
        for number, (one, other) in enumerate(pairwise(self.shots), 2):
            if other.first_frame <= one.first_frame:
                raise SettingsError(
                    f"shot {number} begins at frame {other.first_frame}, which is not after the "
                    f"shot before it, at {one.first_frame}"
                )

    @property
    def starts(self) -> tuple[int, ...]:
        """The first frame of every shot, as `vidcolor.settings.Settings.shots` takes them."""
        return tuple(shot.first_frame for shot in self.shots)

    @property
    def looks(self) -> dict[int, dict[str, Any]] | None:
        """What shots set for themselves, as `vidcolor.settings.Settings.looks` takes it."""
        own = {shot.first_frame: shot.notes["look"] for shot in self.shots if "look" in shot.notes}
        return own or None

    def looks_beside(self, path: Path) -> dict[int, dict[str, Any]] | None:
        """``looks`` with their LUTs looked for beside the list at ``path`` first."""
        return self.looks and {start: beside(path, look) for start, look in self.looks.items()}

    def to_json(self) -> str:
        """The list as its file has it, one shot a line, without a line's end."""
        head = {"format": FORMAT, "source": self.source, "frames": self.frames}
        lines = [
            f"  {_json(key)}: {_json(value)}," for key, value in head.items() if value is not None
        ]
        shots = [_json({"first_frame": shot.first_frame, **shot.notes}) for shot in self.shots]
        rows = ",\n".join(f"    {shot}" for shot in shots)
        return "\n".join(["{", *lines, '  "shots": [', rows, "  ]", "}"])


def read_shots(path: Path) -> ShotList:
    """Read a shot list. Raises SettingsError, which names the file and what is wrong with it."""
    return read_list(path, "this shot list", parse_shots)


def with_shots(settings: Settings, path: Path) -> Settings:
    """``settings`` with the shots of the list at ``path`` and their looks, whose LUTs are looked
    for beside the list first. Raises SettingsError."""
    listed = read_shots(path)
    try:
        return settings.replace(shots=listed.starts, looks=listed.looks_beside(path))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def write_shots(path: Path, shots: ShotList) -> None:
    """Write a shot list, which takes the place of an older one in one step. Raises TargetError."""
    write_text(path, shots.to_json(), "shot list")


def clock(seconds: Fraction) -> str:
    """``h:mm:ss.mmm``, rounded down, so that the time never lies behind what it names."""
    whole, thousandths = divmod(math.floor(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}.{thousandths:03}"


def parse_shots(value: Any) -> ShotList:
    """The shot list of a file's JSON value. Raises SettingsError."""
    check_format(value, FORMAT, "a shot list")
    check_keys(value, _KEYS)
    shots, source, frames = value.get("shots"), value.get("source"), value.get("frames")
    if not isinstance(shots, list):
        raise SettingsError('"shots" must be a list of shots, such as [{"first_frame": 0}]')
    if not (source is None or isinstance(source, str)):
        raise SettingsError(f'"source" must be the name of a film, not {source!r}')
    if not (frames is None or _is_number(frames)):
        raise SettingsError(f'"frames" must be a number of frames, not {frames!r}')
    return ShotList(
        tuple(_shot(number, item) for number, item in enumerate(shots, 1)), source, frames
    )


def _shot(number: int, item: Any) -> Shot:
    if not isinstance(item, dict) or not _is_number(item.get("first_frame")):
        raise SettingsError(f'shot {number} must have a "first_frame", a frame\'s number from 0')
    if not isinstance(item.get("look", {}), dict):
        raise SettingsError(f'shot {number}: its "look" must hold settings, not {item["look"]!r}')
    return Shot(item["first_frame"], {key: it for key, it in item.items() if key != "first_frame"})


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
