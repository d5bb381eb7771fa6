"""A few kills of the real command line; ``make killtest`` does many."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from clips import Clip, make
from killtest import Case, after, call, changed, torture
from networks import tiny_checkpoint

from vidcolor.chunks import ChunkLength


def test_killed_work_goes_on_and_leaves_no_trace(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    film = make(Clip("film.mkv", frames=240, audio=("eng",), options={"g": "25"}), tmp_path)
    model, length = tiny_checkpoint(tmp_path / "tiny.safetensors"), ChunkLength(10, 60)
    straight = Case(film, tmp_path / "straight.mkv", model, length)
    whole = call(straight)
    assert whole.code == 0, whole.said
    case = Case(film, folder / "out.mkv", model, length)
    killed, _, faults = torture(case, straight.target, whole.seconds, 4, random.Random(2))
    assert killed > 0
    assert faults == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="has other signals")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)])
def test_stopped_work_says_what_it_has_kept(tmp_path: Path, name: str, code: int) -> None:
    how = getattr(signal, name)
    if name == "SIGHUP" and signal.getsignal(how) == signal.SIG_IGN:
        pytest.skip("run by nohup, whose work goes on")
    film = make(Clip("film.mkv", frames=2000), tmp_path)
    model = tiny_checkpoint(tmp_path / "tiny.safetensors")
    case = Case(film, tmp_path / "out.mkv", model, ChunkLength(10, 60))
    # The record of the job, a chunk, its record, and the next chunk.
    ended = call(case, after(changed(case.work, 4), 0), how)
    assert ended.code == code, ended.said
    kept = [line for line in ended.said.splitlines() if "frames are kept in" in line]
    assert len(kept) == 1 and str(case.work) in kept[0]
    assert not case.part.exists() and not case.target.exists()
