"""What is to be done to a folder of films: a plan, made by looking and without touching anything.

A film ``a/film.avi`` becomes ``a/film.mkv`` in the target folder; a photo keeps its name. Where a
frame rate is given, a folder ``a/reel`` of numbered pictures is a film too, for ``a/reel.mkv``.
Settings in ``film.toml`` beside it, and in a ``vidcolor.toml`` of its folder or of one above, are
of the same form as a config file's, and the nearest to the film comes first, before the command's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidcolor.errors import SettingsError
from vidcolor.jobs.files import Identity, identify
from vidcolor.jobs.found import Batch, check_folders, find_films, overlooked
from vidcolor.jobs.ledger import Entry
from vidcolor.jobs.naming import name_targets
from vidcolor.jobs.sidecars import Digests, Sidecars
from vidcolor.settings import Settings

State = Literal["todo", "done", "failed", "exists", "busy"]
"""``failed``: the last time, and nothing has changed since. ``exists``: something else is in the
target's place. ``busy``: another run is at it."""


@dataclass(frozen=True, slots=True)
class Film:
    """One film of the plan. ``name`` and ``output`` are its paths in the source folder and the
    target folder, with slashes; ``why`` tells of its state in a few words."""

    name: str
    source: Path
    output: str
    target: Path
    identity: Identity
    settings: Settings
    digest: str
    limited: str = ""
    """The digest of settings with the limits, which only matter to what is not done."""
    state: State = "todo"
    why: str = ""


def plan_folder(
    batch: Batch, entries: Mapping[str, Entry], warn: Callable[[str], None] | None = None
) -> list[Film]:
    """Every film with what is to be done to it, by name.

    ``entries`` are those of the target's ledger. ``warn`` is told of folders that cannot be read.
    Raises SourceNotFoundError, SourceError and UsageError for folders that cannot be used.
    """
    check_folders(batch)
    found = sorted(find_films(batch, warn or (lambda line: None)), key=lambda item: item[0].parts)
    if not found and warn is not None and not batch.photos:
        for line in overlooked(batch):
            warn(line)
    sidecars = Sidecars(batch.source, batch.settings)
    settings: list[Settings | str] = []
    for name, _, fault in found:
        try:
            settings.append(fault or _for_its_kind(sidecars.of(name), batch.source / name))
        except SettingsError as error:
            settings.append(str(error))
    usable = [batch.settings if isinstance(item, str) else item for item in settings]
    names = [name for name, *_ in found]
    whole = {name for name in names if (batch.source / name).is_dir()}
    outputs = name_targets(names, usable, entries, whole)
    digests = Digests()
    films = []
    for (name, identity, _), told, own, output in zip(
        found, settings, usable, outputs, strict=True
    ):
        film = Film(
            str(name),
            batch.source / name,
            output,
            batch.target / output,
            identity,
            own,
            digests.of(own),
            digests.of(own, limited=True),
        )
        if isinstance(told, str):
            films.append(dataclasses.replace(film, state="failed", why=told))
        else:
            films.append(judge(film, entries.get(film.name), batch))
    return films


def _for_its_kind(settings: Settings, source: Path) -> Settings:
    """The frame rate is for numbered pictures alone."""
    return settings if settings.rate is None or source.is_dir() else settings.replace(rate=None)


def judge(film: Film, entry: Entry | None, batch: Batch) -> Film:
    """``film`` with its state, as its entry and the target that is there now tell."""
    state, why = _judge(film, entry, batch)
    return dataclasses.replace(film, state=state, why=why)


def _judge(film: Film, entry: Entry | None, batch: Batch) -> tuple[State, str]:
    now, overwrite = identify(film.target), batch.settings.overwrite
    if entry is not None and entry.identity != film.identity and entry.source != _whole(film):
        entry = None  # Of a film of the same name in another folder.
    changed = why = ""
    if entry is not None:
        # A run was killed after the target was in place, and before it could say so.
        unsaid = entry.noted is not None and now == entry.noted
        if entry.identity != film.identity:
            changed = "the source has changed"
        elif entry.digest != (film.digest if entry.state == "done" else film.limited):
            changed = "its settings have changed"
        if now is None or now == entry.written or unsaid:
            if changed:
                return "todo", changed
            if entry.state == "failed" and not batch.retry_failed:
                return "failed", entry.outcome.error or ""
            if now is not None and (entry.state == "done" or unsaid):
                return "done", ""
            why = {"failed": "failed before", "begun": "was interrupted"}.get(entry.state, "")
            return "todo", why or "its target is gone"
        if entry.target == film.output:
            why = "its target has been changed by someone else"
    if now is not None and not overwrite:
        return "exists", why or "its target exists already, and not from here"
    return "todo", "replaces what is there" if now is not None else ""


def _whole(film: Film) -> str:
    return str(film.source.absolute())
