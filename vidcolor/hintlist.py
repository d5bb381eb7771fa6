"""The hints file: colours that someone knows, put on places of a film.

``vidcolor ... --hints hints.json`` goes by it. It is made to be written by hand or by a program::

    {
      "format": "vidcolor-hints-1",
      "source": "film.mp4",
      "palette": {"dress": "#b02a30", "skin": [224, 172, 140]},
      "hints": [
        {"frame": 0, "x": 0.41, "y": 0.52, "color": "dress"},
        {"time": "0:01:30.5", "stroke": [[0.1, 0.9], [0.6, 0.9]], "color": "#3f6b35",
         "scope": "film", "note": "the lawn"}
      ]
    }

``format`` and ``hints`` are required. A hint says when: by ``frame``, a number in the order of
presentation from 0 at the film's first frame, or by ``time`` since that frame, in seconds or as
``h:mm:ss.mmm``; it then means the first frame at or after it. It says where: by ``x`` and ``y``, or
by a ``stroke`` through two or more such places, in shares of the picture's width and height as a
player shows it, 0 0 being its upper left corner. Its ``color`` is sRGB, as ``"#rrggbb"`` or three
numbers from 0 to 255, or a name of the ``palette``. Its ``scope`` is ``shot``, where the frame lies
in (so without one), ``onward``, that shot and all after it, or ``film``.

``source`` and a hint's ``note`` are there to be read by people. Any other key is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from reprlib import repr as brief
from typing import Any, TypeAlias

from vidcolor.errors import SettingsError
from vidcolor.listfile import check_format, check_keys, read_list, seconds

FORMAT = "vidcolor-hints-1"
"""What ``format`` must be."""
SCOPES = ("shot", "onward", "film")

Srgb: TypeAlias = tuple[int, int, int]

_KEYS = ("format", "source", "palette", "hints")
_HINT_KEYS = ("frame", "time", "x", "y", "stroke", "color", "scope", "note")
_MOST = 10**9
"""Numbers are below this; JSON also has such as no float can hold."""


@dataclass(frozen=True, slots=True)
class Hint:
    """One colour, and where it belongs.

    Either ``frame`` or ``time`` (seconds since the film's first frame) is given. ``places`` are
    (x, y) in shares of the picture as shown, one for a point and more for a stroke through them;
    ``color`` is sRGB, 0 to 255, and may be given as ``"#rrggbb"``. ``number`` is that in its list,
    from 1, for messages. Raises SettingsError for a time, place, colour or scope that cannot be.
    """

    places: tuple[tuple[float, float], ...]
    color: Srgb
    frame: int | None = None
    time: Fraction | None = None
    scope: str = "shot"
    number: int = 1

    def __post_init__(self) -> None:
        when = [value for value in (self.frame, self.time) if value is not None]
        if len(when) != 1 or when[0] < 0:
            raise SettingsError(f'{self}: give either its "frame" or its "time", from 0')
        if not self.places:
            raise SettingsError(f"{self}: it has no place")
        for place in self.places:
            _check_place(place, str(self))
        object.__setattr__(self, "color", _color(self.color, {}, str(self)))
        if self.scope not in SCOPES:
            raise SettingsError(
                f"{self}: its scope must be {', '.join(SCOPES)}, not {self.scope!r}"
            )

    def __str__(self) -> str:
        return f"hint {self.number}"

    @property
    def inside(self) -> bool:
        """Whether all of it lies within the picture."""
        return all(0 <= value <= 1 for place in self.places for value in place)


def read_hints(path: Path | str) -> tuple[Hint, ...]:
    """Read a hints file. Raises SettingsError, which names the file and what is wrong with it."""
    return read_list(Path(path), "these hints", parse_hints)


def parse_hints(value: Any) -> tuple[Hint, ...]:
    """The hints of a file's JSON value. Raises SettingsError."""
    check_format(value, FORMAT, "a hints file")
    check_keys(value, _KEYS)
    hints, palette = value.get("hints"), value.get("palette", {})
    if not isinstance(hints, list):
        raise SettingsError('"hints" must be a list of hints')
    if not isinstance(palette, dict):
        raise SettingsError('"palette" must be a table of names and colours')
    colors = {name: _color(item, {}, f"palette {name!r}") for name, item in palette.items()}
    return tuple(_hint(number, item, colors) for number, item in enumerate(hints, 1))


def _hint(number: int, item: Any, palette: Mapping[str, Srgb]) -> Hint:
    name = f"hint {number}"
    if not isinstance(item, dict):
        raise SettingsError(f"{name}: must be a table, not {brief(item)}")
    check_keys(item, _HINT_KEYS, f"{name}: ")
    frame = item.get("frame")
    if not (frame is None or (isinstance(frame, int) and _is_number(frame))):
        raise SettingsError(f'{name}: "frame" must be a frame\'s number from 0, not {brief(frame)}')
    return Hint(
        places=_places(item, name),
        color=_color(item.get("color"), palette, name),
        frame=frame,
        time=None if "time" not in item else _time(item["time"], name),
        scope=item.get("scope", "shot"),
        number=number,
    )


def _places(item: Mapping[str, Any], name: str) -> tuple[tuple[float, float], ...]:
    stroke = item.get("stroke")
    if (stroke is None) == ("x" not in item and "y" not in item):
        raise SettingsError(f'{name}: give either its "x" and "y" or its "stroke"')
    places = [[item.get("x"), item.get("y")]] if stroke is None else stroke
    if not isinstance(places, list) or len(places) < (1 if stroke is None else 2):
        raise SettingsError(f'{name}: "stroke" must be a list of two or more places [x, y]')
    for place in places:
        _check_place(place, name)
    return tuple((float(x), float(y)) for x, y in places)


def _check_place(place: Any, name: str) -> None:
    pair = isinstance(place, list | tuple) and len(place) == 2
    if not (pair and all(map(_is_number, place))):
        raise SettingsError(f"{name}: a place must be two numbers, x and y, not {brief(place)}")


def _color(value: Any, palette: Mapping[str, Srgb], name: str) -> Srgb:
    if isinstance(value, str) and value in palette:
        return palette[value]
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        red, green, blue = bytes.fromhex(value[1:])
        return red, green, blue
    if (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(_is_number(part) and float(part).is_integer() for part in value)
        and all(0 <= part <= 255 for part in value)
    ):
        red, green, blue = map(int, value)
        return red, green, blue
    known = f", or one of {', '.join(palette)}" if palette else ""
    raise SettingsError(
        f'{name}: a color is "#rrggbb" or three numbers from 0 to 255{known}, not {brief(value)}'
    )


def _time(value: Any, name: str) -> Fraction:
    if _is_number(value):
        return Fraction(str(value))
    found = seconds(value) if isinstance(value, str) else None
    if found is None or found >= _MOST:
        raise SettingsError(f'{name}: "time" must be seconds or "h:mm:ss.mmm", not {brief(value)}')
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST
