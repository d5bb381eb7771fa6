"""Encoders: lossless ones keep every bit, presets fit their targets, and the files play."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import Clip, make
from conftest import Clips
from test_media_writer import rewrite

from vidcolor.errors import EncodeError
from vidcolor.media.codecs import TUNINGS
from vidcolor.media.decode import decode
from vidcolor.media.encode import PictureEncoder
from vidcolor.media.encoders import choose
from vidcolor.media.hardware import needs, usable
from vidcolor.media.picture import planar
from vidcolor.media.probe import probe
from vidcolor.settings import EncoderSettings
from vidcolor_cli.options import load_preset, presets

PRESETS = {name: load_preset(name).encoder for name in presets()}
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")


def lumas(path: Path) -> list[Any]:
    return [np.array(frame.luma) for frame in decode(probe(path))]


def film(folder: Path, depth: int, *, full_range: bool = False) -> Path:
    """Three frames of random luma over all codes of this depth."""
    tags = (2, 1, 1, 1) if full_range else (1, 1, 1, 1)
    clip = Clip("film.mkv", 3, codec="ffv1", pixel_format=planar("420", depth), tags=tags)
    return make(clip, folder)


LOSSLESS = [("ffv1", depth) for depth in (8, 9, 10, 12, 14, 16)]
LOSSLESS += [("h264", 8), ("h264", 10), ("h265", 8), ("h265", 10), ("h265", 12)]
LOSSLESS += [("vp9", 8), ("av1", 8), ("av1", 10)]


@pytest.mark.parametrize(("codec", "depth"), LOSSLESS)
def test_lossless_encoders_keep_luma_to_the_bit(tmp_path: Path, codec: str, depth: int) -> None:
    source, target = film(tmp_path, depth), tmp_path / "out.mkv"
    crf = None if codec == "ffv1" else 0.0
    writer = rewrite(source, target, EncoderSettings(codec, crf, effort="fast"))
    assert writer.choice.pixel_format == planar("420", depth)
    assert writer.warnings == []
    for before, after in zip(lumas(source), lumas(target), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_deeper_format_keeps_studio_codes_exactly(tmp_path: Path, codec: str) -> None:
    source, target = film(tmp_path, 9), tmp_path / "out.mkv"
    writer = rewrite(source, target, EncoderSettings(codec, 0.0, effort="fast"))
    (told,) = writer.warnings
    assert told.endswith("written in 10 bits of studio range, exactly")
    for before, after in zip(lumas(source), lumas(target), strict=True):
        assert np.array_equal(before << 1, after)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("depth", [10, 16])
def test_sharing_rounds_luma_to_the_nearest_code(
    tmp_path: Path, depth: int, full_range: bool
) -> None:
    source, target = film(tmp_path, depth, full_range=full_range), tmp_path / "out.mp4"
    writer = rewrite(source, target, replace(PRESETS["share"], options={"qp": "0"}))
    assert writer.choice.pixel_format == "yuv420p"
    assert any("not kept exactly" in line for line in writer.warnings)
    assert probe(target).color.full_range == full_range
    for before, after in zip(lumas(source), lumas(target), strict=True):
        codes = before.astype(int)
        if full_range:
            top = (1 << depth) - 1
            nearest = (codes * 255 * 2 + top) // (2 * top)
        else:
            nearest = (codes + (1 << (depth - 9))) >> (depth - 8)
        assert np.array_equal(after, np.minimum(nearest, 255))


def test_full_range_that_prores_cannot_say(tmp_path: Path) -> None:
    source, target = film(tmp_path, 8, full_range=True), tmp_path / "out.mov"
    with pytest.raises(EncodeError, match="full range"):
        rewrite(source, target, EncoderSettings("prores"))
    writer = rewrite(source, target, PRESETS["edit"])
    assert any("not kept exactly" in line for line in writer.warnings)
    assert not probe(target).color.full_range
    # Codes 0 and 255 become 64 and 940, whichever part of the way ProRes loses.
    before, after = lumas(source)[0].astype(float), lumas(target)[0].astype(float)
    assert abs((after - 64) / 876 - before / 255).mean() < 0.02


PROFILES = {
    ("default", ".mp4"): ("h264", "High", "avc1"),
    ("fast", ".mov"): ("h264", "High", "avc1"),
    ("quality", ".webm"): ("vp9", "Profile 0", None),
    ("share", ".mp4"): ("h264", "High", "avc1"),
    ("small", ".mp4"): ("av1", "Main", "av01"),
    ("small", ".mov"): ("hevc", "Main", "hvc1"),
    ("edit", ".mov"): ("prores", "HQ", "apch"),
    ("archive", ".mkv"): ("ffv1", None, None),
}


@pytest.mark.parametrize(("preset", "suffix"), PROFILES)
def test_what_players_go_by(tmp_path: Path, clip: Clips, preset: str, suffix: str) -> None:
    target = tmp_path / f"out{suffix}"
    rewrite(clip("wide.mp4"), target, PRESETS[preset])
    codec, profile, tag = PROFILES[preset, suffix]
    with av.open(str(target)) as source:
        context = source.streams.video[0].codec_context
        assert context.codec.canonical_name == codec
        assert context.profile == profile
        assert tag is None or context.codec_tag == tag
    info = probe(target)
    assert (info.tags.matrix, info.tags.primaries, info.tags.transfer) == (1, 1, 1)
    assert info.color.full_range is False


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_a_preset_fits_every_target_it_allows(
    tmp_path: Path, clip: Clips, preset: str, depth: int
) -> None:
    settings = PRESETS[preset]
    info = probe(film(tmp_path, depth))
    for suffix in SUFFIXES:
        if settings.container not in (None, suffix[1:]):
            continue
        if suffix == ".webm" and depth == 12 and settings.depth is None:
            with pytest.raises(EncodeError, match="12 bits of studio range"):
                choose(info, settings, "webm")
            continue
        writer = rewrite(info.path, tmp_path / f"out{suffix}", settings)
        assert writer.choice.pixel_format.startswith("yuv4")


@pytest.mark.parametrize("encoder", [name for name in TUNINGS if needs(name) is None])
@pytest.mark.parametrize("effort", ["fast", "slow"])
def test_effort_and_shift_reach_every_encoder(
    tmp_path: Path, clip: Clips, encoder: str, effort: str
) -> None:
    info, tuning = probe(clip("plain.mp4")), TUNINGS[encoder]
    usual = choose(info, EncoderSettings(encoder), "matroska").options
    other = choose(info, EncoderSettings(encoder, effort=effort, crf_shift=3), "matroska").options
    assert dict(usual) | tuning.efforts.get(effort, {}) == dict(other) | {
        key: value for key, value in usual.items() if key == "crf"
    }
    assert (usual != other) == bool(tuning.efforts or tuning.crf)
    if tuning.crf is not None:
        assert float(other["crf"]) == tuning.crf + 3
        by_hand = EncoderSettings(encoder, 11, crf_shift=3)
        assert choose(info, by_hand, "matroska").options["crf"] == "11"


def test_players_find_the_index_of_an_mp4_at_its_front(tmp_path: Path, clip: Clips) -> None:
    target = tmp_path / "out.mp4"
    rewrite(clip("sound.mp4"), target, PRESETS["fast"])
    content = target.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_a_matrix_that_the_encoder_cannot_say_is_told(tmp_path: Path) -> None:
    source = make(Clip("film.mp4", 2, width=256, height=128, tags=(1, 5, 5, 6)), tmp_path)
    choice = choose(probe(source), EncoderSettings("dnxhr"), "mov")
    assert any("bt709" in line and "bt601" in line for line in choice.warnings)


def test_the_first_codec_of_several_that_can(tmp_path: Path) -> None:
    several = EncoderSettings("nope, av1, h265")
    for depth, encoder in ((8, "libsvtav1"), (12, "libx265")):
        folder = tmp_path / str(depth)
        folder.mkdir()
        info = probe(film(folder, depth))
        assert choose(info, several, "matroska").encoder == encoder
        assert choose(info, several, "mov").encoder == "libx265"


def test_software_needs_nothing() -> None:
    assert all(usable(name) for name in TUNINGS if needs(name) is None)
    assert usable("no such encoder"), "whether FFmpeg has it is another question"


@pytest.fixture
def no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidcolor.media.encoders.usable", lambda name: needs(name) is None)


@pytest.fixture
def a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidcolor.media.encoders.usable", lambda name: True)


@pytest.mark.usefixtures("no_device")
def test_an_encoder_whose_device_is_missing(tmp_path: Path) -> None:
    info = probe(film(tmp_path, 8))
    with pytest.raises(EncodeError, match=r"NVIDIA GPU.*--codec h264_nvenc,h264"):
        choose(info, EncoderSettings("h264_nvenc"), "mp4")
    choice = choose(info, EncoderSettings("h264_nvenc,h264"), "mp4")
    assert choice.encoder == "libx264"
    (told,) = choice.warnings
    assert "NVIDIA" in told and told.endswith("libx264 is used")


@pytest.mark.usefixtures("no_device")
def test_a_missing_device_is_not_what_films_are_sent_to(tmp_path: Path) -> None:
    with pytest.raises(EncodeError) as caught:
        choose(probe(film(tmp_path, 16)), EncoderSettings("h264"), "mp4")
    assert "ffv1" in str(caught.value) and "nvenc" not in str(caught.value)


@pytest.mark.usefixtures("a_device")
@pytest.mark.skipif(
    "h264_nvenc" not in av.codecs_available, reason="this build of FFmpeg has no NVENC"
)
def test_what_nvidias_encoder_is_asked_for(tmp_path: Path) -> None:
    info = probe(film(tmp_path, 8))
    choice = choose(info, EncoderSettings("h264_nvenc", 23, effort="fast"), "mp4")
    assert (choice.encoder, choice.pixel_format) == ("h264_nvenc", "yuv420p")
    assert choice.options["cq"] == "23" and choice.options["b"] == "0"
    assert "crf" not in choice.options
    assert choose(info, EncoderSettings("h264_nvenc", 0), "mp4").options["tune"] == "lossless"
    with pytest.raises(EncodeError, match="lossless"):
        choose(info, EncoderSettings("av1_nvenc", 0), "mp4")
    deep = tmp_path / "deep"
    deep.mkdir()
    both = choose(probe(film(deep, 10)), EncoderSettings("hevc_nvenc,h265"), "mp4")
    assert both.encoder == "libx265", "it has no planes for 10 bits"


@pytest.mark.parametrize("encoder", [name for name in TUNINGS if needs(name) is not None])
def test_a_device_that_is_here_encodes(tmp_path: Path, encoder: str) -> None:
    if encoder not in av.codecs_available or not usable(encoder):
        pytest.skip(f"{encoder} needs {needs(encoder)}")
    source, target = make(Clip("film.mp4", 5, width=256, height=128), tmp_path), tmp_path / "o.mp4"
    rewrite(source, target, EncoderSettings(encoder))
    assert len(lumas(target)) == 5


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="only Linux tells and lets us")
def test_no_encoder_makes_itself_real_time_work(tmp_path: Path) -> None:
    """SVT-AV1 does, where it may, as root may: before every other process of the machine."""
    stream: Any
    info = probe(film(tmp_path, 8))
    choice = choose(info, EncoderSettings("libsvtav1"), "matroska")
    threads = Path("/proc/self/task")
    before, policy = set(threads.iterdir()), os.sched_getscheduler(0)
    assert policy not in (os.SCHED_FIFO, os.SCHED_RR)
    with av.open(tmp_path / "out.mkv", "w") as output:
        stream = PictureEncoder(output, info, choice)
        its_own = set(threads.iterdir()) - before
        policies = {os.sched_getscheduler(int(thread.name)) for thread in its_own}
        assert len(its_own) > 10
        del stream
    assert policies == {policy}
    assert os.sched_getscheduler(0) == policy
