"""The files beside a film that hold what was decided about it, as the command line takes them.

::

    film.shots.json    --shots        shots, and their looks
    film.hints.json    --hints        known colours
    film.look.toml     --config       the film's look
    film.references/   --reference    colour stills, each named after a frame of its shot

A file that somebody else wrote since it was read or written here is not replaced unasked. Films
whose names differ in their suffix alone go by the same files, as they do in a batch.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vidcolor.disk import free_name, put_in_place
from vidcolor.errors import SettingsError, UsageError
from vidcolor.guide.still import read_still
from vidcolor.listfile import read_list
from vidcolor.models.checkpoint import digest
from vidcolor.references import SUFFIXES, Reference, find_references, is_still
from vidcolor.settings import Settings, load_settings
from vidcolor.shots import read_shots
from vidcolor.studio.confinement import Folder, called_film
from vidcolor.studio.decisions import LOOK, Decisions, parse_hints_file
from vidcolor.studio.draft import Draft
from vidcolor.studio.faults import ConflictError
from vidcolor.textfile import write_text, writing

_REMOVED = "removed"
"""In the folder of references: those that were taken away. None is deleted."""


class Kept:
    """The files of ``film``, a film in ``folder``. Raises ForbiddenError where one is a link."""

    def __init__(self, film: Path, folder: Folder) -> None:
        self.film = film
        self.shots = folder.beside(film, f"{film.stem}.shots.json")
        self.hints = folder.beside(film, f"{film.stem}.hints.json")
        self.look = folder.beside(film, f"{film.stem}.look.toml")
        self.references = folder.beside(film, f"{film.stem}.references")
        self.draft = Draft(film, folder)
        self._known: dict[Path, str | None] = {}
        self._texts: dict[Path, str] = {}
        self._stills: tuple[object, tuple[Reference, ...]] = (None, ())

    def load(self, base: Settings, note: Callable[[str], None]) -> Decisions:
        """What the files say. One that cannot be used is told of with ``note`` and left alone."""
        decisions = Decisions()
        for path, read in (
            (self.shots, self._load_shots),
            (self.hints, self._load_hints),
            (self.look, self._load_look),
        ):
            if not path.exists():
                continue
            try:
                tried = dataclasses.replace(decisions, **read(base))
                tried.settings(base)
                decisions, self._known[path] = tried, _digest(path)
            except SettingsError as error:
                note(f"{error}; it was left out, and will not be replaced unless you say so")
        self._texts = self._all(decisions)
        if not self.shots.exists():
            self._texts[self.shots] = ""
        return decisions

    def save(self, decisions: Decisions, *, replace: bool) -> list[str]:
        """Write what has changed since it was read or written, and return the files' names.

        Raises ConflictError, before anything is written, where a file is not as it was then, unless
        it may be ``replace``d; TargetError.
        """
        texts = self._all(decisions)
        new = {path: text for path, text in texts.items() if text != self._texts.get(path)}
        strange = [path.name for path in new if self._known.get(path) != _digest(path)]
        if strange and not replace:
            line = f"{', '.join(strange)}: was not written here, or changed since"
            raise ConflictError(line, unless="replace")
        for path, text in new.items():
            write_text(path, text, "file")
            self._known[path], self._texts[path] = _digest(path), text
        return [path.name for path in new]

    def keep_draft(self, decisions: Decisions | None) -> None:
        """Keep what is not saved yet, or (None) let go of it."""
        self.draft.keep(decisions, {path.name: self._known.get(path) for path in self._files})

    def take_up(
        self, saved: Decisions, base: Settings, note: Callable[[str], None]
    ) -> Decisions | None:
        """What was not saved the last time, when the files say ``saved``. Those that somebody else
        has written since then are not replaced unasked."""
        found = self.draft.take_up(base, note)
        if found is None:
            return None
        draft, known = found
        for path in self._files:
            if path.name in known and known[path.name] != self._known.get(path):
                self._known[path] = known[path.name]
                note(f"{path.name}: was changed since what is taken up again was not saved")
        # They were still being found.
        return draft if draft.shots is not None else dataclasses.replace(draft, shots=saved.shots)

    @property
    def _files(self) -> tuple[Path, ...]:
        return self.shots, self.hints, self.look

    def shared(self) -> list[str]:
        """A line to tell where other films beside this one go by the same files, else nothing."""
        others = []
        with suppress(OSError):
            others = sorted(
                item.name
                for item in self.film.parent.iterdir()
                if item.stem == self.film.stem and item != self.film
                if called_film(item) and item.is_file()
            )
        if not others:
            return []
        files = ", ".join(path.name for path in (self.shots, self.hints, self.look))
        return [
            f"{self.film.name}: {files} and {self.references.name} are also those of "
            f"{', '.join(others)}; rename one of the films to part them"
        ]

    def stills(self) -> tuple[Reference, ...]:
        """The references there are. Raises SettingsError."""
        state = []
        try:
            for item in self.references.iterdir() if self.references.exists() else ():
                if not is_still(item):
                    continue
                if item.is_symlink():
                    raise SettingsError(f"{item}: is a link; put the picture itself there")
                with suppress(FileNotFoundError):  # Taken away a moment ago.
                    found = item.stat()
                    state.append((item, found.st_mtime_ns, found.st_size))
        except OSError as error:
            raise SettingsError(f"{self.references}: cannot be read: {error.strerror}") from error
        if state != self._stills[0]:
            self._stills = (state, find_references(self.references) if state else ())
        return self._stills[1]

    def add_still(self, picture: Path, frame: int, short_side: int) -> str:
        """Keep a copy of ``picture`` as the reference for the shot of ``frame``.

        Raises SettingsError if it cannot be one: unreadable, or grey.
        """
        suffix = picture.suffix.lower()
        if suffix not in SUFFIXES:
            raise SettingsError(f"{picture.name}: not a picture; give a JPEG or PNG file")
        read_still(picture, short_side)
        target = self.references / f"ref_{frame:06}{suffix}"
        # Beside it at first: the picture may be on another disk.
        part = self.references / f".{target.name}.part"
        with writing(target, "reference"):
            self.references.mkdir(exist_ok=True)
            try:
                shutil.copyfile(picture, part)
                for other in self.references.glob(f"ref_{frame:06}.*"):
                    self._set_aside(other)
                put_in_place(part, target)
            finally:
                part.unlink(missing_ok=True)
        return target.name

    def remove_still(self, name: str) -> None:
        """Take a reference away, into a folder where it is out of use. Raises UsageError."""
        if name not in {item.path.name for item in self.stills()}:
            raise UsageError(f"{name}: is no reference of this film")
        with writing(self.references / name, "reference"):
            self._set_aside(self.references / name)

    def options(self, decisions: Decisions, *, stills: bool) -> list[str]:
        """What the command line is to be given, once all is saved, to do the same."""
        words = ["--config", self.look.name] if decisions.look else []
        words += ["--shots", self.shots.name] if decisions.shots is not None else []
        words += ["--hints", self.hints.name] if decisions.hints else []
        return words + (["--reference", self.references.name] if stills else [])

    def _all(self, decisions: Decisions) -> dict[Path, str]:
        """The text of each file."""
        shots = "" if decisions.shots is None else decisions.shots.to_json()
        texts = {self.hints: _hints_text(decisions, self.film.name), self.shots: shots}
        return {**texts, self.look: _look_text(decisions.look)}

    def _load_shots(self, base: Settings) -> dict[str, Any]:
        return {"shots": read_shots(self.shots)}

    def _load_hints(self, base: Settings) -> dict[str, Any]:
        return read_list(self.hints, "these hints", parse_hints_file)

    def _load_look(self, base: Settings) -> dict[str, Any]:
        read, plain = load_settings(self.look, base), base.look_in()
        both = {key: getattr(read.look_in(), key) for key in LOOK}
        look = {key: value for key, value in both.items() if value != getattr(plain, key)}
        if Decisions(look=look).settings(base) != read:
            # What is not set in the page would be lost when it is saved.
            raise SettingsError(f"{self.look}: holds more than {', '.join(LOOK)}")
        return {"look": look}

    def _set_aside(self, path: Path) -> None:
        folder = self.references / _REMOVED
        folder.mkdir(exist_ok=True)
        path.rename(free_name(folder / path.name))


def _hints_text(decisions: Decisions, source: str) -> str:
    """One hint a line, as the shot list has its shots."""
    value = decisions.hints_file(source)
    head = [
        f"  {json.dumps(key)}: {json.dumps(item, ensure_ascii=False)},"
        for key, item in value.items()
        if key != "hints"
    ]
    rows = ",\n".join(f"    {json.dumps(it, ensure_ascii=False)}" for it in value["hints"])
    return "\n".join(["{", *head, '  "hints": [', rows, "  ]", "}"])


def _look_text(look: Mapping[str, float]) -> str:
    """The look as a config file, nothing where it is as by default."""
    color = [f"{key} = {float(look[key])}" for key in LOOK[:1] if key in look]
    rest = [f"{key} = {float(look[key])}" for key in LOOK[1:] if key in look]
    parts = [["[color]", *color]] * bool(color) + [["[look]", *rest]] * bool(rest)
    return "\n\n".join("\n".join(part) for part in parts)


def _digest(path: Path) -> str | None:
    return digest(path) if path.exists() else None
