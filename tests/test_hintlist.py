"""The hints file, and the stills that a name stands for."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vidcolor.errors import SettingsError
from vidcolor.hintlist import FORMAT, Hint, read_hints
from vidcolor.references import find_references

HUGE = 10**400
"""Which JSON can say, and no float can hold."""
GOOD: dict[str, Any] = {"frame": 3, "x": 0.25, "y": 0.5, "color": "#102030"}


def write(folder: Path, hints: Any, **rest: Any) -> Path:
    path = folder / "hints.json"
    path.write_text(json.dumps({"format": FORMAT, "hints": hints, **rest}))
    return path


def test_points_strokes_and_palettes_are_read(tmp_path: Path) -> None:
    stroke = {"time": "1:30.5", "stroke": [[0, 0], [1, 1]], "color": "sky", "scope": "film"}
    point, line = read_hints(write(tmp_path, [GOOD, stroke], palette={"sky": [1, 2, 3]}))
    assert (point.frame, point.places, point.color) == (3, ((0.25, 0.5),), (16, 32, 48))
    assert point.scope == "shot"
    assert (line.time, line.color, line.scope) == (Fraction(181, 2), (1, 2, 3), "film")
    assert line.places == ((0, 0), (1, 1))
    assert str(line) == "hint 2"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"colour": "red"}, "hint 1: unknown key 'colour'; valid keys are frame, time"),
        ({"color": [0, 0, 256]}, "hint 1: a color is"),
        ({"color": "dress"}, "hint 1: a color is"),
        ({"frame": -1}, "hint 1: give either"),
        ({"time": 2}, "hint 1: give either"),
        ({"frame": True}, 'hint 1: "frame" must be'),
        ({"x": None}, "hint 1: a place must be"),
        ({"stroke": [[0, 0], [1, 1]]}, 'hint 1: give either its "x"'),
        ({"scope": "reel"}, "hint 1: its scope must be shot, onward, film"),
        ({"x": HUGE}, "hint 1: a place must be two numbers, x and y, not [10000"),
        ({"frame": HUGE}, 'hint 1: "frame" must be'),
        ({"frame": None, "time": HUGE}, 'hint 1: "time" must be seconds'),
        ({"frame": None, "time": str(HUGE)}, 'hint 1: "time" must be seconds'),
        ({"frame": None, "time": "1:99"}, 'hint 1: "time" must be seconds'),
        ({"color": [0, 0, HUGE]}, "hint 1: a color is"),
    ],
)
def test_a_wrong_hint_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path, [{**GOOD, **change}])
    with pytest.raises(SettingsError) as error:
        read_hints(path)
    assert str(error.value).startswith(f"{path}: {complaint}")
    assert len(str(error.value)) < len(str(path)) + 200


def test_hints_from_python_take_colours_as_files_do() -> None:
    assert Hint(((0.5, 0.5),), "#0a14ff", frame=0).color == (10, 20, 255)  # type: ignore[arg-type]
    assert Hint(((0.5, 0.5),), [1, 2, 3], frame=0).color == (1, 2, 3)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="a color is"):
        Hint(((0.5, 0.5),), (1, 2, 300), frame=0)
    with pytest.raises(SettingsError, match="a place must be two numbers"):
        Hint((0.5, 0.5), (1, 2, 3), frame=0)  # type: ignore[arg-type]


def test_what_is_no_hints_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hints.json"
    for text, complaint in (("{", "not a JSON"), ("[]", "not a hints file"), (None, "cannot read")):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        with pytest.raises(SettingsError, match=complaint):
            read_hints(path)
    with pytest.raises(SettingsError, match="unknown key 'hint'; valid keys are format"):
        read_hints(write(tmp_path, [], hint=1))


def test_names_tell_what_a_still_is_for(tmp_path: Path) -> None:
    for name in ("12.jpg", "shot_003.png", "ref_000120.png", "notes.txt", "._12.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    found = find_references(tmp_path)
    assert [(item.shot, item.frame) for item in found] == [(12, None), (None, 120), (3, None)]
    single = find_references(tmp_path / "12.jpg")
    assert [(item.shot, item.frame) for item in single] == [(None, None)]
    assert single[0].sha256 == found[0].sha256 != found[1].sha256
    (tmp_path / "dress.png").touch()
    with pytest.raises(SettingsError, match=r"dress\.png: name it after its shot"):
        find_references(tmp_path)
    with pytest.raises(SettingsError, match="cannot read this still"):
        find_references(tmp_path / "none.jpg")
