"""``vidcolor shots`` and ``--shots``: printed, written, edited, used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from networks import tiny_checkpoint

from vidcolor_cli.main import run

Clips = Callable[[str], Path]


def test_the_list_is_printed_written_edited_and_used(
    clip: Clips, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film, listed, report = str(clip("plain.mp4")), tmp_path / "shots.json", tmp_path / "r.json"
    assert run(["shots", film, "--output", str(listed)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["shot", "first", "last", "start", "length"]
    assert out.splitlines()[1].split() == ["1", "0", "9", "0:00:00.000", "0.400", "s"]
    assert err == ""

    assert run(["shots", film, "--json", "--quiet"]) == 0
    assert capsys.readouterr().out == listed.read_text()

    value = json.loads(listed.read_text())
    value["shots"] += [{"first_frame": 4}, {"first_frame": 7}]
    listed.write_text(json.dumps(value))
    net = str(tiny_checkpoint(tmp_path / "tiny.safetensors"))
    words = [film, str(tmp_path / "out.mp4"), "--model", net, "--short-side", "64"]
    assert run([*words, "--shots", str(listed), "--dry-run"]) == 0
    assert "by the list, which has 3" in capsys.readouterr().out
    assert run([*words, "--shots", str(listed), "--report", str(report)]) == 0
    assert "3 shots" in capsys.readouterr().out
    assert json.loads(report.read_text())["settings"]["shots"] == [0, 4, 7]


def test_edits_are_not_overwritten_by_mistake(
    clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "shots.json"
    listed.write_text("edited")
    words = ["shots", str(clip("plain.mp4")), "--output", str(listed)]
    assert run(words) == 4
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and "--overwrite" in err
    assert listed.read_text() == "edited"
    assert run([*words, "--overwrite"]) == 0
    assert json.loads(listed.read_text())["frames"] == 10


def test_a_list_of_a_range_says_what_it_lacks(
    clip: Clips, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "shots.json"
    words = ["shots", str(clip("plain.mp4")), "--frames", "3:6", "--output", str(listed)]
    assert run(words) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:3] == ["1", "3", "5"]
    assert err.count("\n") == 1 and "warning" in err and "range" in err
    assert json.loads(listed.read_text())["shots"] == [{"first_frame": 0, "start": "0:00:00.000"}]


@pytest.mark.parametrize(
    ("words", "code", "mention"),
    [
        (["shots", "none.mp4"], 3, "none.mp4"),
        (["shots", "FILM", "--frames", "9"], 2, "--frames"),
        (["shots", "FILM", "--frames", "50:60"], 2, "range"),
        (["shots", "FILM", "--start", "60"], 2, "range"),
        (["shots", "FILM", "--output", "FILM"], 4, "plain.mp4"),
        (["shots", "FILM", "--output", "no/such/folder/s.json"], 4, "no/such/folder"),
        (["FILM", "OUT", "--shots", "none.json"], 2, "none.json"),
        (["FILM", "OUT", "--shots", "FILM"], 2, "not a JSON file"),
    ],
)
def test_a_mistake_is_one_line_and_its_code(
    words: list[str],
    code: int,
    mention: str,
    clip: Clips,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    names = {"FILM": str(clip("plain.mp4")), "OUT": str(tmp_path / "out.mp4")}
    assert run([names.get(word, word) for word in words]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: ") and err.count("\n") == 1
    assert mention in err
    assert list(tmp_path.iterdir()) == []


def test_listing_shots_does_not_load_torch(clip: Clips) -> None:
    code = (
        "import sys; from vidcolor_cli.main import run;"
        "assert run(['shots', sys.argv[1]]) == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(clip("plain.mp4"))], check=True, timeout=60)
