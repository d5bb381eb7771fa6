"""A source is one plain file: no other is opened, and it cannot ask for a machine's memory."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from clips import Clip, make
from conftest import Clips

from vidcolor.errors import SettingsError, SourceError, UsageError
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.media.safety import opening_options
from vidcolor.settings import LimitSettings, Settings, load_settings
from vidcolor_cli.main import run
from vidcolor_cli.options import with_limits


class Listener:
    """A server on this machine that nobody should ever call."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.called = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.called += 1
            connection.close()

    def close(self) -> None:
        # Closing alone would not wake the thread that waits.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    yield server
    server.close()


NAMING = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
    "script.txt": "ffconcat version 1.0\nfile '{0}'\n",
    "stream.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:{0}\n",
    "list.mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period>'
    '<AdaptationSet mimeType="video/mp4"><Representation id="1"><BaseURL>{0}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
}


@pytest.mark.parametrize("name", NAMING)
@pytest.mark.parametrize("where", ["file", "network"])
def test_a_file_that_names_another_is_refused_and_the_other_not_opened(
    name: str, where: str, clip: Clips, tmp_path: Path, listener: Listener
) -> None:
    shutil.copy(clip("plain.mp4"), tmp_path / "other.mp4")
    other = "other.mp4" if where == "file" else f"http://127.0.0.1:{listener.port}/a.mp4"
    path = tmp_path / name
    path.write_text(NAMING[name].format(other))
    with pytest.raises(SourceError, match=r"not a film; name the film itself$") as caught:
        probe(path)
    assert "\n" not in str(caught.value)
    assert listener.called == 0


@pytest.mark.parametrize("name", ["list.m3u8", "script.txt", "stream.sdp"])
def test_ffmpeg_itself_does_not_open_them_either(name: str, clip: Clips, tmp_path: Path) -> None:
    """Whatever gets past our own look at the file's head."""
    shutil.copy(clip("plain.mp4"), tmp_path / "other.mp4")
    path = tmp_path / name
    path.write_text(NAMING[name].format("other.mp4"))
    if name == "script.txt":
        with av.open(str(path)) as followed:  # So it would be, left to itself.
            assert followed.format.name == "concat"
    with pytest.raises(ValueError, match="Invalid argument"):
        av.open(str(path), container_options=opening_options())


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1 << 20), 9)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


BOMBS = {
    "wide.y4m": b"YUV4MPEG2 W60000 H20000 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + bytes(5000),
    "high.png": png(30000, 30000),
    "huge.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(60),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_of_a_huge_picture_is_refused_early(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError):
        probe(path)
    # Kilobytes on Linux, bytes elsewhere, where this holds all the more.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


def test_the_limit_of_pixels_can_be_moved(clip: Clips) -> None:
    with pytest.raises(SourceError, match=r"64x48 are over .* --limits pixels=3072$"):
        probe(clip("plain.mp4"), LimitSettings(pixels=3071))
    assert probe(clip("plain.mp4"), LimitSettings(pixels=3072)).width == 64


def test_a_picture_that_grows_over_the_limit_on_the_way_is_not_decoded(tmp_path: Path) -> None:
    first = make(Clip("small.ts"), tmp_path).read_bytes()
    path = tmp_path / "growing.ts"
    path.write_bytes(first + make(Clip("large.ts", width=640, height=480), tmp_path).read_bytes())
    limits = LimitSettings(pixels=100_000)
    assert len(list(decode(probe(path, limits), limits=limits))) == 10


def test_the_limits_of_frames_and_streams(clip: Clips) -> None:
    with pytest.raises(SourceError, match="over the limit of 9 frames"):
        list(decode(probe(clip("plain.mkv")), limits=LimitSettings(frames=9)))
    assert len(list(decode(probe(clip("plain.mkv")), limits=LimitSettings(frames=10)))) == 10
    with pytest.raises(SourceError, match=r"has 6 streams, .* --limits streams=6$"):
        probe(clip("rich.mkv"), LimitSettings(streams=5))


def test_limits_are_set_by_file_and_by_option(tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text("[limits]\nframes = 7\n", encoding="utf-8")
    settings = with_limits(load_settings(config), "pixels=5,streams=3", strict=True)
    assert settings.limits == LimitSettings(5, 7, 3, strict=True)
    for text, error in (
        ("pixels=many", UsageError),
        ("pixel=5", SettingsError),
        ("pixels=0", SettingsError),
        ("pixels", UsageError),
    ):
        with pytest.raises(error):
            with_limits(Settings(), text, strict=False)


NAMES = [
    "two words.mp4",
    "-i.mp4",
    "%d.mp4",
    'it\'s "it".mp4',
    "a:b.mp4",
    "größe 映画.mp4",
    "a\nb.mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_names_of_files(
    name: str, clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(clip("plain.mp4"), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(decode(probe(Path(name))))) == 10


def test_a_numbered_name_is_one_picture_not_a_series(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"shot{number:03}.png").write_bytes(png(8, 8))
    (tmp_path / "shot%03d.png").write_bytes(png(16, 16))
    info = probe(tmp_path / "shot%03d.png")
    assert info.width == 16
    assert len(list(decode(info))) == 1


def test_a_link_is_followed(clip: Clips, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(clip("plain.mp4"))
    assert probe(tmp_path / "link.mp4").width == 64


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["pipe.mp4", "/dev/zero"])
def test_a_pipe_or_device_is_refused_without_waiting(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if not path.exists():
        os.mkfifo(path)
    assert run([str(path), str(tmp_path / "o.mp4")]) == 3
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "a pipe or device" in err
