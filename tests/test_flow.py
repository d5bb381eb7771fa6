"""Motion between small pictures: where things went, and where that is not to be trusted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from vidcolor.flow import link, match, motion_size, motions, structure, warp
from vidcolor.frames import ColorSpec, Frame, SmallFrame

SHAPE = (128, 192)
FRAME = Frame(0, 0, 1, np.zeros((2, 2), np.uint8), ColorSpec("bt709", False, 8))


pytestmark = pytest.mark.usefixtures("one_thread")


def texture(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fine = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), 2) * 2
    coarse = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), 8) * 8
    mixed = fine + coarse
    return (50 + 15 * mixed / mixed.std()).clip(0, 100).astype(np.float32)


def small(lightness: np.ndarray, cut: bool = False) -> SmallFrame:
    return SmallFrame(FRAME, lightness, cut)


def test_flow_points_back_to_where_the_pixel_was() -> None:
    wide = texture(1, (140, 220))
    previous, current = wide[6:134, 10:202], wide[2:130, 4:196]  # moved 6 right and 4 down
    motion = match(previous, current)
    assert motion.flow.shape == (64, 96, 2) and motion.confidence.shape == (64, 96)
    inside = motion.flow[8:-8, 8:-8].reshape(-1, 2)
    np.testing.assert_allclose(np.median(inside, axis=0), [-3, -2], atol=0.1)  # half-size pixels
    assert motion.confidence[8:-8, 8:-8].mean() > 0.95
    half = cv2.resize(previous, (96, 64), interpolation=cv2.INTER_AREA)
    now = cv2.resize(current, (96, 64), interpolation=cv2.INTER_AREA)
    moved = warp(half, motion.flow)[8:-8, 8:-8]
    assert np.abs(moved - now[8:-8, 8:-8]).mean() < 0.15 * np.abs(half - now)[8:-8, 8:-8].mean()


def test_nothing_moved_is_exactly_nothing() -> None:
    picture = texture(2)
    motion = match(picture, picture.copy())
    assert not motion.flow.any()
    assert (motion.confidence == 1).all()
    half = texture(3, (64, 96))
    np.testing.assert_array_equal(warp(half, motion.flow), half)


@pytest.mark.parametrize(("gain", "shift"), [(0.75, 0), (1.3, 0), (1.0, 12), (0.8, 15)])
def test_exposure_flicker_is_no_motion_and_no_doubt(gain: float, shift: float) -> None:
    picture = texture(2) * 0.5 + 10
    motion = match(picture, picture * gain + shift)
    assert np.abs(motion.flow).max() < 0.3
    assert motion.confidence.mean() > 0.95


def test_grain_is_no_doubt() -> None:
    rng = np.random.default_rng(0)
    picture = texture(4)
    one, other = (picture + rng.normal(0, 2.5, SHAPE).astype(np.float32) for _ in range(2))
    assert match(one, other).confidence.mean() > 0.7


def test_unrelated_pictures_are_not_trusted() -> None:
    assert match(texture(5), texture(6)).confidence.mean() < 0.35


def test_what_comes_into_view_is_not_trusted() -> None:
    """A disc moves to the right over a still ground: where it left, the ground was hidden."""
    ground, disc = texture(7), texture(8)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]

    def scene(at: int) -> np.ndarray:
        inside = (x - at) ** 2 + (y - 64) ** 2 < 40**2
        return np.where(inside, np.roll(disc, at, 1), ground).astype(np.float32)

    confidence = match(scene(80), scene(88)).confidence
    half_x, half_y = x[::2, ::2], y[::2, ::2]
    left = ((half_x - 80) ** 2 + (half_y - 64) ** 2 < 38**2) & (
        (half_x - 88) ** 2 + (half_y - 64) ** 2 > 42**2
    )
    still = (half_x < 32) & (half_x > 8)
    moved = (half_x - 88) ** 2 + (half_y - 64) ** 2 < 28**2
    assert confidence[left].mean() < 0.4
    assert confidence[still].mean() > 0.97
    assert confidence[moved].mean() > 0.8


def test_both_ways_are_each_others_opposite() -> None:
    wide = texture(1, (128, 220))
    found = link(structure(wide[:, 10:202]), structure(wide[:, 4:196]))
    onward, backward = (side.flow[8:-8, 8:-8, 0].mean() for side in (found.onward, found.backward))
    assert onward == pytest.approx(-3, abs=0.2) and backward == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize("shape", [(32, 32), (32, 128), (64, 64), (256, 64), (33, 47)])
def test_any_size_is_matched(shape: tuple[int, int]) -> None:
    picture = texture(1, shape)
    motion = match(picture, picture)
    assert motion.flow.shape == (shape[0] // 2, shape[1] // 2, 2)
    assert (motion.confidence > 0.99).all()


def test_motions_of_large_pictures_are_no_larger_than_colour_needs() -> None:
    assert motion_size((192, 352)) == (176, 96)
    assert motion_size((256, 448)) == (168, 96)
    assert motion_size((448, 256)) == (96, 168)
    assert motion_size((512, 512)) == (128, 128)  # A quarter, as fine as a network's own grid.
    wide = texture(1, (256, 470))
    motion = match(wide[:, 16:464], wide[:, 8:456])  # moved 8 right
    assert motion.flow.shape == (96, 168, 2) and motion.confidence.shape == (96, 168)
    inside = motion.flow[8:-8, 8:-8].reshape(-1, 2)
    np.testing.assert_allclose(np.median(inside, axis=0), [-3, 0], atol=0.1)


def test_what_moves_along_the_lower_border_is_found() -> None:
    ground, band = texture(7, (128, 224)), texture(8, (128, 240))

    def scene(at: int) -> np.ndarray:
        return np.concatenate((ground[:-24], band[-24:, at : at + 224]))

    flow = match(scene(8), scene(2)).flow[..., 0]
    assert flow[-10:, 8:-8].mean() == pytest.approx(-3, abs=0.5)
    assert flow[:40].mean() == pytest.approx(0, abs=0.05)


def test_empty_pictures_do_not_break_it() -> None:
    black = np.zeros(SHAPE, np.float32)
    motion = match(black, black)
    assert not motion.flow.any() and np.isfinite(motion.confidence).all()
    assert np.isfinite(match(black, texture(1)).confidence).all()


def test_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot match"):
        match(texture(1), texture(1, (64, 64)))


def test_no_motion_across_cuts() -> None:
    frames = [small(texture(i), cut=i in (0, 3)) for i in range(5)]
    assert [link is None for _, link in motions(frames)] == [True, False, False, True, False]


def test_sizes_do_not_meddle_with_each_other() -> None:
    one, other = structure(texture(1)), structure(texture(2))
    before = link(one, other).onward.flow
    match(texture(1, (50, 60)), texture(2, (50, 60)))
    np.testing.assert_array_equal(link(one, other).onward.flow, before)


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_a_pool_changes_nothing(ahead: int) -> None:
    frames = [small(texture(1 + i // 3), cut=i == 4) for i in range(7)]
    alone = list(motions(iter(frames)))
    with ThreadPoolExecutor(3) as pool:
        together = list(motions(iter(frames), pool, ahead))
    assert [frame for frame, _ in together] == frames
    for (_, one), (_, other) in zip(alone, together, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_array_equal(one.onward.flow, other.onward.flow)
            np.testing.assert_array_equal(one.backward.confidence, other.backward.confidence)
