"""Known colours in every frame: carried along, lost, found again, and the same in every run."""

from __future__ import annotations

import errno
import io
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import Clip, make
from networks import tiny_checkpoint

from vidcolor import Settings, colorize_video, job
from vidcolor.chunks import ChunkLength
from vidcolor.errors import SettingsError, TargetError
from vidcolor.frames import ColorSpec, Frame, SmallFrame
from vidcolor.guide.hinted import color_under, points_of
from vidcolor.guide.match import grid
from vidcolor.guide.memory import Memory
from vidcolor.guide.moments import Moments
from vidcolor.guide.still import read_still, without_cast
from vidcolor.guide.survey import Guide, Wishes, make_guide
from vidcolor.hintlist import Hint
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.pipeline import Pipeline
from vidcolor.references import find_references
from vidcolor.tint import ColorWatch

RED = (200, 40, 40)
SIZE = (96, 128)
SPEC = ColorSpec("bt709", False, 8)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Colorizer:
    path = tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors")
    return Colorizer(str(path), "cpu")


def scene(seed: int) -> np.ndarray:
    """A wide picture of blots, from which moving frames are cut."""
    noise = np.random.default_rng(seed).uniform(0, 100, (24, 60)).astype(np.float32)
    return np.asarray(cv2.resize(noise, (480, 192), interpolation=cv2.INTER_CUBIC), np.float32)


def pan(seed: int, count: int, first: int = 0, step: int = 2) -> Iterator[SmallFrame]:
    wide = scene(seed)
    for number in range(count):
        light = np.clip(wide[40 : 40 + SIZE[0], 60 + step * number :][:, : SIZE[1]], 0, 100)
        frame = Frame(first + number, first + number, 1, np.zeros((4, 4), np.uint8), SPEC)
        yield SmallFrame(frame, np.ascontiguousarray(light), number == 0)


def guided(
    frames: list[SmallFrame], hints: list[Hint], tiny: Colorizer, warned: list[str] | None = None
) -> Guide:
    tell = (lambda line: None) if warned is None else warned.append
    return make_guide(lambda: iter(frames), Wishes(tuple(hints)), 96, tiny, tell)


def exact(guide: Guide, index: int) -> np.ndarray:
    """The points of a frame that come from a hint itself: those of full share."""
    points = guide.points(index)
    return np.zeros((0, 5)) if points is None else points[points[:, 4] > 0.85]


def test_a_point_goes_along_both_ways_with_what_it_is_on(tiny: Colorizer) -> None:
    hint = Hint(((0.5, 0.5),), RED, frame=6)
    with guided(list(pan(1, 13)), [hint], tiny) as guide:
        for index in range(13):
            points = exact(guide, index)
            assert len(points) == 1
            assert abs(points[0, 0] - 48) < 2
            assert abs(points[0, 1] - (64 - 2 * (index - 6))) < 2
            assert points[0, 2] > 10


def test_nothing_crosses_a_cut_unless_it_is_for_more_than_its_shot(tiny: Colorizer) -> None:
    frames = [*pan(1, 6), *pan(2, 6, 6), *pan(1, 6, 12)]
    place = ((0.5, 0.5),)
    with guided(frames, [Hint(place, RED, frame=2)], tiny) as guide:
        assert all(len(exact(guide, index)) == 1 for index in range(6))
        assert all(guide.points(index) is None for index in range(6, 18))
    with guided(frames, [Hint(place, RED, frame=2, scope="onward")], tiny) as guide:
        assert all(len(exact(guide, index)) == 1 for index in range(12, 18))
    with guided(frames, [Hint(place, RED, frame=14, scope="film")], tiny) as guide:
        assert all(len(exact(guide, index)) == 1 for index in range(6))


def test_what_is_covered_loses_its_point_and_gets_it_back(tiny: Colorizer) -> None:
    frames = list(pan(1, 37, step=0))
    cover = scene(7)[:96, :128]
    for number in range(8, 20):
        light = frames[number].lightness.copy()
        light[24:72, 32:96] = cover[24:72, 32:96]
        frames[number] = replace(frames[number], lightness=light)
    with guided(frames, [Hint(((0.5, 0.5),), RED, frame=0)], tiny) as guide:
        assert len(exact(guide, 7)) == 1
        covered = exact(guide, 14)
        inside = (np.abs(covered[:, :2] - (48, 64)) < 20).all(axis=1)
        assert not inside.any()
        back = exact(guide, 30)
        assert (np.abs(back[:, :2] - (48, 64)) < 6).all(axis=1).any()


def test_hints_that_lie_outside_are_named_and_left_out(tiny: Colorizer) -> None:
    told: list[str] = []
    hints = [
        Hint(((1.2, 0.5),), RED, frame=0, number=1),
        Hint(((0.5, 0.5),), RED, frame=99, number=2),
    ]
    with guided(list(pan(1, 3)), hints, tiny, told) as guide:
        assert guide.points(0) is None
    assert [line.split(":")[0] for line in told] == ["hint 1", "hint 2"]


def test_a_time_before_a_part_is_no_moment_of_it() -> None:
    """But one since the frame before is its first: that is the first at or after it."""
    times = (Fraction(1, 10), Fraction(95, 10), Fraction(10), Fraction(105, 10), Fraction(12))
    hints = [Hint(((0.5, 0.5),), RED, time=time, number=n) for n, time in enumerate(times)]

    def met(before: int, last: int | None = None) -> list[list[int]]:
        moments = Moments(hints, before, 0, Fraction(1), last)
        frames = [frame.frame for frame in pan(1, 3)]
        there = [replace(frame, pts=frame.pts + 10) for frame in frames]
        found = [[hint.number for hint in moments.on(frame)] for frame in there]
        return [*found, [hint.number for hint in moments.left]]

    assert met(10) == [[1, 2], [3], [4], [0]]
    assert met(0) == [[0, 1, 2], [3], [4], []]
    # By the frame before itself, where it is known, however long the first one lasts.
    assert met(10, last=0) == [[0, 1, 2], [3], [4], []]
    assert met(10, last=Fraction(98, 10)) == [[2], [3], [4], [0, 1]]  # type: ignore[arg-type]


def test_stills_that_are_for_nothing_here_are_named(tiny: Colorizer, tmp_path: Path) -> None:
    for name in ("1.png", "9.png", "ref_000900.png"):
        cv2.imwrite(str(tmp_path / name), np.full((64, 96, 3), (20, 90, 200), np.uint8))
    told: list[str] = []
    wishes = Wishes((), find_references(tmp_path))
    make_guide(lambda: pan(1, 3), wishes, 96, tiny, told.append).close()
    assert sorted(Path(line.split(": ")[0]).name for line in told) == ["9.png", "ref_000900.png"]
    assert all("is not in the part that is coloured" in line for line in told)


def test_shots_are_counted_the_same_where_some_keep_their_colour(
    tiny: Colorizer, tmp_path: Path
) -> None:
    picture = cv2.resize(scene(5)[40:136, 60:188], (128, 96))
    colors = np.stack([picture * 2.5, picture * 1.5 + 40, picture], 2).clip(0, 255)
    cv2.imwrite(str(tmp_path / "2.png"), colors.astype(np.uint8))
    shots = [*pan(1, 8), *pan(5, 8, first=8)]
    frames = list(ColorWatch(((0, 3),)).mark(shots))
    assert [n for n, item in enumerate(frames) if item.cut] == [0, 3, 8]
    wishes = Wishes((), find_references(tmp_path))
    with make_guide(lambda: iter(frames), wishes, 96, tiny, lambda line: None) as guide:
        known = [guide.points(n) is not None for n in range(16)]
    assert not any(known[:8]) and any(known[8:])


def test_a_full_disk_is_told_as_that(tiny: Colorizer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            self.write(b"")  # As a file does that still holds what it could not write.

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(TargetError, match=r"No space left on device; make room") as caught:
        guided(list(pan(1, 3)), [Hint(((0.5, 0.5),), RED, frame=0)], tiny)
    assert caught.value.passing and pickle.loads(pickle.dumps(caught.value)).passing


def test_a_colour_keeps_its_chromaticity_under_more_or_less_light() -> None:
    a, b = color_under(RED, 40)
    dark_a, dark_b = color_under(RED, 20)
    assert 0 < dark_a < a
    assert abs(np.arctan2(b, a) - np.arctan2(dark_b, dark_a)) < 0.15
    assert np.hypot(*color_under(RED, 100)) < 1
    assert color_under((0, 0, 0), 60) == (0, 0)


def test_places_are_those_of_the_picture_as_shown() -> None:
    light = np.full((32, 64), 50, np.float32)
    corner = [Hint(((0.01, 0.02),), RED, frame=0)]
    rows = [points_of(corner, light, turns)[0, :2].tolist() for turns in range(4)]
    assert [(y < 16, x < 32) for y, x in rows] == [
        (True, True),
        (True, False),
        (False, False),
        (False, True),
    ]
    stroke = [Hint(((0.1, 0.5), (0.9, 0.5)), RED, frame=0)]
    assert len(points_of(stroke, light)) > 8


def test_a_still_that_cannot_serve_is_named(tmp_path: Path) -> None:
    broken, grey = tmp_path / "broken.png", tmp_path / "grey.png"
    broken.write_bytes(b"no picture")
    cv2.imwrite(str(grey), np.full((64, 64, 3), 90, np.uint8))
    with pytest.raises(SettingsError, match=r"broken\.png: not a picture"):
        read_still(broken, 64)
    with pytest.raises(SettingsError, match=r"grey\.png: this still is grey"):
        read_still(grey, 64)


def test_a_cast_is_taken_out_and_a_colour_is_not() -> None:
    light = np.repeat(np.linspace(0.02, 0.9, 64)[None, :, None], 64, axis=0) * np.ones(3)
    light[:16] *= (1, 0.5, 0.3)
    assert np.array_equal(without_cast(light), light)
    seen = without_cast(light * (1, 0.8, 0.5))
    grey = seen[20:]
    assert (grey.max(axis=2) / grey.min(axis=2)).max() < 1.1


def test_a_run_in_chunks_is_the_same_as_one_without(
    tmp_path: Path, tiny: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(Clip("film.mkv", frames=70), tmp_path)
    hint = Hint(((0.3, 0.3),), RED, frame=5)
    base = Settings(hints=(hint,)).replace("color", short_side=64)
    base = base.replace("encoder", codec="ffv1")
    monkeypatch.setattr(job, "LENGTH", ChunkLength(4, 52))
    colors = []
    for name, settings in (("parts", base), ("whole", base.replace(resume=False))):
        if name == "whole":
            monkeypatch.setattr(job, "LENGTH", ChunkLength())
        target = tmp_path / f"{name}.mkv"
        colorize_video(source, target, settings, colorizer=tiny)
        frames = decode(probe(target))
        colors.append([frame.owner.to_ndarray()[48:].copy() for frame in frames])
    apart = [
        np.abs(one.astype(int) - other).max()
        for one, other in zip(colors[0], colors[1], strict=True)
    ]
    plain = tmp_path / "plain.mkv"
    colorize_video(source, plain, base.replace(hints=()), colorizer=tiny)
    unaided = [frame.owner.to_ndarray()[48:].astype(int) for frame in decode(probe(plain))]
    effect = [np.abs(one - other).max() for one, other in zip(unaided, colors[1], strict=True)]
    assert effect[0] > 3
    # A split within a shot begins anew after a warm-up: nearly the same, not to the last bit.
    assert max(apart) <= 0.05 * max(effect)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_still_is_found_in_a_film_that_lies_on_its_side(
    turns: int, tiny: Colorizer, tmp_path: Path
) -> None:
    small = cv2.resize(scene(4)[40:136, 60:188], (128, 96))
    picture = np.stack([small * 2.5, small * 1.5 + 40, small], 2).clip(0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "still.png"), picture)
    still = read_still(tmp_path / "still.png", 96)
    light = np.ascontiguousarray(np.rot90(still.lightness, -turns))
    film = [SmallFrame(Frame(0, 0, 1, np.zeros((4, 4), np.uint8), SPEC), light, True)]
    wishes = Wishes((), find_references(tmp_path / "still.png"), turns=turns)
    with make_guide(lambda: iter(film), wishes, 96, tiny, lambda line: None) as guide:
        points = guide.points(0)
    height, width = light.shape
    assert points is not None and len(points) == height * width // 64
    truth = np.rot90(still.ab, -turns, axes=(1, 2))
    rows, columns = points[:, :2].astype(int).T
    around = cv2.blur(truth.transpose(1, 2, 0), (8, 8))[rows, columns]
    assert np.abs(points[:, 2:4] - around).mean() < 3


def test_the_very_frame_as_a_still_gives_its_colours_back(tmp_path: Path) -> None:
    """With the network that ships: true colours nowhere near a guess."""
    source = make(Clip("film.mkv", frames=2, width=96, height=64, codec="ffv1"), tmp_path)
    luma = next(iter(decode(probe(source)))).owner.to_ndarray(format="gray")
    picture = np.stack([luma, luma, luma], axis=2).astype(np.float32)
    picture[:, :48] *= (1.0, 0.7, 0.4)
    picture[:, 48:] *= (0.5, 0.9, 1.0)
    still = tmp_path / "still.png"
    cv2.imwrite(str(still), picture.astype(np.uint8))
    truth = read_still(still, 64).ab
    colorizer = Colorizer("default", "cpu")
    errors = []
    for references in ((), find_references(still)):
        settings = Settings(references=references).replace("color", short_side=64)
        with ExitStack() as stack:
            first = next(iter(Pipeline(probe(source), settings, colorizer).colored(stack)))
            errors.append(float(np.abs(first.ab - truth).mean()))
    assert errors[1] < 0.6 * errors[0]


def remembered(frames: list[SmallFrame], hints: list[Hint], tiny: Colorizer) -> Guide:
    wishes = Wishes(tuple(hints), remember=True)
    return make_guide(lambda: iter(frames), wishes, 96, tiny, lambda line: None)


def test_a_place_that_comes_again_has_the_colours_it_had(tiny: Colorizer) -> None:
    frames = [*pan(1, 6, step=0), *pan(2, 6, 6, step=0), *pan(1, 6, 12, step=0)]
    with remembered(frames, [], tiny) as guide:
        assert all(guide.points(index) is None for index in range(12))
        again = guide.points(14)
    assert again is not None and len(again) > 40
    first = tiny.colors(frames[0].lightness[None])[0]
    rows, columns = again[:, :2].round().astype(int).T
    # Cells are eight pixels wide, so a point's colour is a mean around it.
    around = np.stack([cv2.blur(plane, (9, 9)) for plane in first])[:, rows, columns].T
    assert np.abs(again[:, 2:4] - around).mean() < 0.5 * np.abs(around).mean()


def test_the_hinted_colours_of_a_place_come_again_too(tiny: Colorizer) -> None:
    frames = [*pan(1, 6, step=0), *pan(2, 6, 6, step=0), *pan(1, 6, 12, step=0)]
    hint = Hint(((0.5, 0.5),), RED, frame=2)
    with remembered(frames, [], tiny) as guide:
        unaided = guide.points(14)
    with remembered(frames, [hint], tiny) as guide:
        told = guide.points(14)
    assert unaided is not None and told is not None

    def redness(points: np.ndarray) -> float:
        there = np.abs(points[:, :2] - (48, 64)).max(axis=1) < 12
        return float(points[there, 2].mean())

    assert redness(told) > redness(unaided) + 5


def look(seed: int) -> np.ndarray:
    """Features of a picture that has nothing in common with those of any other seed."""
    features = np.random.default_rng(seed).standard_normal((12, 16, 40)).astype(np.float32)
    return features / np.linalg.norm(features, axis=-1, keepdims=True)


def test_the_place_not_shown_for_longest_is_forgotten() -> None:
    memory = Memory()
    ab = np.zeros((2, 12, 16), np.float32)
    for number in range(32):
        assert memory.keep(number, grid(look(number), ab, 1.0)) is None
    assert memory.shown([look(0)]) == [0]
    assert memory.shown([look(99)]) == []
    assert memory.keep(32, grid(look(32), ab, 1.0)) == 1
    assert memory.shown([look(1)]) == []
    assert memory.shown([look(99), look(0)]) == [0]


def test_a_shot_shows_the_places_it_shows_most_of() -> None:
    memory = Memory()
    ab = np.zeros((2, 12, 16), np.float32)
    for number, rows in enumerate((12, 8, 10, 6, 2)):
        part = look(number)
        part[:rows] = look(50)[:rows]
        memory.keep(number, grid(part, ab, 1.0))
    assert memory.shown([look(50)]) == [0, 2, 1]
