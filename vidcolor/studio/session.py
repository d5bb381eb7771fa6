"""The open film and all that is done with it: what the pages' requests come down to."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vidcolor.errors import SettingsError
from vidcolor.plan import refuse_target
from vidcolor.settings import Settings
from vidcolor.shots import ShotList
from vidcolor.studio import orders
from vidcolor.studio.confinement import Folder
from vidcolor.studio.decisions import History
from vidcolor.studio.faults import ConflictError
from vidcolor.studio.film import OpenFilm
from vidcolor.studio.keeping import Kept
from vidcolor.studio.made import Made
from vidcolor.studio.pictures import Networks, Pictures
from vidcolor.studio.steps import take
from vidcolor.studio.work import Worker

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
    """One film at a time from ``folder``; ``presets`` are the settings by the presets' names,
    with what was ``given`` on the command line.

    A context manager. Pictures are made by one thread, one after the other, and long work by
    another; while a film is opened, changes are refused; all else is quick, and one at a time.
    """

    def __init__(
        self, folder: Folder, presets: Mapping[str, Settings], given: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.presets = presets
        self.given = given
        self.name = secrets.token_hex(8)
        """Tells this session from one before it, whose pages may still be open."""
        self.worker = Worker()
        self.lock = threading.RLock()
        self.version = 0
        """Grows with whatever `snapshot` would tell differently."""
        self.now: Opened | None = None
        """The open film."""
        self._opening: str | None = None
        self._networks: Networks | None = None
        self._count = 0
        self._painter = ThreadPoolExecutor(1, "vidcolor-pictures")
        self.made = Made()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.worker.stop(wait=True)
        self._painter.submit(self._close).result()
        self._painter.shutdown()
        self.made.close()

    @property
    def base(self) -> Settings:
        """The preset ``default``, which decisions about a film begin from."""
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
        do not. Raises ConflictError if changes would be lost, unless told to ``discard`` them.

        Until it is open, which takes a while for a long one, the film before it can be looked at.
        """
        path = self.folder.path(name)
        with self._opening_of(path.name):
            work = self.worker.work
            if self.worker.running and work is not None and work.kind != "shots":
                raise ConflictError("something is under way; wait for that, or stop it")
            if self.now is not None and self.now.history.changed and not discard:
                line = f"{self.now.film.path.name}: has changes that are not saved"
                raise ConflictError(line, unless="discard")
            film = OpenFilm(path, self.base)
            # A search for the shots of the film before it, which is of use until now. Not under
            # the lock, which it may be waiting for.
            if self.worker.running:
                self.worker.stop(wait=True)
            opened = self._painter.submit(self._open, film, discard).result()
        if opened.history.now.shots is None:
            # Another page may have begun something, or opened another film, a moment ago.
            with suppress(ConflictError):
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
        now = opened.history.now
        settings = now.settings(self.presets[preset])
        if now.shots is not None:
            settings = settings.replace(looks=now.shots.looks_beside(opened.kept.shots))
        return settings.replace(references=opened.kept.stills())

    def step(self, number: int | None, do: Callable[[Opened], Result]) -> Result:
        """Have ``do`` change something about the open film."""
        with self._held(number) as opened:
            result = do(opened)
            history = opened.history
            opened.kept.keep_draft(history.now if history.changed else None)
            self.version += 1
            return result

    def change(self, number: int | None, asked: Mapping[str, Any]) -> Any:
        """Take one step that a page asks for. Raises UsageError for one that cannot be."""
        return self.step(number, lambda opened: take(opened.film, opened.history, asked))

    def add_reference(self, number: int | None, picture: Path, frame: int) -> str:
        """Take a copy of a still as the reference for the shot of ``frame``. Returns its name."""

        def add(opened: Opened) -> str:
            opened.film.check_number(frame)
            shots = opened.history.now.shots
            first = frame if shots is None else max(it for it in shots.starts if it <= frame)
            return opened.kept.add_still(picture, first, self.base.color.short_side)

        return self.step(number, add)

    def remove_reference(self, number: int | None, name: str) -> None:
        """Take the reference of this name away."""
        self.step(number, lambda opened: opened.kept.remove_still(name))

    def save(self, number: int | None, *, replace: bool) -> tuple[list[str], list[str]]:
        """Write the film's files; see `Kept.save`. Returns their names, and lines to tell."""

        def save(opened: Opened) -> tuple[list[str], list[str]]:
            names = opened.kept.save(opened.history.now, replace=replace)
            opened.history.saved = opened.history.now
            return names, opened.kept.shared() if names else []

        return self.step(number, save)

    def find_shots(self, number: int | None) -> int:
        """Begin to find the shots of the film."""
        with self._held(number) as opened:

            def found(shots: ShotList) -> None:
                with self.lock:
                    opened.history.found(shots)
                    self.version += 1

            return self.worker.start("shots", orders.shots(opened.film, self.base, found))

    def make_clip(self, number: int | None, frame: int, *, split: bool) -> int:
        """Begin a clip of the shot of ``frame``, or of a part of it about the frame."""
        target = self.made.new_clip()
        with self._held(number) as opened:
            opened.film.check()
            clip = orders.clip(
                opened.film, opened.pictures, self.settings(opened), frame, target, split=split
            )
            return self.worker.start("clip", self.made.by(clip, "clip", target))

    def run(self, number: int | None, name: str, preset: str, *, overwrite: bool) -> int:
        """Begin to colour the film into ``name``, beside it. Raises at once what its name and
        place are refused for."""
        with self._held(number) as opened:
            opened.film.check()
            target = self.folder.beside(opened.film.path, name)
            settings = self.settings(opened, preset).replace(overwrite=overwrite)
            refuse_target(target, opened.film.path, settings)
            film = orders.film(opened.film.path, target, settings)
            return self.worker.start("film", self.made.by(film, "film", target))

    @contextmanager
    def _opening_of(self, name: str) -> Iterator[None]:
        """Meanwhile nothing else is opened, begun or changed, and the lock is free."""
        with self.lock:
            self._check_opening()
            self._opening = name
        try:
            yield
        finally:
            with self.lock:
                self._opening = None

    @contextmanager
    def _held(self, number: int | None) -> Iterator[Opened]:
        """The open film, see `opened`, which nobody else changes meanwhile."""
        with self.lock:
            self._check_opening()
            yield self.opened(number)

    def _check_opening(self) -> None:
        if self._opening is not None:
            raise ConflictError(f"{self._opening} is being opened; wait for that")

    def _open(self, film: OpenFilm, discard: bool) -> Opened:
        stack, path = ExitStack(), film.path
        try:
            stack.enter_context(film)
            if self._networks is None:
                self._networks = Networks(self.base)
            pictures = Pictures(film, self._networks)
            kept, history, notes = Kept(path, self.folder), History(self.base), list[str]()
            files = kept.load(self.base, notes.append)
            # Only now is it known that there is something to discard them for.
            if discard and self.now is not None:
                self.now.kept.draft.keep(None)
            history.begin(files, kept.take_up(files, self.base, notes.append))
            if history.changed:
                notes.append(f"{path.name}: taken up again from where it was not saved; or Undo")
            notes += kept.shared()
        except BaseException:
            stack.close()
            raise
        with self.lock:
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
