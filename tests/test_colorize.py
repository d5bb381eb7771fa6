"""The network's stage: batches in order, and the picture shown upright."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from vidcolor.colorize import colorize
from vidcolor.errors import DeviceError
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


def test_a_pool_is_given_the_next_batch_before_the_last_is_passed_on() -> None:
    passed: list[int] = []
    given: list[int] = []

    class Pool(ThreadPoolExecutor):
        def submit(self, *call: Any, **more: Any) -> Future[Any]:
            given.append(len(passed))
            return super().submit(*call, **more)

    frames = [LinkedFrame(small(number), None, number % 3 != 1) for number in range(16)]
    alone = list(colorize(frames, Sky(), 2))  # type: ignore[arg-type]
    with Pool(1) as pool:
        for item, ab in colorize(frames, Sky(), 2, pool=pool):  # type: ignore[arg-type]
            expected, wanted = alone[len(passed)]
            assert item is expected
            assert (ab is None) == (wanted is None)
            if ab is not None and wanted is not None:
                np.testing.assert_array_equal(ab, wanted)
            passed.append(item.small.frame.index)
    assert len(passed) == 16
    # A batch is 3 frames here: the second is on its way when the first one's frames come.
    assert given == [0, 0, 3, 6, 9, 12]


def test_what_goes_wrong_in_the_pool_is_raised_where_frames_are_read() -> None:
    class Broken(Sky):
        def colors(self, lightness: np.ndarray) -> np.ndarray:
            if self.batches:
                raise DeviceError("out of memory")
            return super().colors(lightness)

    with ThreadPoolExecutor(1) as pool:
        frames = all_keys(small(number) for number in range(8))
        colored = colorize(frames, Broken(), 2, pool=pool)  # type: ignore[arg-type]
        assert [next(colored)[0].small.frame.index for _ in range(2)] == [0, 1]
        with pytest.raises(DeviceError, match="out of memory"):
            next(colored)


@pytest.mark.parametrize(
    ("every", "count", "batches"),
    [
        (2, 10, [2, 2, 1]),
        # At most 4 frames wait for a batch of 2.
        (3, 14, [2, 1, 1, 1]),
    ],
)
def test_only_keys_reach_the_network_and_all_frames_come_out(
    every: int, count: int, batches: list[int]
) -> None:
    sky = Sky()
    frames = [LinkedFrame(small(number), None, number % every == 0) for number in range(count)]
    colored = list(colorize(frames, sky, 2))  # type: ignore[arg-type]
    assert sky.batches == batches
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
