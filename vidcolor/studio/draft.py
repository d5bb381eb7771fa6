"""What is decided about a film and not saved yet, in ``film.mp4.unsaved.json``: ``Draft``.

It outlives a crash. Unlike the saved files it is one film's alone, named after the whole of its
name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vidcolor.disk import free_name, name_for
from vidcolor.errors import SettingsError, TargetError
from vidcolor.listfile import read_list
from vidcolor.settings import Settings
from vidcolor.shots import parse_shots
from vidcolor.studio.confinement import Folder
from vidcolor.studio.decisions import Decisions, parse_hints_file
from vidcolor.textfile import write_text


class Draft:
    """The draft of ``film``, a film in ``folder``. Raises ForbiddenError where it is a link."""

    def __init__(self, film: Path, folder: Folder) -> None:
        self._film = film
        self._path = folder.beside(film, f"{name_for(film)}.unsaved.json")
        self._ours = True

    def keep(
        self, decisions: Decisions | None, known: Mapping[str, str | None] | None = None
    ) -> None:
        """Keep ``decisions`` that are not saved yet, or (None) let go of the last ones. ``known``
        are the digests of the saved files that they began from, by name."""
        if not self._ours:
            return
        # The step itself is taken; where no draft can be written, it lives in memory alone.
        with suppress(TargetError, OSError):
            if decisions is None:
                self._path.unlink(missing_ok=True)
                return
            shots = decisions.shots
            value = {
                "hints": decisions.hints_file(self._film.name),
                "shots": None if shots is None else json.loads(shots.to_json()),
                "look": dict(decisions.look),
                "known": dict(known or {}),
            }
            write_text(self._path, json.dumps(value, ensure_ascii=False), "draft")

    def take_up(
        self, base: Settings, note: Callable[[str], None]
    ) -> tuple[Decisions, dict[str, str | None]] | None:
        """What was not saved the last time, and the files it began from, as in `keep`. A file that
        cannot be used is set aside under a free name, which ``note`` is told of; where even that
        cannot be, it is left, and no draft kept.
        """
        try:
            if not self._path.is_file():
                return None
            found = read_list(self._path, "this draft", _parse)
            found[0].settings(base)
        except SettingsError as error:
            note(f"{error}; {self._set_aside()}")
            return None
        return found

    def _set_aside(self) -> str:
        aside = free_name(self._path.with_name(f"{self._path.name}.broken"))
        try:
            self._path.rename(aside)
        except OSError as error:
            self._ours = False
            return f"it cannot be renamed ({error.strerror}), and no other draft will be kept"
        return f"it was renamed to {aside.name}"


def _parse(value: Any) -> tuple[Decisions, dict[str, str | None]]:
    if not isinstance(value, dict) or not isinstance(value.get("look"), dict):
        raise SettingsError("not a draft")
    shots = value.get("shots")
    known = None if shots is None else parse_shots(shots)
    files = value.get("known", {})
    if not isinstance(files, dict):
        raise SettingsError("not a draft")
    hints = parse_hints_file(value.get("hints"))
    return Decisions(**hints, shots=known, look=value["look"]), files
