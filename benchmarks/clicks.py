"""How long a colour chosen in the studio takes to be seen, in a real browser.

    python benchmarks/clicks.py [FILM] [--clicks 20]

Starts ``vidcolor studio FILM`` and Chromium without a window, points at places of the picture, and
chooses a likely colour, then another one. The clock runs in the page: from the choice to the next
picture that the browser draws with the result in it. The first choice, which loads the network, is
told apart. It changes nothing on disk but the draft, which is made in a temporary folder.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright import sync_api as api

from vidcolor.media.probe import probe

SAMPLE = Path(__file__).parents[1] / "sample_clips" / "sample_bw.mp4"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
MOST_SECONDS = 0.5

TIMED = """([choose, value]) => new Promise((done) => {
  const picture = document.getElementById("picture");
  const watch = new MutationObserver(() => {
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => done((performance.now() - begun) / 1000)));
  });
  watch.observe(picture, { attributes: true, attributeFilter: ["data-loaded"] });
  const control = document.querySelector(choose);
  const begun = performance.now();
  if (value === null) control.click();
  else {
    control.value = value;
    control.dispatchEvent(new Event("input"));
  }
})"""
"""Choose a colour, by a button or in the picker; seconds until the picture with it is drawn."""


def seconds(page: api.Page, clicks: int) -> tuple[list[float], list[float]]:
    """Of each first choice at a new place, and of each change of that colour."""
    rng = random.Random(0)
    first, changed = [], []
    for _ in range(clicks):
        box = page.locator("#picture").bounding_box()
        assert box is not None
        along, down = rng.uniform(0.55, 0.95), rng.uniform(0.05, 0.95)
        page.mouse.click(box["x"] + along * box["width"], box["y"] + down * box["height"])
        page.wait_for_selector("#likely button")
        first.append(page.evaluate(TIMED, ["#likely button", None]))
        color = f"#{rng.randrange(0x40, 0xC0):02x}{rng.randrange(0x40, 0xC0):02x}80"
        changed.append(page.evaluate(TIMED, ["#color", color]))
        page.click("#hint-done")
    return first, changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--clicks", type=int, default=20)
    parser.add_argument("--model", default="default")
    chosen = parser.parse_args()
    browser = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if browser is None:
        sys.exit("no Chromium is installed")
    with tempfile.TemporaryDirectory() as folder:
        film = Path(shutil.copy(chosen.film, folder))
        command = [sys.executable, "-m", "cli", "studio", str(film), "--model", chosen.model]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
            try:
                assert server.stderr is not None
                lines = iter(server.stderr.readline, "")
                address = next(
                    found[0] for line in lines if (found := re.search(r"http://\S+", line))
                )
                with api.sync_playwright() as playwright:
                    chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS)
                    page = chromium.new_page(viewport={"width": 1280, "height": 800})
                    page.goto(address)
                    page.wait_for_selector("#picture[data-loaded]")
                    first, changed = seconds(page, chosen.clicks)
                    chromium.close()
            finally:
                server.terminate()
        video = probe(film)
    print(f"{chosen.film.name}, {video.width}x{video.height}, {chosen.clicks} places; seconds")
    print(f"{'':<24}{'first':>8}{'median':>8}{'worst':>8}")
    for name, found in (("a colour at a new place", first), ("another colour there", changed)):
        print(f"{name:<24}{found[0]:8.3f}{statistics.median(found):8.3f}{max(found[1:]):8.3f}")
    worst = max(*first[1:], *changed)
    verdict = "met" if worst <= MOST_SECONDS else "missed"
    print(f"at most {MOST_SECONDS:g} s: {verdict} ({worst:.3f} s)")


if __name__ == "__main__":
    main()
