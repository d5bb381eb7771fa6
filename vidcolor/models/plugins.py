"""Models that other packages bring: entry points in the group ``vidcolor.models``.

An entry point's object is an `Architecture`; its name is what ``--model`` calls it. A package is
imported only when its model is asked for, or a checkpoint that none of ours knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidcolor.errors import ModelError
from vidcolor.models.architecture import Architecture

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "vidcolor.models"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point, not imported yet."""

    entry: EntryPoint

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def package(self) -> str:
        """Name and version of the package it is from."""
        made = self.entry.dist
        return "an unknown package" if made is None else f"{made.name} {made.version}"

    @property
    def licence(self) -> str:
        told = None if self.entry.dist is None else self.entry.dist.metadata
        for key in ("License-Expression", "License"):
            if told is not None and key in told:
                return str(told[key]).splitlines()[0][:40]
        return "not told"

    def load(self) -> Architecture:
        """Import it. Raises ModelError, which names the package, whatever goes wrong there."""
        where = f"the model {self.name!r} of the package {self.package}"
        try:
            found = self.entry.load()
        except (Exception, SystemExit) as error:  # It is someone else's code.
            reason = " ".join(str(error).split())[:300]
            told = f"{type(error).__name__}: {reason}"
            raise ModelError(f"{where} cannot be loaded: {told}") from error
        if not isinstance(found, Architecture):
            raise ModelError(f"{where} is no vidcolor Architecture, but {type(found).__name__}")
        return found


def plugins() -> tuple[Plugin, ...]:
    """Those of all installed packages, by name."""
    # Imported here, as no film waits for it that is coloured by our own networks.
    from importlib.metadata import entry_points

    return tuple(Plugin(entry) for entry in sorted(entry_points(group=GROUP)))


def loaded() -> tuple[list[Architecture], list[str]]:
    """The architectures that can be loaded, and a line for each that cannot."""
    found, broken = [], []
    for plugin in plugins():
        try:
            found.append(plugin.load())
        except ModelError as error:
            broken.append(str(error))
    return found, broken
