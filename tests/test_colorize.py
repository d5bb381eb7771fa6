"""The network's stage: batches in order, and the picture shown upright."""

from __future__ import annotations

import numpy as np
import pytest

from vidcolor.colorize import colorize
from vidcolor.frames import ColorSpec, Frame, SmallFrame

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
    colored = list(colorize(frames, sky, 3))  # type: ignore[arg-type]
    assert sky.batches == [3, 3, 1]
    assert [item.frame for item in colored] == [item.frame for item in frames]
    assert [item.cut for item in colored] == [item.cut for item in frames]
    for before, after in zip(frames, colored, strict=True):
        np.testing.assert_array_equal(after.ab[1], before.lightness)


@pytest.mark.parametrize(
    ("rotation", "top"),
    [
        (0, np.s_[0, :]),
        # A player turns the stored picture counter-clockwise: its right side comes up.
        (90, np.s_[:, -1]),
        (180, np.s_[-1, :]),
        (-180, np.s_[-1, :]),
        (-90, np.s_[:, 0]),
        (270, np.s_[:, 0]),
    ],
)
def test_the_network_sees_the_picture_upright(rotation: int, top: tuple[object, ...]) -> None:
    (colored,) = colorize([small(0)], Sky(), 4, rotation)  # type: ignore[arg-type]
    wanted = np.zeros((32, 64), np.float32)
    wanted[top] = 1
    np.testing.assert_array_equal(colored.ab[0], wanted)
    np.testing.assert_array_equal(colored.ab[1], colored.lightness)
