"""The studio in a real browser, from a click on the picture to the film on disk."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clips import Clip, make
from networks import tiny_checkpoint

pytest.importorskip("starlette", reason="the extra vidcolor[studio] is not installed")
pytest.importorskip("uvicorn", reason="the extra vidcolor[studio] is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")
import uvicorn
from playwright import sync_api as api

from vidcolor.hintlist import read_hints
from vidcolor.settings import Settings
from vidcolor.studio.confinement import Folder
from vidcolor.studio.routes import make_app
from vidcolor.studio.serve import Place, listening
from vidcolor.studio.session import Session
from vidcolor.studio.work import Shown
from vidcolor.verify import verify

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE = 60_000
"""Milliseconds that anything may take."""

PIXELS = """() => {
  const canvas = document.createElement("canvas");
  const paper = canvas.getContext("2d");
  [canvas.width, canvas.height] = [1, 1];
  const after = document.getElementById("after");
  const [w, h] = [after.naturalWidth, after.naturalHeight];
  paper.drawImage(after, w / 2 - 3, h / 2 - 3, 6, 6, 0, 0, 1, 1);
  return [...paper.getImageData(0, 0, 1, 1).data];
}"""
"""The mean colour of the coloured picture where the test clicks."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """The session of a studio with a film of two shots in its folder."""
    net = tiny_checkpoint(tmp_path / "tiny.safetensors")
    color = {"model": str(net), "device": "cpu", "short_side": 64, "saturation": 2.0}
    folder = tmp_path / "films"
    folder.mkdir()
    make(Clip("film.mp4", frames=16, width=128, height=96), folder)
    with Session(Folder(folder), {"default": Settings().replace("color", **color)}) as begun:
        yield begun


@pytest.fixture
def address(session: Session) -> Iterator[str]:
    """Where that studio is served."""
    with listening(Place(port=0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        app = make_app(session, [host], 10**6, lambda: server.should_exit)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
        )
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://{host}/"
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def context() -> Iterator[api.BrowserContext]:
    """A browser with a small screen."""
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            context = browser.new_context(viewport={"width": 375, "height": 700})
            context.set_default_timeout(PATIENCE)
            yield context
        finally:
            browser.close()


def test_from_a_click_to_the_film(
    context: api.BrowserContext, address: str, tmp_path: Path
) -> None:
    page = context.new_page()
    faults: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))

    def loaded() -> str:
        return str(page.get_attribute("#picture", "data-loaded") or "")

    def changed(before: str) -> None:
        page.wait_for_function(
            "before => (document.getElementById('picture').dataset.loaded ?? '') !== before",
            arg=before,
        )

    # Open the film, by its name in the folder.
    page.goto(address)
    page.click("#empty-open")
    page.click("#files-list button:has-text('film.mp4')")
    changed("")
    page.wait_for_selector(".shot[data-shot='0']")
    # Nothing is wider than a small screen.
    assert page.evaluate("document.documentElement.scrollWidth") <= 375

    # By keys: a frame on, and a cut there; then that shot, by a click.
    before = loaded()
    page.keyboard.press("Shift+ArrowRight")
    changed(before)
    assert "frame 10" in page.inner_text("#where")
    if page.is_enabled("#cut"):
        page.click("#cut")
    page.wait_for_selector(".shot[data-shot='10'][aria-current='true']")
    before = loaded()
    page.click(".shot[data-shot='0']")
    changed(before)

    # The divider goes by keys too.
    page.focus("#divider")
    page.keyboard.press("Home")
    assert page.get_attribute("#divider", "aria-valuenow") == "0"
    before = loaded()
    was = page.evaluate(PIXELS)

    # A click, a likely colour, and then any colour.
    box = page.locator("#picture").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.click("#likely button >> nth=0")
    changed(before)
    before = loaded()
    page.fill("#color", "#2040c0")
    changed(before)
    assert page.inner_text("#hex") == "#2040c0"
    is_now = page.evaluate(PIXELS)
    # Bluer than it was, in the picture itself.
    assert (is_now[2] - is_now[0]) - (was[2] - was[0]) > 15
    page.click("#save")
    page.wait_for_selector("#notes :text('film.hints.json')")
    (hint,) = read_hints(tmp_path / "films" / "film.hints.json")
    assert hint.frame == 0 and hint.color == (0x20, 0x40, 0xC0)
    assert hint.places[0] == pytest.approx((0.5, 0.5), abs=0.01)

    # A second tab shows the same, and the job goes on without the first.
    page.click("#tab-make")
    page.click("#run")
    other = context.new_page()
    other.goto(address)
    page.close()
    other.wait_for_selector("#download", state="visible")
    other.click("#tab-hints")
    assert other.locator("#hint-list li").count() == 1
    with other.expect_download() as download:
        other.click("#download")
    target = tmp_path / "downloaded.mp4"
    download.value.save_as(target)
    assert verify(tmp_path / "films" / "film.mp4", target).passed
    assert not faults, faults
    assert all(url.startswith((address, "blob:")) for url in asked)


@contextmanager
def held_step(page: api.Page) -> Iterator[None]:
    """The first step that is sent meanwhile reaches the server when this is left."""
    held: list[api.Route] = []
    page.route("**/api/steps*", lambda it: it.continue_() if held else held.append(it))
    yield
    wait(page, lambda: bool(held))
    held[0].continue_()


def wait(page: api.Page, done: Callable[[], bool]) -> None:
    """Let the page go on until it is ``done``."""
    until = time.monotonic() + PATIENCE / 1000
    while not done():
        assert time.monotonic() < until
        page.wait_for_timeout(20)


def test_on_a_slow_server_a_step_is_for_what_was_chosen_when_it_was_taken(
    context: api.BrowserContext, address: str, session: Session
) -> None:
    session.open("film.mp4")
    history = session.opened().history
    page = context.new_page()
    wait(page, lambda: not session.worker.running)
    assert history.now.shots is not None
    if 10 not in history.now.shots.starts:
        session.change(None, {"do": "cut", "frame": 10})
    for x in (0.25, 0.75):
        hint = {"frame": 0, "x": x, "y": 0.75, "color": "#808080"}
        session.change(None, {"do": "add hint", "hint": hint})
    page.goto(address)

    def colors() -> list[str]:
        return [item["color"] for item in history.now.hints.values()]

    # Both colours chosen for the first hint, the later one sent when the second is chosen.
    first, second = (f"#hint-list button[data-hint='{number}']" for number in (1, 2))
    page.click(first)
    with held_step(page):
        page.fill("#color", "#101010")
        page.fill("#color", "#202020")
        page.click(second)
        page.fill("#color", "#303030")
    wait(page, lambda: colors() == ["#202020", "#303030"])

    # A place becomes a hint, of the later colour, while another hint is chosen, which stays so.
    page.click("#picture", position={"x": 300, "y": 40})
    with held_step(page):
        page.fill("#color", "#404040")
        page.fill("#color", "#505050")
        page.click(first)
    wait(page, lambda: colors() == ["#202020", "#303030", "#505050"])
    page.wait_for_selector("#hint-list button[data-hint='3'][aria-label*='#505050']")
    assert page.get_attribute(first, "aria-current") == "true"

    # Of the look of a shot nothing is left out, and nothing is for the shot gone to since.
    page.click("#tab-look")
    page.click("#look-shot")
    with held_step(page):
        page.fill("#look-saturation", "1.5")
        page.fill("#look-warmth", "0.2")
        page.fill("#look-warmth", "0.4")
        page.fill("#look-tint", "0.3")
        page.click(".shot[data-shot='10']")

    def looks() -> dict[int, Any]:
        shots = history.now.shots.shots if history.now.shots is not None else ()
        return {it.first_frame: it.notes["look"] for it in shots if "look" in it.notes}

    wait(page, lambda: looks() == {0: {"saturation": 1.5, "warmth": 0.4, "tint": 0.3}})


def test_a_question_is_asked_only_where_the_answer_helps(
    context: api.BrowserContext, address: str, session: Session
) -> None:
    session.open("film.mp4")
    page = context.new_page()
    wait(page, lambda: not session.worker.running)
    hint = {"frame": 0, "x": 0.5, "y": 0.5, "color": "#808080"}
    session.change(None, {"do": "add hint", "hint": hint})
    film = session.opened().film.path
    shutil.copy(film, film.with_suffix(".mkv"))
    ended = threading.Event()

    def warns(shown: Shown) -> tuple[str, Any]:
        for number in range(23):
            shown.warn(f"at {number}")
        ended.wait(60)
        return "", None

    session.worker.start("film", warns)
    try:
        page.goto(address)
        page.click("#open")
        page.click("#files-list button:has-text('film.mp4')")
        page.wait_for_selector("#files-error:has-text('something is under way')")
        assert not page.is_visible("#ask")
    finally:
        ended.set()
    wait(page, lambda: not session.worker.running)
    page.click("#files-list button:has-text('film.mp4')")
    page.wait_for_selector("#ask-text:has-text('film.mp4: has changes that are not saved.')")
    page.click("#ask button[value='no']")
    page.click("#files button[aria-label='Close']")
    assert session.opened().history.changed
    page.click("#tab-make")
    lines = page.locator("#work-warnings li").all_inner_texts()
    assert len(lines) == 21 and lines[-1] == "and 3 more warnings"

    with session._opening_of("long.mp4"):
        page.click("#save")
        page.wait_for_selector("#notes :text('long.mp4 is being opened')")
    assert not page.is_visible("#ask")
    film.with_suffix(".hints.json").write_text("another's")
    page.click("#save")
    page.wait_for_selector("#ask-text:has-text('film.hints.json: was not written here')")
    page.click("#ask-yes")
    page.wait_for_selector("#notes :text('Saved: film.hints.json')")
    page.wait_for_selector("#notes :text('are also those of film.mkv')")
    assert len(read_hints(film.with_suffix(".hints.json"))) == 1
