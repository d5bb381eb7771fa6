"""The ledger: entries survive, several runs share it, and a film is one run's at a time."""

from __future__ import annotations

import multiprocessing
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from vidcolor.errors import TargetError
from vidcolor.jobs.files import Identity
from vidcolor.jobs.film import Outcome
from vidcolor.jobs.ledger import LOCKS, NAME, Entry, Ledger

FILM = Entry(
    "odd \udcff.avi",
    "/films/odd \udcff.avi",
    "odd \udcff.mkv",
    Identity(5_000_000_000, 1_700_000_000_123_456_789),
    "digest",
    "done",
    Identity(7, 8),
    Outcome(None, 24, 1.5, 0.96, ("one", "two"), b"jpeg"),
)


def test_what_is_recorded_is_found_again(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger, Ledger(tmp_path) as other:
        assert other.find(FILM.name) is None
        ledger.record(FILM)
        found = other.find(FILM.name)
        assert found is not None and found.outcome.strip == b""
        assert other.strip(FILM.name) == b"jpeg"
        assert (found.identity, found.written) == (FILM.identity, FILM.written)
        assert found.outcome.warnings == ("one", "two")
        assert list(other.entries()) == [FILM.name]


def test_an_error_may_name_what_is_no_text(tmp_path: Path) -> None:
    failed = replace(FILM, state="failed", outcome=Outcome("odd \udcff.avi: not a film"))
    with Ledger(tmp_path) as ledger:
        ledger.record(failed)
        found = ledger.find(FILM.name)
    assert found is not None and found.outcome.error == "odd \\udcff.avi: not a film"


def test_looking_makes_no_ledger(tmp_path: Path) -> None:
    with Ledger(tmp_path, keep=False) as ledger:
        assert ledger.entries() == {}
    assert list(tmp_path.iterdir()) == []


def test_a_claim_is_had_by_one_and_leaves_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger, Ledger(tmp_path) as other:
        lock = ledger.claim("a.mkv")
        assert lock is not None
        assert other.claim("a.mkv") is None
        second = other.claim("b.mkv")
        assert second is not None
        ledger.release(lock)
        again = other.claim("a.mkv")
        assert again is not None
        other.release(again)
        other.release(second)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def _die_with_a_claim(folder: Path) -> None:
    import os

    assert Ledger(folder).claim("a.mkv") is not None
    os._exit(9)


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_die_with_a_claim, args=(tmp_path,)
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    assert list((tmp_path / LOCKS).iterdir())
    with Ledger(tmp_path) as ledger:
        lock = ledger.claim("a.mkv")
        assert lock is not None
        ledger.release(lock)


@pytest.mark.parametrize("kind", ["text", "newer", "folder"])
def test_a_ledger_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / NAME
    if kind == "text":
        path.write_text("not a ledger " * 100)
    elif kind == "folder":
        path.mkdir()
    else:
        file = sqlite3.connect(path)
        file.execute("PRAGMA user_version = 99")
        file.close()
    with pytest.raises(TargetError, match="ledger"):
        Ledger(tmp_path)
