"""A few kills of the real command line; ``make killtest`` does many."""

from __future__ import annotations

import random
from pathlib import Path

from clips import Clip, make
from killtest import Case, call, torture
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
