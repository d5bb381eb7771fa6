"""Closed captions in the picture stay with their frames, or are named as lost."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Clip, make
from test_interlaced import Tape, record
from test_media_writer import rewrite

from vidcolor.frames import SmallFrame
from vidcolor.media.captions import CaptionReader, captions_of
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.media.released import released
from vidcolor.settings import EncoderSettings
from vidcolor.verify import verify

# Reordered frames, and captions with some of them only.
CLIP = Clip("plain.mkv", frames=12, options={"preset": "fast", "bf": "2"})
FAST = {"preset": "ultrafast"}


def told(number: int) -> bytes:
    """The captions of frame ``number``: two CEA-608 letters, and a CEA-708 packet's two bytes."""
    return bytes([0xFC, 0x80 | ord("A") + number, 0x61, 0xFF, 0x02 + number, 0x21])


def captioned(film: Path, missing: int = 5) -> Path:
    """A copy of the H.264 film with captions in front of every picture but one."""
    copy = film.with_name(f"captioned{film.suffix}")
    with av.open(str(film)) as source, av.open(str(copy), "w") as output:
        picture = source.streams.video[0]
        stream = output.add_stream_from_template(picture)
        step = 0
        for packet in source.demux(picture):
            if not packet.size:
                continue
            step = step or packet.duration or 1
            number = round((packet.pts or 0) / step)
            data = told(number)
            # ATSC A/53's user data in an SEI message (H.264 D.1.6), behind its length.
            body = b"\xb5\x00\x31GA94\x03" + bytes([0x40 | len(data) // 3, 0xFF]) + data + b"\xff"
            unit = b"\x06\x04" + bytes([len(body)]) + body + b"\x80"
            unit = b"" if number == missing else len(unit).to_bytes(4) + unit
            made = av.Packet(unit + bytes(packet))
            made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
            made.time_base, made.is_keyframe = packet.time_base, packet.is_keyframe
            made.stream = stream
            output.mux(made)
    return copy


def read(film: Path) -> list[bytes]:
    """The captions of every frame."""
    with av.open(str(film)) as source:
        return [captions_of(frame) for frame in source.decode(video=0)]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("chroma", [None, "444"])
def test_every_frame_keeps_its_captions(codec: str, chroma: str | None, tmp_path: Path) -> None:
    """Also where its samples are laid out otherwise than the target's."""
    source = captioned(make(CLIP, tmp_path))
    wanted = [b"" if number == 5 else told(number) for number in range(12)]
    assert read(source) == wanted and probe(source).captions
    target = tmp_path / "out.mp4"
    settings = EncoderSettings(codec=codec, crf=0, options=FAST, chroma=chroma)
    assert rewrite(source, target, settings).warnings == []
    assert read(target) == wanted
    # The pictures are those that were painted, at their own times.
    found = {check.name: check for check in verify(source, target).checks}
    assert found["luma"].says == "every sample is the same"
    assert found["timestamps"].outcome == found["captions"].outcome == "same"


@pytest.mark.parametrize("whole", [True, False])
def test_reading_them_keeps_no_frame_in_memory(whole: bool, tmp_path: Path) -> None:
    film = make(CLIP, tmp_path)
    if whole:
        film = captioned(film)
    reader, found = CaptionReader(), []
    gc.collect()
    gc.disable()
    try:
        before = _frames()
        with av.open(str(film)) as source:
            for frame in source.decode(video=0):
                found.append(reader.read(frame))
                assert reader.has(frame) == bool(found[-1])
        del frame
        assert _frames() == before
    finally:
        gc.enable()
    assert found == [told(number) if whole and number != 5 else b"" for number in range(12)]


def _frames() -> int:
    return sum(type(item) is av.VideoFrame for item in gc.get_objects())


def test_fields_are_marked_as_before(tmp_path: Path) -> None:
    tape = record(Tape(frames=4, codec="libx264"), tmp_path)
    source, target = captioned(tape), tmp_path / "out.mkv"
    assert rewrite(source, target, EncoderSettings(options=FAST)).warnings == []
    assert read(target) == read(source) != [b""] * 4
    assert probe(target).fields == probe(source).fields is not None


def test_an_encoder_without_room_for_them_is_named(tmp_path: Path) -> None:
    source, target = captioned(make(CLIP, tmp_path)), tmp_path / "out.mkv"
    (warning,) = rewrite(source, target, EncoderSettings(codec="ffv1")).warnings
    assert "captions" in warning and "ffv1" in warning
    found = verify(source, target)
    (check,) = (check for check in found.checks if check.name == "captions")
    assert check.outcome == "note" and "11 frames" in check.says and found.passed


def test_pictures_with_captions_are_not_let_go_of(tmp_path: Path) -> None:
    film = probe(captioned(make(CLIP, tmp_path)))
    # As of a picture whose luma is made anew.
    frames = [replace(frame, luma=np.array(frame.luma)) for frame in decode(film)]
    light = np.zeros((32, 32), np.float32)
    after = list(released(SmallFrame(frame, light, False) for frame in frames))
    assert [small.frame.owner is None for small in after] == [n == 5 for n in range(12)]


def test_lost_captions_are_found(tmp_path: Path) -> None:
    film = make(CLIP, tmp_path)
    source, target = captioned(film), tmp_path / "out.mkv"
    rewrite(film, target, EncoderSettings(options=FAST))
    (check,) = (check for check in verify(source, target).checks if check.name == "captions")
    assert check.outcome == "lost" and check.numbers["differing"] == 11
