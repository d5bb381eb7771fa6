"""``vidcolor models``: from a server of our own on this machine, never from elsewhere."""

from __future__ import annotations

import hashlib
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from vidcolor.errors import ModelError
from vidcolor.models import catalog, pull
from vidcolor.models.catalog import CATALOG, Model, models_folder
from vidcolor.models.registry import find_model
from vidcolor_cli.main import run

CONTENT = np.random.default_rng(9).bytes(1_000_000)
PART = ".net.pth.part"
PAGE = b"<html>This file has moved.</html>"


@dataclass
class Mirror:
    """Serves CONTENT under every path; the first word of the path says how.

    ``whole`` ignores ranges, ``short`` breaks off after 400,000 bytes, ``wrong`` sends other bytes,
    ``shifted`` another range than asked for, ``page`` a web page in its place, ``none`` answers
    404; anything else does as asked.
    """

    address: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """(path, Range header) of every request."""

    def model(self, *paths: str) -> Model:
        digest = hashlib.sha256(CONTENT).hexdigest()
        mirrors = tuple(f"{self.address}/{path}" for path in paths)
        return Model("net", "A net", "net.pth", 1, "BSD-2-Clause", "here", mirrors, digest)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    told = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            how, asked = self.path.split("/")[1], self.headers.get("Range")
            told.asked.append((self.path, asked))
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if how == "none":
                return self.send_error(404)
            ranges = how not in ("whole", "page")
            if asked and ranges and start >= len(CONTENT):
                return self.send_error(416)
            if asked and ranges:
                begin = start + 1 if how == "shifted" else start
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-999999/1000000")
            else:
                start = 0
                self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE if how == "page" else CONTENT) - start))
            self.end_headers()
            content = CONTENT[::-1] if how == "wrong" else CONTENT
            content = PAGE if how == "page" else content
            return self.wfile.write(content[start : 400_000 if how == "short" else None]) and None

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIDCOLOR_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def _files(folder: Path) -> list[str]:
    """Without the lock, which stays on some systems."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_model_is_installed_whole_and_only_once(mirror: Mirror, folder: Path) -> None:
    model, seen = mirror.model("good/net.pth"), []
    assert model.state == "not installed"
    path = pull.pull(model, lambda done, total: seen.append((done, total)))
    assert path == folder / "net.pth"
    assert path.read_bytes() == CONTENT
    assert _files(folder) == ["net.pth"]
    assert model.state == "installed"
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and len(seen) > 1
    pull.pull(model)
    assert len(mirror.asked) == 1


@pytest.mark.parametrize("second", ["good", "whole"])
def test_an_interrupted_download_is_continued(second: str, mirror: Mirror, folder: Path) -> None:
    with pytest.raises(ModelError, match="broke off after 400000 of 1000000 bytes"):
        pull.pull(mirror.model("short"))
    assert _files(folder) == [PART]
    seen: list[int] = []
    path = pull.pull(mirror.model(second), lambda done, total: seen.append(done))
    assert mirror.asked == [("/short", None), (f"/{second}", "bytes=400000-")]
    assert path.read_bytes() == CONTENT
    assert _files(folder) == ["net.pth"]
    # A server without ranges begins again.
    assert (seen[0] > 400_000) == (second == "good")


def test_ctrl_c_leaves_a_piece_to_go_on_from(mirror: Mirror, folder: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    notes: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        pull.pull(mirror.model("good"), stop, notes.append)
    assert "262144 bytes are kept" in notes[-1]
    assert _files(folder) == [PART]
    pull.pull(mirror.model("good"))
    assert mirror.asked[1][1] == "bytes=262144-"
    assert _files(folder) == ["net.pth"]


def test_the_next_mirror_helps_out(mirror: Mirror, folder: Path) -> None:
    notes: list[str] = []
    model = mirror.model("none", "wrong", "short", "shifted", "good")
    nobody = "http://127.0.0.1:9/net.pth"
    pull.pull(replace(model, mirrors=(nobody, *model.mirrors)), note=notes.append)
    assert (folder / "net.pth").read_bytes() == CONTENT
    told = "\n".join(notes)
    for reason in ("refused", "404", "wrong SHA-256", "broke off", "another range"):
        assert reason in told
    # What is wrong is not built upon, what broke off is.
    assert mirror.asked[-1] == ("/good", "bytes=400000-")


def test_a_wrong_digest_installs_nothing(mirror: Mirror, folder: Path) -> None:
    with pytest.raises(ModelError, match=r"net.*wrong SHA-256") as caught:
        pull.pull(mirror.model("wrong"))
    assert "\n" not in str(caught.value)
    assert _files(folder) == []


def test_a_page_in_place_of_the_file_is_told_as_that(mirror: Mirror, folder: Path) -> None:
    with pytest.raises(ModelError, match=r"another file, of 33 bytes instead of 1 MB") as caught:
        pull.pull(mirror.model("page"))
    assert "later" not in str(caught.value)
    assert _files(folder) == []


def test_a_page_does_not_take_the_place_of_what_is_kept(mirror: Mirror, folder: Path) -> None:
    with pytest.raises(ModelError, match="broke off"):
        pull.pull(mirror.model("short"))
    with pytest.raises(ModelError, match="of 33 bytes, is less than what is kept; 400000 bytes"):
        pull.pull(mirror.model("page"))
    assert _files(folder) == [PART]
    assert pull.pull(mirror.model("good")).read_bytes() == CONTENT
    assert mirror.asked[-1][1] == "bytes=400000-"


def test_a_failure_is_told_once_and_what_is_kept_with_it(mirror: Mirror, folder: Path) -> None:
    notes: list[str] = []
    with pytest.raises(ModelError, match="400000 bytes are kept, and the same command") as caught:
        pull.pull(mirror.model("none", "short"), note=notes.append)
    told = [*notes, str(caught.value)]
    once = ("404 Not Found", "broke off")  # by its reason: 404 alone may be part of a port's number
    assert [sum(why in line for line in told) for why in once] == [1, 1]


@pytest.mark.parametrize("size", [1000, len(CONTENT), len(CONTENT) + 5])
def test_a_spoilt_piece_is_thrown_away(size: int, mirror: Mirror, folder: Path) -> None:
    folder.mkdir()
    (folder / PART).write_bytes(bytes(size))
    assert pull.pull(mirror.model("good")).read_bytes() == CONTENT
    assert [asked for _, asked in mirror.asked] == [f"bytes={size}-", None]


def test_a_piece_that_is_whole_needs_no_more(mirror: Mirror, folder: Path) -> None:
    folder.mkdir()
    (folder / PART).write_bytes(CONTENT)
    assert pull.pull(mirror.model("good")).read_bytes() == CONTENT
    assert len(mirror.asked) == 1


def test_a_spoilt_file_is_replaced(mirror: Mirror, folder: Path) -> None:
    folder.mkdir()
    (folder / "net.pth").write_bytes(b"half a file")
    assert pull.pull(mirror.model("good")).read_bytes() == CONTENT


def test_two_at_once_download_once(mirror: Mirror, folder: Path) -> None:
    model = mirror.model("good")
    begun, noticed, notes = threading.Event(), threading.Event(), []

    def first(done: int, total: int | None) -> None:
        begun.set()
        noticed.wait(30)

    def tell(line: str) -> None:
        notes.append(line)
        noticed.set()

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(pull.pull, model, first)
        assert begun.wait(30)
        other = threads.submit(pull.pull, model, None, tell)
        assert one.result(30) == other.result(30)
    assert len(mirror.asked) == 1
    assert len(notes) == 1 and "waiting" in notes[0]
    assert (folder / "net.pth").read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made_is_one_line(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VIDCOLOR_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(ModelError, match=r"net\.pth: cannot be written"):
        pull.pull(mirror.model("good"))
    assert mirror.asked == []


def test_nothing_is_downloaded_without_being_asked(
    clip: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def never(*words: object, **more: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", never)
    assert run([str(clip("plain.mp4")), str(tmp_path / "o.mp4"), "--model", "eccv16"]) == 5
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "vidcolor models pull eccv16" in err
    with pytest.raises(AssertionError, match="network was used"):
        pull.pull(CATALOG[2])


def test_a_file_put_there_by_hand_counts(folder: Path) -> None:
    folder.mkdir()
    (folder / "siggraph17-df00044c.pth").touch()
    assert find_model("siggraph17") == folder / "siggraph17-df00044c.pth"


def test_the_users_cache_is_the_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDCOLOR_MODELS")
    assert models_folder().name == "models"
    assert "vidcolor" in models_folder().parts
    assert models_folder().is_absolute()


def test_the_catalogue_names_licence_source_and_digest(folder: Path) -> None:
    assert [model.name for model in CATALOG][:4] == ["default", "fast", "eccv16", "siggraph17"]
    shipped = [model for model in CATALOG if model.shipped]
    assert [model.name for model in shipped] == ["default", "fast"]
    for model in shipped:
        assert model.path.stat().st_size == pytest.approx(model.megabytes * 1e6, rel=0.07)
    for model in CATALOG[2:]:
        assert len(model.sha256) == 64
        assert model.licence and model.megabytes and model.source.startswith("https://")
        assert all(address.startswith("https://") for address in model.mirrors)
    for model in CATALOG[2:4]:
        # torch.hub's habit: the name ends with the first digits of the digest.
        assert Path(model.file).stem.endswith(f"-{model.sha256[:8]}")
    for part in ("name", "file"):
        assert len({getattr(model, part) for model in CATALOG}) == len(CATALOG)
    assert len({model.sha256 for model in CATALOG[2:]}) == len(CATALOG[2:])


def test_the_commands(
    mirror: Mirror,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for module in (catalog, pull):
        monkeypatch.setattr(module, "CATALOG", (CATALOG[0], mirror.model("good")))
    assert run(["models"]) == 0
    rows = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert rows[1][:5] == ["default", "shipped", "13", "MB", "Apache-2.0"]
    assert rows[2] == ["net", "not", "installed", "1", "MB", "BSD-2-Clause", "here"]
    assert rows[3] == ["folder:", str(folder)]

    assert run(["models", "pull", "net"]) == 0
    out, err = capfd.readouterr()
    assert out == f"{folder / 'net.pth'}\n"
    assert "BSD-2-Clause" in err and mirror.address in err
    assert run(["models", "pull", "net", "--quiet"]) == 0
    assert capfd.readouterr() == (f"{folder / 'net.pth'}\n", "")

    for name in ("default", "fast", "nothing"):
        assert run(["models", "pull", name]) == 5
        out, err = capfd.readouterr()
        assert out == "" and err.count("\n") == 1 and "net" in err
