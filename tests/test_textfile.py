"""Text files appear whole or not at all, and a place that cannot be written is told of at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vidcolor.errors import TargetError
from vidcolor.textfile import TextFile, write_text


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")
    path.chmod(0o640)
    with TextFile(path):
        # A run that is killed here leaves nothing behind.
        assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"

    def pieces() -> Iterator[str]:
        yield "ne"
        assert path.read_text() == "old"
        assert len(list(tmp_path.iterdir())) == 2
        yield "w"

    with TextFile(path) as file:
        file.write(pieces())
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_and_what_it_points_at_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    with TextFile(tmp_path / "link.json") as file:
        file.write("new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new\n"


@pytest.mark.parametrize("place", [".", "none/r.json", "r" * 300, "/dev/null"])
def test_a_place_that_cannot_be_written_is_known_at_once(place: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="report"), TextFile(tmp_path / place):
        pytest.fail("nothing may be done")
    assert list(tmp_path.iterdir()) == []


def test_pieces_follow_each_other_and_the_last_line_gets_its_end(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    with TextFile(path) as file:
        file.write(piece for piece in ("a\n", "b", "c"))
    assert path.read_text() == "a\nbc\n"
    write_text(path, "a\n", "list")
    assert path.read_text() == "a\n"
    write_text(path, "", "list")
    assert path.read_text() == ""


def test_a_full_disk_is_told_in_one_line_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "r.txt"
    write_text(path, "old", "list")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TargetError, match=r"cannot write the list: No space.*make room"):
        write_text(path, "new", "list")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]
