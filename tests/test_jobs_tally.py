"""How far a batch is: skipped and broken films count as done, and not for the pace."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidcolor.jobs import tally
from vidcolor.jobs.files import Identity
from vidcolor.jobs.film import Outcome
from vidcolor.jobs.folder import Film
from vidcolor.jobs.tally import Tally
from vidcolor.report import Progress
from vidcolor.settings import Settings


def film(name: str, size: int) -> Film:
    return Film(name, Path(name), name, Path("out", name), Identity(size, 0), Settings(), "")


def test_the_time_left_goes_by_what_was_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(tally.time, "monotonic", lambda: now[0])
    films = [film("skipped", 500), film("a", 100), film("broken", 200), film("b", 200)]
    count = Tally(films)
    step = count.ended(films[0], None)
    assert (step.share, step.left, step.number, step.films) == (0.5, None, 1, 4)
    now[0] = 1.0
    assert count.told(films[1], Progress(1, 100)).left is None
    now[0] = 5.0
    step = count.told(films[1], Progress(50, 100))
    assert (step.share, step.left) == (0.55, 45.0)
    now[0] = 10.0
    assert count.ended(films[1], Outcome()).left == 40.0
    assert count.ended(films[2], Outcome("broken")).left == 20.0
    now[0] = 20.0
    assert count.told(films[3], Progress(300, 200)).left == 0.0
    assert count.ended(films[3], Outcome()).share == 1.0
