"""Grey, tinted and in colour told apart; colour kept where it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import fill
from networks import tiny_checkpoint

from vidcolor.frames import ColorSpec, Frame, SmallFrame
from vidcolor.job import colorize_video
from vidcolor.media.decode import decode
from vidcolor.media.picture import read_chroma
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import KeepColor, Settings
from vidcolor.shrink import shrink
from vidcolor.tint import LOOK_AHEAD, ColorWatch, kept, look

WIDTH, HEIGHT = 128, 96
SPEC = ColorSpec("bt709", False, 8)
RNG = np.random.default_rng(5)
SCENE = cv2.GaussianBlur(RNG.standard_normal((HEIGHT, WIDTH)), (0, 0), 9)
SCENE = np.clip(128 + 50 * SCENE / SCENE.std(), 20, 230)
PATCHES = np.stack([cv2.GaussianBlur(RNG.standard_normal((48, 64)), (0, 0), 6) for _ in "uv"])
PATCHES /= PATCHES.std()


def _chroma(kind: str) -> np.ndarray:
    """Cb and Cr, (2, 48, 64), of the scene as film of this kind."""
    light = cv2.resize(SCENE, (64, 48), interpolation=cv2.INTER_AREA)
    if kind == "colored":
        return 128 + 9 * PATCHES
    noise = RNG.standard_normal((2, 48, 64))
    if kind == "grey":
        return 128 + 3 * noise + np.array([2, -1])[:, None, None]
    # Sepia: strongest in the middle tones, under the noise of an old transfer.
    strength = 22 * np.sin(light / 255 * np.pi)
    if kind == "split":  # Blue shadows, yellow lights.
        strength = (light - 110) / 4
    return 128 + np.stack([-strength, 0.6 * strength]) + 3 * noise


def _picture(kind: str) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for index, plane in enumerate((SCENE, *_chroma(kind))):
        fill(frame, index, np.rint(plane).clip(0, 255).astype(np.uint8))
    return frame


def _small(kind: str, index: int = 0, cut: bool = False) -> SmallFrame:
    owner = _picture(kind)
    frame = Frame(index, index, 1, SCENE.astype(np.uint8), SPEC, owner=owner)
    return SmallFrame(frame, shrink(frame, (96, 128)), cut)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("grey", "grey"), ("sepia", "tinted"), ("split", "tinted"), ("colored", "colored")],
)
def test_looks(kind: str, expected: str) -> None:
    assert look(_small(kind)) == expected


def test_a_picture_without_chroma_is_grey() -> None:
    owner = av.VideoFrame(WIDTH, HEIGHT, "gray")
    frame = Frame(0, 0, 1, SCENE.astype(np.uint8), SPEC, owner=owner)
    assert look(SmallFrame(frame, shrink(frame, (96, 128)), True)) == "grey"


def _marks(kinds: Sequence[str], cuts: set[int], keep: KeepColor) -> tuple[str, list[int]]:
    frames = [_small(kind, at, at in cuts) for at, kind in enumerate(kinds)]
    marked = list(ColorWatch(keep).mark(frames))
    assert [small.frame.index for small in marked] == list(range(len(kinds)))
    kept = "".join("k" if small.frame.keeps_color else "." for small in marked)
    return kept, [at for at, small in enumerate(marked) if small.cut]


def test_auto_goes_by_shot_and_not_by_a_single_frame() -> None:
    g, c = "grey", "colored"
    assert _marks([g, g, c, g, g], {0}, "auto") == (".....", [0])
    assert _marks([c, c, g, c, c], {0}, "auto") == ("kkkkk", [0])
    assert _marks([g] * 3 + [c] * 4 + [g] * 3, {0, 3, 7}, "auto") == ("...kkkk...", [0, 3, 7])
    # What comes up from black, or is dissolved to, changes within the shot, and cuts it.
    assert _marks([g] * 3 + [c] * (LOOK_AHEAD + 2), {0}, "auto") == ("...kkkkk", [0, 3])
    # A frame behind a cut has no say in the shot before it.
    assert _marks([c, g, g, g, g], {0, 1}, "auto") == ("k....", [0, 1])


def test_ranges_are_half_open_and_cut_at_both_ends() -> None:
    kinds = ["grey"] * 8
    assert _marks(kinds, {0}, ((2, 4), (6, None))) == ("..kk..kk", [0, 2, 4, 6])
    assert _marks(kinds, {0}, None) == ("........", [0])


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (["grey"], None),
        (["sepia"], "tinted"),
        (["colored"], "in colour already, and is coloured anew; --keep-colour auto"),
        (["grey"] * 24 + ["colored"] * 12, "about 33% of this film is in colour"),
    ],
)
def test_what_is_told_at_the_end(kinds: list[str], words: str | None) -> None:
    watch = ColorWatch(None)
    for _ in watch.mark(_small(kind, at) for at, kind in enumerate(kinds)):
        pass
    assert list(watch.notes(Path("film"), ended=False)) == []
    told = list(watch.notes(Path("film"), ended=True))
    assert told == [] if words is None else words in told[0]
    assert list(watch.notes(Path("film"), ended=True)) == []


def test_colour_is_told_of_early() -> None:
    watch = ColorWatch(None)
    told = 0
    for at, _ in enumerate(watch.mark(_small("colored", at) for at in range(120))):
        if told == 0 and list(watch.notes(Path("film"), ended=False)):
            told = at
    assert 0 < told < 100


def _film(path: Path, kinds: Sequence[str]) -> Path:
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("ffv1", rate=Fraction(20))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, kind in enumerate(kinds):
            frame = _picture(kind)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("keep", ["auto", ((6, None),), None])
def test_a_film_with_a_part_in_colour(keep: KeepColor, tmp_path: Path) -> None:
    source = _film(tmp_path / "film.mkv", ["sepia"] * 6 + ["colored"] * 6)
    net = Colorizer(str(tiny_checkpoint(tmp_path / "tiny.safetensors")), "cpu")
    settings = Settings(keep_color=keep).replace("color", short_side=64)
    settings = settings.replace("encoder", codec="ffv1")
    report = colorize_video(source, tmp_path / "out.mkv", settings, colorizer=net)
    same = []
    films = (decode(probe(path)) for path in (source, tmp_path / "out.mkv"))
    for before, after in zip(*films, strict=True):
        np.testing.assert_array_equal(before.luma, after.luma)
        pairs = [read_chroma(frame.owner, frame.color) for frame in (before, after)]
        assert pairs[0] is not None and pairs[1] is not None
        same.append(all(map(np.array_equal, *pairs)))
    assert same == [False] * 6 + [keep is not None] * 6
    assert report.kept_color == sum(same)
    # The pictures do not change, so this cut is where the two meet.
    assert report.cuts == (keep is not None)
    assert (report.warnings == []) == (keep is not None)


@pytest.mark.parametrize("depths", [(8, 10), (10, 8)])
def test_kept_colour_of_another_depth_is_in_the_film_s_codes(depths: tuple[int, int]) -> None:
    """As `kept` is given it where a broadcast changes on the way: luma fitted, colour as it was."""
    film, own = depths
    owner = av.VideoFrame(64, 48, f"yuv420p{'' if own == 8 else '10le'}")
    kind: Any = np.uint8 if own == 8 else np.uint16
    codes = (100, 120, 150)
    for index, plane in enumerate(owner.planes):
        code = codes[index] << (own - 8)
        fill(owner, index, np.full((plane.height, plane.width), code, kind))
    luma = np.full((48, 64), 100 << (film - 8), np.uint8 if film == 8 else np.uint16)
    frame = Frame(0, 0, 1, luma, ColorSpec("bt709", False, film), owner=owner)
    painted = kept(frame, (24, 32))
    assert painted.cb.dtype == painted.cr.dtype == luma.dtype
    assert np.all(painted.cb == 120 << (film - 8)) and np.all(painted.cr == 150 << (film - 8))
    # Of another size, it has no place in the film's picture.
    small = Frame(0, 0, 1, luma[:, :32], ColorSpec("bt709", False, film), owner=owner)
    assert np.all(kept(small, (24, 16)).cb == 128 << (film - 8))
