"""``vidcolor verify`` and ``--verify``: the table, the exit code, the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Clips
from networks import tiny_checkpoint

from vidcolor.job import colorize_video
from vidcolor.report import Report
from vidcolor.settings import Settings
from vidcolor_cli.main import run


@pytest.fixture
def quick(tmp_path: Path) -> list[str]:
    net = tiny_checkpoint(tmp_path / "tiny.safetensors")
    return ["--model", str(net), "--short-side", "64"]


def test_a_job_is_verified_and_reported(
    clip: Clips, quick: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film, target, report = clip("sound.mp4"), tmp_path / "out.mp4", tmp_path / "r.json"
    words = [str(film), str(target), *quick, "--frames", "2:8"]
    assert run([*words, "--verify", "--report", str(report)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith(f"verified: {target}: ")
    assert err == ""
    told = json.loads(report.read_text())["verification"]
    assert told["passed"] is True
    assert {check["name"] for check in told["checks"]} >= {"frames", "timestamps", "luma"}

    assert run(["verify", str(film), str(target), "--frames", "2:8", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert run(["verify", str(film), str(target), "--frames", "2:8", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_difference_is_a_table_a_line_and_its_code(
    clip: Clips, quick: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film, target = str(clip("sound.mp4")), str(tmp_path / "out.mp4")
    assert run([film, target, *quick, "--frames", "2:8", "--quiet"]) == 0
    assert run(["verify", film, target]) == 7
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert ["same", "size", "64x48"] in rows
    assert ["lost", "frames"] in [row[:2] for row in rows]
    assert err.startswith("vidcolor: ") and err.count("\n") == 1
    assert "frames" in err and target in err


def test_a_job_that_fails_its_check_keeps_its_target(
    clip: Clips,
    quick: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hasty(source: Path, target: Path, settings: Settings, **rest: Any) -> Report:
        return colorize_video(source, target, settings.replace("range", end_frame=6), **rest)

    monkeypatch.setattr("vidcolor_cli.job.colorize_video", hasty)
    film, target, report = clip("plain.mp4"), tmp_path / "out.mp4", tmp_path / "r.json"
    words = [str(film), str(target), *quick, "--report", str(report)]
    assert run([*words, "--quiet", "--verify"]) == 7
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lost: frames: 10 frames; 4 frames missing, the first at 0.240 s")
    assert err.splitlines()[-1].startswith("vidcolor: ") and "left where it is" in err
    assert target.exists()
    assert json.loads(report.read_text())["verification"]["passed"] is False


@pytest.mark.parametrize(
    ("words", "code", "mention"),
    [
        (["verify", "none.mp4", "FILM"], 3, "none.mp4"),
        (["verify", "FILM", "none.mp4"], 3, "none.mp4"),
        (["verify", "FILM", "FILM", "--frames", "9"], 2, "--frames"),
        (["verify", "FILM", "FILM", "--frames", "50:60"], 2, "range"),
    ],
)
def test_a_mistake_is_one_line_and_its_code(
    words: list[str], code: int, mention: str, clip: Clips, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([word.replace("FILM", str(clip("plain.mp4"))) for word in words]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("vidcolor: ") and err.count("\n") == 1
    assert mention in err


def test_verifying_does_not_load_torch(clip: Clips) -> None:
    code = (
        "import sys; from vidcolor_cli.main import run; film = sys.argv[1];"
        "assert run(['verify', film, film]) == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(clip("plain.mp4"))], check=True, timeout=60)


def test_limits_hold_for_comparing_too(clip: Clips, capsys: pytest.CaptureFixture[str]) -> None:
    film = str(clip("sound.mp4"))
    assert run(["verify", film, film, "--limits", "pixels=100", "-q"]) == 3
    assert "--limits pixels=" in capsys.readouterr().err
    assert run(["verify", film, film, "-q"]) == 0
