"""Files that are put in place whole, claims on them, and room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vidcolor.disk import Claim, check_room, name_for, put_in_place
from vidcolor.errors import TargetError

posix = pytest.mark.skipif(os.name != "posix", reason="has no such locks")


def test_a_file_takes_the_place_of_another_after_its_bytes_are_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, path = tmp_path / "part", tmp_path / "file"
    part.write_text("new")
    path.write_text("old")
    steps: list[str] = []
    real = os.fsync

    def sync(handle: int) -> None:
        steps.append(path.read_text())
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)
    put_in_place(part, path)
    # The file itself, and its folder once the name is new.
    assert steps == (["old", "new"] if os.name == "posix" else ["old"])
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_claim_keeps_others_off_until_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "part"
    claim = Claim(path)
    with pytest.raises(BlockingIOError):
        Claim(path)
    claim.release()
    claim.release()
    Claim(path).release()


@posix
def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "part"
    code = (
        "import os, signal, sys; from pathlib import Path; from vidcolor.disk import Claim; "
        "claim = Claim(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.exists()
    Claim(path).release()


@posix
@pytest.mark.parametrize("gone", ["removed", "renamed"])
def test_a_file_that_goes_while_it_is_claimed_is_not_the_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    import fcntl

    path, real, calls = tmp_path / "part", fcntl.flock, []

    def flock(handle: int, how: int) -> None:
        if not calls:
            path.unlink() if gone == "removed" else path.rename(tmp_path / "film")
        calls.append(handle)
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    claim = Claim(path)
    assert len(calls) == 2
    monkeypatch.undo()
    with pytest.raises(BlockingIOError):
        Claim(path)
    claim.release()


@posix
def test_another_name_of_a_finished_file_is_not_written_to(tmp_path: Path) -> None:
    """As a run leaves it that is killed between the two steps of putting its file in place."""
    part, done = tmp_path / ".film.part", tmp_path / "film"
    done.write_bytes(b"finished")
    os.link(done, part)
    claim = Claim(part)
    assert part.read_bytes() == b""
    part.write_bytes(b"new")
    assert done.read_bytes() == b"finished"
    claim.release()


@posix
def test_where_nothing_can_be_locked_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import fcntl

    def flock(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    Claim(tmp_path / "part").release()


@posix
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "part").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="part"):
        Claim(tmp_path / "part")
    assert not (tmp_path / "other").exists()


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = (Path("ä" * 120 + end + ".mkv") for end in "ab")
    assert name_for(Path("folder/out.mkv")) == "out.mkv"
    assert name_for(one) != name_for(other)
    assert all(len(os.fsencode(name_for(path))) < 200 for path in (one, other))


def test_too_little_room_is_one_line(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    check_room(tmp_path, free // 2, tmp_path / "out.mkv")
    check_room(tmp_path / "none", free * 2, tmp_path / "out.mkv")
    with pytest.raises(TargetError, match=r"out\.mkv: its disk has \d+ .B free and"):
        check_room(tmp_path, free * 2, tmp_path / "out.mkv")


@pytest.mark.parametrize(
    ("free", "needed", "told"),
    [
        (0, 812, "0 bytes free and at least 812 bytes"),
        (9_999, 64_000, "9999 bytes free and at least 64 kB"),
        (12_400_000, 64_000_000, "12 MB free and at least 64 MB"),
        (60_000_000_000, 90_000_000_000, "60 GB free and at least 90 GB"),
    ],
)
def test_room_is_told_in_a_unit_that_leaves_digits(
    free: int, needed: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**12, 10**12 - free, free)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(TargetError, match=told):
        check_room(tmp_path, needed, tmp_path / "out.mkv")
