"""Contact sheets and preview clips: what is on them, from where in the film, and at what cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import clips
import cv2
import numpy as np
import pytest
from clips import Clip, make

from vidcolor.errors import TargetError, UsageError
from vidcolor.hintlist import Hint
from vidcolor.media.count import timeline
from vidcolor.media.decode import decode
from vidcolor.media.glimpse import Glimpser
from vidcolor.media.probe import probe
from vidcolor.media.reader import Reader
from vidcolor.preview.clip import make_clip
from vidcolor.preview.columns import Column
from vidcolor.preview.grid import GROUND, arrange
from vidcolor.preview.places import PLAIN, Place, listed_shots, spread, telling_frame, thinned
from vidcolor.preview.sheet import SheetOptions, make_sheet
from vidcolor.settings import RangeSettings, Settings
from vidcolor.shrink import shrink
from vidcolor.stills import panel_size
from vidcolor_cli.main import run

Clips = Callable[[str], Path]


@pytest.fixture(scope="module")
def settings(net: Path) -> Settings:
    return Settings().replace("color", model=str(net), device="cpu", short_side=64, saturation=2)


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes with a frame a second, a key frame every ten."""
    clip = Clip("long.mkv", frames=600, rate=Fraction(1), options={"g": "10", "sc_threshold": "0"})
    return make(clip, tmp_path_factory.mktemp("long"))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pts of every frame that is decoded."""
    seen: list[int] = []
    real = Reader._frame

    def noted(self: Any, picture: Any, *rest: Any) -> Any:
        seen.append(picture.pts)
        return real(self, picture, *rest)

    monkeypatch.setattr(Reader, "_frame", noted)
    return seen


def read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture[..., ::-1], int)


def pictures(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            yield frame.to_ndarray(format="rgb24").astype(int)


def colour(pixels: np.ndarray) -> float:
    return float((pixels.max(-1) - pixels.min(-1)).mean())


def test_a_sheet_has_a_cell_for_every_place_before_and_after(
    clip: Clips, settings: Settings, tmp_path: Path
) -> None:
    film, target = clip("plain.mp4"), tmp_path / "sheet.png"
    columns = [Column("", settings)]
    assert make_sheet(film, target, columns, SheetOptions(count=6)) == 6
    sheet, grid = read(target), arrange(6, 2, (48, 64), 1920)
    assert sheet.shape == (*grid.size, 3) and grid.picture == (48, 64)
    rows, across = (sheet != GROUND).any(-1), 64 * 2 + 4
    # Pictures fill their cells to the last pixel, and their ground is even.
    filled = rows.mean(0) > 0.3
    assert np.count_nonzero(filled) == grid.columns * (across - 4)
    assert (sheet[0] == GROUND).all() and (sheet[:, -1] == GROUND).all()
    left, top = np.argmax(filled), np.argmax(rows.mean(1) > 0.3)
    before = sheet[top : top + 48, left : left + 64]
    after = sheet[top : top + 48, left + 68 : left + 132]
    assert colour(before) < 1 and colour(after) > 5
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(before @ luma - after @ luma).mean() < 6
    assert [item.name for item in tmp_path.iterdir()] == ["sheet.png"]


def test_captions_tell_the_times_of_the_frames_shown(
    long_film: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(
        "vidcolor.preview.grid.write", lambda sheet, text, *rest: drawn.append(text)
    )
    make_sheet(long_film, tmp_path / "s.jpg", [Column("", settings)], SheetOptions(count=4))
    # The key frames before 75, 225, 375 and 525 s.
    assert drawn == ["0:01:10", "", "0:03:40", "", "0:06:10", "", "0:08:40", ""]


def test_a_long_film_is_sought_through_not_read(
    long_film: Path, settings: Settings, tmp_path: Path, decoded: list[int]
) -> None:
    info = probe(long_film)
    decoded.clear()
    with Glimpser(info) as glimpser:
        found = [telling_frame(glimpser, place) for place in spread(info, 6)]
    assert [frame.pts * info.time_base for frame in found if frame] == [50, 150, 250, 350, 450, 550]
    # Each and the one after it; reading up to the last would take 550.
    assert len(decoded) <= 12


def test_where_key_frames_are_rare_the_exact_frame_is_taken(
    decoded: list[int], tmp_path: Path
) -> None:
    film = make(Clip("rare.mp4", frames=60, rate=Fraction(10), options={"g": "60"}), tmp_path)
    info = probe(film)
    with Glimpser(info) as glimpser:
        times = [Fraction(n, 2) for n in range(12)]
        found = [glimpser.near(time, time) for time in times]
        assert [f and f.pts * info.time_base for f in found] == times
        assert len(decoded) <= 60  # Once through, not from the start for every frame.
        back = glimpser.near(Fraction(1), Fraction(1))
        assert back is not None and back.pts * info.time_base == 1
        assert glimpser.near(Fraction(60), Fraction(59)) is None
    for frame, source in zip(found, list(decode(info))[::5], strict=True):
        assert frame is not None and np.array_equal(frame.luma, source.luma)


def test_black_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    black = 50

    def luma(number: int, width: int, height: int, depth: int = 8) -> np.ndarray:
        shown = real(number, width, height, depth)
        return np.full_like(shown, 16) if number < black else shown

    real = clips.luma
    monkeypatch.setattr(clips, "luma", luma)
    options = {"g": "5", "sc_threshold": "0"}
    film = make(Clip("dark.mkv", frames=80, rate=Fraction(1), options=options), tmp_path)
    with Glimpser(probe(film)) as glimpser:
        lit = telling_frame(glimpser, Place(Fraction(0), Fraction(80)))
        assert lit is not None and lit.pts >= black * 1000
        assert shrink(lit, (48, 64)).std() > PLAIN
        dark = telling_frame(glimpser, Place(Fraction(0), Fraction(40)))
        assert dark is not None and dark.pts < black * 1000


def test_a_film_shorter_than_the_sheet_shows_each_frame_once(
    clip: Clips, settings: Settings, tmp_path: Path
) -> None:
    film = clip("plain.mp4")
    columns = [Column("", settings)]
    assert make_sheet(film, tmp_path / "s.png", columns, SheetOptions(count=40)) == 10
    with Glimpser(probe(film)) as glimpser:
        frames = [telling_frame(glimpser, place) for place in spread(probe(film), 40)]
    assert [frame and frame.pts for frame in frames] == [frame.pts for frame in decode(probe(film))]


def test_a_film_that_does_not_tell_its_length_is_measured(clip: Clips) -> None:
    info = probe(clip("plain.mkv"))
    untold = replace(info, duration=None, frame_count=None)
    places = spread(untold, 5, timeline(untold))
    assert len(places) == 5 and abs(places[-1].end - Fraction(9, 20)) < Fraction(1, 100)
    assert list(timeline(info).times) == [frame.pts for frame in decode(info)]


@pytest.mark.parametrize("name", ["wide.mp4", "turned.mp4", "odd.mkv", "ten.mkv"])
def test_pictures_have_the_films_shape(
    name: str, clip: Clips, settings: Settings, tmp_path: Path
) -> None:
    info = probe(clip(name))
    whole = panel_size(info)
    shape = whole[::-1] if info.rotation else whole
    shapes = {
        "wide.mp4": (33, 64),
        "turned.mp4": (64, 48),
        "odd.mkv": (48, 64),
        "ten.mkv": (48, 64),
    }
    assert np.abs(np.subtract(shape, shapes[name])).max() <= 1
    make_sheet(clip(name), tmp_path / "s.png", [Column("", settings)], SheetOptions(count=2))
    assert read(tmp_path / "s.png").shape[:2] == arrange(2, 2, shape, 1920).size


@pytest.mark.parametrize("cells", [1, 7, 24, 240])
@pytest.mark.parametrize("panels", [2, 4])
@pytest.mark.parametrize("picture", [(1080, 1920), (480, 640), (720, 300)])
def test_sheets_are_bounded_and_near_a_pages_shape(
    cells: int, panels: int, picture: tuple[int, int]
) -> None:
    grid = arrange(cells, panels, picture, 1600)
    height, width = grid.size
    assert width <= 1600 and grid.columns <= cells
    assert grid.picture[0] / grid.picture[1] == pytest.approx(picture[0] / picture[1], rel=0.02)
    if cells == 24 and picture != (720, 300):
        assert 0.4 < height / width < 1.3


def test_shots_of_a_list_are_shown_in_their_own_looks(
    clip: Clips, settings: Settings, tmp_path: Path
) -> None:
    film = clip("plain.mp4")
    listed = settings.replace(shots=(0, 3, 7, 90), looks={3: {"saturation": 0}})
    info = probe(film)
    places = listed_shots(info, timeline(info), (0, 3, 7, 90))
    assert [(place.shot, place.first_frame) for place in places] == [(1, 0), (2, 3), (3, 7)]
    assert [place.start for place in places] == [0, Fraction(3, 25), Fraction(7, 25)]
    make_sheet(film, tmp_path / "s.png", [Column("", listed)])
    sheet, grid = read(tmp_path / "s.png"), arrange(3, 2, (48, 64), 1920)
    step = 64 * 2 + 4 + 28
    lively = []
    for cell in range(3):
        row, column = divmod(cell, grid.columns)
        top, left = 28 + row * (48 + 22 + 14), 28 + column * step + 68
        lively.append(colour(sheet[top : top + 48, left : left + 64]) > 1)
    assert lively == [True, False, True]


def test_shots_beyond_the_count_are_thinned_and_told_of(
    clip: Clips, settings: Settings, tmp_path: Path
) -> None:
    told: list[str] = []
    listed = settings.replace(shots=tuple(range(10)))
    columns = [Column("", listed)]
    target = tmp_path / "s.jpg"
    assert make_sheet(clip("plain.mp4"), target, columns, SheetOptions(4), warn=told.append) == 4
    assert len(told) == 1 and "4 of its 10 shots" in told[0]
    places = [Place(Fraction(n), Fraction(n + 1)) for n in range(10)]
    assert [int(place.start) for place in thinned(places, 4)] == [0, 2, 5, 7]


def test_a_column_for_every_model(clip: Clips, settings: Settings, tmp_path: Path) -> None:
    film, grey = clip("plain.mp4"), settings.replace("color", saturation=0)
    columns = [Column("one", settings), Column("grey", grey)]
    make_sheet(film, tmp_path / "s.png", columns, SheetOptions(count=1))
    sheet = read(tmp_path / "s.png")
    assert sheet.shape[1] == 2 * 28 + 3 * 64 + 2 * 4
    found = [colour(sheet[28:76, left : left + 64]) for left in (28, 96, 164)]
    assert found[0] < 1 and found[1] > 5 and found[2] < 1

    ranged = [replace(item, settings=_part(item.settings, 0, 3)) for item in columns]
    make_clip(film, tmp_path / "c.mp4", ranged)
    first = next(pictures(tmp_path / "c.mp4"))
    assert first.shape == (48, 3 * 64, 3)
    found = [colour(first[:30, left : left + 64]) for left in (0, 64, 128)]
    assert found[0] < 4 and found[1] > 5 and found[2] < 4


def test_a_clip_goes_by_hints(clip: Clips, settings: Settings, tmp_path: Path) -> None:
    film = clip("plain.mp4")
    red = Hint(((0.5, 0.5),), (200, 30, 30), frame=2)
    part = _part(settings, 0, 6)
    columns = [Column("", part), Column("", part.replace(hints=(red,)))]
    make_clip(film, tmp_path / "c.mp4", columns)
    plain, hinted = np.hsplit(next(pictures(tmp_path / "c.mp4")), 3)[1:]
    assert np.abs(plain - hinted).max() > 10


def _part(settings: Settings, first: int, end: int) -> Settings:
    return replace(settings, range=RangeSettings(first, end))


@pytest.mark.parametrize("split", [False, True])
def test_a_clip_has_its_part_of_the_film_with_sound(
    split: bool, settings: Settings, tmp_path: Path
) -> None:
    film = make(Clip("film.mp4", frames=75, audio=("eng",)), tmp_path)
    target = tmp_path / "clip.mp4"
    assert make_clip(film, target, [Column("", _part(settings, 25, 50))], split=split) == 25
    made = probe(target)
    assert (made.codec, made.width, made.height) == ("h264", 64 if split else 128, 48)
    assert [frame.pts * made.time_base for frame in decode(made)] == [
        Fraction(n, 25) for n in range(25)
    ]
    with av.open(str(target)) as source, av.open(str(film)) as whole:
        sounds = [packet for packet in source.demux(audio=0) if packet.size]
        packets = [packet for packet in whole.demux(audio=0) if packet.size]
        known = {bytes(packet): packet.pts * packet.time_base for packet in packets}
    # Each packet as it was, at its time less where the part begins.
    assert {known[bytes(p)] - p.pts * p.time_base for p in sounds} == {Fraction(1)}
    length = (sounds[-1].pts + sounds[-1].duration - sounds[0].pts) * sounds[0].time_base
    assert abs(length - 1) < Fraction(1, 10)
    picture = next(pictures(target))
    middle = picture.shape[1] // 2
    assert colour(picture[:, : middle - 4]) < 4 < 5 < colour(picture[:, middle + 4 :])
    if split:
        assert picture[:, middle - 1 : middle + 1].mean() > 200


@pytest.mark.parametrize("split", [False, True])
def test_a_clip_of_a_turned_film_is_upright_and_labelled(
    split: bool, clip: Clips, settings: Settings, tmp_path: Path
) -> None:
    film, target = clip("turned.mp4"), tmp_path / "clip.mp4"
    columns = [Column("", _part(settings, 0, 3))]
    if not split:
        columns = [Column("a", columns[0].settings), Column("b", columns[0].settings)]
    assert make_clip(film, target, columns, split=split) == 3
    info, made = probe(film), probe(target)
    tall, wide = info.width, info.height
    assert (made.height, made.width, made.rotation) == (tall, wide * (1 if split else 3), 0)


def test_a_sheet_takes_no_place_that_is_none(
    clip: Clips, settings: Settings, tmp_path: Path
) -> None:
    film = tmp_path / "film.png"
    film.write_bytes(clip("plain.mp4").read_bytes())
    columns = [Column("", replace(settings, overwrite=True))]
    (tmp_path / "folder.png").mkdir()
    for name, complaint in (
        ("film.png", "the target is the source itself"),
        ("folder.png", "this is a folder"),
        ("none/s.png", "its folder .*none does not exist; create it first"),
        ("s.gif", "a sheet is a picture"),
    ):
        with pytest.raises(TargetError, match=complaint):
            make_sheet(film, tmp_path / name, columns)


def test_a_split_picture_is_one_model(clip: Clips, settings: Settings, tmp_path: Path) -> None:
    columns = [Column("a", _part(settings, 0, 2))] * 2
    with pytest.raises(UsageError, match="split"):
        make_clip(clip("plain.mp4"), tmp_path / "c.mp4", columns, split=True)


def test_what_is_there_is_kept(clip: Clips, settings: Settings, tmp_path: Path) -> None:
    film = clip("plain.mp4")
    for name in ("s.png", "c.mp4"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(TargetError, match="--overwrite"):
        make_sheet(film, tmp_path / "s.png", [Column("", settings)])
    with pytest.raises(TargetError, match="--overwrite"):
        make_clip(film, tmp_path / "c.mp4", [Column("", _part(settings, 0, 2))])
    assert (tmp_path / "s.png").read_text() == (tmp_path / "c.mp4").read_text() == "mine"
    over = replace(settings, overwrite=True)
    make_sheet(film, tmp_path / "s.png", [Column("", over)], SheetOptions(count=1))
    assert read(tmp_path / "s.png").size


def test_the_command(
    clip: Clips, net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    film, base = str(clip("plain.mp4")), ["--model", str(net), "--device", "cpu"]
    assert run(["preview", film, *base, "--count", "2"]) == 0
    assert capfd.readouterr().out == "plain-preview.jpg: 2 stills\n"
    Path("warm.toml").write_text("[look]\nwarmth = 1\n")
    words = ["preview", film, "c.mp4", *base, "--frames", "2:5", "--compare", "warm.toml"]
    assert run([*words, "--compare", str(net)]) == 0
    assert probe("c.mp4").width == 4 * 64 and len(list(decode(probe("c.mp4")))) == 3
    shots = {"format": "vidcolor-shots-1", "shots": [{"first_frame": 0}, {"first_frame": 6}]}
    Path("shots.json").write_text(json.dumps(shots))
    assert run(["preview", film, "l.png", *base, "--shots", "shots.json", "--quiet"]) == 0
    assert run(["preview", film, "e.png", *base, "--every-shot"]) == 0
    assert "e.png: 1 still\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "mention"),
    [
        (["none.mp4"], 3, "none.mp4"),
        (["FILM", "."], 4, "."),
        (["FILM", "s.gif"], 4, ".png"),
        (["FILM", "no/such/s.png"], 4, "no/such"),
        (["FILM", "s.png", "--count", "0"], 2, "places"),
        (["FILM", "s.png", "--width", "10"], 2, "--width"),
        (["FILM", "s.png", "--split"], 2, "--split"),
        (["FILM", "s.png", "--compare", "no-such-model"], 5, "no-such-model"),
        (["FILM", "s.png", "--compare", "none.toml"], 2, "none.toml"),
        (["FILM", "s.png", "--start", "0"], 4, "s.png"),
        (["FILM", "c.mp4", "--start", "0", "--count", "3"], 2, "--count"),
        (["FILM", "c.mp4", "--frames", "50:60"], 2, "range"),
        (["FILM", "s.png", "--shots", "FILM"], 2, "not a JSON file"),
        (["FILM", "s.png", "--hints", "hints.json"], 2, "hints.json"),
        (["FILM", "s.png", "--reference", "FILM"], 2, "--reference"),
    ],
)
def test_a_mistake_is_one_line_and_its_code(
    words: list[str],
    code: int,
    mention: str,
    clip: Clips,
    net: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    named = [str(clip("plain.mp4")) if word == "FILM" else word for word in words]
    assert run(["preview", *named, "--model", str(net), "--device", "cpu"]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: ") and err.count("\n") == 1 and mention in err
    assert list(tmp_path.iterdir()) == []
