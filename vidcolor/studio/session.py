"""The open film and all that is done with it: what the pages' requests come down to."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vidcolor.errors import SettingsError, SourceNotFoundError
from vidcolor.settings import Settings
from vidcolor.shots import ShotList
from vidcolor.studio import orders
from vidcolor.studio.confinement import Folder
from vidcolor.studio.decisions import History
from vidcolor.studio.faults import ConflictError
from vidcolor.studio.film import OpenFilm
from vidcolor.studio.keeping import Kept
from vidcolor.studio.orders import Order
from vidcolor.studio.pictures import Networks, Pictures
from vidcolor.studio.steps import take
from vidcolor.studio.work import Shown, Worker

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Opened:
    """An open film with what belongs to it; ``number`` tells it from those opened before."""

    number: int
    film: OpenFilm
    pictures: Pictures
    kept: Kept
    history: History
    notes: list[str]
    stack: ExitStack


class Session:
    """One film at a time from ``folder``; ``presets`` are the settings by the presets' names.

    A context manager. Pictures are made by one thread, one after the other, and long work by
    another; all else is quick, and one at a time.
    """

    def __init__(self, folder: Folder, presets: Mapping[str, Settings]) -> None:
        self.folder = folder
        self.presets = presets
        self.name = secrets.token_hex(8)
        """Tells this session from one before it, whose pages may still be open."""
        self.worker = Worker()
        self.lock = threading.RLock()
        self.version = 0
        """Grows with whatever `snapshot` would tell differently."""
        self.now: Opened | None = None
        """The open film."""
        self._networks: Networks | None = None
        self._count = 0
        self._made: dict[str, Path] = {}
        self._painter = ThreadPoolExecutor(1, "vidcolor-pictures")
        self.scratch = Path(tempfile.mkdtemp(prefix="vidcolor-studio-"))
        """A folder for what is not to stay."""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.worker.stop(wait=True)
        self._painter.submit(self._close).result()
        self._painter.shutdown()
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def base(self) -> Settings:
        return self.presets["default"]

    def opened(self, number: int | None = None) -> Opened:
        """The open film; ``number`` is the one that a page believes to be open.

        Raises ConflictError.
        """
        opened = self.now
        if opened is None:
            raise ConflictError("no film is open; open one first")
        if number is not None and number != opened.number:
            raise ConflictError(f"{opened.film.path.name} has been opened meanwhile")
        return opened

    def open(self, name: str, *, discard: bool = False) -> None:
        """Open the film ``name`` of the folder, with what its files say, and find its shots if they
        do not. Raises ConflictError if changes would be lost, unless told to ``discard`` them."""
        path = self.folder.path(name)
        # Not under the lock, which the work may be waiting for.
        if self.worker.running and self.worker.work and self.worker.work.kind == "shots":
            self.worker.stop(wait=True)
        with self.lock:
            if self.worker.running:
                raise ConflictError("something is under way; wait for that, or stop it")
            if self.now is not None and self.now.history.changed and not discard:
                raise ConflictError(f"{self.now.film.path.name}: has changes that are not saved")
            opened = self._painter.submit(self._open, path, discard).result()
        if opened.history.now.shots is None:
            self.find_shots(opened.number)

    def picture(self, number: int | None, make: Callable[[Opened], Result]) -> Result:
        """What ``make`` makes of the open film, in the thread for pictures."""

        def made() -> Result:
            opened = self.opened(number)
            opened.film.check()
            return make(opened)

        return self._painter.submit(made).result()

    def settings(self, opened: Opened, preset: str = "default") -> Settings:
        """All that was decided about the film. Raises SettingsError."""
        if preset not in self.presets:
            raise SettingsError(f"unknown preset {preset!r}; presets are {', '.join(self.presets)}")
        settings = opened.history.now.settings(self.presets[preset])
        return settings.replace(references=opened.kept.stills())

    def step(self, number: int | None, take: Callable[[Opened], Result]) -> Result:
        """Have ``take`` change something about the open film."""
        with self.lock:
            opened = self.opened(number)
            result = take(opened)
            history = opened.history
            opened.kept.draft(history.now if history.changed else None)
            self.version += 1
            return result

    def change(self, number: int | None, asked: Mapping[str, Any]) -> Any:
        """Take one step that a page asks for. Raises UsageError for one that cannot be."""
        return self.step(number, lambda opened: take(opened.film, opened.history, asked))

    def add_reference(self, number: int | None, picture: Path, frame: int) -> str:
        """Take a copy of a still as the reference for the shot of ``frame``."""

        def add(opened: Opened) -> str:
            shots = opened.history.now.shots
            first = max(it for it in (shots.starts if shots else (0,)) if it <= frame)
            return opened.kept.add_still(picture, first, self.base.color.short_side)

        return self.step(number, add)

    def remove_reference(self, number: int | None, name: str) -> None:
        self.step(number, lambda opened: opened.kept.remove_still(name))

    def made(self, kind: str) -> Path:
        """The file that the last work of this ``kind`` made. Raises SourceNotFoundError."""
        found = self._made.get(kind)
        if found is None or not found.is_file():
            raise SourceNotFoundError(f"no {kind} was made yet, or it is no longer there")
        return found

    def save(self, number: int | None, *, replace: bool) -> list[str]:
        """Write the film's files; see `Kept.save`."""

        def save(opened: Opened) -> list[str]:
            names = opened.kept.save(opened.history.now, replace=replace)
            opened.history.saved = opened.history.now
            return names

        return self.step(number, save)

    def find_shots(self, number: int | None) -> int:
        """Begin to find the shots of the film."""
        opened = self.opened(number)

        def found(shots: ShotList) -> None:
            with self.lock:
                opened.history.found(shots)
                self.version += 1

        return self.worker.start("shots", orders.shots(opened.film, self.base, found))

    def make_clip(self, number: int | None, frame: int, *, split: bool) -> int:
        """Begin a clip of the shot of ``frame``, or of a part of it about the frame."""
        opened = self.opened(number)
        opened.film.check()
        target = self.scratch / f"clip-{secrets.token_hex(4)}.mp4"
        clip = orders.clip(
            opened.film, opened.pictures, self.settings(opened), frame, target, split=split
        )
        return self.worker.start("clip", lambda shown: self._make("clip", target, clip, shown))

    def run(self, number: int | None, name: str, preset: str, *, overwrite: bool) -> int:
        """Begin to colour the film into ``name``, beside it."""
        opened = self.opened(number)
        opened.film.check()
        target = self.folder.beside(opened.film.path, name)
        settings = self.settings(opened, preset).replace(overwrite=overwrite)
        film = orders.film(opened.film.path, target, settings)
        return self.worker.start("film", lambda shown: self._make("film", target, film, shown))

    def _make(self, kind: str, target: Path, order: Order, shown: Shown) -> tuple[str, Any]:
        done = order(shown)
        old, self._made[kind] = self._made.get(kind), target
        if old is not None and old.parent == self.scratch:
            old.unlink(missing_ok=True)
        return done

    def _open(self, path: Path, discard: bool) -> Opened:
        stack = ExitStack()
        try:
            film = stack.enter_context(OpenFilm(path, self.base))
            if self._networks is None:
                self._networks = Networks(self.base)
            pictures = Pictures(film, self._networks)
            kept, history, notes = Kept(path, self.folder), History(self.base), list[str]()
            files = kept.load(self.base, notes.append)
            # Only now is it known that there is something to discard them for.
            if discard and self.now is not None:
                self.now.kept.draft(None)
            history.begin(files, kept.drafted(self.base, notes.append))
            if history.changed:
                notes.append(f"{path.name}: taken up again from where it was not saved; or Undo")
        except BaseException:
            stack.close()
            raise
        self._close()
        self._count += 1
        self.now = Opened(self._count, film, pictures, kept, history, notes, stack)
        self.version += 1
        self._painter.submit(pictures.warm, self.base)
        return self.now

    def _close(self) -> None:
        if self.now is not None:
            self.now.stack.close()
            self.now = None
