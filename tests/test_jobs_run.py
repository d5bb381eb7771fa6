"""Batches as a whole: failures, interruptions, drop folders, several runs and processes."""

from __future__ import annotations

import dataclasses
import errno
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from networks import tiny_checkpoint

from vidcolor.errors import BatchError, BatchFailedError, ModelError, TargetError
from vidcolor.jobs import film as film_module
from vidcolor.jobs import processes as processes_module
from vidcolor.jobs.files import identify
from vidcolor.jobs.film import Outcome, Work
from vidcolor.jobs.found import Batch
from vidcolor.jobs.ledger import NAME, Ledger
from vidcolor.jobs.run import Clock, look, run_batch
from vidcolor.jobs.tally import Step
from vidcolor.jobs.workers import make_crew
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import Settings
from vidcolor.workfolder import WorkFolder

Clips = Callable[[str], Path]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    net = tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors")
    return Settings().replace("color", model=str(net), device="cpu", short_side=64)


@pytest.fixture
def batch(clip: Clips, tmp_path: Path, settings: Settings) -> Batch:
    """Two films and a broken one between them."""
    source = tmp_path / "in"
    (source / "b").mkdir(parents=True)
    for name in ("a.mp4", "c.mp4"):
        shutil.copy(clip("plain.mp4"), source / name)
    (source / "b/broken.avi").write_bytes(b"no film" * 99)
    return Batch(source, tmp_path / "out", settings)


def states(batch: Batch) -> dict[str, str]:
    return {film.name: film.state for film in look(batch)}


DONE = {"a.mp4": "done", "b/broken.avi": "failed", "c.mp4": "done"}


def test_a_failure_does_not_keep_the_others_from_being_coloured(batch: Batch) -> None:
    steps: list[Step] = []
    summary = run_batch(batch, tell=steps.append)
    assert states(batch) == DONE
    assert {film.name: film.state for film in summary.films} == DONE
    assert summary.colored == 2
    with pytest.raises(BatchError, match="1 of 3 films failed"):
        summary.check()
    ends = [step for step in steps if step.outcome is not None]
    assert [step.number for step in ends] == [1, 2, 3]
    assert ends[-1].share == 1.0 and ends[-1].left == 0.0
    assert sum(step.progress is not None for step in steps) == 20
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    left = sorted(path.name for path in batch.target.rglob("*"))
    assert left == [NAME, "a.mp4", "b", "c.mp4"]


def test_a_batch_of_which_nothing_comes_says_so(batch: Batch) -> None:
    with pytest.raises(BatchFailedError):
        run_batch(Batch(batch.source, batch.target, batch.settings, ("b/*",))).check()
    run_batch(Batch(batch.source, batch.target, batch.settings, ("none/*",))).check()


def test_a_fault_of_our_own_costs_one_film(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: str, *_: object, **__: object) -> None:
        raise KeyError(source)

    monkeypatch.setattr(film_module, "colorize_video", fail)
    summary = run_batch(batch)
    assert summary.count("failed") == 3
    assert "KeyError" in summary.films[0].why and "\n" not in summary.films[0].why


def test_a_model_that_is_not_there_ends_it_before_it_begins(batch: Batch) -> None:
    settings = batch.settings.replace("color", model="none")
    with pytest.raises(ModelError):
        run_batch(Batch(batch.source, batch.target, settings))
    assert not batch.target.exists()


def test_an_interrupted_batch_goes_on_and_has_told_what_it_did(
    batch: Batch, tmp_path: Path
) -> None:
    def stop(step: Step) -> None:
        if step.film.name == "c.mp4":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(batch, tell=stop, report=tmp_path / "report")
    assert states(batch) == {**DONE, "c.mp4": "todo"}
    values = json.loads((tmp_path / "report/report.json").read_text())
    assert values["counts"]["done"] == 1 and values["counts"]["todo"] == 1
    assert not list(batch.target.glob("*.part*")) + list(batch.target.glob(".*locks"))

    begun = (batch.target / "a.mp4").stat().st_mtime_ns
    assert run_batch(batch).colored == 1
    assert states(batch) == DONE
    assert (batch.target / "a.mp4").stat().st_mtime_ns == begun


def test_what_was_to_be_replaced_is_not_taken_for_done_after_an_interruption(batch: Batch) -> None:
    def stop(step: Step) -> None:
        raise KeyboardInterrupt

    batch.target.mkdir()
    (batch.target / "a.mp4").write_text("someone else's")
    assert states(batch)["a.mp4"] == "exists"
    force = replace(batch, settings=batch.settings.replace(overwrite=True))
    with pytest.raises(KeyboardInterrupt):
        run_batch(force, tell=stop)
    assert (batch.target / "a.mp4").read_text() == "someone else's"
    assert states(batch)["a.mp4"] == "todo"
    assert run_batch(batch).colored == 2


def test_what_a_stopped_run_had_put_in_place_is_done(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(target: Path, count: int, *, stills: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(film_module, "_look", stop)
        with pytest.raises(KeyboardInterrupt):
            run_batch(batch)
    film = batch.target / "a.mp4"
    made = film.stat().st_mtime_ns
    assert states(batch)["a.mp4"] == "done"
    assert run_batch(batch).colored == 1
    assert film.stat().st_mtime_ns == made
    with Ledger(batch.target, keep=False) as ledger:
        entry = ledger.find("a.mp4")
        assert entry is not None and entry.state == "done" and entry.written == identify(film)
    assert not list(batch.target.glob(".*locks"))
    film.write_text("another")
    assert states(batch)["a.mp4"] == "exists"


def test_what_others_put_there_meanwhile_is_not_taken_for_ours(batch: Batch) -> None:
    def stop(step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(batch, tell=stop)
    film = batch.target / "a.mp4"
    film.write_text("someone else's")
    assert states(batch)["a.mp4"] == "exists"
    other = replace(batch, settings=batch.settings.replace("color", saturation=0.5))
    for again in (batch, other):
        run_batch(again)
        assert film.read_text() == "someone else's"


def test_a_batch_that_was_killed_goes_on(batch: Batch) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_be_killed, args=(batch,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert states(batch) == {**DONE, "c.mp4": "todo"}
    assert run_batch(batch).colored == 1
    assert states(batch) == DONE


def _be_killed(batch: Batch) -> None:
    run_batch(batch, tell=_kill_at_the_last)


def _kill_at_the_last(step: Step) -> None:
    if step.film.name == "c.mp4":
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_film_that_another_run_has_is_left_to_it(batch: Batch) -> None:
    batch.target.mkdir()
    with Ledger(batch.target) as other:
        lock = other.claim("a.mp4")
        assert lock is not None
        summary = run_batch(batch)
        assert {film.name: film.state for film in summary.films} == {**DONE, "a.mp4": "busy"}
        other.release(lock)
    assert run_batch(batch).colored == 1


def test_what_another_run_has_done_meanwhile_is_not_done_again(batch: Batch) -> None:
    inner: list[int] = []

    def meanwhile(step: Step) -> None:
        # The first film is ours and being worked at; the other run does all else.
        if not inner:
            inner.append(0)
            inner[0] = run_batch(batch).colored

    summary = run_batch(batch, tell=meanwhile)
    assert inner == [1]
    assert summary.colored == 1
    assert {film.name: film.state for film in summary.films} == DONE


class Time:
    """A drop folder's clock: each look is two seconds after the last, and something happens."""

    def __init__(self, *events: Callable[[], None]) -> None:
        self.seconds = 0.0
        self._events = iter(events)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        event = next(self._events, None)
        if event is None:
            raise KeyboardInterrupt
        event()


def test_a_drop_folder_takes_what_stands_still(clip: Clips, batch: Batch) -> None:
    whole = clip("plain.mp4").read_bytes()
    growing = batch.source / "d.mp4"
    seen: list[list[str]] = []

    def grow(share: float) -> Callable[[], None]:
        def event() -> None:
            seen.append([name for name, state in states(batch).items() if state == "done"])
            growing.write_bytes(whole[: int(len(whole) * share)])

        return event

    def wait() -> None:
        reports.append(page.is_file())
        seen.append([name for name, state in states(batch).items() if state == "done"])

    reports: list[bool] = []
    page = batch.target.parent / "report" / "report.html"
    steps: list[Step] = []
    time = Time(grow(0.2), grow(0.5), grow(0.7), grow(1.0), wait, wait, wait, wait)
    with pytest.raises(KeyboardInterrupt):
        run_batch(
            batch,
            watch=Clock(lambda: time.seconds, time.sleep),
            tell=steps.append,
            report=page.parent,
        )
    assert reports == [True] * 4
    ends = [step.film.name for step in steps if step.progress is None]
    assert ends == ["a.mp4", "b/broken.avi", "c.mp4", "d.mp4"]
    assert seen[:3] == [[], [], []]
    assert seen[3] == ["a.mp4", "c.mp4"]
    assert seen[6] == ["a.mp4", "c.mp4"]
    assert seen[7] == ["a.mp4", "c.mp4", "d.mp4"]
    assert states(batch) == {**DONE, "d.mp4": "done"}


def test_several_processes_share_the_work(batch: Batch) -> None:
    steps: list[Step] = []
    summary = run_batch(batch, workers=2, tell=steps.append)
    assert {film.name: film.state for film in summary.films} == DONE
    assert sum(step.progress is not None for step in steps) == 20


def _die(*_: object) -> None:
    os._exit(9)


def test_a_worker_that_dies_costs_its_film(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "serve", _die)
    batch = Batch(batch.source, batch.target, batch.settings, ("a.mp4",))
    summary = run_batch(batch, workers=2)
    assert summary.count("failed") == 1
    assert "code 9" in summary.films[0].why


def test_a_worker_that_died_with_nothing_to_do_costs_no_film(batch: Batch) -> None:
    batch = Batch(batch.source, batch.target, batch.settings, ("a.mp4", "c.mp4"))
    with make_crew(2) as crew:
        works = [
            Work(name, str(batch.source / name), str(batch.source / f"{name}.mkv"), batch.settings)
            for name in ("a.mp4", "c.mp4")
        ]
        # The second is asked for when the first is done.
        outcomes = []
        for work in works:
            outcomes += crew.color(iter([work]), lambda *_: None)
            for process in multiprocessing.active_children():
                process.kill()
                process.join()
    assert [outcome.error for _, outcome in outcomes] == [None, None]


def test_a_film_whose_drive_is_away_is_tried_again(batch: Batch) -> None:
    away = batch.source.with_name("away")

    def take_off(step: Step) -> None:
        if step.film.name == "a.mp4" and step.outcome is not None:
            batch.source.rename(away)

    assert run_batch(batch, tell=take_off).count("failed") == 2
    away.rename(batch.source)
    assert states(batch)["c.mp4"] == "todo"
    run_batch(batch)
    assert states(batch) == DONE


def test_what_a_killed_run_could_not_tidy_up_goes(batch: Batch) -> None:
    """Of a run that was killed behind putting its film in place."""
    batch = Batch(batch.source, batch.target, batch.settings, ("a.mp4",))
    child = multiprocessing.get_context("spawn").Process(target=_be_killed_late, args=(batch,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert list(batch.target.glob(".a.mp4.vidcolor/*.packets"))
    assert run_batch(batch).colored == 0
    assert not list(batch.target.glob(".a.mp4*"))


def _be_killed_late(batch: Batch) -> None:
    def leave(self: WorkFolder, *, done: bool = False) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    WorkFolder._leave = leave  # type: ignore[method-assign]
    run_batch(batch)


def test_a_stopped_batch_stops_its_workers(batch: Batch) -> None:
    def stop(step: Step) -> None:
        if step.progress is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(batch, workers=2, tell=stop)
    left = [path.name for path in batch.target.rglob("*") if "part" in path.name]
    assert left == []
    assert set(states(batch).values()) <= {"todo", "failed", "done"}


def test_the_report_shows_every_film(batch: Batch, tmp_path: Path) -> None:
    summary = run_batch(batch, report=tmp_path / "r")
    page = (tmp_path / "r/report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert page.index("b/broken.avi") < page.index("a.mp4")
    assert "0:00:00.400, 10 frames, coloured in" in page
    assert "not a film that can be read" in page
    values = json.loads((tmp_path / "r/report.json").read_text())
    assert values == json.loads(summary.to_json())
    assert [film["state"] for film in values["films"]] == ["done", "failed", "done"]
    assert values["films"][0]["frames"] == 10 and values["films"][0]["length"] == 0.4
    # A later call that does nothing shows the same films and stills.
    run_batch(batch, report=tmp_path / "r")
    assert (tmp_path / "r/report.html").read_text().count("data:image/jpeg;base64,") == 2


def test_names_and_warnings_cannot_smuggle_markup_into_the_page(batch: Batch) -> None:
    with Ledger(batch.source) as ledger:
        summary = run_batch(batch)
        film = summary.films[0]
        summary.outcomes[film.name] = Outcome(warnings=("<script>",))  # type: ignore[index]
        page = "".join(summary.page(ledger))
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_shots_with_looks_of_their_own_are_coloured_in_a_batch(batch: Batch) -> None:
    shots = [{"first_frame": 0}, {"first_frame": 4, "look": {"saturation": 0}}]
    (batch.source / "a.shots.json").write_text(
        json.dumps({"format": "vidcolor-shots-1", "shots": shots})
    )
    run_batch(batch)
    assert states(batch) == DONE
    shots[1]["look"] = {"saturation": 0.5}
    (batch.source / "a.shots.json").write_text(
        json.dumps({"format": "vidcolor-shots-1", "shots": shots})
    )
    assert states(batch) == {**DONE, "a.mp4": "todo"}


def test_a_mixture_is_checked_and_known_by_what_is_in_both(batch: Batch, tmp_path: Path) -> None:
    net = batch.settings.color.model
    other = tiny_checkpoint(tmp_path / "other.safetensors", 3)
    mixed = replace(batch, settings=batch.settings.replace("color", model=f"{net}+{other}:0.3"))
    run_batch(mixed)
    assert states(mixed) == DONE
    tiny_checkpoint(other, 4)
    assert set(states(mixed).values()) == {"todo"}
    other.unlink()
    with pytest.raises(ModelError, match=r"other\.safetensors"):
        run_batch(mixed)


def test_stills_are_known_by_what_is_in_them_wherever_they_lie(
    batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (batch.source / "a.references").mkdir()
    pixels = np.full((64, 64, 3), (40, 90, 200), np.uint8)
    assert cv2.imwrite(str(batch.source / "a.references/1.png"), pixels)
    run_batch(batch)
    assert states(batch) == DONE
    monkeypatch.chdir(batch.source)
    assert states(replace(batch, source=Path(), target=Path("../out"))) == DONE
    pixels[:] = 90, 40, 200
    assert cv2.imwrite(str(batch.source / "a.references/1.png"), pixels)
    assert states(batch) == {**DONE, "a.mp4": "todo"}


def test_a_network_that_has_changed_between_two_films_is_loaded_anew(
    tmp_path: Path, settings: Settings
) -> None:
    path = tiny_checkpoint(tmp_path / "a.safetensors", 1)
    loaded = film_module.Loaded()
    settings = settings.replace("color", model=f"{settings.color.model}+{path}")
    first = loaded.colorizer(settings)
    assert loaded.colorizer(settings) is first
    tiny_checkpoint(path, 2)
    assert loaded.colorizer(settings) is not first


def test_what_passes_is_tried_again_by_the_next_run(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str, *_: object, **__: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise TargetError(f"{target}: No space left on device").because(error) from error

    with monkeypatch.context() as patch:
        patch.setattr(film_module, "colorize_video", full)
        summary = run_batch(batch)
    assert summary.count("failed") == 3
    assert "No space left" in summary.films[0].why
    assert set(states(batch).values()) == {"todo"}
    run_batch(batch)
    assert states(batch) == DONE


def test_a_drop_folder_tries_what_failed_once_and_tells_what_it_cannot_begin(batch: Batch) -> None:
    (batch.source / "c.toml").write_text("[color]\nsaturation = 'much'\n")
    (batch.target).mkdir()
    (batch.target / "a.mp4").write_bytes(b"mine")
    steps: list[Step] = []
    told: list[str] = []
    time = Time(*[lambda: None] * 8)
    with pytest.raises(KeyboardInterrupt):
        run_batch(
            dataclasses.replace(batch, retry_failed=True),
            watch=Clock(lambda: time.seconds, time.sleep),
            tell=steps.append,
            warn=told.append,
        )
    assert [step.film.name for step in steps if step.progress is None] == ["b/broken.avi"]
    assert len([line for line in told if line.startswith("a.mp4: its target exists")]) == 1
    assert len([line for line in told if line.startswith("c.mp4: ") and "saturation" in line]) == 1


def test_a_film_is_told_of_what_its_network_says(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Callable[[str], None]] = []
    opened = film_module.open_colorizer

    def keep(*names: str, warn: Callable[[str], None]) -> Colorizer:
        told.append(warn)
        return opened(*names, warn=warn)

    class Saying(film_module.Loaded):
        def colorizer(self, *args: Any, **named: Any) -> Colorizer:
            found = super().colorizer(*args, **named)
            told[0]("out of memory")
            return found

    monkeypatch.setattr(film_module, "open_colorizer", keep)
    monkeypatch.setattr(film_module, "Loaded", Saying)
    summary = run_batch(batch)
    assert len(told) == 1
    for name in ("a.mp4", "c.mp4"):
        assert "out of memory" in summary.outcomes[name].warnings
