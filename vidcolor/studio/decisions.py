"""What was decided about a film: its shots, its looks, its hints. Changed one step at a time.

Hints and shots are kept as their files have them, so that what was written there by hand (names of
colours, strokes, notes) is still there when they are saved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from vidcolor.errors import SettingsError, UsageError
from vidcolor.hintlist import FORMAT, Hint, parse_hints
from vidcolor.settings import Settings
from vidcolor.shots import Shot, ShotList

LOOK = ("saturation", "warmth", "tint", "vibrance")
"""What of a look is set here; a shot's other keys (its LUT) are kept."""
_UNDONE = 200
"""Steps that can be taken back."""
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Decisions:
    """``hints`` are the items of a hints file by number, ``palette`` its palette; ``shots`` is None
    until they are known; ``look`` is what is set for the whole film."""

    hints: Mapping[int, Mapping[str, Any]] = field(default_factory=lambda: _NOTHING)
    palette: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    shots: ShotList | None = None
    look: Mapping[str, float] = field(default_factory=lambda: _NOTHING)

    def parsed(self) -> dict[int, Hint]:
        """The hints by number."""
        return dict(zip(self.hints, parse_hints(self.hints_file(None)), strict=True))

    def hints_file(self, source: str | None) -> dict[str, Any]:
        """The JSON value of the hints file."""
        head: dict[str, Any] = {"format": FORMAT, "source": source, "palette": dict(self.palette)}
        return {**{k: v for k, v in head.items() if v}, "hints": [*map(dict, self.hints.values())]}

    def settings(self, base: Settings) -> Settings:
        """``base`` for this film as it was decided. Raises SettingsError for a look that cannot
        be."""
        color = {key: self.look[key] for key in LOOK[:1] if key in self.look}
        look = {key: self.look[key] for key in LOOK[1:] if key in self.look}
        settings = base.replace("color", **color).replace("look", **look)
        settings = settings.replace(hints=tuple(self.parsed().values()))
        if self.shots is None:
            return settings
        return settings.replace(shots=self.shots.starts, looks=self.shots.looks)


class History:
    """The decisions as they are now, with what they were before; ``revision`` grows with each step.

    A step either is taken whole or raises SettingsError or UsageError, and changes nothing. Steps
    in a row of one ``gesture`` (a slider that is drawn along) are taken back as one.
    """

    def __init__(self, base: Settings) -> None:
        self._base = base
        self._past: list[Decisions] = []
        self._gesture: str | None = None
        self.now = self.saved = Decisions()
        self.revision = 0

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self.now != self.saved

    @property
    def steps(self) -> int:
        """How many can be taken back."""
        return len(self._past)

    def begin(self, decisions: Decisions, draft: Decisions | None = None) -> None:
        """Start from what files say; taking up a ``draft`` is the first step."""
        decisions.settings(self._base)
        self._past.clear()
        self._gesture = None
        self.now = self.saved = decisions
        self.revision += 1
        if draft is not None and draft != decisions:
            self._past.append(decisions)
            self.now = draft

    def found(self, shots: ShotList) -> None:
        """The shots were found, before any were decided upon: nothing to take back."""
        if self.now.shots is None:
            self.now, self.saved = replace(self.now, shots=shots), replace(self.saved, shots=shots)
            self._past = [replace(item, shots=shots) for item in self._past]
            self.revision += 1

    def undo(self) -> None:
        """Take the last step back."""
        if not self._past:
            raise UsageError("nothing to undo")
        self.now = self._past.pop()
        self._gesture = None
        self.revision += 1

    def add_hint(self, item: Mapping[str, Any]) -> int:
        """One hint more, an item as the file has it. Returns its number."""
        number = max(self.now.hints, default=0) + 1
        self._step(hints={**self.now.hints, number: dict(item)})
        return number

    def hint(self, number: int) -> Mapping[str, Any]:
        """The hint with that number. Raises UsageError where there is none."""
        self._known(number)
        return self.now.hints[number]

    def change_hint(
        self, number: int, changes: Mapping[str, Any], gesture: str | None = None
    ) -> None:
        item = {**self.hint(number), **changes}
        self._step(gesture, hints={**self.now.hints, number: item})

    def remove_hint(self, number: int) -> None:
        self._known(number)
        self._step(hints={key: it for key, it in self.now.hints.items() if key != number})

    def set_look(
        self,
        changes: Mapping[str, float | None],
        shot: int | None = None,
        gesture: str | None = None,
    ) -> None:
        """Set some of the film's look, or of the look of the shot that begins at frame ``shot``;
        None has it as it is by default, or as the film has it."""
        for key in changes:
            if key not in LOOK:
                raise SettingsError(f"unknown part of a look {key!r}; valid are {', '.join(LOOK)}")
        if shot is None:
            self._step(gesture, look=_changed(self.now.look, changes))
            return
        shots = list(self._shots.shots)
        place = next((n for n, it in enumerate(shots) if it.first_frame == shot), None)
        if place is None:
            raise UsageError(f"no shot begins at frame {shot}")
        notes = dict(shots[place].notes)
        look = _changed(notes.pop("look", {}), changes)
        if look:
            notes["look"] = look
        shots[place] = Shot(shot, notes)
        self._step(gesture, shots=replace(self._shots, shots=tuple(shots)))

    def cut(self, frame: int, start: str) -> None:
        """Have a shot begin at ``frame``, at the time ``start``, with the look of the one it was
        in."""
        shots = self._shots.shots
        place = bisect_right(self._shots.starts, frame)
        if frame in self._shots.starts:
            raise UsageError(f"a shot begins at frame {frame} already")
        notes: dict[str, Any] = {"start": start}
        if "look" in shots[place - 1].notes:
            notes["look"] = shots[place - 1].notes["look"]
        new = (*shots[:place], Shot(frame, notes), *shots[place:])
        self._step(shots=replace(self._shots, shots=new))

    def join(self, frame: int) -> None:
        """Join the shot that begins at ``frame`` to the one before it."""
        if frame == 0 or frame not in self._shots.starts:
            raise UsageError(f"no cut at frame {frame} that could be taken away")
        left = tuple(shot for shot in self._shots.shots if shot.first_frame != frame)
        self._step(shots=replace(self._shots, shots=left))

    @property
    def _shots(self) -> ShotList:
        if self.now.shots is None:
            raise UsageError("the shots are not known yet; have them found first")
        return self.now.shots

    def _known(self, number: int) -> None:
        if number not in self.now.hints:
            raise UsageError(f"hint {number}: is no longer there")

    def _step(self, gesture: str | None = None, **changes: Any) -> None:
        now = replace(self.now, **changes)
        now.settings(self._base)
        if now == self.now:
            return
        if gesture is None or gesture != self._gesture:
            self._past = [*self._past[1 - _UNDONE :], self.now]
        self._gesture = gesture
        self.now = now
        self.revision += 1


def parse_hints_file(value: Any) -> dict[str, Any]:
    """The part of the decisions that a hints file's JSON value is; see `Decisions.hints_file`.

    Raises SettingsError.
    """
    parse_hints(value)
    return {"hints": dict(enumerate(value["hints"], 1)), "palette": value.get("palette", {})}


def _changed(look: Mapping[str, Any], changes: Mapping[str, float | None]) -> dict[str, Any]:
    merged = {**look, **changes}
    return {key: value for key, value in merged.items() if value is not None}
