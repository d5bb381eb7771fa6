"""How far a few true colours, or a true still, help a film: on clips whose colours are known.

    python benchmarks/steering.py --clips FOLDER [--pattern 'davis-*.mp4'] [--frames 50]

Each clip is coloured from its luma by the film pipeline: automatically; with points of the true
colour on its first frame, as hints, at the middles of 5 x 4 fields or, with ``--points mistakes``,
where the network is most wrong; and with its first frame, in true colour, as the reference.
PSNR is that of the displayed picture, a mean over frames. Then one frame at 640x360 is coloured
with points, over and over, as a click in a preview would do it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from fractions import Fraction
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from vidcolor.evaluate.clips import load_frames
from vidcolor.evaluate.photos import Case, shown, shown_psnr
from vidcolor.flow import single_threaded_cv2
from vidcolor.hintlist import Hint
from vidcolor.hints import color_with_points
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.pipeline import Pipeline
from vidcolor.references import find_references
from vidcolor.settings import RangeSettings, Settings
from vidcolor.shrink import working_size

LEAST_HINTS, LEAST_REFERENCE, LEAST_KEPT, MOST_SECONDS = 2.0, 3.0, 0.7, 0.5
EARLY, LATE = 1, 40
POINTS = 20
_THING, _BESIDE = 0.03, 0.12
"""Shares of the height: how large what is seen to be wrong is, and how far one point serves."""


def middles(case: Case, count: int) -> Iterator[tuple[int, int]]:
    """(row, column) of the middles of a frame's fields, five in a row."""
    height, width = case.lab.shape[:2]
    rows, columns = count // 5, 5
    for row, column in product(range(rows), range(columns)):
        yield int((row + 0.5) / rows * height), int((column + 0.5) / columns * width)


def mistakes(case: Case, count: int, colorizer: Colorizer) -> Iterator[tuple[int, int]]:
    """(row, column) of what the network alone has most wrong, as somebody would go about it who
    knows the colours: the worst place, then the worst of what is not beside it."""
    ab, _ = shown(case, colorizer.colors(case.lightness[None])[0])
    error = np.linalg.norm(ab - case.lab[..., 1:], axis=2)
    height, width = error.shape
    error = cv2.GaussianBlur(error, (0, 0), height * _THING)
    down, along = np.ogrid[:height, :width]
    for _ in range(count):
        row, column = (int(n) for n in np.unravel_index(error.argmax(), error.shape))
        yield row, column
        distance = (down - row) ** 2 + (along - column) ** 2
        error *= 1 - np.exp(-0.5 * distance / (height * _BESIDE) ** 2)


def true_hints(case: Case, places: Iterable[tuple[int, int]]) -> tuple[Hint, ...]:
    """The true colours at these places of a first frame, patches of 5 pixels."""
    height, width = case.lab.shape[:2]
    hints = []
    for number, (row, column) in enumerate(places, 1):
        row, column = min(max(row, 2), height - 3), min(max(column, 2), width - 3)
        color = case.rgb[row - 2 : row + 3, column - 2 : column + 3].mean((0, 1))
        red, green, blue = (round(255 * float(part)) for part in color)
        place = (column + 0.5) / width, (row + 0.5) / height
        hints.append(Hint((place,), (red, green, blue), frame=0, number=number))
    return tuple(hints)


def psnrs(
    film: Path,
    cases: Sequence[Case],
    settings: Settings,
    colorizer: Colorizer,
    strip: Path | None = None,
) -> list[float]:
    """The PSNR of each frame as the film pipeline colours it; a few go side by side to ``strip``,
    the truth below. The clips must not be turned when shown."""
    found, pictures = [], []
    with ExitStack() as stack:
        stack.enter_context(single_threaded_cv2())
        colored = Pipeline(probe(film), settings, colorizer, warn=print).colored(stack)
        for number, (frame, case) in enumerate(zip(colored, cases, strict=True)):
            found.append(shown_psnr(case, frame.ab))
            if strip is not None and number % 12 == 0:
                pictures.append(np.vstack((shown(case, frame.ab)[1], case.rgb)))
    if strip is not None:
        cv2.imwrite(str(strip), (np.hstack(pictures)[..., ::-1] * 255).astype(np.uint8))
    return found


def click_seconds(colorizer: Colorizer, points: int) -> list[float]:
    """Seconds from a new point to the small colours of one frame, time after time."""
    size = working_size(640, 360, Fraction(1), Settings().color.short_side)
    rng = np.random.default_rng(0)
    lightness = cv2.resize(rng.uniform(0, 100, (9, 16)), size[::-1]).astype(np.float32)
    places = rng.uniform(0, 1, (points, 4)) * (*size, 80, 80)
    spent = []
    unaided = colorizer.colors(lightness[None])[0]
    for count in range(1, points + 1):
        begun = time.perf_counter()
        color_with_points(colorizer, lightness, places[:count].astype(np.float32), unaided)
        spent.append(time.perf_counter() - begun)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--pattern", default="davis-*.mp4")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--points", choices=("middles", "mistakes"), default="middles")
    parser.add_argument("--model", default="default")
    parser.add_argument("--strips", type=Path, help="a folder for pictures to look at")
    chosen = parser.parse_args()
    colorizer = Colorizer(chosen.model, "cpu")
    base = Settings(range=RangeSettings(end_frame=chosen.frames))
    print(f"{'':20}{'auto':>8}{'hints':>8}{'still':>8}{'frame 1':>9}{'frame 40':>9}{'kept':>7}")
    rows = []
    for film in sorted(chosen.clips.glob(chosen.pattern)):
        with closing(load_frames(film, chosen.frames)) as frames:
            cases = list(frames)
        if chosen.points == "middles":
            places = middles(cases[0], POINTS)
        else:
            places = mistakes(cases[0], POINTS, colorizer)
        with tempfile.TemporaryDirectory() as folder:
            still = Path(folder) / "still.png"
            cv2.imwrite(str(still), np.rint(cases[0].rgb[..., ::-1] * 255).astype(np.uint8))
            ways = {
                "auto": base,
                "hints": base.replace(hints=true_hints(cases[0], places)),
                "still": base.replace(references=find_references(still)),
            }
            found = {
                name: psnrs(
                    film,
                    cases,
                    settings,
                    colorizer,
                    chosen.strips and chosen.strips / f"{film.stem}-{name}.png",
                )
                for name, settings in ways.items()
            }
        auto, hints, reference = (np.array(item) for item in found.values())
        gain = hints - auto
        late = gain[LATE] if len(gain) > LATE else np.nan
        row = (auto.mean(), gain.mean(), (reference - auto).mean(), gain[EARLY], late)
        rows.append(row)
        print(line(film.stem, row), flush=True)
    print(line("mean", np.mean(rows, axis=0)))
    mean = np.mean(rows, axis=0)
    for what, value, least in (
        ("20 points on one frame, dB", mean[1], LEAST_HINTS),
        ("the first frame as still, dB", mean[2], LEAST_REFERENCE),
        ("gain kept in frame 40", mean[4] / mean[3], LEAST_KEPT),
    ):
        print(
            f"{what:<34}{value:8.2f}   at least {least:g}: {'met' if value >= least else 'missed'}"
        )
    spent = click_seconds(colorizer, 20)
    verdict = "met" if max(spent[1:]) <= MOST_SECONDS else "missed"
    print(
        f"{'a click, s (the first one)':<34}{max(spent[1:]):8.3f} ({spent[0]:.3f})   "
        f"at most {MOST_SECONDS:g}: {verdict}"
    )


def line(name: str, row: tuple[float, ...]) -> str:
    auto, hints, still, early, late = row
    cells = f"{auto:8.2f}{hints:+8.2f}{still:+8.2f}{early:+9.2f}{late:+9.2f}"
    return f"{name:<20}{cells}{late / early:7.2f}"


if __name__ == "__main__":
    main()
