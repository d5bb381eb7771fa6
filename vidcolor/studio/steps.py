"""The steps that a page may ask for, checked against the film: ``take(film, history, asked)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidcolor.errors import UsageError
from vidcolor.hintlist import FORMAT, parse_hints
from vidcolor.studio.decisions import History
from vidcolor.studio.film import OpenFilm

_STEPS = ("add hint", "change hint", "remove hint", "look", "cut", "join", "undo")
_HINT_KEYS = ("frame", "x", "y", "color", "scope", "note")


def take(film: OpenFilm, history: History, asked: Mapping[str, Any]) -> Any:
    """Take the step that ``asked["do"]`` names, one of::

        add hint      hint: frame, x, y, color, scope    (answers with its number)
        change hint   id, hint: those of it that change
        remove hint   id
        look          look: {saturation: 0.9, …}, null for the default; shot: its first frame
        cut, join     frame
        undo

    A ``gesture``, any text, joins steps of the second and fourth kind; see `History`.

    Raises UsageError for what cannot be: nothing is changed then.
    """
    do, gesture = asked.get("do"), asked.get("gesture")
    if not (gesture is None or isinstance(gesture, str)):
        raise UsageError(f'"gesture" must be text, not {gesture!r}')
    if do == "add hint":
        return history.add_hint(_hint(film, asked, {}))
    if do == "change hint":
        number = _number(asked, "id")
        changes = _hint(film, asked, history.hint(number))
        return history.change_hint(number, changes, gesture)
    if do == "remove hint":
        return history.remove_hint(_number(asked, "id"))
    if do == "look":
        look, shot = asked.get("look"), asked.get("shot")
        if not isinstance(look, Mapping):
            raise UsageError(f'"look" must hold settings, not {look!r}')
        return history.set_look(look, None if shot is None else _number(asked, "shot"), gesture)
    if do == "cut":
        frame = _number(asked, "frame")
        film.check_number(frame)
        return history.cut(frame, film.clock(frame))
    if do == "join":
        return history.join(_number(asked, "frame"))
    if do == "undo":
        return history.undo()
    raise UsageError(f"unknown step {do!r}; valid are {', '.join(_STEPS)}")


def _hint(film: OpenFilm, asked: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for of a hint that was as ``before``. Raises UsageError if the result is no
    hint, or not on the film."""
    item = asked.get("hint")
    if not isinstance(item, Mapping):
        raise UsageError(f'"hint" must be a hint, not {item!r}')
    for key in item:
        if key not in _HINT_KEYS:
            raise UsageError(f"unknown key {key!r} of a hint; valid are {', '.join(_HINT_KEYS)}")
    if isinstance(item.get("color"), str) and not item["color"].startswith("#"):
        raise UsageError(f'a color is "#rrggbb", not {item["color"]!r}')
    if not before or {"frame", "x", "y"} & set(item):
        file = {"format": FORMAT, "hints": [{**before, **item}]}
        (hint,) = parse_hints(file)
        if not hint.inside:
            raise UsageError("this place is outside the picture, whose sides go from 0 to 1")
        film.check_number(film.frame_of(hint))
    return dict(item)


def _number(asked: Mapping[str, Any], name: str) -> int:
    value = asked.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f'"{name}" must be a whole number from 0, not {value!r}')
    return value
