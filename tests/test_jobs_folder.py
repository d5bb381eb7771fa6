"""The plan of a folder: which files are films, what they become, and what is to be done to them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import pytest

from vidcolor.errors import SourceError, SourceNotFoundError, UsageError
from vidcolor.jobs.files import Identity, identify
from vidcolor.jobs.film import Outcome
from vidcolor.jobs.folder import Film, plan_folder
from vidcolor.jobs.found import Batch
from vidcolor.jobs.ledger import Entry, State
from vidcolor.jobs.sidecars import Digests
from vidcolor.settings import Settings


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode("utf-8", "surrogateescape"))


def plan(source: Path, target: Path | None = None, **asked: object) -> dict[str, Film]:
    entries = asked.pop("entries", {})
    batch = Batch(source, target or source.parent / "out", **asked)  # type: ignore[arg-type]
    return {film.name: film for film in plan_folder(batch, entries)}  # type: ignore[arg-type]


def outputs(films: dict[str, Film]) -> dict[str, str]:
    return {name: film.output for name, film in films.items()}


def test_films_are_told_by_their_suffix_and_keep_their_place(source: Path) -> None:
    put(source, "a.MKV", "b/c.avi", "b/d/e.webm", "b/notes.txt", ".hidden.mkv", ".h/f.mkv")
    put(source, "x.mkv.part", "out/a.mkv", "odd\udcff.mov")
    found = outputs(plan(source, source / "out"))
    assert found == {
        "a.MKV": "a.MKV",
        "b/c.avi": "b/c.mkv",
        "b/d/e.webm": "b/d/e.webm",
        "odd\udcff.mov": "odd\udcff.mov",
    }


def test_a_link_to_a_folder_is_told_of(source: Path, tmp_path: Path) -> None:
    put(tmp_path / "real", "r.mkv")
    put(source, "a.mkv")
    (source / "linked").symlink_to(tmp_path / "real")
    told: list[str] = []
    batch = Batch(source, tmp_path / "out")
    assert [film.name for film in plan_folder(batch, {}, told.append)] == ["a.mkv"]
    assert len(told) == 1 and "linked" in told[0]
    asked = replace(batch, patterns=("linked/*.mkv",))
    assert [film.name for film in plan_folder(asked, {})] == ["linked/r.mkv"]


@pytest.mark.parametrize("patterns", [(), ("*.mkv",)])
def test_a_link_to_nothing_is_told_of(
    source: Path, tmp_path: Path, patterns: tuple[str, ...]
) -> None:
    put(source, "a.mkv")
    (source / "gone.mkv").symlink_to(tmp_path / "drive" / "gone.mkv")
    (source / "circle.mkv").symlink_to("circle.mkv")
    told: list[str] = []
    batch = Batch(source, tmp_path / "out", patterns=patterns)
    assert [film.name for film in plan_folder(batch, {}, told.append)] == ["a.mkv"]
    assert len(told) == 2 and all("a link to a file that is not there" in line for line in told)


def test_stills_beside_a_film_are_no_films_and_no_photos(source: Path) -> None:
    put(source, "a.mkv", "a.references/1.jpg", "a.references/2.jpg", "A.References/removed/3.mkv")
    assert list(plan(source, settings=Settings(rate=Fraction(25)))) == ["a.mkv"]
    (source / "a.mkv").unlink()
    told: list[str] = []
    assert plan_folder(Batch(source, source.parent / "out"), {}, told.append) == []
    assert told == []
    put(source, "a.mkv")
    assert list(plan(source, photos=True)) == []
    assert list(plan(source, patterns=("**/*",))) == ["a.mkv"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_what_may_not_be_read_costs_its_film_alone(source: Path) -> None:
    put(source, "a.mkv", "b.mkv", "b.references/1.jpg")
    (source / "b.references").chmod(0o000)
    try:
        found = plan(source)
    finally:
        (source / "b.references").chmod(0o700)
    assert found["a.mkv"].state == "todo"
    assert found["b.mkv"].state == "failed" and "cannot be read" in found["b.mkv"].why


def test_what_cannot_be_looked_into_costs_its_film_alone(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, also for root."""
    put(source, "a.mkv", "b.mkv", "b.references/1.jpg")
    iterdir = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path.name == "b.references":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    found = plan(source)
    assert found["a.mkv"].state == "todo"
    assert found["b.mkv"].state == "failed"
    assert found["b.mkv"].why == f"{source / 'b.references'}: cannot be read: Permission denied"


def test_patterns_choose_instead_of_suffixes(source: Path) -> None:
    put(source, "a.mkv", "b.avi", "c/d.avi", "c/raw.bin", ".h/x.avi", "out/b.avi", "c/y.part")
    found = plan(source, source / "out", patterns=("**/*.avi", "c/*"))
    assert outputs(found) == {"b.avi": "b.mkv", "c/d.avi": "c/d.mkv", "c/raw.bin": "c/raw.mkv"}


@pytest.mark.parametrize("pattern", ["", "/tmp/*.mkv", "../*.mkv", "**.mkv", "."])
def test_a_pattern_that_leads_out_is_refused(source: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="--pattern"):
        plan(source, patterns=(pattern,))


def test_folders_that_cannot_be_used(source: Path) -> None:
    put(source, "a.mkv")
    with pytest.raises(SourceNotFoundError, match="no such folder"):
        plan(source / "none")
    with pytest.raises(SourceError, match="not a folder"):
        plan(source / "a.mkv")
    for target in (source, source.parent):
        with pytest.raises(UsageError, match="in this folder"):
            plan(source, target)


def test_two_films_never_get_one_name(source: Path) -> None:
    put(source, "film.avi", "film.mpg", "own.mkv", "own.avi", "Case.avi", "case.mpg")
    put(source, "film.avi.mkv")
    found = outputs(plan(source))
    assert found == {
        "film.avi.mkv": "film.avi.mkv",
        "film.avi": "film.avi.mkv.mkv",
        "film.mpg": "film.mpg.mkv",
        "own.mkv": "own.mkv",
        "own.avi": "own.avi.mkv",
        "Case.avi": "Case.avi.mkv",
        "case.mpg": "case.mpg.mkv",
    }


def test_a_name_that_the_ledger_has_given_stays(source: Path) -> None:
    put(source, "film.avi")
    known = {"film.avi": entry(source, "film.avi", "film.mkv")}
    put(source, "film.mpg", "film.mkv")
    found = outputs(plan(source, entries=known))
    assert found["film.avi"] == "film.mkv"
    assert found["film.mkv"] == "film.mkv.mkv"
    assert found["film.mpg"] == "film.mpg.mkv"


def test_a_container_that_the_settings_want_is_used(source: Path) -> None:
    put(source, "a.mp4")
    settings = Settings().replace("encoder", codec="ffv1", container="mkv")
    assert outputs(plan(source, settings=settings)) == {"a.mp4": "a.mkv"}


def test_settings_nearer_to_the_film_come_first(source: Path) -> None:
    put(source, "a.mkv", "b/a.mkv", "b/c/own.mkv", "b/c/broken.mkv")
    (source / "vidcolor.toml").write_text("[color]\nsaturation = 0.5\nkeyframes = 2")
    (source / "b/vidcolor.toml").write_text("[color]\nsaturation = 0.6")
    (source / "b/c/own.toml").write_text("[color]\nsaturation = 0.7")
    (source / "b/c/broken.toml").write_text("[colour]\nsaturation = 0.7")
    films = plan(source, settings=Settings().replace("color", saturation=0.1, batch_size=2))
    values = {
        name: (film.settings.color.saturation, film.settings.color.keyframes)
        for name, film in films.items()
        if film.state == "todo"
    }
    assert values == {"a.mkv": (0.5, 2), "b/a.mkv": (0.6, 2), "b/c/own.mkv": (0.7, 2)}
    assert films["a.mkv"].settings.color.batch_size == 2
    assert films["b/c/broken.mkv"].state == "failed"
    assert "broken.toml: unknown table" in films["b/c/broken.mkv"].why


def test_what_the_studio_saves_lies_beside_the_film(source: Path) -> None:
    put(source, "a.mkv", "b.mkv", "broken.mkv")
    before = plan(source)["a.mkv"].digest
    shots = {"format": "vidcolor-shots-1", "shots": [{"first_frame": 0}, {"first_frame": 9}]}
    hint = {"frame": 3, "x": 0.5, "y": 0.5, "color": "#b02a30"}
    (source / "a.shots.json").write_text(json.dumps(shots))
    (source / "a.hints.json").write_text(
        json.dumps({"format": "vidcolor-hints-1", "hints": [hint]})
    )
    (source / "a.look.toml").write_text("[look]\nwarmth = 0.5")
    (source / "a.references").mkdir()
    (source / "a.references/1.png").write_bytes(b"a still")
    (source / "b.references/removed").mkdir(parents=True)
    (source / "b.references/.DS_Store").touch()
    (source / "broken.hints.json").write_text("{}")
    films = plan(source)
    assert films["a.mkv"].settings.shots == (0, 9)
    assert films["a.mkv"].settings.hints[0].frame == 3
    assert films["a.mkv"].settings.look.warmth == 0.5
    assert len(films["a.mkv"].settings.references) == 1
    assert films["a.mkv"].digest != before
    assert (films["b.mkv"].state, films["b.mkv"].settings) == ("todo", Settings())
    assert films["broken.mkv"].state == "failed"
    assert "broken.hints.json" in films["broken.mkv"].why


def entry(folder: Path, name: str, output: str, state: State = "done", **changes: object) -> Entry:
    identity = identify(folder / name)
    assert identity is not None
    target = folder.parent / "out" / output
    film = plan(folder)[name]
    values: dict[str, object] = {
        "source": str((folder / name).absolute()),
        "identity": identity,
        "digest": film.digest,
        "written": identify(target),
        "outcome": Outcome("broken" if state == "failed" else None),
        **changes,
    }
    return Entry(name=name, target=output, state=state, **values)  # type: ignore[arg-type]


def judged(source: Path, known: Entry | None, **asked: object) -> tuple[str, str]:
    film = plan(source, entries={known.name: known} if known else {}, **asked)["a.mkv"]
    return film.state, film.why


def test_what_is_done_is_done_until_something_changes(source: Path) -> None:
    put(source, "a.mkv", "../out/a.mkv")
    known = entry(source, "a.mkv", "a.mkv")
    assert judged(source, known) == ("done", "")
    assert judged(source, known, settings=Settings().replace("color", device="cpu")) == ("done", "")
    other = Settings().replace("color", saturation=0.5)
    assert judged(source, known, settings=other) == ("todo", "its settings have changed")
    assert judged(source, entry(source, "a.mkv", "a.mkv", identity=Identity(1, 1))) == (
        "todo",
        "the source has changed",
    )
    (source.parent / "out/a.mkv").unlink()
    assert judged(source, known) == ("todo", "its target is gone")


def test_what_is_not_ours_is_left_alone(source: Path) -> None:
    put(source, "a.mkv", "../out/a.mkv")
    force = Settings().replace(overwrite=True)
    assert judged(source, None)[0] == "exists"
    assert judged(source, None, settings=force)[0] == "todo"
    moved = entry(source, "a.mkv", "a.mp4", written=Identity(1, 1))
    assert judged(source, moved) == ("exists", "its target exists already, and not from here")
    edited = entry(source, "a.mkv", "a.mkv", written=Identity(1, 1))
    assert judged(source, edited) == ("exists", "its target has been changed by someone else")
    assert judged(source, edited, settings=force)[0] == "todo"
    # The same name from another folder, and another film.
    elsewhere = entry(source, "a.mkv", "a.mkv", identity=Identity(1, 1), source="/other/a.mkv")
    assert judged(source, elsewhere)[0] == "exists"
    # The folder was moved, the film is the same.
    assert judged(source, entry(source, "a.mkv", "a.mkv", source="/other/a.mkv"))[0] == "done"


def test_a_failure_waits_for_a_change_or_for_being_asked(source: Path) -> None:
    put(source, "a.mkv")
    known = entry(source, "a.mkv", "a.mkv", "failed")
    assert judged(source, known) == ("failed", "broken")
    assert judged(source, known, retry_failed=True) == ("todo", "failed before")
    (source / "a.mkv").write_text("mended")
    assert judged(source, known) == ("todo", "the source has changed")


def test_an_interrupted_film_is_made_again_unless_it_was_finished(source: Path) -> None:
    put(source, "a.mkv")
    known = entry(source, "a.mkv", "a.mkv", "begun")
    assert judged(source, known) == ("todo", "was interrupted")
    # The target was put in place, and then the power went.
    put(source, "../out/a.mkv")
    ours = replace(known, noted=identify(source.parent / "out/a.mkv"))
    assert judged(source, ours) == ("done", "")
    # It was not, and somebody put another one there.
    strange = "its target has been changed by someone else"
    assert judged(source, known) == ("exists", strange)
    assert judged(source, replace(known, noted=Identity(1, 1))) == ("exists", strange)
    # An older target of ours, which was to be replaced.
    assert judged(source, entry(source, "a.mkv", "a.mkv", "begun"))[0] == "todo"


def test_a_checkpoint_is_known_by_its_content(source: Path, tmp_path: Path) -> None:
    put(source, "a.mkv")
    net = tmp_path / "net.safetensors"

    def digest() -> str:
        settings = Settings().replace("color", model=str(net))
        return plan(source, settings=settings)["a.mkv"].digest

    net.write_text("one")
    first = digest()
    net.write_text("two")
    second = digest()
    net = net.rename(tmp_path / "moved.safetensors")
    assert first != second == digest()


def test_sound_that_was_mended_within_is_other_sound(source: Path) -> None:
    sound = source / "reel.wav"
    data = bytearray(8 << 20)
    sound.write_bytes(data)
    settings = Settings(sound=sound)
    before = Digests().of(settings)
    assert Digests().of(settings) == before
    data[2 << 20] = 99  # Where no sample is taken.
    sound.write_bytes(data)
    os.utime(sound, ns=(1, 1))
    assert Digests().of(settings) != before


def test_limits_matter_to_what_is_not_done(source: Path) -> None:
    put(source, "a.mkv")
    made = identify(source / "a.mkv")
    assert made is not None
    higher = Settings().replace("limits", streams=300)
    for state, digest, then in (("done", "digest", "done"), ("failed", "limited", "todo")):
        film = plan(source)["a.mkv"]
        (source.parent / "out").mkdir(exist_ok=True)
        (source.parent / "out/a.mkv").write_bytes(b"made")
        there = identify(source.parent / "out/a.mkv")
        entry = Entry(
            "a.mkv",
            str(source / "a.mkv"),
            "a.mkv",
            film.identity,
            getattr(film, digest),
            cast(State, state),
            there,
            Outcome(),
        )
        assert plan(source, entries={"a.mkv": entry})["a.mkv"].state == state
        assert plan(source, entries={"a.mkv": entry}, settings=higher)["a.mkv"].state == then


def test_a_name_as_long_as_names_may_be_has_no_sidecars(source: Path) -> None:
    name = "x" * 250 + ".mkv"
    put(source, name)
    assert plan(source)[name].state == "todo"


def test_a_film_is_not_called_as_a_folder_of_films_is(source: Path) -> None:
    put(source, "x.avi", "X.mkv/b.avi")
    assert outputs(plan(source)) == {"X.mkv/b.avi": "X.mkv/b.mkv", "x.avi": "x.avi.mkv"}


def test_a_poster_has_no_shots_though_its_film_has(source: Path) -> None:
    put(source, "film.mp4", "film.jpg")
    shots = {"format": "vidcolor-shots-1", "shots": [{"first_frame": 0}, {"first_frame": 5}]}
    (source / "film.shots.json").write_text(json.dumps(shots))
    (source / "film.references").mkdir()
    put(source, "film.references/Thumbs.db")
    assert plan(source)["film.mp4"].settings.shots == (0, 5)
    assert plan(source)["film.mp4"].state == "todo"
    assert plan(source, photos=True)["film.jpg"].settings.shots is None
