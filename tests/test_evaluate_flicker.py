"""The video that shows what steadying does, and the writer of such videos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from networks import tiny_checkpoint

from vidcolor.errors import EncodeError, TargetError
from vidcolor.evaluate.flicker import TALLEST, FlickerVideo, difference
from vidcolor.frames import ColoredFrame, VideoInfo
from vidcolor.media.decode import decode
from vidcolor.media.pictures import PictureWriter
from vidcolor.media.probe import probe
from vidcolor.shrink import shrink
from vidcolor.stills import panel_size
from vidcolor_cli.main import run

Clips = Callable[[str], Path]


def _colored(film: Path, ab: tuple[float, float]) -> list[ColoredFrame]:
    """A film in one colour, small pictures of 64 x 96 or 96 x 64."""
    info = probe(film)
    size = (64, 96) if info.width > info.height else (96, 64)
    plane = np.ones((2, *size), np.float32) * np.float32(ab)[:, None, None]
    return [
        ColoredFrame(frame, shrink(frame, size), plane, frame.index == 0) for frame in decode(info)
    ]


def _read(path: Path) -> tuple[list[Fraction], list[np.ndarray]]:
    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
    times = [frame.pts * frame.time_base for frame in frames]
    return times, [frame.to_ndarray(format="rgb24") for frame in frames]


def _panels(picture: np.ndarray) -> list[np.ndarray]:
    return np.split(picture.astype(int), 3, axis=1)


@pytest.mark.parametrize("name", ["plain.mp4", "variable.mkv", "variable.mp4", "late.mp4"])
def test_three_panels_in_the_time_of_the_clip(name: str, clip: Clips, tmp_path: Path) -> None:
    source, target = clip(name), tmp_path / "flicker.mp4"
    with FlickerVideo(target, source) as video:
        for one, two in zip(_colored(source, (30, 0)), _colored(source, (30, 2)), strict=True):
            video.add(one, two)
        assert not target.exists()
    times, pictures = _read(target)
    info = probe(source)
    pts = [frame.pts for frame in decode(info)]
    assert times == [(at - pts[0]) * info.time_base for at in pts]
    assert probe(target).codec == "h264"
    assert list(tmp_path.iterdir()) == [target]
    assert pictures[0].shape == (48, 3 * 64, 3)
    left, middle, right = (panel.mean((0, 1)) for panel in _panels(pictures[3]))
    # Reddish both; the film a little yellower, which the right panel shows eight times as much.
    assert left[0] - left[2] > 20 and middle[0] - middle[2] > 20
    assert 1 < (left[2] - middle[2]) < 8
    assert 4 < (128 - right[2]) / (left[2] - middle[2]) < 12
    assert abs(right[0] - 128) < 20


def test_no_difference_is_mid_grey(clip: Clips, tmp_path: Path) -> None:
    source, target = clip("plain.mp4"), tmp_path / "flicker.mkv"
    with FlickerVideo(target, source) as video:
        for one in _colored(source, (30, -20)):
            video.add(one, one)
    for picture in _read(target)[1]:
        left, middle, right = _panels(picture)
        assert np.abs(left - middle).mean() < 4
        assert np.abs(right - 128)[:, 8:].max() <= 3


def test_a_turned_clip_is_shown_upright(clip: Clips, tmp_path: Path) -> None:
    source, target = clip("turned.mp4"), tmp_path / "flicker.mp4"
    frames = _colored(source, (0, 0))
    with FlickerVideo(target, source) as video:
        for one in frames:
            video.add(one, one)
    assert probe(target).rotation == 0
    picture = _read(target)[1][0]
    assert picture.shape == (64, 3 * 48, 3)
    upright = (np.rot90(frames[0].frame.luma).astype(float) - 16) / 219 * 255
    assert np.abs(_panels(picture)[0].mean(axis=2) - upright).mean() < 6


def test_the_difference_is_eightfold_around_mid_grey_and_ends_at_the_ends() -> None:
    one, two = np.full((1, 3, 3), 100, np.uint8), np.full((1, 3, 3), 100, np.uint8)
    two[0, :, 0] = 103, 90, 120
    assert difference(one, two)[0, :, 0].tolist() == [152, 48, 255]
    assert difference(two, one)[0, :, 0].tolist() == [104, 208, 0]
    assert (difference(one, two)[..., 1:] == 128).all()


@pytest.mark.parametrize(
    ("size", "aspect", "rotation", "panel"),
    [
        ((854, 480), 1, 0, (480, 854)),
        ((1920, 1080), 1, 0, (480, 852)),
        ((65, 49), 1, 0, (48, 64)),
        ((720, 576), Fraction(16, 15), 0, (480, 640)),
        ((720, 480), Fraction(8, 9), 0, (480, 640)),
        ((720, 480), 0, 0, (480, 720)),
        ((1920, 1080), 1, 90, (270, 480)),
        ((1, 1), 1, 0, (2, 2)),
    ],
)
def test_panels_are_square_pixeled_even_and_no_larger_than_the_clip(
    size: tuple[int, int],
    aspect: Fraction | int,
    rotation: int,
    panel: tuple[int, int],
    clip: Clips,
) -> None:
    info = replace(
        probe(clip("plain.mp4")),
        width=size[0],
        height=size[1],
        sample_aspect_ratio=Fraction(aspect),
        rotation=rotation,
    )
    assert panel_size(info, TALLEST) == panel


# The writer


def _write(target: Path, info: VideoInfo, pictures: list[np.ndarray], *, step: int = 1) -> None:
    with PictureWriter(target, info, (16, 16)) as writer:
        for number, picture in enumerate(pictures):
            writer.write(picture, number * step)


BLACK = np.zeros((16, 16, 3), np.uint8)


def test_an_unfinished_video_leaves_the_old_file(clip: Clips, tmp_path: Path) -> None:
    target = tmp_path / "flicker.mp4"
    target.write_text("old")
    info = probe(clip("plain.mp4"))
    with pytest.raises(ValueError, match="picture must be"):
        _write(target, info, [BLACK, BLACK, BLACK[:8]])
    with pytest.raises(ValueError, match="not before"):
        _write(target, info, [BLACK, BLACK], step=0)
    with pytest.raises(EncodeError, match="not one picture"):
        _write(target, info, [])
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_last_picture_lasts_as_long_as_it_is_told_to(clip: Clips, tmp_path: Path) -> None:
    info, target = probe(clip("plain.mp4")), tmp_path / "slides.mp4"
    with PictureWriter(target, info, (16, 16)) as writer:
        for seconds, lasts in ((0, 0), (1, 0), (5, 3)):
            ticks = [int(value / info.time_base) for value in (seconds, lasts)]
            writer.write(BLACK, *ticks)
    assert probe(target).duration == 8


def test_odd_sizes_and_containers_without_h264_are_refused(clip: Clips, tmp_path: Path) -> None:
    info = probe(clip("plain.mp4"))
    with pytest.raises(ValueError, match="even"):
        PictureWriter(tmp_path / "flicker.mp4", info, (16, 15))
    with pytest.raises(TargetError, match="webm"):
        PictureWriter(tmp_path / "flicker.webm", info, (16, 16))
    assert list(tmp_path.iterdir()) == []


# The command


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors", 1))


def test_the_command_writes_the_video(clip: Clips, tiny: str, tmp_path: Path) -> None:
    target = tmp_path / "flicker.mp4"
    target.write_text("an older one, which is replaced")
    words = ["eval", str(clip("plain.mp4")), "--limit", "6", "--model", tiny]
    assert run([*words, "--flicker", str(target)]) == 4
    assert run([*words, "--flicker", str(target), "--overwrite"]) == 0
    times, pictures = _read(target)
    assert times == [Fraction(n, 25) for n in range(6)]
    assert pictures[0].shape == (48, 192, 3)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("extra", "target", "code", "mention"),
    [
        (["late.mp4"], "flicker.mp4", 2, "one clip"),
        (["--model", "default"], "flicker.mp4", 2, "one model"),
        ([], "flicker.webm", 4, ".webm"),
        ([], "flicker.txt", 4, ".txt"),
        ([], "missing/flicker.mp4", 4, "missing"),
        (["--json", "flicker.mp4"], "flicker.mp4", 2, "two names"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    extra: list[str],
    target: str,
    code: int,
    mention: str,
    clip: Clips,
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    more = [str(clip(word)) if word == "late.mp4" else word for word in extra]
    words = ["eval", str(clip("plain.mp4")), "--limit", "2", "--model", tiny]
    assert run([*words, *more, "--flicker", target]) == code
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and mention in err
    assert list(tmp_path.iterdir()) == []


def test_the_clip_itself_is_never_replaced(clip: Clips, tiny: str) -> None:
    source = clip("plain.mp4")
    before = source.read_bytes()
    assert run(["eval", str(source), "--model", tiny, "--flicker", str(source)]) == 4
    assert source.read_bytes() == before
