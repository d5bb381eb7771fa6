"""The shape of the picture in Matroska and WebM: told by the container, in the same bytes."""

from __future__ import annotations

import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from clips import Clip, make
from test_media_writer import rewrite

from vidcolor.media import mux
from vidcolor.media.matroska import settle
from vidcolor.media.probe import probe
from vidcolor.settings import EncoderSettings
from vidcolor.verify import verify

PAL = Clip("pal.mp4", 3, 720, 576, aspect=Fraction(16, 11), audio=("eng",))
HALF = Fraction(1, 2)
KINDS = [
    ("out.mkv", "ffv1", {"threads": "1"}),
    ("out.mkv", "h264", {"preset": "ultrafast"}),
    ("out.webm", "vp9", {"deadline": "realtime"}),
    ("out.webm", "av1", {"preset": "12"}),
]


def told(path: Path) -> tuple[Fraction | None, dict[str, str]]:
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        return stream.sample_aspect_ratio, dict(stream.metadata)


def written(source: Path, name: str, codec: str, **options: str) -> Path:
    target = source.with_name(name)
    rewrite(source, target, EncoderSettings(codec=codec, options=options))
    return target


@pytest.mark.parametrize(("name", "codec", "options"), KINDS)
def test_the_shape_is_kept(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    source = make(PAL, tmp_path)
    target = written(source, name, codec, **options)
    aspect, metadata = told(target)
    assert aspect == Fraction(1047, 720)  # 1047.3 pixels on screen
    assert "stereo_mode" not in metadata
    assert verify(source, target).passed
    with av.open(str(target)) as opened:
        assert [stream.type for stream in opened.streams] == ["video", "audio"]
        assert sum(1 for _ in opened.decode(video=0)) == 3
        if codec == "h264":
            stated = opened.streams.video[0].codec_context.sample_aspect_ratio
            assert stated is not None and abs(stated - PAL.aspect) * 720 <= HALF


@pytest.mark.parametrize(
    ("width", "height", "aspect"),
    [(352, 240, Fraction(10, 11)), (126, 90, Fraction(11, 3)), (300, 40, Fraction(1, 100))],
)
def test_any_size_has_room(tmp_path: Path, width: int, height: int, aspect: Fraction) -> None:
    """The size of the claimed view takes fewer bytes than the one that is to be written."""
    source = make(replace(PAL, width=width, height=height, aspect=aspect), tmp_path)
    assert told(written(source, "out.mkv", "ffv1"))[0] == aspect


def test_square_samples_are_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any) -> bool:
        raise AssertionError("the finished file was changed")

    monkeypatch.setattr(mux, "settle", never)
    source = make(replace(PAL, aspect=None), tmp_path)
    data = written(source, "out.mkv", "ffv1").read_bytes()
    assert b"\x53\xb8\x81" not in data[: data.index(b"\x1f\x43\xb6\x75")]


def test_the_checksum_holds(tmp_path: Path) -> None:
    data = written(make(PAL, tmp_path), "out.mkv", "ffv1").read_bytes()
    tracks = b"\x16\x54\xae\x6b"
    # The first is in the list of what the file holds.
    at = data.index(tracks, data.index(tracks) + 1) + len(tracks)
    end = at + 2 + (int.from_bytes(data[at : at + 2]) & 0x3FFF)
    assert data[at + 2 : at + 4] == b"\xbf\x84"
    assert data[at + 4 : at + 8] == zlib.crc32(data[at + 8 : end]).to_bytes(4, "little")


def test_only_rounding_is_forgiven(tmp_path: Path) -> None:
    source = make(PAL, tmp_path)
    target = written(source, "out.mkv", "ffv1")
    for width, same in ((1046, False), (1047, True), (1048, False)):
        data = bytearray(target.read_bytes())
        place = data.index((1047).to_bytes(6), 0, 1000)
        data[place : place + 6] = width.to_bytes(6)
        changed = tmp_path / f"{width}.mkv"
        changed.write_bytes(data)
        failures = [check.name for check in verify(source, changed).failures]
        assert failures == ([] if same else ["pixel aspect"])


def test_a_header_of_another_kind_is_left_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = written(make(replace(PAL, aspect=None), tmp_path), "plain.mkv", "ffv1")
    before = plain.read_bytes()
    assert not settle(plain, 0, Fraction(2)) and not settle(plain, 9, Fraction(2))
    assert plain.read_bytes() == before

    monkeypatch.setattr(mux, "settle", lambda *arguments: False)
    writer = rewrite(make(PAL, tmp_path), tmp_path / "out.mkv", EncoderSettings(codec="ffv1"))
    assert writer.warnings == ["the sample aspect ratio 16/11 has no place in this file's header"]


def test_a_film_of_two_views_stays_one(tmp_path: Path) -> None:
    """Its display size is that of one view, as FFmpeg writes it."""
    source = tmp_path / "views.mkv"
    with av.open(str(make(PAL, tmp_path))) as old, av.open(str(source), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        stream.metadata["stereo_mode"] = "left_right"
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    target = written(source, "out.mkv", "ffv1")
    assert told(target)[1]["stereo_mode"] == "left_right"
    assert probe(target).sample_aspect_ratio == probe(source).sample_aspect_ratio
