"""Colour stays with its thing: still when still, along when it moves, never across a cut."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from vidcolor.flow import motions
from vidcolor.frames import ColoredFrame, ColorSpec, Frame, SmallFrame
from vidcolor.keyframes import LinkedFrame
from vidcolor.stabilize import memory_length, stabilize

SHAPE = (96, 160)
SPEC = ColorSpec("bt709", False, 8)


pytestmark = pytest.mark.usefixtures("one_thread")


def texture(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixed = sum(
        cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), size) * size for size in (2, 7)
    )
    return (50 + 15 * mixed / np.std(mixed)).clip(0, 100).astype(np.float32)


def flat(a: float, b: float = 0.0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.stack([np.full(shape, a), np.full(shape, b)]).astype(np.float32)


def shot(lights: list[np.ndarray], colors: list[np.ndarray], start: int = 0) -> list[ColoredFrame]:
    return [
        ColoredFrame(
            Frame(start + i, start + i, 1, np.zeros((2, 2), np.uint8), SPEC), light, ab, i == 0
        )
        for i, (light, ab) in enumerate(zip(lights, colors, strict=True))
    ]


def steadied(
    frames: list[ColoredFrame],
    strength: float = 0.9,
    every: int = 1,
    pool: ThreadPoolExecutor | None = None,
    **options: int,
) -> list[ColoredFrame]:
    """The frames steadied; the network spoke of every ``every``-th of each shot."""
    small = [SmallFrame(item.frame, item.lightness, item.cut) for item in frames]
    guesses, since = [], 0
    for (one, link), item in zip(motions(small, pool), frames, strict=True):
        since = 0 if item.cut else since + 1
        key = since % every == 0
        guesses.append((LinkedFrame(one, link, key), item.ab if key else None))
    return list(stabilize(guesses, strength, **options))


def colors(frames: list[ColoredFrame], strength: float = 0.9, **options: int) -> list[np.ndarray]:
    return [frame.ab for frame in steadied(frames, strength, **options)]


def noise(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [flat(*rng.normal(0, 6, 2)) for _ in range(count)]


@pytest.mark.parametrize("look_ahead", [0, 1, 6])
def test_a_static_scene_is_exactly_still(look_ahead: int) -> None:
    light = texture(1)
    # As a network's colours come: scaled up from a quarter of the size.
    coarse = np.dstack([texture(2, (24, 40)), texture(3, (24, 40))]) - 50
    ab = cv2.resize(coarse, SHAPE[::-1]).transpose(2, 0, 1)
    for every in (1, 4):
        out = colors(shot([light] * 14, [ab] * 14), look_ahead=look_ahead, every=every)
        for item in out:
            np.testing.assert_array_equal(item, out[0])
        # Kept at half size, which is finer than the network's own grid.
        assert np.abs(out[0] - ab).mean() < 0.5


def test_frames_without_a_guess_take_their_colour_along_the_motion() -> None:
    wide = texture(4, (96, 260))
    patch = np.zeros((96, 260), np.float32)
    patch[30:66, 60:110] = 40
    moving = cv2.GaussianBlur(patch, (0, 0), 2)
    lights = [wide[:, 3 * i : 3 * i + 160] for i in range(21)]
    truths = [np.stack([moving[:, 3 * i : 3 * i + 160]] * 2) for i in range(21)]
    out = colors(shot(lights, truths), every=5)
    for ab, truth in zip(out, truths, strict=True):
        inner = np.s_[:, :, 12:-12]
        assert np.abs(ab[inner] - truth[inner]).mean() < 1.2


def test_what_comes_into_view_between_guesses_has_its_colour_from_the_next_one() -> None:
    wide = texture(4, (96, 260))
    paint = np.zeros((96, 260), np.float32)
    paint[:, 165:200] = 35
    lights = [wide[:, 4 * i : 4 * i + 160] for i in range(9)]
    truths = [np.stack([paint[:, 4 * i : 4 * i + 160]] * 2) for i in range(9)]
    out = colors(shot(lights, truths), every=8)
    # In frame 6 the stripe begins 141 pixels from the left; only frame 8 was asked about it.
    assert out[6][0, 20:76, 146:158].mean() > 25


def test_a_shot_must_begin_with_a_guess() -> None:
    small = SmallFrame(Frame(0, 0, 1, np.zeros((2, 2), np.uint8), SPEC), texture(1), True)
    with pytest.raises(ValueError, match="first frame of a shot"):
        list(stabilize([(LinkedFrame(small, None, False), None)], 0.9))


@pytest.mark.parametrize("look_ahead", [0, 6])
def test_flicker_of_a_still_scene_is_averaged_from_the_start(look_ahead: int) -> None:
    guesses = noise(30)
    out = colors(shot([texture(1)] * 30, guesses), look_ahead=look_ahead)
    means = np.array([ab.mean(axis=(1, 2)) for ab in out])
    raw = np.array([ab.mean(axis=(1, 2)) for ab in guesses])
    assert np.abs(np.diff(means, axis=0)).mean() < 0.2 * np.abs(np.diff(raw, axis=0)).mean()
    # The first guess must not be frozen in: three frames in, three guesses weigh the same.
    if look_ahead == 0:
        np.testing.assert_allclose(means[2], raw[:3].mean(axis=0), atol=1e-3)
    else:
        average = raw.mean(axis=0)
        assert np.abs(means[0] - average).max() < 0.7 * np.abs(raw[0] - average).max()


def test_colour_travels_with_what_moves() -> None:
    wide = texture(4, (96, 240))
    patch = np.zeros((96, 240), np.float32)
    patch[30:66, 60:110] = 40
    moving = cv2.GaussianBlur(patch, (0, 0), 2)
    lights = [wide[:, 3 * i : 3 * i + 160] for i in range(16)]
    right = [np.stack([moving[:, 3 * i : 3 * i + 160]] * 2) for i in range(16)]
    guesses = [ab + extra for ab, extra in zip(right, noise(16), strict=True)]
    out = colors(shot(lights, guesses))
    error = [np.abs(ab - truth).mean() for ab, truth in zip(out, right, strict=True)]
    before = [np.abs(ab - truth).mean() for ab, truth in zip(guesses, right, strict=True)]
    assert np.mean(error) < 0.5 * np.mean(before)
    # Averaged in place instead of along the motion the patch would smear.
    smeared = np.mean(right[4:11], axis=0)
    clean = colors(shot(lights, right))[7]
    assert np.abs(clean - right[7]).mean() < 0.3 * np.abs(smeared - right[7]).mean()


def test_no_ghost_where_something_left() -> None:
    """A red disc crosses a green ground; the ground it uncovers must be green at once."""
    ground, disc = texture(5), texture(6)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    lights, truths, uncovered = [], [], []
    for i in range(10):
        at = 40 + 9 * i
        inside = (x - at) ** 2 + (y - 48) ** 2 < 24**2
        before = (x - at + 9) ** 2 + (y - 48) ** 2 < 22**2
        lights.append(np.where(inside, np.roll(disc, 9 * i, 1), ground).astype(np.float32))
        truths.append(np.stack([np.where(inside, 40, -20), np.zeros(SHAPE)]).astype(np.float32))
        uncovered.append(before & ((x - at) ** 2 + (y - 48) ** 2 > 27**2))
    out = colors(shot(lights, truths))
    a = [ab[0][where].mean() for ab, where in zip(out[1:], uncovered[1:], strict=True)]
    assert max(a) < -5 and np.mean(a) < -12
    assert np.mean([np.abs(ab - t).mean() for ab, t in zip(out, truths, strict=True)]) < 2.5


@pytest.mark.parametrize("look_ahead", [0, 2, 6])
def test_nothing_crosses_a_cut(look_ahead: int) -> None:
    light = texture(1)  # the very same picture: only the mark tells them apart
    first = shot([light] * 7, [flat(30)] * 7)
    second = shot([light] * 5, [flat(-30)] * 5, start=7)
    out = colors(first + second, look_ahead=look_ahead)
    for ab in out[:7]:
        np.testing.assert_array_equal(ab, flat(30))
    for ab in out[7:]:
        np.testing.assert_array_equal(ab, flat(-30))


def test_memory_is_drawn_back_to_the_network() -> None:
    guesses = [flat(30)] * 10 + [flat(-10)] * 30
    for strength in (0.8, 0.9):
        out = colors(shot([texture(1)] * 40, guesses), strength)
        assert out[-1].mean(axis=(1, 2))[0] < -8.5
    assert np.isfinite(memory_length(1)) and memory_length(0) == 0


def test_stronger_is_steadier() -> None:
    guesses = noise(24)
    unrest = [
        np.abs(np.diff([ab.mean() for ab in colors(shot([texture(1)] * 24, guesses), s)])).mean()
        for s in (0.3, 0.6, 0.9)
    ]
    assert unrest[0] > 1.3 * unrest[1] > 1.3 * 1.3 * unrest[2]


def test_strength_zero_passes_the_very_colours() -> None:
    frames = shot([texture(1)] * 3, noise(3))
    assert all(a.ab is b.ab for a, b in zip(frames, steadied(frames, 0), strict=True))


@pytest.mark.parametrize("strength", [-0.1, 1.1])
def test_impossible_strengths_are_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="strength"):
        steadied(shot([texture(1)], noise(1)), strength)


@pytest.mark.parametrize("count", [0, 1, 5, 6, 12, 13])
def test_every_frame_comes_out_once_in_order(count: int) -> None:
    frames = shot([texture(1)] * count, noise(count)) + shot(
        [texture(2)] * 3, noise(3), start=count
    )
    out = steadied(frames)
    assert [item.frame.index for item in out] == list(range(count + 3))
    assert [item.cut for item in out] == [item.cut for item in frames]
    assert all(a.lightness is b.lightness for a, b in zip(out, frames, strict=True))


def test_a_shot_is_the_same_alone_and_in_its_film() -> None:
    one = shot([texture(1)] * 9, noise(9, 1))
    other = shot([texture(i // 4 + 2) for i in range(11)], noise(11, 2), start=9)
    with ThreadPoolExecutor(2) as pool:
        film = [item.ab for item in steadied(one + other, 0.9, 3, pool)]
    for alone, within in zip(colors(one, every=3) + colors(other, every=3), film, strict=True):
        np.testing.assert_array_equal(alone, within)


def test_the_networks_arrays_are_left_alone() -> None:
    guesses = noise(14)
    kept = [ab.copy() for ab in guesses]
    colors(shot([texture(1)] * 14, guesses))
    for ab, before in zip(guesses, kept, strict=True):
        np.testing.assert_array_equal(ab, before)
