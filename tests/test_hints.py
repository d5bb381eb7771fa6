from __future__ import annotations

import numpy as np

from vidcolor.hints import color_with_points, draw_points, spread


def _scene() -> np.ndarray:
    """Lightness: a dark left half, a bright right one."""
    light = np.full((96, 128), 25, np.float32)
    light[:, 64:] = 80
    return light


def test_points_are_drawn_as_patches_and_clipped_at_the_border() -> None:
    points = np.array([[10, 20, 30, -40], [0, 0, 5, 6]], np.float32)
    hints = draw_points(points, 32, 64)
    assert hints.shape == (3, 32, 64)
    assert hints[2].sum() == 25 + 9
    assert hints[0, 10, 20] == 30
    assert hints[1, 12, 22] == -40
    assert hints[0, 0, 0] == 5


def test_a_point_colours_what_is_like_it_and_hardly_the_rest() -> None:
    points = np.array([[48, 20, 40, -20]], np.float32)
    ab = spread(np.zeros((2, 96, 128), np.float32), _scene(), points)
    assert np.abs(ab[:, 48, 20] - (40, -20)).max() < 5
    assert np.hypot(*ab[:, 80, 40]) > 20
    assert np.hypot(*ab[:, 48, 110]) < 10


def test_far_from_every_point_the_network_stays() -> None:
    start = np.full((2, 96, 256), 7, np.float32)
    points = np.array([[5, 5, -30, 30]], np.float32)
    light = np.full((96, 256), 50, np.float32)
    ab = spread(start, light, points)
    assert np.abs(ab[:, 90, 250] - 7).max() < 0.5


def test_obeyed_points_change_nothing_and_no_points_are_no_work() -> None:
    ab = np.full((2, 96, 128), 12, np.float32)
    points = np.array([[40, 30, 12, 12], [70, 100, 12, 12]], np.float32)
    assert np.allclose(spread(ab, _scene(), points), ab, atol=1e-3)
    assert spread(ab, _scene(), np.zeros((0, 4), np.float32)) is ab


def test_what_the_points_did_to_the_network_does_not_blur_what_is_alike() -> None:
    light = np.full((96, 128), 50, np.float32)
    unaided = np.zeros((2, 96, 128), np.float32)
    unaided[:, :, :64], unaided[:, :, 64:] = 20, -20
    told = unaided.copy()
    told[:, 36:60, 40:100] = 15  # What a network makes of a point, over the edge of the thing.
    points = np.array([[48, 52, 50, 40]], np.float32)
    alike, blurred = spread(told, light, points, unaided), spread(told, light, points)
    assert np.abs(alike[:, 48, 52] - (50, 40)).max() < 5
    assert np.abs(alike - told)[:, 48, 80].max() < 5
    assert np.abs(blurred - told)[:, 48, 80].max() > 15


def test_colours_all_too_weak_are_made_stronger_far_from_the_points_too() -> None:
    light = np.tile(np.linspace(20, 90, 256, dtype=np.float32), (96, 1))
    found = np.stack([np.tile(np.linspace(-20, 20, 256, dtype=np.float32), (96, 1))] * 2)
    places = np.array([[row, column] for row in (10, 30) for column in (20, 80, 140)])
    points = np.column_stack((places, 2 * found[:, places[:, 0], places[:, 1]].T))
    ab = spread(found, light, points.astype(np.float32))
    assert np.abs(ab[:, 90, 250] - 2 * found[:, 90, 250]).max() < 8


def test_one_thing_far_off_is_its_own_affair_and_a_little_everywhere_is_the_scenes() -> None:
    light, grey = np.full((96, 256), 50, np.float32), np.zeros((2, 96, 256), np.float32)
    one = spread(grey, light, np.array([[20, 20, 60, 0]], np.float32))
    assert one[0, 20, 20] > 50
    assert one[0, 80, 220] < 0.03 * 60
    places = [(row, column) for row in (10, 30, 50) for column in (10, 30, 50)]
    all_over = np.array([(*place, 6, 0) for place in places], np.float32)
    assert spread(grey, light, all_over)[0, 80, 220] > 0.15 * 6


def test_thousands_of_points_of_a_stroke_are_merged() -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform(0, (96, 64), (5000, 2))
    points = np.concatenate((places, np.tile((25.0, 10.0), (5000, 1))), axis=1)
    ab = spread(np.zeros((2, 96, 128), np.float32), _scene(), points.astype(np.float32))
    assert np.abs(ab[0, 8:88, 8:56] - 25).max() < 4


class _Stubborn:
    """A colorizer that paints all of it (10, 10), whatever it is told; remembers its hints."""

    def __init__(self, takes_hints: bool = True) -> None:
        self.takes_hints = takes_hints
        self.told: list[np.ndarray | None] = []

    def colors(self, lightness: np.ndarray, hints: np.ndarray | None = None) -> np.ndarray:
        self.told.append(hints)
        return np.full((len(lightness), 2, *lightness.shape[1:]), 10, np.float32)


def test_even_a_stubborn_network_obeys_a_point() -> None:
    net = _Stubborn()
    points = np.array([[48, 20, -30, 40]], np.float32)
    ab = color_with_points(net, _scene(), points)  # type: ignore[arg-type]
    assert [item is None for item in net.told] == [True, False]
    assert np.abs(ab[:, 48, 20] - (-30, 40)).max() < 5
    assert np.abs(ab[:, 90, 120] - 10).max() < 5
    none = np.zeros((0, 4), np.float32)
    assert (color_with_points(net, _scene(), none) == 10).all()  # type: ignore[arg-type]


def test_points_are_spread_over_what_a_network_without_hints_says() -> None:
    net = _Stubborn(takes_hints=False)
    points = np.array([[48, 20, -30, 40]], np.float32)
    ab = color_with_points(net, _scene(), points)  # type: ignore[arg-type]
    assert net.told == [None]
    assert np.abs(ab[:, 48, 20] - (-30, 40)).max() < 5
    assert np.abs(ab[:, 90, 120] - 10).max() < 5
