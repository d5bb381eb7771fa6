"""Photos and clips through several models, to JSON and to a page: by the command, mostly."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import clips
import cv2
import numpy as np
import pytest
from clips import Clip, fill, make
from networks import tiny_checkpoint

from vidcolor.color import rgb
from vidcolor.errors import SourceError
from vidcolor.evaluate.clips import is_clip, load_frames
from vidcolor.evaluate.compare import label_models
from vidcolor.evaluate.plots import curve, histogram, scatter
from vidcolor.media.probe import probe
from vidcolor.webpage import escape
from vidcolor_cli.main import run

Words = Callable[..., list[str]]

NAMES = ("0.png", '<b>bold & "quoted"\'.png', "deep/2.png")


def _photo(seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(30, 220, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(small, (80, 64), interpolation=cv2.INTER_CUBIC)


def _photos(folder: Path) -> Path:
    for seed, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), _photo(seed))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return _photos(tmp_path / "photos")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("net")
    return (
        str(tiny_checkpoint(folder / "one.safetensors", 1)),
        str(tiny_checkpoint(folder / "two <i>.safetensors", 2)),
    )


@pytest.fixture
def tinted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Clip], Path]:
    """Makes a clip of flat luma whose left half is reddish and whose right half is bluish."""

    def picture(clip: Clip, number: int) -> Any:
        frame = clips.av.VideoFrame(clip.width, clip.height, clip.pixel_format)
        fill(frame, 0, np.full((clip.height, clip.width), 120, np.uint8))
        for index, (left, right) in ((1, (100, 170)), (2, (170, 100))):
            plane = frame.planes[index]
            codes = np.full((plane.height, plane.width), left, np.uint8)
            codes[:, plane.width // 2 :] = right
            fill(frame, index, codes)
        return frame

    monkeypatch.setattr(clips, "picture", picture)
    return lambda clip: make(clip, tmp_path)


def _one_line(capfd: pytest.CaptureFixture[str], *mentions: str) -> None:
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: ")
    assert err.count("\n") == 1, err
    for mention in mentions:
        assert mention in err


def test_the_command_prints_and_writes_the_same_figures(
    photos: Path, tiny: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "r.json"
    words = ["eval", str(photos), "--model", tiny[0], "--limit", "2", "--report", str(report)]
    assert run(words) == 0
    values = json.loads(report.read_text())
    assert len(values["photos"]) == 2
    assert values["model"]["weights"] == "one.safetensors"
    out = capsys.readouterr().out
    for name in ("gain", "ssim", "saturation_distance"):
        assert f"{name.replace('_', ' '):<24}{values['summary'][name]:9.3f}" in out
    assert "points" not in out


def test_several_models_stand_side_by_side(
    photos: Path, tiny: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both, alone = tmp_path / "both.json", tmp_path / "alone.json"
    models = ["--model", tiny[0], "--model", tiny[1]]
    assert run(["eval", str(photos), *models, "--json", str(both)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["one", "two", "<i>"]
    assert run(["eval", str(photos), "--model", tiny[1], "--json", str(alone)]) == 0
    first, second = json.loads(both.read_text())["models"]
    assert first != second
    # Company changes nothing.
    assert second == json.loads(alone.read_text())
    row = next(line for line in lines if line.startswith("psnr "))
    figures = [first["summary"]["psnr"], second["summary"]["psnr"]]
    assert [float(cell) for cell in row.split()[1:]] == pytest.approx(figures, abs=6e-4)


def test_two_runs_write_the_same_bytes(
    photos: Path, tiny: tuple[str, str], tinted: Callable[[Clip], Path], tmp_path: Path
) -> None:
    film = tinted(Clip("film.mp4", frames=3))
    written = []
    for number in range(2):
        files = [tmp_path / f"{number}.json", tmp_path / f"{number}.html"]
        words = ["eval", str(photos), str(film), "--hints", "--model", tiny[0]]
        assert run([*words, "--json", str(files[0]), "--html", str(files[1])]) == 0
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]


def test_hints_are_measured_where_asked_for(
    photos: Path, tiny: tuple[str, str], tmp_path: Path
) -> None:
    report = tmp_path / "r.json"
    words = ["eval", str(photos), "--hints", "--model", tiny[0], "--json", str(report)]
    assert run(words) == 0
    values = json.loads(report.read_text())
    summary = values["summary"]
    assert summary["psnr_points_0"] == pytest.approx(summary["psnr"])
    for count in ("0", "1", "5", "10", "50", "100"):
        every = [item["psnr_points"][count] for item in values["photos"]]
        assert summary[f"psnr_points_{count}"] == pytest.approx(np.mean(every))
    gain = summary["psnr_points_100"] - summary["grey_psnr"]
    assert summary["gain_points_100"] == pytest.approx(gain)
    assert summary["psnr_points_100"] != summary["psnr"]


# Clips


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 6])
def test_the_truth_of_a_clip_is_what_it_shows(
    full: bool, matrix: int, tinted: Callable[[Clip], Path]
) -> None:
    """Range and matrix as tagged; lightness as the film pipeline makes it of the luma."""
    tags = (2 if full else 1, matrix, 1, 1)
    film = tinted(Clip("tagged.mp4", frames=2, pixel_format="yuv444p", tags=tags))
    cases = list(load_frames(film, short_side=64))
    assert [case.name for case in cases] == ["tagged.mp4:0", "tagged.mp4:1"]
    case, spec = cases[0], probe(film).color
    assert spec.full_range is full
    codes = [np.full((2, 2), code, np.uint8) for code in (120, 100, 170)]
    expected = rgb(*codes, spec)[0, 0] / 255
    assert case.rgb.shape == (256, 341, 3)
    assert case.lightness.shape == (64, 96)
    assert np.abs(case.rgb[:, :100] - expected).max() < 3 / 255
    grey = 120 / 255 if full else (120 - 16) / 219
    assert case.lightness == pytest.approx(116 * ((grey + 0.055) / 1.055) ** 0.8 - 16, abs=0.2)


def test_a_turned_clip_is_seen_upright(tinted: Callable[[Clip], Path]) -> None:
    plain = next(load_frames(tinted(Clip("plain.mp4", frames=1)), short_side=64))
    case = next(load_frames(tinted(Clip("turned.mp4", frames=1, rotation=90)), short_side=64))
    assert plain.lightness.shape == case.lightness.shape[::-1]
    assert plain.rgb.shape[:2] == case.rgb.shape[1::-1]
    # A quarter counter-clockwise: what was on the right is on top.
    assert np.abs(np.rot90(plain.rgb) - case.rgb).max() < 0.02
    assert case.rgb[20, 100, 2] > case.rgb[20, 100, 0]


def test_pixels_that_are_not_square_are_made_so(tinted: Callable[[Clip], Path]) -> None:
    case = next(load_frames(tinted(Clip("wide.mp4", frames=1, aspect=Fraction(3, 2)))))
    assert case.rgb.shape == (256, 512, 3)
    assert case.lightness.shape == (192, 384)


def test_a_clip_is_one_item_with_the_means_of_its_frames(
    tinted: Callable[[Clip], Path], tiny: tuple[str, str], tmp_path: Path
) -> None:
    report, page = tmp_path / "r.json", tmp_path / "r.html"
    words = ["eval", str(tinted(Clip("film.mp4"))), "--limit", "4", "--model", tiny[0]]
    assert run([*words, "--json", str(report), "--html", str(page)]) == 0
    values = json.loads(report.read_text())
    assert values["photos"] == []
    assert [(item["name"], item["frames"]) for item in values["clips"]] == [("film.mp4", 4)]
    assert values["summary"]["psnr"] == values["clips"][0]["psnr"]
    assert "means over 4 frames" in page.read_text()


def test_a_black_and_white_clip_has_no_part_in_the_means(
    photos: Path,
    tiny: tuple[str, str],
    tmp_path: Path,
    clip: Callable[[str], Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    report = tmp_path / "r.json"
    words = ["eval", str(clip("grey.mkv")), "--limit", "2", "--model", tiny[0]]
    assert run([*words, str(photos), "--json", str(report), "--html", f"{report}.html"]) == 0
    assert "grey.mkv: black and white" in capfd.readouterr().err
    values = json.loads(report.read_text())
    assert "clips" not in values
    assert [item["name"] for item in values["photos"]] == list(NAMES[:2])
    assert [item["name"] for item in values["steadiness"]["clips"]] == ["grey.mkv"]


def test_what_counts_as_a_clip(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("photos")
    (tmp_path / "film.MKV").write_bytes(b"")
    for path in (photos, photos / "0.png", tmp_path / "list.txt", tmp_path / "missing.mp4"):
        assert not is_clip(path)
    assert is_clip(tmp_path / "film.MKV")
    assert not is_clip(tmp_path / ("n" * 300))


# The page


class _Reader(HTMLParser):
    """What a page consists of; fails where tags do not match."""

    EMPTY = ("meta", "img", "path", "circle", "polyline")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def page(tiny: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    file = folder / "out" / "page.html"
    file.parent.mkdir()
    words = [
        "eval",
        str(_photos(folder / "photos")),
        "--hints",
        "--model",
        tiny[0],
        "--model",
        tiny[1],
    ]
    assert run([*words, "--html", str(file)]) == 0
    assert list(file.parent.iterdir()) == [file]
    return file.read_text(encoding="utf-8")


def test_the_page_fetches_nothing(page: str) -> None:
    seen = _Reader(page)
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in seen.tags}
    for _, attributes in seen.tags:
        assert "href" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        source = attributes.get("src")
        assert source is None or source.startswith("data:image/jpeg;base64,")
    text = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", page)
    assert "//" not in text
    assert "@import" not in text
    assert "url(" not in text
    policy = next(a for _, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy["content"])


def test_names_are_escaped_in_the_page(page: str) -> None:
    seen = _Reader(page)
    assert "b" in {tag for tag, _ in seen.tags}  # Around the models' names, so look at words too.
    assert NAMES[1] in "".join(seen.words)
    assert "two <i>" in "".join(seen.words)
    assert "<b>bold" not in page
    assert not any(tag == "i" and "class" not in attributes for tag, attributes in seen.tags)
    assert any(NAMES[1] in str(attributes.get("alt")) for _, attributes in seen.tags)


def test_every_picture_is_named_and_is_a_picture(page: str) -> None:
    """Worst, best, three of the sample: grey, by two models, and the truth of each."""
    pictures = [attributes for tag, attributes in _Reader(page).tags if tag == "img"]
    assert len(pictures) == (1 + 1 + 3) * 4
    assert all(attributes["alt"] for attributes in pictures)
    data = base64.b64decode(str(pictures[0]["src"]).partition(",")[2])
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None and image.shape[0] == 256
    # The first of each row is the grey one.
    assert np.ptp(image.astype(int), axis=2).max() <= 3


def test_the_plots_are_named_and_hold_all_values(page: str) -> None:
    seen = _Reader(page)
    plots = [attributes for tag, attributes in seen.tags if tag == "svg"]
    assert len(plots) == 3
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in plots)
    # Three photos, six numbers of points; two models.
    assert sum(tag == "circle" for tag, _ in seen.tags) == (3 + 6) * 2


def test_plots_put_values_where_they_belong() -> None:
    dots = re.findall(
        r'cx="([\d.]+)" cy="([\d.]+)"', scatter([("m", [(1, 2, "a"), (3, 9, "b")])], "x", "y")
    )
    (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y in dots)
    assert x1 < x2
    assert y1 > y2
    # All in one bin, and a curve of one value: nothing to divide by.
    assert 'class="area s0"' in histogram([("m", [1.0, 1.0])], "x")
    assert curve([("m", [1.0])], ["<0>"], "x", "y").count("&lt;0&gt;") == 1
    many = histogram([("m", [float(n) for n in range(400)])], "x")
    assert len(re.findall(r"V[\d.]+H", many)) == 30


def test_escaping() -> None:
    assert escape("<a b=\"c\" d='e'>&") == "&lt;a b=&quot;c&quot; d=&#x27;e&#x27;&gt;&amp;"
    # As a file name comes that is not UTF-8.
    assert escape(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf?"


def test_models_are_called_by_what_tells_them_apart() -> None:
    assert label_models(["default", "runs/best.safetensors"]) == ["default", "best"]
    assert label_models(["x/a/w.safetensors", "x/b/w.safetensors"]) == ["a/w", "b/w"]
    assert label_models(["default", "my/default.safetensors"]) == ["default", "my/default"]
    assert label_models(["w.old", "w.new"]) == ["w.old", "w.new"]
    assert label_models(["default", "default"]) == ["default", "default"]
    blend = "default+x/best.safetensors:0.3"
    assert label_models([blend, "x/best.safetensors"]) == [blend, "best"]


# What may go wrong


@pytest.mark.parametrize(
    ("flags", "code", "mention"),
    [
        # Places are checked before models are loaded, hence the wrong model beside them.
        (["--json", "no/such/r.json", "--model", "none"], 4, "no/such"),
        (["--html", "no/such/r.html", "--model", "none"], 4, "no/such"),
        (["--html", ".", "--model", "none"], 4, "folder"),
        (["--html", "r" * 300, "--model", "none"], 4, "too long"),
        (["--json", "r.x", "--html", "./r.x", "--model", "none"], 2, "two names"),
        (["--model", "no-such-model"], 5, "no-such-model"),
        (["--model", "default", "--model", "no-such-model"], 5, "no-such-model"),
        (["--device", "cuda:77"], 6, "cuda:77"),
        (["--limit", "0"], 2, "--limit"),
        (["--hint"], 2, "--hint"),
    ],
)
def test_a_bad_option_is_one_line_and_its_code(
    flags: list[str],
    code: int,
    mention: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["eval", str(photos), *flags]) == code
    _one_line(capfd, mention)
    assert list(tmp_path.iterdir()) == [photos]


@pytest.mark.parametrize("flag", ["--json", "--html"])
def test_reports_take_the_place_of_reports_alone(
    flag: str,
    photos: Path,
    tiny: tuple[str, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = ["eval", str(photos), "--limit", "1", "--model", tiny[0], flag]
    photo, notes, hints = (
        min(photos.rglob("*.png")),
        tmp_path / "notes.txt",
        tmp_path / "hints.json",
    )
    notes.write_text("mine")
    hints.write_text('{"format": "vidcolor-hints-1", "hints": []}')
    for path in (photo, notes, hints):
        before = path.read_bytes()
        assert run([*words, str(path)]) == 4
        _one_line(capfd, "no report of vidcolor's")
        assert path.read_bytes() == before
    for _ in range(2):
        assert run([*words, str(tmp_path / "report")]) == 0
    assert run([*words, str(notes), "--overwrite"]) == 0
    assert notes.read_bytes() == (tmp_path / "report").read_bytes()


@pytest.mark.parametrize("kind", ["empty", "unreadable", "no bytes", "missing", "no film", "list"])
def test_photos_that_are_none_are_one_line_and_code_3(
    kind: str, tiny: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    match kind:
        case "empty":
            source.mkdir()
        case "unreadable" | "no bytes":
            source.mkdir()
            (source / "a.png").write_bytes(b"no photo" if kind == "unreadable" else b"")
        case "no film":
            source = tmp_path / "source.mp4"
            source.write_bytes(b"no film" * 100)
        case "list":
            source = tmp_path / "source.txt"
            source.write_bytes(b"caf\xe9.png\n")
    report = tmp_path / "r.json"
    report.write_text('{"models": []}')
    assert run(["eval", str(source), "--model", tiny[0], "--json", str(report)]) == 3
    _one_line(capfd, "source")
    assert report.read_text() == '{"models": []}'
    assert not list(tmp_path.glob(".vidcolor*"))


def test_unreadable_and_grey_photos_are_told_of(
    photos: Path, tiny: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    (photos / "bad.png").write_bytes(b"no photo")
    cv2.imwrite(str(photos / "grey.png"), np.full((40, 40, 3), 99, np.uint8))
    assert run(["eval", str(photos), "--model", tiny[0]]) == 0
    out, err = capfd.readouterr()
    assert err == (
        "warning: photos left out because they cannot be read: 1 (bad.png)\n"
        "warning: photos left out because they are black and white: 1\n"
    )
    assert re.search(r"photos +3\.000", out)


def test_flow_without_a_clip_is_refused(
    photos: Path, tiny: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", str(photos), "--model", tiny[0], "--flow", str(photos)]) == 2
    _one_line(capfd, "--flow")


def test_a_clip_that_breaks_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match=r"film\.mp4"):
        list(load_frames(tmp_path / "film.mp4"))


def test_the_reports_are_there_though_nobody_reads_the_table(
    photos: Path, tiny: tuple[str, str], tmp_path: Path
) -> None:
    """As in a pipe to ``head``."""
    tar = tmp_path / "photos.tar.gz"
    with tarfile.open(tar, "w:gz") as archive:
        archive.add(photos, "photos")
    report = tmp_path / "r.json"
    words = ["eval", str(tar), "--model", tiny[0], "--limit", "2", "--json", str(report)]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "vidcolor_cli", *words], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
    assert len(json.loads(report.read_text())["photos"]) == 2
