"""Through a folder of films: each one claimed, coloured, and written down, whatever happens."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from vidcolor.device import pick_name
from vidcolor.errors import TargetError
from vidcolor.jobs.files import Identity, identify
from vidcolor.jobs.film import NOTHING, Outcome, Work
from vidcolor.jobs.folder import Film, judge, plan_folder
from vidcolor.jobs.found import Batch
from vidcolor.jobs.ledger import Entry, Ledger, State
from vidcolor.jobs.summary import Summary
from vidcolor.jobs.tally import Step, Tally
from vidcolor.jobs.workers import make_crew
from vidcolor.media.devices import check_device
from vidcolor.models.blend import members
from vidcolor.models.registry import find_model, read_model
from vidcolor.report import Progress
from vidcolor.textfile import TextFile, writing
from vidcolor.workfolder import clear_made, folder_for

_STILL = 5.0
"""Seconds for which a file in a drop folder must not have changed before it is taken."""
_PAUSE = 2.0
"""Seconds between two looks into a drop folder."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as a drop folder knows it; tests have their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def look(batch: Batch, warn: Callable[[str], None] | None = None) -> list[Film]:
    """The plan of a batch. Nothing is written, not even a ledger."""
    if not batch.target.is_dir():
        return plan_folder(batch, {}, warn)
    with Ledger(batch.target, keep=False) as ledger:
        return plan_folder(batch, ledger.entries(), warn)


def run_batch(
    batch: Batch,
    *,
    workers: int = 1,
    cluster: str | None = None,
    report: Path | None = None,
    watch: Clock | None = None,
    tell: Callable[[Step], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Summary:
    """Colour every film of the batch that needs it; see `vidcolor.jobs.folder`.

    A film that fails is written down, and the next one is taken. ``workers`` films are worked at
    at once, each in a process of its own if there is more than one; or the chunks of some films at
    once are done by the Ray ``cluster`` of that address. ``report`` is a folder for
    ``report.html`` and ``report.json``, which are written whichever way the run ends. With
    ``watch`` it does not end by itself: new films are taken as they come, and the report is written
    after each lot.

    Raises the errors of `vidcolor.errors` for what concerns all films: the folders, the ledger,
    the model, the device.
    """
    warn = _once(warn or (lambda line: None))
    first = look(batch, warn)
    if watch is not None or any(film.state == "todo" for film in first):
        # For all films at once, rather than for one after the other.
        for model in members(batch.settings.color.model):
            read_model(find_model(model))
        pick_name(batch.settings.color.device)
        check_device(batch.settings.decoder.device)
    with ExitStack() as stack:
        _make(batch.target)
        pages = None if report is None else _open_reports(report, stack)
        ledger = stack.enter_context(Ledger(batch.target))
        run = _Run(batch, ledger, report is not None, tell or (lambda step: None))

        def written() -> Summary:
            summary = run.summary()
            if pages is not None:
                pages[0].write(summary.page(ledger))
                pages[1].write(summary.to_json())
            return summary

        try:
            todo = sum(film.state == "todo" for film in first)
            device, most = batch.settings.color.device, None if watch is not None else todo
            with make_crew(workers, cluster, device, most) as crew:
                for films in _looks(run, watch, warn):
                    for work, outcome in crew.color(run.claimed(films), run.told):
                        run.ended(work, outcome)
                    if films and watch is not None:
                        written()  # It may be days until the end.
        finally:
            run.let_go()
            summary = written()
        return summary


def _once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """``warn``, but told of each thing one time, however often the folders are looked through."""
    told: set[str] = set()

    def tell(line: str) -> None:
        if line not in told:
            told.add(line)
            warn(line)

    return tell


def _looks(run: _Run, watch: Clock | None, warn: Callable[[str], None]) -> Iterator[list[Film]]:
    """The films to do: once, or again and again, and then only those that stand still."""
    if watch is None:
        yield run.plan(warn)
        return
    since: dict[str, tuple[tuple[Identity, str], float]] = {}
    while True:
        films, now = run.plan(warn), watch.now()
        for line in run.stuck():
            warn(line)
        # The digest tells of sound that is still being written.
        seen = {film.name: ((film.identity, film.limited), now) for film in films}
        for name, (known, _) in seen.items():
            if name in since and since[name][0] == known:
                seen[name] = since[name]
        since = seen
        yield [film for film in films if now - since[film.name][1] >= _STILL]
        watch.sleep(_PAUSE)


class _Run:
    """The films of one call, what is claimed of them, and how far it is."""

    def __init__(
        self, batch: Batch, ledger: Ledger, strips: bool, tell: Callable[[Step], None]
    ) -> None:
        self._batch, self._ledger, self._strips, self._tell = batch, ledger, strips, tell
        self._films: dict[str, Film] = {}
        self._held: dict[str, FileLock] = {}
        self._left: set[str] = set()
        self._failed: dict[str, tuple[Identity, str]] = {}
        """What has failed in this run, and as what: that is not taken up again."""
        self._begun = time.monotonic()
        self._colored = 0
        self._tally = Tally(())

    def plan(self, warn: Callable[[str], None]) -> list[Film]:
        """Look again; returns what is to do."""
        entries = self._ledger.entries()
        films = plan_folder(self._batch, entries, warn)
        for film in films:
            if film.state == "done" and entries[film.name].state == "begun":
                self._say_done(film)
        for number, film in enumerate(films):
            if self._failed.get(film.name) == (film.identity, film.limited):
                films[number] = self._films[film.name]
        self._films.update((film.name, film) for film in films)
        return [film for film in films if film.state == "todo"]

    def stuck(self) -> Iterator[str]:
        """A line for each film that this run has not begun and will not."""
        for film in self._films.values():
            if film.state in ("failed", "exists") and film.name not in self._failed:
                yield f"{film.name}: {film.why}"

    def _say_done(self, film: Film) -> None:
        """Note what a run that was killed could not, unless there is one at it."""
        lock = self._ledger.claim(film.output)
        if lock is not None:
            entry = self._ledger.find(film.name)
            if entry is not None and entry.noted is not None:
                self._note(film, "done", entry.noted)
                # What it could not tidy up either is told of by nobody, and of no use.
                with suppress(TargetError, OSError):
                    clear_made(folder_for(film.target, film.settings.work_dir), film.target)
            self._ledger.release(lock)

    def claimed(self, films: Sequence[Film]) -> Iterator[Work]:
        """The films one by one as they are asked for, each claimed, and still to do."""
        self._tally = Tally(films)
        for film in films:
            lock = self._ledger.claim(film.output)
            if lock is None:
                self._leave(film)
                continue
            self._held[film.name] = lock
            fresh = judge(film, self._ledger.find(film.name), self._batch)
            if fresh.state != "todo":
                self._close(fresh)
                continue
            try:
                _make(film.target.parent)
            except TargetError as error:
                self._close(dataclasses.replace(film, state="failed", why=str(error)))
                continue
            # What is there now may be replaced. What is there later, should this run be killed,
            # will be known for ours.
            there = identify(film.target)
            self._note(film, "begun", there)
            settings = film.settings.replace(overwrite=there is not None)
            source, target = str(film.source), str(film.target)
            mark = str(self._ledger.note_of(film.output))
            yield Work(film.name, source, target, settings, self._strips, mark)

    def told(self, work: Work, progress: Progress) -> None:
        """A film has got on."""
        self._tell(self._tally.told(self._films[work.name], progress))

    def ended(self, work: Work, outcome: Outcome) -> None:
        """A film has ended, well or not."""
        film = self._films[work.name]
        if outcome.error is None:
            self._colored += 1
            self._note(film, "done", identify(film.target), outcome)
            self._close(dataclasses.replace(film, state="done", why=""), outcome)
        else:
            self._failed[film.name] = film.identity, film.limited
            entry = self._ledger.find(film.name)
            # What passes is tried again by the next run.
            state: State = "begun" if outcome.passing else "failed"
            self._note(film, state, entry.written if entry is not None else None, outcome)
            self._close(dataclasses.replace(film, state="failed", why=outcome.error), outcome)

    def let_go(self) -> None:
        """Give up what is still claimed."""
        for lock in self._held.values():
            self._ledger.release(lock)
        self._held.clear()

    def summary(self) -> Summary:
        entries = self._ledger.entries()
        outcomes = {name: entries[name].outcome for name in self._films if name in entries}
        films = [self._films[name] for name in sorted(self._films)]
        seconds = time.monotonic() - self._begun
        batch = self._batch
        return Summary(
            batch.source, batch.target, films, outcomes, self._colored, seconds, batch.photos
        )

    def _note(
        self, film: Film, state: State, written: Identity | None, outcome: Outcome = NOTHING
    ) -> None:
        self._ledger.record(
            Entry(
                film.name,
                str(film.source.absolute()),
                film.output,
                film.identity,
                film.digest if state == "done" else film.limited,
                state,
                written,
                outcome,
            )
        )

    def _leave(self, film: Film) -> None:
        """Another run has it. In a drop folder that is seen again and again, and told once."""
        film = dataclasses.replace(film, state="busy", why="another run is at it")
        self._films[film.name] = film
        step = self._tally.ended(film, None)
        if film.name not in self._left:
            self._left.add(film.name)
            self._tell(step)

    def _close(self, film: Film, outcome: Outcome | None = None) -> None:
        """A film's last state; it is nobody's any more."""
        self._films[film.name] = film
        lock = self._held.pop(film.name, None)
        if lock is not None:
            self._ledger.release(lock)
        self._tell(self._tally.ended(film, outcome))


def _make(folder: Path) -> None:
    with writing(folder, "folder"):
        folder.mkdir(parents=True, exist_ok=True)


def _open_reports(folder: Path, stack: ExitStack) -> tuple[TextFile, TextFile]:
    _make(folder)
    page, values = (
        stack.enter_context(TextFile(folder / f"report.{kind}")) for kind in ("html", "json")
    )
    return page, values
