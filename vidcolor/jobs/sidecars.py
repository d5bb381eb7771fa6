"""The settings of each film of a folder, and what they are known by."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from vidcolor.errors import ModelError, SettingsError, UsageError
from vidcolor.hintlist import read_hints
from vidcolor.identity import by_content, stamped_digest
from vidcolor.jobs.files import Identity, identify
from vidcolor.models.blend import members
from vidcolor.models.catalog import CATALOG
from vidcolor.models.checkpoint import digest
from vidcolor.models.registry import files_beside
from vidcolor.photos.kinds import SUFFIXES
from vidcolor.references import find_references, is_still
from vidcolor.settings import Settings, load_settings
from vidcolor.shots import with_shots

OF_FOLDER = "vidcolor.toml"
SOUNDS = (
    *(".wav", ".w64", ".rf64", ".bwf", ".aif", ".aiff", ".flac", ".caf", ".mka", ".m4a", ".aac"),
    *(".mp3", ".ogg", ".oga", ".opus", ".ac3"),
)
"""What files are called that are taken for the sound of a folder of numbered pictures."""
_SAME_FILM = ("color.device", "color.batch_size", "decoder.device", "overwrite")
"""What makes a film no other."""
_LIMITS = ("limits.pixels", "limits.frames", "limits.streams")
"""What makes no other film of one that is done, but maybe one of one that failed."""


@dataclass(slots=True)
class Sidecars:
    """The settings of films under ``source``: ``base``, then those of their folders from the
    top down, then those in the files beside each, of the same name with ``.toml`` and
    ``.look.toml``. A shot list, hints and a folder of stills may be there too, with
    ``.shots.json``, ``.hints.json`` and ``.references``, as `vidcolor.studio` saves them; and
    beside a folder of numbered pictures their sound, with one of `SOUNDS`."""

    source: Path
    base: Settings
    _folders: dict[PurePosixPath, Settings] = field(default_factory=dict)
    _sounds: dict[PurePosixPath, dict[str, list[Path]]] = field(default_factory=dict)

    def of(self, name: PurePosixPath) -> Settings:
        """Raises SettingsError, which names the file."""
        try:
            return self._of(name)
        except OSError as error:
            where = error.filename or self.source / name
            raise SettingsError(f"{where}: cannot be read: {error.strerror}") from error

    def _of(self, name: PurePosixPath) -> Settings:
        whole = (self.source / name).is_dir()
        # A folder's name has no suffix that others could stand for: "Reel No. 2".
        stem = name.name if whole else name.stem

        def beside(suffix: str) -> PurePosixPath:
            return name.with_name(stem + suffix)

        settings = self._over(beside(".toml"), self._folder(name.parent))
        settings = self._over(beside(".look.toml"), settings)
        shots, hints, stills = (
            self.source / beside(suffix) for suffix in (".shots.json", ".hints.json", ".references")
        )
        if whole:
            settings = settings.replace(sound=self._sound(name))
        # A poster of a film's name has no shots, though the film has.
        if _is_file(shots) and (whole or name.suffix.lower() not in SUFFIXES):
            settings = with_shots(settings, shots)
        if _is_file(hints):
            settings = settings.replace(hints=read_hints(hints))
        # The studio leaves the folder where its last still was taken away, and file managers leave
        # files of their own in what they showed.
        if _is_folder(stills) and any(map(is_still, stills.iterdir())):
            settings = settings.replace(references=find_references(stills))
        return settings

    def _sound(self, name: PurePosixPath) -> Path | None:
        """What is heard with the pictures in the folder ``name``. Raises SettingsError."""
        if name.parent not in self._sounds:
            found: dict[str, list[Path]] = {}
            for path in sorted((self.source / name.parent).iterdir()):
                if path.suffix.lower() in SOUNDS and path.name[0] != "." and path.is_file():
                    found.setdefault(_alike(path.stem), []).append(path)
            self._sounds[name.parent] = found
        sounds = self._sounds[name.parent].get(_alike(name.name), [])
        # Of reel.wav and Reel.wav, the one that is called as the folder is.
        sounds = [path for path in sounds if path.stem == name.name] or sounds
        if len(sounds) > 1:
            names = " and ".join(path.name for path in sounds)
            raise SettingsError(f"{self.source / name}: {names} lie beside it; leave one of them")
        return sounds[0] if sounds else None

    def _folder(self, name: PurePosixPath) -> Settings:
        if name not in self._folders:
            above = self.base if name == name.parent else self._folder(name.parent)
            self._folders[name] = self._over(name / OF_FOLDER, above)
        return self._folders[name]

    def _over(self, name: PurePosixPath, base: Settings) -> Settings:
        path = self.source / name
        return load_settings(path, base) if _is_file(path) else base


class Digests:
    """What settings are known by: the same for all that would give the same film.

    A checkpoint or a LUT is known by what is in it, read once, sound by samples of what is in it
    and when it was written, and a model of ours by its name.
    Only what differs from the defaults counts, so that a setting added later changes no digest.
    """

    def __init__(self) -> None:
        self._model = cache(_model)
        self._file = cache(_content)
        self._usual = self._flat(Settings())

    def of(self, settings: Settings, *, limited: bool = False) -> str:
        """SHA-256, in hex; with the limits if it is to be ``limited``."""
        apart = _SAME_FILM if limited else _SAME_FILM + _LIMITS
        values = {**self._flat(settings), "color.model": self._models(settings.color.model)}
        if settings.sound is not None:
            values["sound"] = self._file(str(settings.sound), stamped_digest)
        differs = {
            key: value
            for key, value in values.items()
            if value != self._usual[key] and key not in apart
        }
        return hashlib.sha256(json.dumps(differs, sort_keys=True, default=str).encode()).hexdigest()

    def _models(self, name: str) -> str:
        """Those of a mixture, each by what is in it, in place of their names."""
        try:
            found = members(name)
        except UsageError:  # An impossible share, which the job tells of.
            return name
        share = name[len("+".join(found)) :]
        return "+".join(map(self._model, found)) + share

    def _flat(self, settings: Settings) -> dict[str, Any]:
        """The values by ``group.key``."""
        flat = {}
        for group, part in by_content(settings, self._file).items():
            grouped = dataclasses.is_dataclass(getattr(settings, group))
            for key, value in part.items() if grouped else [("", part)]:
                flat[f"{group}.{key}".removesuffix(".")] = value
        return flat


def _is_file(path: Path) -> bool:
    return _is_there(path, Path.is_file)


def _is_folder(path: Path) -> bool:
    return _is_there(path, Path.is_dir)


def _is_there(path: Path, there: Callable[[Path], bool]) -> bool:
    """Not where the name, with what is put behind the film's, is too long to be one."""
    try:
        return there(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def _model(name: str) -> str:
    if name not in {model.name for model in CATALOG}:
        with suppress(OSError, ModelError):
            files = (Path(name), *files_beside(Path(name)))
            return _read_once(tuple((file, identify(file)) for file in files), digest)
    return name


def _content(name: str, read: Callable[[Path], str] = digest) -> str:
    with suppress(OSError):
        return _read_once(((Path(name), identify(Path(name))),), read)
    return name


@lru_cache(maxsize=4096)
def _read_once(files: tuple[tuple[Path, Identity | None], ...], read: Callable[..., str]) -> str:
    """What ``read`` makes of files with their stamps: a batch that watches asks every two
    seconds."""
    return read(*(file for file, _ in files))


def _alike(name: str) -> str:
    """The same for names that differ in case alone, or in how a Mac writes an umlaut."""
    return unicodedata.normalize("NFC", name).casefold()
