"""The network's stage: batches in order, and the picture shown upright."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vidcolor.colorize import colorize
from vidcolor.frames import ColorSpec, Frame, SmallFrame
from vidcolor.keyframes import LinkedFrame, all_keys

PLAIN = ColorSpec("bt709", False, 8)


class Sky:
    """Stands in for a network: a* is 1 in the top row of what it is shown, b* is the lightness."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def colors(self, lightness: np.ndarray) -> np.ndarray:
        assert lightness.flags.c_contiguous
        self.batches.append(len(lightness))
        top = np.zeros_like(lightness)
        top[:, 0] = 1
        return np.stack([top, lightness], axis=1)


def small(number: int) -> SmallFrame:
    frame = Frame(number, number, 1, np.zeros((4, 6), np.uint8), PLAIN)
    light = np.random.default_rng(number).uniform(0, 100, (32, 64)).astype(np.float32)
    return SmallFrame(frame, light, number == 3)


def test_frames_come_in_order_from_batches() -> None:
    sky, frames = Sky(), [small(number) for number in range(7)]
    colored = list(colorize(all_keys(frames), sky, 3))  # type: ignore[arg-type]
    assert sky.batches == [3, 3, 1]
    assert [item.small for item, _ in colored] == frames
    for before, (_, ab) in zip(frames, colored, strict=True):
        assert ab is not None
        np.testing.assert_array_equal(ab[1], before.lightness)


def test_only_keys_reach_the_network_and_all_frames_come_out() -> None:
    sky = Sky()
    frames = [LinkedFrame(small(number), None, number % 3 == 0) for number in range(14)]
    colored = list(colorize(frames, sky, 2))  # type: ignore[arg-type]
    assert sky.batches == [2, 2, 1]
    assert [item for item, _ in colored] == frames
    assert [ab is not None for _, ab in colored] == [item.key for item in frames]


def test_a_calm_film_does_not_pile_up() -> None:
    taken = 0

    def calm() -> Iterator[LinkedFrame]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield LinkedFrame(small(number), None, number == 0)

    next(colorize(calm(), Sky(), 2))  # type: ignore[call-overload]
    assert taken <= 8


@pytest.mark.parametrize(
    ("turns", "top"),
    [
        (0, np.s_[0, :]),
        # A player turns the stored picture counter-clockwise: its right side comes up.
        (1, np.s_[:, -1]),
        (2, np.s_[-1, :]),
        (3, np.s_[:, 0]),
    ],
)
def test_the_network_sees_the_picture_upright(turns: int, top: tuple[object, ...]) -> None:
    ((item, ab),) = colorize(all_keys([small(0)]), Sky(), 4, turns)  # type: ignore[arg-type]
    assert ab is not None
    wanted = np.zeros((32, 64), np.float32)
    wanted[top] = 1
    np.testing.assert_array_equal(ab[0], wanted)
    np.testing.assert_array_equal(ab[1], item.small.lightness)
