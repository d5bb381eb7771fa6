"""Cuts are found; what old film does between them is not taken for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from vidcolor.frames import ColorSpec, Frame
from vidcolor.scenes import LOOK_AHEAD, CutDetector, find_cuts, given_cuts

SIZE = (128, 192)
SPEC = ColorSpec("bt709", True, 8)


def scene(seed: int, count: int, speed: tuple[float, float] = (1.5, 0.4)) -> list[np.ndarray]:
    """A camera moving over a random landscape: ``count`` pictures (128, 192) in 0 … 255."""
    rng = np.random.default_rng(seed)
    wide = (160, 192 + 40 + int(abs(speed[0]) * count))
    land = sum(
        amount * cv2.GaussianBlur(rng.standard_normal(wide), (0, 0), size) * size
        for size, amount in ((2, 0.4), (6, 1.0), (18, 1.0))
    )
    land = 128 + 45 * (land - land.mean()) / land.std()
    return [
        cv2.warpAffine(
            land,
            np.array([[1.0, 0.0, -speed[0] * i], [0.0, 1.0, -speed[1] * i]]),
            (192, 128),
            borderMode=cv2.BORDER_WRAP,
        ).clip(0, 255)
        for i in range(count)
    ]


def film(pictures: list[np.ndarray]) -> Iterator[Frame]:
    for index, picture in enumerate(pictures):
        yield Frame(index, index, 1, np.rint(picture.clip(0, 255)).astype(np.uint8), SPEC)


def cuts(pictures: list[np.ndarray]) -> list[int]:
    return [item.frame.index for item in find_cuts(film(pictures), SIZE) if item.cut]


def flicker(pictures: list[np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(9)
    return [p * rng.uniform(0.7, 1.3) + rng.uniform(-15, 15) for p in pictures]


def weave(pictures: list[np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(8)
    return [np.roll(p, tuple(rng.integers(-4, 5, 2)), (0, 1)) for p in pictures]


def grain(pictures: list[np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [p + rng.normal(0, 18, p.shape) for p in pictures]


def scratches(pictures: list[np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(6)
    out = [p.copy() for p in pictures]
    for picture in out:
        picture[:, rng.integers(0, 192, 2)] = 255
        picture[rng.integers(0, 110) :][:12, rng.integers(0, 170) :][:, :12] = 0
    return out


def as_shot(pictures: list[np.ndarray]) -> list[np.ndarray]:
    return pictures


WEAR = [as_shot, flicker, weave, grain, scratches]


@pytest.mark.parametrize("wear", WEAR)
def test_hard_cuts_are_found_and_nothing_else(
    wear: Callable[[list[np.ndarray]], list[np.ndarray]],
) -> None:
    shots = [scene(1, 12), scene(2, 5), scene(3, 15, (-2, 0)), scene(4, 9)]
    assert cuts(wear([p for shot in shots for p in shot])) == [0, 12, 17, 32]


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("kind", ["white", "bright", "black"])
def test_flashes_are_no_cuts(length: int, kind: str) -> None:
    pictures = scene(5, 20)
    for index in range(8, 8 + length):
        pictures[index] = {
            "white": np.full_like(pictures[index], 255),
            "bright": pictures[index] * 2 + 60,
            "black": np.zeros_like(pictures[index]),
        }[kind]
    assert cuts(pictures) == [0]


def test_a_cut_beside_a_flash_is_found() -> None:
    pictures = scene(1, 10) + scene(2, 10)
    pictures[6] = np.full_like(pictures[6], 255)
    assert cuts(pictures) == [0, 10]


def test_dissolve_is_no_cut() -> None:
    one, other = scene(1, 30), scene(2, 30)
    share = [min(max((i - 8) / 14, 0), 1) for i in range(30)]
    mixed = [(1 - s) * p + s * q for s, p, q in zip(share, one, other, strict=True)]
    assert cuts(mixed) == [0]
    assert cuts(one[:15] + other[15:]) == [0, 15]


def test_fast_pan_and_crash_zoom_are_no_cuts() -> None:
    assert cuts(scene(6, 20, (15, 0))) == [0]
    still = scene(7, 1)[0]
    zoom = [
        cv2.warpAffine(still, cv2.getRotationMatrix2D((96, 64), 0, 1.12**i), (192, 128))
        for i in range(10)
    ]
    assert cuts([still] * 6 + zoom) == [0]


def test_black_between_two_shots_separates_them() -> None:
    black = [np.zeros((128, 192))] * 6
    assert cuts(scene(1, 8) + black + scene(2, 8)) == [0, 8, 14]


def test_fade_out_ends_the_shot_once() -> None:
    faded = [p * max(0.0, 1 - i / 16) for i, p in enumerate(scene(3, 24))]
    found = cuts(faded)
    assert len(found) == 2 and 14 <= found[1] <= 16


def scored(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """White scratches in other places in every frame, also across black."""
    rng = np.random.default_rng(5)
    out = [p.copy() for p in pictures]
    for picture in out:
        for column in rng.integers(0, 191, 4):
            picture[:, column : column + 2] = 240
    return out


@pytest.mark.parametrize("wear", [*WEAR, scored])
@pytest.mark.parametrize("hold", [2, 8])
@pytest.mark.parametrize("length", [8, 20])
def test_a_fade_through_black_is_one_or_two_starts(
    length: int, hold: int, wear: Callable[[list[np.ndarray]], list[np.ndarray]]
) -> None:
    """The next shot's, and the black's if it lasts; never one after the other as it goes dark."""
    one, other = scene(1, 12 + length), scene(2, length + 12)
    light = [1 - (step + 1) / (length + 1) for step in range(length)]
    pictures = [
        *one[:12],
        *(16 + (p - 16) * share for p, share in zip(one[12:], light, strict=True)),
        *[np.full((128, 192), 16.0)] * hold,
        *(16 + (p - 16) * share for p, share in zip(other, reversed(light), strict=False)),
        *other[length:],
    ]
    found = cuts(wear(pictures))
    assert 2 <= len(found) <= 3
    assert all(12 <= start <= 12 + 2 * length + hold for start in found[1:])


@pytest.mark.parametrize("wear", [*WEAR, scored])
@pytest.mark.parametrize("length", [8, 16, 24, 48])
def test_a_dissolve_is_never_split(
    length: int, wear: Callable[[list[np.ndarray]], list[np.ndarray]]
) -> None:
    one, other = scene(1, 10 + length), scene(2, length + 10)
    share = [(step + 1) / (length + 1) for step in range(length)]
    mixed = [(1 - s) * p + s * q for s, p, q in zip(share, one[10:], other, strict=False)]
    assert len(cuts(wear([*one[:10], *mixed, *other[length:]]))) <= 2


def test_scratches_hide_no_cut() -> None:
    pictures = scene(1, 12) + scene(2, 15) + scene(3, 15)
    assert cuts(scored(grain(flicker(pictures)))) == [0, 12, 27]


def test_given_shots_begin_where_they_are_given() -> None:
    frames = list(film(scene(1, 6) + scene(2, 6)))
    small = list(given_cuts(iter(frames), SIZE, {0, 4, 9, 50}))
    assert [item.frame for item in small] == frames
    assert [item.frame.index for item in small if item.cut] == [0, 4, 9]
    found = find_cuts(iter(frames), SIZE)
    for one, other in zip(small, found, strict=True):
        assert np.array_equal(one.lightness, other.lightness)
    # A range of the film: its first frame begins a shot, numbers go on as they are.
    part = given_cuts(iter(frames[3:]), SIZE, {0, 4, 9})
    assert [item.frame.index for item in part if item.cut] == [3, 4, 9]


def test_frames_come_through_in_order_with_their_lightness() -> None:
    frames = list(film(scene(1, 7) + scene(2, 2)))
    small = list(find_cuts(iter(frames), SIZE))
    assert [item.frame for item in small] == frames
    assert all(item.lightness.shape == SIZE for item in small)
    assert [item.cut for item in small] == [True] + [False] * 6 + [True, False]


@pytest.mark.parametrize("count", range(LOOK_AHEAD + 2))
def test_short_films(count: int) -> None:
    assert cuts(scene(1, 4)[:count]) == [0][:count]


def test_waits_for_a_few_frames_and_no_more() -> None:
    taken = 0

    def counted() -> Iterator[Frame]:
        nonlocal taken
        for frame in film(scene(1, 10)):
            taken += 1
            yield frame

    stream = find_cuts(counted(), SIZE)
    next(stream)
    assert taken == 1 + LOOK_AHEAD
    next(stream)
    assert taken == 2 + LOOK_AHEAD


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0])
def test_impossible_thresholds_are_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        CutDetector(threshold)
