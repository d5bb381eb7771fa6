"""What the targets of a folder of films are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import PurePosixPath

from vidcolor.jobs.ledger import Entry
from vidcolor.photos.kinds import SUFFIXES
from vidcolor.settings import Settings

_KEPT = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
"""Suffixes a target keeps from its source; see `vidcolor.media.target`."""
_ELSE = ".mkv"


def name_targets(
    names: Sequence[PurePosixPath],
    settings: Sequence[Settings],
    entries: Mapping[str, Entry],
    folders: Container[PurePosixPath] = (),
) -> list[str]:
    """A target's name for each film, no two alike, even where case does not count.

    What the ledger has named keeps its name, then what can be called as its source is; where
    several would be called alike, ``film.avi`` becomes ``film.avi.mkv``. The names of ``folders``
    have no suffix that could go.
    """
    plain = []
    for name, own in zip(names, settings, strict=True):
        stem, ending = (name, "") if name in folders else (name.with_suffix(""), name.suffix)
        plain.append(f"{stem}{target_suffix(ending, own)}")
    wanted = Counter(name.casefold() for name in plain)
    given: dict[int, str] = {}
    # A folder of films may be called as a film beside it would be.
    taken = {str(folder).casefold() for name in names for folder in name.parents}

    def give(number: int, name: str) -> None:
        if number not in given and name.casefold() not in taken:
            taken.add(name.casefold())
            given[number] = name

    for number, name in enumerate(names):
        entry = entries.get(str(name))
        if entry is not None and entry.target.endswith(PurePosixPath(plain[number]).suffix):
            give(number, entry.target)
    for number, name in enumerate(names):
        if str(name) == plain[number]:
            give(number, plain[number])
    for number, output in enumerate(plain):
        if wanted[output.casefold()] == 1:
            give(number, output)
    for number, name in enumerate(names):
        longer = str(name)
        while number not in given:
            longer += PurePosixPath(plain[number]).suffix
            give(number, longer)
    return [given[number] for number in range(len(names))]


def target_suffix(suffix: str, settings: Settings) -> str:
    """The suffix of the target of a film with this ``suffix``."""
    if suffix.lower() in SUFFIXES:
        return suffix  # A photo, which no container holds.
    if settings.encoder.container is not None:
        return f".{settings.encoder.container}"
    return suffix if suffix.lower() in _KEPT else _ELSE
