"""``vidcolor batch``: twelve films of which three are broken, again, and again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from networks import tiny_checkpoint

from vidcolor_cli.main import run

Clips = Callable[[str], Path]


def test_a_folder_of_films(clip: Clips, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    for number in range(12):
        place = source / f"reel{number % 3}" / f"{number:02}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        if number % 4 == 3:
            place.write_bytes(b"no film" * number)
        else:
            shutil.copy(clip("plain.mp4"), place)
    config = tmp_path / "small.toml"
    config.write_text("[color]\nshort_side = 64")
    net = str(tiny_checkpoint(tmp_path / "tiny.safetensors"))
    words = ["batch", str(source), str(target), "--config", str(config), "--model", net]

    assert run([*words, "--photos", "--fps", "24"]) == 2
    assert "--fps: only for films" in capsys.readouterr().err
    assert run([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("todo    reel") == 12
    assert not target.exists()

    assert run([*words, "--report", str(tmp_path / "report")]) == 8
    out, err = capsys.readouterr()
    assert out.count("failed  reel") == 3
    assert "12 films: 9 coloured; 3 failed" in out
    assert "3 of 12 films failed" in err.splitlines()[-1]
    assert "12 of 12: reel2/11.mp4: failed" in err
    assert len(list(target.rglob("*.mp4"))) == 9
    assert "reel0/03.mp4" in (tmp_path / "report/report.html").read_text()

    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.mp4")}
    assert run([*words, "--json"]) == 8
    out, err = capsys.readouterr()
    assert json.loads(out)["colored_now"] == 0
    assert " of " not in err.splitlines()[0] or len(err.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in target.rglob("*.mp4")}

    # One is mended, one is given settings of its own; the two others are tried again.
    shutil.copy(clip("plain.mp4"), source / "reel0/03.mp4")
    (source / "reel0/00.toml").write_text("[color]\nsaturation = 0.5")
    assert run([*words, "--dry-run"]) == 0
    plan = capsys.readouterr().out
    assert "reel0/03.mp4 (the source has changed)" in plan
    assert "reel0/00.mp4 (its settings have changed)" in plan
    assert plan.count("todo ") == 2 and plan.count("done ") == 8 and plan.count("failed ") == 2
    assert run([*words, "--retry-failed", "--quiet"]) == 8
    out, err = capsys.readouterr()
    assert out == ""
    failed = ("reel1/07.mp4: failed: ", "reel2/11.mp4: failed: ", "vidcolor: ")
    assert [line.startswith(it) for line, it in zip(err.splitlines(), failed, strict=True)] == [
        True
    ] * 3
    assert len(list(target.rglob("*.mp4"))) == 10
    # Also those that it does not even try again.
    assert run([*words, "--quiet"]) == 8
    again = capsys.readouterr().err
    assert [line.split(":")[0] for line in again.splitlines()][:2] == [
        "reel1/07.mp4",
        "reel2/11.mp4",
    ]
    changed = [path for path, at in before.items() if path.stat().st_mtime_ns != at]
    assert [path.name for path in changed] == ["00.mp4"]

    for name in ("reel1/07.mp4", "reel2/11.mp4"):
        (source / name).unlink()
    assert run(words) == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_give_no_orders_to_the_terminal(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "reel\n\x1b[31m.mp4").write_bytes(b"no film")
    words = ["batch", str(source), str(tmp_path / "out"), "--model", str(net)]
    shown = r"reel\n\x1b[31m.mp4"
    assert run([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"todo    {shown} -> {shown}"]
    assert run(words) == 9
    out, err = capsys.readouterr()
    assert out.startswith(f"failed  {shown}: ") and f"1 of 1: {shown}: failed: " in err
    assert "\x1b" not in out + err and (out.count("\n"), err.count("\n")) == (3, 2)


@pytest.mark.parametrize(
    ("flags", "code", "mention"),
    [
        ([], 3, "no such folder"),
        (["--workers", "0"], 2, "workers"),
        (["--preset", "none"], 2, "preset"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    flags: list[str], code: int, mention: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["batch", str(tmp_path / "none"), str(tmp_path / "out"), *flags]) == code
    err = capfd.readouterr().err
    assert err.count("\n") == 1 and mention in err
