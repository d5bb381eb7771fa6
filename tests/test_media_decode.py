"""``decode``: every frame, its own luma, its own time; over damage, and never a handle left."""

from __future__ import annotations

import gc
import os
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import CLIPS, Clip, fill, luma, make
from conftest import Clips
from numpy.typing import NDArray

from vidcolor.errors import SourceError, UsageError
from vidcolor.frames import ColorSpec, Frame
from vidcolor.media.damage import DecodeReport
from vidcolor.media.decode import decode
from vidcolor.media.picture import picture_of, read_chroma, read_luma
from vidcolor.media.probe import probe
from vidcolor.settings import LimitSettings, RangeSettings

LOSSY = {"plain.webm"}


def open_files(path: Path) -> int:
    """How many handles this process holds on ``path``."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(os.path.realpath(link) == str(path.resolve()) for link in links)


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")


@pytest.mark.parametrize("name", CLIPS)
def test_all_frames_at_their_times(clip: Clips, name: str) -> None:
    made, info = CLIPS[name], probe(clip(name))
    base, ticks = made.ticks
    report = DecodeReport()
    frames = list(decode(info, report=report))
    assert [frame.pts * info.time_base for frame in frames] == [tick * base for tick in ticks]
    assert [frame.index for frame in frames] == list(range(len(ticks)))
    assert report == DecodeReport(frames=len(ticks))


@pytest.mark.parametrize("name", sorted(CLIPS.keys() - LOSSY))
def test_luma_is_a_view_of_what_was_stored(clip: Clips, name: str) -> None:
    made, info = CLIPS[name], probe(clip(name))
    for frame in decode(info):
        assert np.array_equal(
            frame.luma, luma(frame.index, made.width, made.height, info.color.depth)
        )
        assert not frame.luma.flags.owndata
        assert not frame.luma.flags.writeable
        assert isinstance(frame.owner, av.VideoFrame)


def test_luma_outlives_the_decoder(clip: Clips) -> None:
    frames = list(decode(probe(clip("plain.mp4"))))
    gc.collect()
    assert np.array_equal(frames[3].luma, luma(3, 64, 48))


def as_format(name: str, color: ColorSpec, planes: av.VideoFrame) -> av.VideoFrame:
    """``planes`` repacked as ``name`` by swscale, codes unchanged."""
    kind = 2 if color.full_range else 1
    return planes.reformat(
        format=name,
        src_color_range=kind,
        dst_color_range=kind,
        src_colorspace="ITU601",
        dst_colorspace="ITU601",
    )


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("yuv420p", 8),
        ("nv12", 8),
        ("nv24", 8),
        ("yuva420p", 8),
        ("yuv411p", 8),
        ("yuyv422", 8),
        ("uyvy422", 8),
        ("yvyu422", 8),
        ("vuya", 8),
        ("vuyx", 8),
        ("ayuv", 8),
        ("uyva", 8),
        ("yuv422p10le", 10),
        ("yuv420p10be", 10),
        ("p010le", 10),
        ("p010be", 10),
        ("p210le", 10),
        ("y210le", 10),
        ("xv30le", 10),
        ("yuv444p12le", 12),
        ("y212le", 12),
        ("xv36le", 12),
        ("p012le", 12),
        ("yuv420p16le", 16),
        ("p016le", 16),
        ("ayuv64le", 16),
        ("xv48le", 16),
    ],
)
def test_luma_of_every_packing_is_exact(name: str, depth: int) -> None:
    color = ColorSpec("bt601", full_range=False, depth=depth)
    stored = luma(1, 64, 48, depth)
    plain = av.VideoFrame(64, 48, "yuv444p" if depth == 8 else f"yuv444p{depth}le")
    for index, samples in enumerate((stored, *[np.full_like(stored, 1 << (depth - 1))] * 2)):
        fill(plain, index, samples)
    frame = as_format(name, color, plain)
    assert frame.format.name == name
    found, _ = read_luma(frame, color)
    assert found.dtype == stored.dtype
    assert np.array_equal(found, stored)


@pytest.mark.parametrize("name", ["p010le", "xv30le"])
def test_widths_that_threads_of_swscale_would_spoil(name: str) -> None:
    color = ColorSpec("bt601", full_range=False, depth=10)
    stored = luma(1, 642, 360, 10)
    plain = av.VideoFrame(642, 360, "yuv444p10le")
    for index in range(3):
        fill(plain, index, stored)
    frame = plain.reformat(format=name, threads=1)

    def read() -> list[NDArray[Any]]:
        chroma = read_chroma(frame, color)
        assert chroma is not None
        return [read_luma(frame, color)[0], *chroma]

    first = read()
    for _ in range(300):  # With threads, one in some was spoilt.
        assert all(map(np.array_equal, read(), first))
    assert np.array_equal(first[0], stored)


@pytest.mark.parametrize("name", ["gray", "gray10le", "gray16be", "ya8", "ya16le"])
def test_luma_of_grey_formats_is_exact(name: str) -> None:
    depth = picture_of(name).depth
    frame = av.VideoFrame(64, 48, name)
    stored = luma(2, 64, 48, depth)
    order = stored.astype(">u2") if name.endswith("be") else stored
    if name.startswith("ya"):
        order = np.stack([stored, np.full_like(stored, 77)], -1).reshape(48, 128)
    fill(frame, 0, order)
    found, _ = read_luma(frame, ColorSpec("bt601", full_range=True, depth=depth))
    assert np.array_equal(found, stored)


@pytest.mark.parametrize("name", ["rgb24", "bgr0", "gbrp", "rgb48le"])
def test_rgb_becomes_luma_of_the_films_matrix(name: str) -> None:
    depth = picture_of(name).depth
    top = (1 << depth) - 1
    frame = av.VideoFrame(16, 16, "rgb24")
    fill(frame, 0, np.tile(np.array([255, 0, 0], np.uint8), (16, 16)))
    for matrix, share in (("bt601", 0.299), ("bt709", 0.2126)):
        color = ColorSpec(matrix, full_range=False, depth=depth)  # type: ignore[arg-type]
        found, _ = read_luma(frame.reformat(format=name), color)
        codes = (16 + 219 * share) * (1 << (depth - 8))
        assert abs(float(found.mean()) - codes) < top / 150


def test_frame_range_is_half_open_and_keeps_numbers(clip: Clips) -> None:
    info = probe(clip("plain.mp4"))
    frames = list(decode(info, RangeSettings(first_frame=3, end_frame=6)))
    assert [frame.index for frame in frames] == [3, 4, 5]
    assert np.array_equal(frames[0].luma, luma(3, 64, 48))


@pytest.mark.parametrize("name", ["plain.mp4", "late.mp4", "variable.mkv", "rich.mkv"])
def test_time_range_counts_from_the_films_start(clip: Clips, name: str) -> None:
    info = probe(clip(name))
    whole = list(decode(info))
    origin = whole[0].pts * info.time_base
    start, duration = Fraction(1, 10), Fraction(1, 5)
    wanted = [
        frame.pts
        for frame in whole
        if start <= frame.pts * info.time_base - origin < start + duration
    ]
    part = list(decode(info, RangeSettings(start=start, duration=duration)))
    assert [frame.pts for frame in part] == wanted
    assert [frame.index for frame in part] == list(range(len(wanted)))


def test_time_range_seeks(tmp_path: Path) -> None:
    path = make(Clip("long.mkv", frames=200, rate=Fraction(20), options={"g": "10"}), tmp_path)
    info = probe(path)
    frames = decode(info, RangeSettings(start=Fraction(9)))
    first = next(frames)
    frames.close()
    assert first.pts * info.time_base == 9
    assert np.array_equal(first.luma, luma(180, 64, 48))


def test_range_beyond_the_end_is_a_usage_error(clip: Clips) -> None:
    info = probe(clip("plain.mp4"))
    for crop in (RangeSettings(first_frame=99), RangeSettings(start=Fraction(99))):
        with pytest.raises(UsageError, match="holds no frame"):
            list(decode(info, crop))


def damaged(clip: Clips, path: Path) -> Path:
    """``plain.mp4`` with noise in the third and the sixth picture, container intact."""
    data = bytearray(clip("plain.mp4").read_bytes())
    with av.open(str(clip("plain.mp4"))) as source:
        spots = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size]
    for number in (2, 5):
        start, size = spots[number]
        assert start is not None
        noise = np.random.default_rng(number).bytes(size - 12)
        data[start + 6 : start + size - 6] = noise
    path.write_bytes(data)
    return path


def test_damage_is_survived_and_counted(clip: Clips, tmp_path: Path) -> None:
    info = probe(damaged(clip, tmp_path / "damaged.mp4"))
    report = DecodeReport()
    frames = list(decode(info, report=report))
    assert 8 <= len(frames) <= 10
    assert report.damaged + report.skipped > 0
    assert report.damaged == sum(frame.damaged for frame in frames)
    times = [frame.pts for frame in frames]
    assert times == sorted(set(times))


def test_truncated_film_gives_what_is_there(clip: Clips, tmp_path: Path) -> None:
    path = tmp_path / "truncated.mkv"
    data = clip("plain.mkv").read_bytes()
    path.write_bytes(data[: len(data) // 2])
    frames = list(decode(probe(path)))
    assert 0 < len(frames) < 10
    assert np.array_equal(frames[0].luma, luma(0, 64, 48))


@needs_proc
@pytest.mark.parametrize("crop", [RangeSettings(), RangeSettings(start=Fraction(1, 10))])
def test_file_is_closed_on_early_close(clip: Clips, crop: RangeSettings) -> None:
    path = clip("plain.mp4")
    frames = decode(probe(path), crop)
    kept: Frame = next(frames)
    assert open_files(path) == 1
    frames.close()
    assert open_files(path) == 0
    assert kept.luma.shape == (48, 64)


@needs_proc
def test_file_is_closed_at_the_end_and_on_error(clip: Clips, tmp_path: Path) -> None:
    path = clip("plain.mp4")
    list(decode(probe(path)))
    assert open_files(path) == 0
    wrong = replace(probe(path), width=32)
    with pytest.raises(SourceError, match=r"changes from 32x48"):
        list(decode(wrong, limits=LimitSettings(strict=True)))
    assert open_files(path) == 0


@pytest.mark.parametrize("count", [3, 99])
def test_nothing_is_left_for_the_garbage_collector(clip: Clips, count: int) -> None:
    """It would take FFmpeg's parts away in no order, from whichever thread."""
    info = probe(clip("plain.mp4"))
    gc.collect()
    gc.disable()
    try:
        frames = decode(info)
        for _ in zip(range(count), frames, strict=False):
            pass
        frames.close()
        del frames
        kinds = {type(item).__name__ for item in gc.get_objects()}
    finally:
        gc.enable()
    assert not kinds & {"Reader", "VideoStream", "InputContainer", "VideoCodecContext"}


def test_nothing_reaches_stderr(
    clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(decode(probe(damaged(clip, tmp_path / "noisy.mp4"))))
    assert capfd.readouterr() == ("", "")
