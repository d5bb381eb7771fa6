"""The studio's server: what it does for its page, and what it refuses to anybody else."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from clips import Clip, make
from networks import tiny_checkpoint

pytest.importorskip("starlette", reason="the extra vidcolor[studio] is not installed")
pytest.importorskip("uvicorn", reason="the extra vidcolor[studio] is not installed")
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from vidcolor.errors import SourceNotFoundError, UsageError
from vidcolor.hintlist import read_hints
from vidcolor.references import find_references
from vidcolor.settings import Settings, load_settings
from vidcolor.shots import Shot, ShotList, read_shots
from vidcolor.studio import serve as server
from vidcolor.studio import snapshot
from vidcolor.studio.confinement import Folder
from vidcolor.studio.faults import ConflictError, ForbiddenError
from vidcolor.studio.film import OpenFilm
from vidcolor.studio.guard import TOKEN, Guard
from vidcolor.studio.orders import CLIP, clip_range
from vidcolor.studio.pictures import Networks
from vidcolor.studio.routes import make_app
from vidcolor.studio.serve import Place, listening
from vidcolor.studio.session import Session
from vidcolor.studio.work import Shown, Worker
from vidcolor_cli.main import run

HOST = "127.0.0.1:8765"
LIMIT = 200_000


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    net = tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors")
    return Settings().replace("color", model=str(net), device="cpu", short_side=64, saturation=2.0)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(Clip("film.mp4", frames=20, audio=("eng",)), tmp_path_factory.mktemp("film"))


@pytest.fixture
def folder(tmp_path: Path, original: Path) -> Path:
    """A folder with a film in it, in a folder with a secret in it."""
    inside = tmp_path / "films"
    (inside / "more").mkdir(parents=True)
    (inside / "film.mp4").write_bytes(original.read_bytes())
    (tmp_path / "secret.mp4").write_bytes(original.read_bytes())
    return inside


@pytest.fixture(scope="module")
def networks(settings: Settings) -> Networks:
    return Networks(settings)


@pytest.fixture
def session(
    folder: Path, settings: Settings, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Session]:
    monkeypatch.setattr("vidcolor.studio.session.Networks", lambda settings: networks)
    other = settings.replace("encoder", codec="ffv1", container="mkv")
    with Session(
        Folder(folder), {"default": settings, "archive": other}, ["--model", "mine"]
    ) as begun:
        yield begun


@pytest.fixture
def page(session: Session) -> Iterator[TestClient]:
    app = make_app(session, [HOST], LIMIT)
    with TestClient(app, base_url=f"http://{HOST}", headers={TOKEN: "1"}) as client:
        yield client


def opened(page: TestClient, session: Session, name: str = "film.mp4") -> Session:
    assert page.post("/api/open", json={"path": name}).status_code == 200
    finished(session)
    return session


def finished(session: Session) -> Any:
    """The work that was under way, once it has ended."""
    until = time.monotonic() + 60
    while session.worker.running:
        assert time.monotonic() < until
        time.sleep(0.01)
    return session.worker.work


def step(page: TestClient, **asked: Any) -> dict[str, Any]:
    answer = page.post("/api/steps", json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: Any, status: int, *words: str) -> str:
    assert answer.status_code == status, answer.text
    line = str(answer.json()["error"])
    assert "\n" not in line and all(word in line for word in words), line
    return line


def pixels(page: TestClient, frame: int, what: str = "after.jpg") -> np.ndarray:
    answer = page.get(f"/api/frames/{frame}/{what}")
    assert answer.status_code == 200, answer.text
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[..., ::-1], int)


def still(red: int, green: int, blue: int) -> bytes:
    """A PNG that is half of one colour, half of another."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :48], picture[:, 48:] = (blue, green, red), (red, blue, green)
    return bytes(cv2.imencode(".png", picture)[1])


HINT = {"frame": 3, "x": 0.5, "y": 0.5, "color": "#c02020"}


def test_a_hint_changes_the_picture_there_and_undo_takes_it_back(
    page: TestClient, session: Session
) -> None:
    opened(page, session)
    before = pixels(page, 3)
    added = step(page, do="add hint", hint=HINT)
    assert added["state"]["changed"] and added["state"]["steps"] == 1
    assert added["state"]["hints"][0]["color"] == "#c02020"
    after = pixels(page, 3)
    red = after[..., 0] - after[..., 2] - (before[..., 0] - before[..., 2])
    # Beside the place itself, which is too bright for much more colour than it has.
    assert red[16:24, 24:32].mean() > 5
    step(page, do="change hint", id=added["result"], hint={"color": "#2020c0"})
    # Those of it that change alone, its place among them.
    step(page, do="change hint", id=added["result"], hint={"x": HINT["x"], "y": HINT["y"]})
    blue = pixels(page, 3)
    assert (blue[16:24, 24:32, 2] - after[16:24, 24:32, 2]).mean() > 5
    step(page, do="undo")
    assert np.array_equal(pixels(page, 3), after)
    step(page, do="remove hint", id=added["result"])
    assert np.array_equal(pixels(page, 3), before)


def test_pictures_come_in_the_size_that_is_asked_for(page: TestClient, session: Session) -> None:
    opened(page, session)
    whole = pixels(page, 2)
    assert whole.shape == pixels(page, 2, "before.jpg").shape == (48, 64, 3)
    small = pixels(page, 2, "after.jpg?tallest=12")
    assert small.shape == (12, 16, 3)
    assert np.abs(small - whole.reshape(12, 4, 16, 4, 3).mean((1, 3))).mean() < 8
    assert np.array_equal(pixels(page, 2, "after.jpg?tallest=500"), whole)


def test_a_hinted_frame_is_shown_as_the_job_colours_it(page: TestClient, session: Session) -> None:
    from vidcolor.watching import color_frames

    opened(page, session)
    step(page, do="add hint", hint=HINT)
    alone = session.settings(session.opened()).replace("color", stabilize=0.0, keyframes=1)
    wanted = next(
        it.rgb for it in color_frames(session.folder.root / "film.mp4", alone) if it.index == 3
    )
    shown = pixels(page, 3)
    # Chroma at half the size there, and JPEG's loss here.
    assert np.abs(shown - wanted).mean() < 6
    plain = alone.replace(hints=())
    without = next(
        it.rgb for it in color_frames(session.folder.root / "film.mp4", plain) if it.index == 3
    )
    assert np.abs(shown - without).mean() > 1.5 * np.abs(shown - wanted).mean()


def test_a_hint_reaches_other_frames_of_its_shot_and_no_other_shot(
    page: TestClient, session: Session
) -> None:
    opened(page, session)
    for cut in session.opened().history.now.shots.starts[1:]:  # type: ignore[union-attr]
        step(page, do="join", frame=cut)
    step(page, do="cut", frame=10)
    before = {frame: pixels(page, frame) for frame in (4, 12)}
    number = step(page, do="add hint", hint=HINT)["result"]
    changed = {frame: np.abs(pixels(page, frame) - before[frame]).max() for frame in before}
    assert changed[12] == 0 and changed[4] > 0
    step(page, do="change hint", id=number, hint={"scope": "onward"})
    opened_film = session.opened()
    telling = opened_film.pictures._telling(
        12, session.settings(opened_film), session.settings(opened_film).hints
    )
    assert [(it.frame.index, it.cut) for it in telling] == [(3, True), (12, True)]


def test_what_is_saved_is_what_the_command_line_reads(
    page: TestClient, session: Session, folder: Path, settings: Settings
) -> None:
    opened(page, session)
    step(page, do="add hint", hint={**HINT, "note": "a dress"})
    step(page, do="cut", frame=7)
    step(page, do="look", look={"saturation": 1.5, "warmth": 0.25})
    step(page, do="look", look={"vibrance": -0.5}, shot=7)
    assert (
        page.post("/api/references?frame=8&name=a.png", content=still(200, 90, 40)).status_code
        == 200
    )
    state = page.post("/api/steps", json={"do": "undo"}).json()["state"]
    step(page, do="look", look={"vibrance": -0.5}, shot=7)
    assert state["command"][1].split() == [
        *("--model", "mine"),
        *("--config", "film.look.toml", "--shots", "film.shots.json"),
        *("--hints", "film.hints.json", "--reference", "film.references"),
    ]
    here = session.settings(session.opened())
    answer = page.post("/api/save", json={})
    assert set(answer.json()["files"]) == {"film.shots.json", "film.hints.json", "film.look.toml"}
    shots = read_shots(folder / "film.shots.json")
    there = load_settings(folder / "film.look.toml", settings).replace(
        shots=shots.starts,
        looks=shots.looks,
        hints=read_hints(folder / "film.hints.json"),
        references=find_references(folder / "film.references"),
    )
    assert there == here and 7 in shots.starts
    assert '"note": "a dress"' in (folder / "film.hints.json").read_text()
    # And read again when the film is opened.
    page.post("/api/open", json={"path": "film.mp4"})
    assert session.settings(session.opened()) == here
    assert not session.opened().history.changed


def test_what_was_not_saved_outlives_the_server(
    page: TestClient, session: Session, folder: Path, settings: Settings
) -> None:
    opened(page, session)
    step(page, do="add hint", hint=HINT)
    step(page, do="look", look={"warmth": 0.5})
    was = session.opened().history.now
    with Session(Folder(folder), {"default": settings}) as later:
        later.open("film.mp4")
        history = later.opened().history
        assert history.now == was and history.changed
        assert "not saved" in later.opened().notes[0]
        later.save(None, replace=False)
        assert not list(folder.glob("*.unsaved.json"))
        later.change(None, {"do": "undo"})
        assert not history.now.hints and (folder / "film.mp4.unsaved.json").exists()


def test_what_others_wrote_since_a_draft_is_not_replaced_unasked(
    page: TestClient, session: Session, folder: Path, settings: Settings
) -> None:
    opened(page, session)
    step(page, do="add hint", hint=HINT)
    session.save(None, replace=False)
    step(page, do="add hint", hint={**HINT, "frame": 4})
    hints = folder / "film.hints.json"
    by_hand = hints.read_text().replace("#c02020", "#20c020")
    hints.write_text(by_hand)
    with Session(Folder(folder), {"default": settings}) as later:
        later.open("film.mp4")
        assert any("film.hints.json: was changed" in line for line in later.opened().notes)
        with pytest.raises(ConflictError, match=r"film\.hints\.json"):
            later.save(None, replace=False)
        assert hints.read_text() == by_hand
        assert later.save(None, replace=True)[0] == ["film.hints.json"]


def test_shots_made_by_hand_since_a_draft_are_those_of_the_film(
    folder: Path, session: Session, settings: Settings
) -> None:
    session.open("film.mp4")
    finished(session)
    history = session.opened().history
    history.now = dataclasses.replace(history.now, shots=None)  # As before they are found.
    session.change(None, {"do": "add hint", "hint": HINT})
    (folder / "film.shots.json").write_text(ShotList(tuple(map(Shot, (0, 3, 10)))).to_json())
    with Session(Folder(folder), {"default": settings}) as later:
        later.open("film.mp4")
        now = later.opened().history.now
    assert len(now.hints) == 1
    assert now.shots is not None and now.shots.starts == (0, 3, 10)


def test_a_still_given_before_the_shots_are_known_is_for_its_frame(
    folder: Path, session: Session, tmp_path: Path
) -> None:
    (tmp_path / "still.png").write_bytes(still(200, 90, 40))
    session.open("film.mp4")
    opened = session.opened()
    opened.history.now = dataclasses.replace(opened.history.now, shots=None)
    assert session.add_reference(None, tmp_path / "still.png", 11) == "ref_000011.png"


def test_the_usual_port_may_be_left_out() -> None:
    guard = Guard(None, ["127.0.0.1:80"])  # type: ignore[arg-type]
    for host in ("127.0.0.1", "127.0.0.1:80"):
        assert guard._refusal("GET", "/", Headers({"host": host})) is None
    assert guard._refusal("GET", "/", Headers({"host": "127.0.0.1:81"}))


def test_an_upload_into_a_film_is_refused(page: TestClient) -> None:
    refused(page.post("/api/upload?path=film.mp4&name=n.mp4", content=b"x"), 400, "not a folder")


def test_a_draft_that_cannot_be_read_is_set_aside(
    page: TestClient, session: Session, folder: Path
) -> None:
    draft = folder / "film.mp4.unsaved.json"
    for text in ("{", '{"look": {"warmth": "hot"}, "hints": null}', "{}"):
        draft.write_text(text)
        page.post("/api/open", json={"path": "film.mp4"})
        (note,) = session.opened().notes
        assert "film.mp4.unsaved.json: not a" in note and "renamed to film.mp4.unsaved.json" in note
        assert not draft.exists()
        opened(page, session)
        step(page, do="add hint", hint=HINT)
        assert draft.exists()
        step(page, do="undo")
    aside = {item.name: item.read_text() for item in folder.glob("*.broken")}
    assert aside == {
        "film.mp4.unsaved.json.broken": "{",
        "film.mp4.unsaved.json-2.broken": '{"look": {"warmth": "hot"}, "hints": null}',
        "film.mp4.unsaved.json-3.broken": "{}",
    }


def test_a_draft_that_can_be_neither_read_nor_renamed_is_left(
    page: TestClient, session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied")

    draft = folder / "film.mp4.unsaved.json"
    draft.write_text("{")
    monkeypatch.setattr(Path, "rename", refuse)
    opened(page, session)
    assert "cannot be renamed (Permission denied)" in session.opened().notes[0]
    step(page, do="add hint", hint=HINT)
    assert page.post("/api/save", json={}).status_code == 200
    assert draft.read_text() == "{" and len(read_hints(folder / "film.hints.json")) == 1


def test_films_of_one_name_share_what_is_saved_and_are_told_so_but_no_draft(
    page: TestClient, session: Session, folder: Path, settings: Settings
) -> None:
    (folder / "film.mkv").write_bytes((folder / "film.mp4").read_bytes())
    (folder / "film.txt").write_text("no film")
    opened(page, session)
    (note,) = step(page, do="add hint", hint=HINT)["state"]["notes"]
    assert note == (
        "film.mp4: film.shots.json, film.hints.json, film.look.toml and film.references are also "
        "those of film.mkv; rename one of the films to part them"
    )
    with Session(Folder(folder), {"default": settings}) as other:
        other.open("film.mkv")
        assert not other.opened().history.now.hints and not other.opened().history.changed
        assert "also those of film.mp4" in other.opened().notes[0]
        other.change(None, {"do": "look", "look": {"warmth": 0.5}})
    assert page.post("/api/save", json={}).json()["notes"] == [note]
    assert page.post("/api/save", json={}).json() == {"files": [], "notes": []}
    assert [item.name for item in folder.glob("*.unsaved.json")] == ["film.mkv.unsaved.json"]
    (folder / "film.mkv").rename(folder / "other.mkv")
    page.post("/api/open", json={"path": "film.mp4"})
    assert session.opened().notes == []


def test_changes_are_kept_where_the_film_they_are_to_give_way_to_cannot_be_opened(
    page: TestClient, session: Session, folder: Path
) -> None:
    opened(page, session)
    step(page, do="add hint", hint=HINT)
    (folder / "none.mp4").write_bytes(b"no film")
    refused(page.post("/api/open", json={"path": "none.mp4", "discard": True}), 400, "none.mp4")
    assert session.opened().history.changed
    assert (folder / "film.mp4.unsaved.json").exists()
    page.post("/api/open", json={"path": "film.mp4", "discard": True})
    assert not session.opened().history.changed
    assert not (folder / "film.mp4.unsaved.json").exists()


def test_a_look_file_with_more_than_a_look_in_it_is_left_alone(
    page: TestClient, session: Session, folder: Path
) -> None:
    (folder / "film.look.toml").write_text("[look]\nwarmth = 0.5\n[encoder]\ncrf = 10\n")
    opened(page, session)
    assert "holds more than" in session.opened().notes[0]
    step(page, do="look", look={"tint": 0.1})
    refused(page.post("/api/save", json={}), 409, "film.look.toml")
    (folder / "film.look.toml").write_text("[look]\nwarmth = 0.5\n[color]\nsaturation = 1\n")
    page.post("/api/open", json={"path": "film.mp4", "discard": True})
    assert session.opened().history.now.look == {"saturation": 1.0, "warmth": 0.5}


def test_names_strokes_and_notes_of_a_file_written_by_hand_are_kept(
    page: TestClient, session: Session, folder: Path
) -> None:
    value = {
        "format": "vidcolor-hints-1",
        "palette": {"lawn": [60, 100, 50]},
        "hints": [
            {"time": 0.2, "stroke": [[0.1, 0.9], [0.6, 0.9]], "color": "lawn", "note": "the lawn"},
            {"frame": 900, "x": 0.5, "y": 0.5, "color": "#102030"},
            {"frame": 1, "x": 1.5, "y": 0.5, "color": "#102030"},
        ],
    }
    (folder / "film.hints.json").write_text(json.dumps(value))
    opened(page, session)
    hints = step(page, do="add hint", hint=HINT)["state"]["hints"]
    assert [it["problem"] for it in hints] == [
        None, "lies after the film's end", "lies outside the picture", None
    ]  # fmt: skip
    assert hints[0]["color"] == "#3c6432" and hints[0]["frame"] == 5
    pixels(page, 1)
    assert page.post("/api/save", json={}).status_code == 200
    written = json.loads((folder / "film.hints.json").read_text())
    assert written["hints"][:3] == value["hints"] and written["palette"] == value["palette"]


def test_a_shot_list_with_a_misspelt_look_is_not_replaced_unasked(
    page: TestClient, session: Session, folder: Path
) -> None:
    """The list is read, and found to be of no use when the looks are."""
    looks = [{"first_frame": 0, "look": {"saturatoin": 0.8}}, {"first_frame": 3}]
    text = json.dumps({"format": "vidcolor-shots-1", "shots": looks})
    (folder / "film.shots.json").write_text(text)
    opened(page, session)
    state = step(page, do="cut", frame=6)["state"]
    assert any("saturatoin" in note for note in state["notes"])
    refused(page.post("/api/save", json={}), 409, "film.shots.json")
    assert (folder / "film.shots.json").read_text() == text


def test_a_broken_file_is_told_of_and_not_replaced_unasked(
    page: TestClient, session: Session, folder: Path
) -> None:
    (folder / "film.hints.json").write_text('{"format": "vidcolor-hints-1", "hints": [')
    opened(page, session)
    state = step(page, do="add hint", hint=HINT)["state"]
    assert len(state["notes"]) == 1 and "not a JSON file" in state["notes"][0]
    answer = page.post("/api/save", json={})
    refused(answer, 409, "film.hints.json")
    assert answer.json()["unless"] == "replace"
    assert (folder / "film.hints.json").read_text().endswith("[")
    assert not (folder / "film.shots.json").exists()
    assert page.post("/api/save", json={"replace": True}).status_code == 200
    assert len(read_hints(folder / "film.hints.json")) == 1
    # The same when it was changed since it was written here.
    os.utime(folder / "film.hints.json")
    step(page, do="undo")
    assert page.post("/api/save", json={}).status_code == 200
    (folder / "film.shots.json").write_text(
        '{"format": "vidcolor-shots-1", "shots": [{"first_frame": 0}]}'
    )
    step(page, do="cut", frame=9)
    refused(page.post("/api/save", json={}), 409, "film.shots.json")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"do": "add hint", "hint": {**HINT, "frame": 20}}, ("frame 20", "its last is 19")),
        ({"do": "add hint", "hint": {**HINT, "x": 1.01}}, ("outside the picture",)),
        ({"do": "add hint", "hint": {**HINT, "color": "red"}}, ("#rrggbb",)),
        ({"do": "add hint", "hint": {**HINT, "scope": "reel"}}, ("scope",)),
        ({"do": "add hint", "hint": {**HINT, "x": "left"}}, ("two numbers",)),
        ({"do": "add hint", "hint": 5}, ("hint",)),
        ({"do": "add hint", "hint": {**HINT, "size": 5}}, ("unknown key",)),
        ({"do": "change hint", "id": 7, "hint": {"color": "#000000"}}, ("hint",)),
        ({"do": "remove hint", "id": 7}, ("no longer there",)),
        ({"do": "look", "look": {"saturation": 2.5}}, ("saturation must be 0 to 2",)),
        ({"do": "look", "look": {"warmth": "hot"}}, ("warmth",)),
        ({"do": "look", "look": {"lut": "/etc/passwd"}}, ("unknown part", "lut")),
        ({"do": "look", "look": {"tint": 0.1}, "shot": 5}, ("no shot begins",)),
        ({"do": "cut", "frame": 20}, ("its last is 19",)),
        ({"do": "cut", "frame": 0}, ("begins at frame 0 already",)),
        ({"do": "join", "frame": 0}, ("no cut",)),
        ({"do": "undo"}, ("nothing to undo",)),
        ({"do": "dance"}, ("unknown step",)),
    ],
)
def test_an_impossible_step_is_refused_and_changes_nothing(
    page: TestClient, session: Session, asked: dict[str, Any], words: tuple[str, ...]
) -> None:
    opened(page, session)
    history = session.opened().history
    was = history.now, history.revision
    refused(page.post("/api/steps", json=asked), 400, *words)
    assert (history.now, history.revision) == was


def test_cuts_wait_until_the_shots_are_known(
    page: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "find_shots", lambda self, number: 0)
    opened(page, session)
    refused(page.post("/api/steps", json={"do": "cut", "frame": 5}), 400, "not known yet")
    number = step(page, do="add hint", hint=HINT)["result"]
    monkeypatch.undo()
    assert page.post("/api/work", json={"kind": "shots"}).status_code == 202
    finished(session)
    history = session.opened().history
    assert history.now.shots is not None and number in history.now.hints
    step(page, do="undo")
    assert history.now.shots is not None and not history.changed


def test_steps_of_one_gesture_are_undone_together(page: TestClient, session: Session) -> None:
    opened(page, session)
    for value in (1.1, 1.2, 1.3):
        state = step(page, do="look", look={"saturation": value}, gesture="a")["state"]
    assert state["steps"] == 1 and state["look"] == {"saturation": 1.3}
    assert step(page, do="look", look={"saturation": 1.4}, gesture="b")["state"]["steps"] == 2
    assert step(page, do="undo")["state"]["look"] == {"saturation": 1.3}
    assert step(page, do="undo")["state"]["look"] == {}


def test_two_tabs_share_one_state_and_lose_nothing(page: TestClient, session: Session) -> None:
    opened(page, session)
    number = session.opened().number
    # Neither tab knows of the other's change; both are there.
    page.post(f"/api/steps?film={number}", json={"do": "add hint", "hint": HINT})
    page.post(f"/api/steps?film={number}", json={"do": "add hint", "hint": {**HINT, "frame": 5}})
    assert len(session.opened().history.now.hints) == 2
    # A tab that believes another film to be open is told so.
    later = page.post("/api/open", json={"path": "film.mp4"})
    refused(later, 409, "not saved")
    assert later.json()["unless"] == "discard"
    page.post("/api/open", json={"path": "film.mp4", "discard": True})
    other = page.post(f"/api/steps?film={number}", json={"do": "undo"})
    refused(other, 409, "opened meanwhile")
    assert "unless" not in other.json()
    refused(page.get(f"/api/frames/0/after.jpg?film={number}"), 409, "opened meanwhile")


def test_while_a_film_is_opened_the_one_before_it_is_still_shown(
    page: TestClient, session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(page, session)
    (folder / "long.mp4").write_bytes((folder / "film.mp4").read_bytes())
    real, reading, go_on = OpenFilm, threading.Event(), threading.Event()

    def slow(path: Path, settings: Settings) -> OpenFilm:
        reading.set()
        go_on.wait(60)
        return real(path, settings)

    monkeypatch.setattr("vidcolor.studio.session.OpenFilm", slow)
    with ThreadPoolExecutor(2) as tabs:
        opening = tabs.submit(session.open, "long.mp4")
        try:
            assert reading.wait(60)

            def other_tab() -> None:
                state = snapshot.state(session)
                assert state["film"]["name"] == "film.mp4"
                pixels(page, 3)
                for asked in (
                    page.post("/api/steps", json={"do": "add hint", "hint": HINT}),
                    page.post("/api/save", json={}),
                    page.post("/api/work", json={"kind": "film", "name": "out.mp4"}),
                    page.post("/api/work", json={"kind": "shots"}),
                    page.post("/api/open", json={"path": "film.mp4"}),
                ):
                    refused(asked, 409, "long.mp4 is being opened")

            tabs.submit(other_tab).result(30)
        finally:
            go_on.set()
        opening.result(60)
    finished(session)
    assert session.opened().film.path.name == "long.mp4"
    assert step(page, do="add hint", hint=HINT)["state"]["changed"]


def test_the_search_for_shots_goes_on_where_no_other_film_is_opened(
    page: TestClient, session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(page, session)
    step(page, do="add hint", hint=HINT)
    (folder / "none.mp4").write_bytes(b"no film")
    with held_work(monkeypatch):
        assert page.post("/api/work", json={"kind": "shots"}).status_code == 202
        refused(page.post("/api/open", json={"path": "film.mp4"}), 409, "not saved")
        refused(page.post("/api/open", json={"path": "none.mp4", "discard": True}), 400)
        assert session.worker.running and not session.worker.stopping
    assert finished(session).state == "done"


def test_a_film_is_open_even_if_another_page_was_quicker_to_begin_something(
    page: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(self: Session, number: int | None) -> int:
        raise ConflictError("a clip is being made; wait for that, or stop it")

    monkeypatch.setattr(Session, "find_shots", late)
    assert page.post("/api/open", json={"path": "film.mp4"}).status_code == 200
    assert session.opened().film.path.name == "film.mp4"


def test_pages_are_told_of_what_changes(page: TestClient, session: Session) -> None:
    ends = iter([False, False, False, True])
    app = make_app(session, [HOST], LIMIT, lambda: next(ends))
    opened(page, session)
    with TestClient(app, base_url=f"http://{HOST}") as other:
        text = other.get("/api/news").text
    events = [part.splitlines() for part in text.strip().split("\n\n")]
    told = {name.removeprefix("event: "): json.loads(data[6:]) for name, data in events}
    assert [name for name, _ in events] == ["event: state", "event: work"]
    assert told["state"]["film"]["frames"] == 20 and told["state"]["shots"]
    assert told["work"]["kind"] == "shots" and told["work"]["state"] == "done"


@contextmanager
def held_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work that is begun meanwhile waits before its first frame is done, until this is left."""
    left = threading.Event()
    real = Shown.progress

    def waiting(self: Shown, progress: Any, phase: str = "") -> None:
        left.wait(60)
        real(self, progress, phase)

    with monkeypatch.context() as patched:
        patched.setattr(Shown, "progress", waiting)
        try:
            yield
        finally:
            left.set()


def test_a_job_runs_once_tells_how_it_goes_and_its_film_is_downloaded(
    page: TestClient, session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidcolor.verify import verify

    opened(page, session)
    step(page, do="add hint", hint=HINT)
    asked = {"kind": "film", "name": "out.mkv", "preset": "archive"}
    refused(page.get("/api/film"), 404)
    with held_work(monkeypatch):
        assert page.post("/api/work", json=asked).status_code == 202
        refused(page.post("/api/work", json=asked), 409, "being coloured")
        other = page.post("/api/open", json={"path": "film.mp4"})
        refused(other, 409, "under way")
        assert "unless" not in other.json()
        assert "film is being coloured: stopped; what is finished is kept" in next(
            server.unfinished(session)
        )
    work = finished(session)
    assert (work.state, work.done, work.result) == ("done", 20, {"name": "out.mkv"}), work.message
    assert [line for line in server.unfinished(session) if "kept" in line] == []
    answer = page.get("/api/film")
    assert answer.content == (folder / "out.mkv").read_bytes()
    assert 'filename="out.mkv"' in answer.headers["content-disposition"]
    assert verify(folder / "film.mp4", folder / "out.mkv", lossless=True).passed
    refused(page.get("/api/clip"), 404)
    # What is there is not replaced unasked.
    refused(page.post("/api/work", json=asked), 409, "exists already")
    page.post("/api/work", json={**asked, "overwrite": True})
    assert finished(session).state == "done"
    refused(page.post("/api/work", json={**asked, "name": "../out.mkv"}), 403, "plain file name")
    refused(page.post("/api/work", json={**asked, "preset": "best"}), 400, "unknown preset")
    default = {**asked, "preset": "default", "overwrite": True}
    for name, why in (("out.txt", "no film container"), ("film.mp4", "the source itself")):
        refused(page.post("/api/work", json={**default, "name": name}), 400, why)
    refused(page.post("/api/work", json={**asked, "name": "new.mp4"}), 400, ".mkv files")
    assert finished(session).state == "done"


def test_a_job_is_stopped_also_while_hints_are_followed(
    page: TestClient, session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(page, session)
    step(page, do="add hint", hint=HINT)
    seen: list[str] = []
    real = Shown.progress

    def stopping(self: Shown, progress: Any, phase: str = "") -> None:
        seen.append(phase)
        session.worker.stop()
        real(self, progress, phase)

    monkeypatch.setattr(Shown, "progress", stopping)
    page.post("/api/work", json={"kind": "film", "name": "out.mp4"})
    assert finished(session).state == "stopped" and seen == ["follow"]
    assert not (folder / "out.mp4").exists()
    monkeypatch.setattr(Shown, "progress", real)
    page.post("/api/work", json={"kind": "film", "name": "out.mp4"})
    assert finished(session).state == "done" and (folder / "out.mp4").exists()


def test_a_clip_shows_the_shot_in_motion(page: TestClient, session: Session) -> None:
    import av

    opened(page, session)
    for cut in session.opened().history.now.shots.starts[1:]:  # type: ignore[union-attr]
        step(page, do="join", frame=cut)
    step(page, do="cut", frame=6)
    assert (
        page.post("/api/work", json={"kind": "clip", "frame": 8, "split": True}).status_code == 202
    )
    work = finished(session)
    assert work.state == "done" and work.result == {"first": 6, "end": 20, "split": True}
    answer = page.get("/api/clip", headers={"Range": "bytes=0-3"})
    assert answer.status_code == 206 and len(answer.content) == 4
    with av.open(io.BytesIO(page.get("/api/clip").content)) as film:
        assert len(list(film.decode(video=0))) == 14


def test_of_a_long_shot_a_clip_shows_what_lies_about_the_frame(
    tmp_path: Path, settings: Settings
) -> None:
    path = make(Clip("long.mkv", frames=90, rate=Fraction(2)), tmp_path)
    with OpenFilm(path, settings) as film:
        assert clip_range(film, (0, 30, 45), 32) == (30, 45)
        assert clip_range(film, (0,), 40) == (30, 50)
        assert clip_range(film, (0,), 2) == (0, 20)
        assert clip_range(film, (0,), 89) == (70, 90)
        for first, end in (clip_range(film, (0,), frame) for frame in range(90)):
            assert film.time(end) - film.time(first) == CLIP


def test_a_still_is_kept_for_its_shot_and_a_grey_one_refused(
    page: TestClient, session: Session, folder: Path
) -> None:
    opened(page, session)
    step(page, do="cut", frame=12)
    add = "/api/references?frame=15&name=still.png"
    grey = bytes(cv2.imencode(".png", np.full((64, 96, 3), 90, np.uint8))[1])
    refused(page.post(add, content=grey), 400, "still.png", "grey")
    refused(page.post(add, content=b"no picture"), 400, "not a picture")
    refused(page.post(add.replace("png", "txt"), content=b"text"), 400, "not a picture")
    refused(page.post(add, content=b""), 400, "empty")
    assert not (folder / "film.references").exists()
    assert page.post(add, content=still(200, 90, 40)).status_code == 200
    assert page.post(add, content=still(40, 90, 200)).status_code == 200
    (kept,) = find_references(folder / "film.references")
    assert kept.path.name == "ref_000012.png" and kept.frame == 12
    assert page.get("/api/references/ref_000012.png").content == still(40, 90, 200)
    pixels(page, 15)
    assert page.delete("/api/references/ref_000012.png").status_code == 200
    # Both are still there, out of use.
    assert len(list((folder / "film.references" / "removed").iterdir())) == 2
    assert session.settings(session.opened()).references == ()
    refused(page.delete("/api/references/ref_000012.png"), 400)
    assert page.get("/api/references/..%2f..%2fsecret.mp4").status_code == 404


def test_references_that_cannot_be_read_are_told_of_and_hide_no_others(
    page: TestClient, session: Session, folder: Path
) -> None:
    place = folder / "film.references"
    place.write_text("no folder")
    opened(page, session)
    state = step(page, do="add hint", hint=HINT)["state"]
    assert "film.references: cannot be read" in state["notes"][0]
    place.unlink()
    place.mkdir()
    (place / "1.png").write_bytes(still(200, 90, 40))
    (place / "._1.png").write_bytes(b"of a Mac")
    (place / "2.png").symlink_to(folder / "nowhere.png")
    refused(page.get("/api/frames/2/after.jpg"), 400, "2.png", "link")
    (place / "2.png").unlink()
    assert [it["name"] for it in step(page, do="undo")["state"]["references"]] == ["1.png"]


def test_pictures_are_coloured_in_the_tiles_that_the_settings_name(
    session: Session, settings: Settings
) -> None:
    described = Networks(settings.replace("color", tiles="64:32")).colorizer.description
    assert described["tiles"] == "64:32"


def test_a_film_that_is_gone_is_told_of_and_what_was_set_can_be_saved(
    page: TestClient, session: Session, folder: Path
) -> None:
    opened(page, session)
    step(page, do="add hint", hint=HINT)
    (folder / "film.mp4").rename(folder / "moved.mp4")
    refused(page.get("/api/frames/3/after.jpg"), 404, "film.mp4", "no longer there")
    refused(page.post("/api/work", json={"kind": "film", "name": "out.mp4"}), 404)
    assert page.post("/api/save", json={}).status_code == 200
    assert len(read_hints(folder / "film.hints.json")) == 1
    (folder / "film.mp4").write_bytes(b"something else")
    refused(page.get("/api/frames/3/after.jpg"), 400, "was changed")


def test_nothing_outside_the_folder_is_read_or_written(
    page: TestClient, session: Session, folder: Path
) -> None:
    (folder / "out").symlink_to(folder.parent)
    (folder / "link.mp4").symlink_to(folder.parent / "secret.mp4")
    (folder / "inside.mp4").symlink_to(folder / "film.mp4")
    (folder / ".hidden.mp4").touch()
    found = page.get("/api/folder").json()
    assert (found["folders"], found["films"]) == (["more"], ["film.mp4", "inside.mp4"])
    outside = str(folder.parent / "secret.mp4")
    ways = ("../secret.mp4", "link.mp4", "out/secret.mp4", "more/../../secret.mp4", outside)
    for path in (*ways, "/etc/passwd", "..\\secret.mp4", "film.mp4\0"):
        answer = page.post("/api/open", json={"path": path})
        refused(answer, 403)
    refused(page.post("/api/open", json={"path": "nothing.mp4"}), 404, "no such file")
    refused(page.get("/api/folder?path=.."), 403)
    for name in ("../up.mp4", "", "..", ".hidden", "a/b.mp4", "a\nb.mp4"):
        refused(
            page.post("/api/upload", params={"name": name}, content=b"x"), 403, "plain file name"
        )
    for address in ("/api/upload?name={}.mp4", "/api/references?frame=0&name={}.png"):
        refused(
            page.post(address.format("x" * 400), content=b"x"), 400, "xx…: this name is too long"
        )
    assert page.get("/page/../routes.py").status_code == 404
    assert page.get("/page/..%2froutes.py").status_code == 404
    opened(page, session)
    (folder / "more" / "film.mp4").write_bytes((folder / "film.mp4").read_bytes())
    (folder / "more" / "film.hints.json").symlink_to(folder.parent / "hints.json")
    refused(page.post("/api/open", json={"path": "more/film.mp4"}), 403, "film.hints.json", "link")
    (folder / "film.references").mkdir()
    (folder / "film.references" / "1.png").symlink_to(folder.parent / "secret.png")
    (folder.parent / "secret.png").write_bytes(still(200, 90, 40))
    refused(page.get("/api/frames/2/after.jpg"), 400, "1.png", "link")
    refused(page.get("/api/references/1.png"), 400, "link")
    (folder / "film.references" / "1.png").unlink()
    (folder / "target.mp4").symlink_to(folder.parent / "elsewhere.mp4")
    refused(page.post("/api/work", json={"kind": "film", "name": "target.mp4"}), 403, "link")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_with_a_colon_are_opened_and_names_that_are_no_text_left_out(
    page: TestClient, session: Session, folder: Path
) -> None:
    (folder / "film.mp4").rename(folder / "M: the film.mp4")
    with suppress(OSError):  # There are file systems that refuse it.
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp4")).touch()
    (folder / "a\\b.mp4").touch()
    assert page.get("/api/folder").json()["films"] == ["M: the film.mp4"]
    opened(page, session, "M: the film.mp4")
    step(page, do="add hint", hint=HINT)
    assert "M: the film.hints.json" in page.post("/api/save", json={}).json()["files"]
    add = "/api/references?frame=0&name=still.png"
    assert page.post(add, content=still(200, 90, 40)).status_code == 200
    assert page.get("/api/references/ref_000000.png").content == still(200, 90, 40)


def test_an_upload_is_bounded_and_whole(
    page: TestClient, session: Session, folder: Path, original: Path
) -> None:
    film = original.read_bytes()
    assert len(film) < LIMIT

    def pieces() -> Iterator[bytes]:
        for _ in range(300):
            yield bytes(1000)

    # Told beforehand how large it is, and not told.
    refused(page.post("/api/upload?name=big.mp4", content=bytes(LIMIT + 1)), 413, "--upload-limit")
    refused(page.post("/api/upload?name=big.mp4", content=pieces()), 413, "--upload-limit")
    refused(page.post("/api/upload?name=film.mp4", content=film), 409, "exists already")
    refused(page.post("/api/upload?name=none.mp4", content=b""), 400, "empty")
    refused(page.post("/api/upload?name=junk.mp4", content=b"junk"), 400, "junk.mp4")
    for name in ("notes.txt", "film.hints.json", "film", "film.mp4.html"):
        answer = page.post("/api/upload", params={"name": name}, content=film)
        refused(answer, 400, f"{name}: not called as a film is", ".mkv")
    answer = page.post("/api/upload?name=new.mp4&path=more", content=film)
    assert answer.json() == {"path": "more/new.mp4"}
    assert (folder / "more" / "new.mp4").read_bytes() == film
    opened(page, session, "more/new.mp4")
    left = sorted(item.name for item in folder.rglob("*") if item.is_file())
    assert left == ["film.mp4", "new.mp4"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1:1"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_no_other_site_can_use_the_studio(page: TestClient, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/"), ("GET", "/api/folder"), ("POST", "/api/save")):
        refused(page.request(method, path, headers=headers), 403)


def test_changes_need_the_page_and_answers_keep_it_in(page: TestClient) -> None:
    del page.headers[TOKEN]
    refused(page.post("/api/save", json={}), 403, TOKEN)
    refused(page.delete("/api/work"), 403, TOKEN)
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = page.get("/", headers=link)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    refused(page.get("/api/folder", headers=link), 403)


def test_all_the_page_needs_is_in_the_package(page: TestClient) -> None:
    text = page.get("/").text
    files = {part.split('"')[0] for part in text.split('"/page/')[1:]}
    assert {"main.js", "studio.css"} <= files
    for item in (Path(server.__file__).parent / "page").iterdir():
        answer = page.get(f"/page/{item.name}")
        assert answer.status_code == 200
        assert "//" not in answer.text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")


def test_broken_requests_are_told_in_a_line(page: TestClient, session: Session) -> None:
    refused(page.get("/api/frames/0/after.jpg"), 409, "no film is open")
    opened(page, session)
    refused(page.post("/api/steps", content=b"{"), 400, "not JSON")
    refused(page.post("/api/steps", content=b"[]"), 400, "JSON object")
    refused(page.post("/api/steps", content=b"[" * 100_000), 400)
    refused(page.post("/api/steps", content=bytes(2_000_000)), 413)
    refused(page.post("/api/open", json={"path": 5}), 400, "path must be str")
    refused(
        page.post("/api/open", content=rb'{"path": "\ud800"}'), 400, r"'\ud800'", "no character"
    )
    broken = json.dumps({"do": "add hint", "hint": {**HINT, "note": "\udfff"}})
    refused(page.post("/api/steps", content=broken), 400, r"'\udfff'")
    assert not session.opened().history.changed
    refused(page.post("/api/work", json={"kind": "nap"}), 400, "no work")
    refused(page.get("/api/frames/20/after.jpg"), 400, "its last is 19")
    refused(page.get("/api/frames/2/likely?x=2&y=0"), 400, "share of the picture")
    refused(page.get("/api/frames/2/likely?x=nan&y=0"), 400, "share of the picture")
    refused(page.get("/api/frames/2/after.jpg?tallest=-1"), 400, "whole number")
    for wrong in ("x", "-1", "7" * 5000):
        refused(page.get(f"/api/frames/{wrong}/before.jpg"), 400, "frame must be a whole number")
    refused(page.get("/api/nothing"), 404, "/api/nothing")
    refused(page.put("/api/steps"), 405, "/api/steps")
    gone = {"do": "change hint", "id": 99, "hint": {"color": "#102030"}}
    refused(page.post("/api/steps", json=gone), 400, "hint 99")
    (session.folder.root / "none.mp4").write_bytes(b"no film")
    refused(page.post("/api/open", json={"path": "none.mp4"}), 400, "none.mp4")
    assert session.opened().film.path.name == "film.mp4"


@pytest.mark.parametrize(
    "path", ["/api/steps", "/api/upload?name=a.mp4", "/api/references?name=a.png"]
)
def test_a_page_that_is_closed_in_mid_request_is_no_fault(
    page: TestClient, session: Session, path: str
) -> None:
    opened(page, session)
    before = sorted(session.folder.root.rglob("*"))
    query, sent = path.partition("?")[2], []
    pieces: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return pieces.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", HOST.encode()), (TOKEN.encode(), b"1"), (b"content-length", b"99")]
    scope = {"type": "http", "method": "POST", "path": path.partition("?")[0], "headers": headers}
    asyncio.run(page.app({**scope, "query_string": query.encode()}, receive, send))
    assert sent[0]["status"] == 400 and not pieces
    assert sorted(session.folder.root.rglob("*")) == before


def test_likely_colours_are_told_for_a_place(page: TestClient, session: Session) -> None:
    opened(page, session)
    found = page.get("/api/frames/2/likely?x=0.5&y=0.25").json()
    assert 1 <= len(found) <= 6
    assert all(len(item["color"]) == 7 and 0 < item["share"] <= 1 for item in found)


def test_a_second_piece_of_work_waits_for_the_first() -> None:
    worker = Worker()

    def fails(shown: Shown) -> tuple[str, Any]:
        shown.warn("careful")
        raise UsageError("no good")

    worker.start("film", fails)
    worker.stop(wait=True)
    assert worker.work is not None
    assert (worker.work.state, worker.work.message) == ("failed", "no good")
    assert worker.work.warnings == ("careful",)
    assert worker.start("clip", lambda shown: ("", None)) == 2
    worker.stop(wait=True)


def test_of_many_warnings_the_first_are_kept_and_the_others_counted() -> None:
    worker = Worker()

    def warns(shown: Shown) -> tuple[str, Any]:
        for number in range(1000):
            shown.warn(f"at {number}")
        return "", None

    worker.start("film", warns)
    worker.stop(wait=True)
    assert worker.work is not None
    assert worker.work.warnings == tuple(f"at {number}" for number in range(20))
    assert worker.work.more_warnings == 980


def test_a_port_in_use_is_told_or_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port}: in use"):
            listening(Place(port=port))
        monkeypatch.setattr(server, "PORT", port)
        with listening(Place()) as found:
            assert found.getsockname()[1] > port
        monkeypatch.setattr(server, "_TRIED", 1)
        with pytest.raises(UsageError, match="all in use"):
            listening(Place())
    for host in ("0.0.0.0", "::", ""):
        with pytest.raises(UsageError, match="one address"):
            listening(Place(host))


def test_a_film_outside_the_folder_is_refused(folder: Path) -> None:
    with pytest.raises(ForbiddenError, match="outside"):
        Folder(folder).name(folder.parent / "secret.mp4")
    command = ["studio", str(folder.parent / "secret.mp4"), "--folder", str(folder)]
    assert run(command) == 2


def test_without_the_extra_one_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = (
        "import sys; sys.modules['starlette'] = None\n"
        "from vidcolor_cli.main import run; sys.exit(run(['studio']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "vidcolor: the studio needs more: pip install 'vidcolor[studio]'"
    ]


def test_the_command_serves_until_ctrl_c(folder: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    # A shell may have had it ignored for what it runs in the background.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from vidcolor_cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, "studio", "--folder", str(folder), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert f"http://127.0.0.1:{port}/" in process.stderr.readline()
            until = time.monotonic() + 60
            while time.monotonic() < until:
                with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
                    assert b"vidcolor studio" in page.read()
                    break
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            assert process.stderr.read() == "vidcolor: interrupted\n"
        finally:
            process.kill()


def test_help_does_not_wait_for_the_server() -> None:
    code = (
        "import sys; from vidcolor_cli.main import run; run(['studio', '--help']);"
        "assert not {'starlette', 'uvicorn', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


def test_a_film_that_links_to_itself_is_no_film(folder: Path) -> None:
    circle = folder / "circle.mp4"
    circle.symlink_to(circle.name)
    inside = Folder(folder)
    with pytest.raises(SourceNotFoundError):
        inside.path(inside.name(circle))
