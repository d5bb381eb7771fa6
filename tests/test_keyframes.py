"""Which frames the network is asked about."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vidcolor.flow import motions
from vidcolor.frames import ColorSpec, Frame, SmallFrame
from vidcolor.keyframes import all_keys, choose_keys

SPEC = ColorSpec("bt709", False, 8)

pytestmark = pytest.mark.usefixtures("one_thread")


def texture(seed: int, width: int = 160) -> np.ndarray:
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.standard_normal((96, width)), (0, 0), 3)
    return (50 + 15 * soft / soft.std()).clip(0, 100).astype(np.float32)


def film(lights: list[np.ndarray], cuts: tuple[int, ...] = (0,)) -> list[SmallFrame]:
    return [
        SmallFrame(Frame(i, i, 1, np.zeros((2, 2), np.uint8), SPEC), light, i in cuts)
        for i, light in enumerate(lights)
    ]


def keys(frames: list[SmallFrame], longest: int = 8) -> list[int]:
    return [i for i, item in enumerate(choose_keys(motions(frames), longest)) if item.key]


def test_a_still_scene_is_asked_about_at_fixed_intervals() -> None:
    assert keys(film([texture(1)] * 20)) == [0, 8, 16]
    assert keys(film([texture(1)] * 5), 1) == [0, 1, 2, 3, 4]


def test_every_shot_begins_with_a_key() -> None:
    frames = film([texture(1)] * 5 + [texture(2)] * 5 + [texture(3)] * 2, (0, 5, 10))
    assert keys(frames) == [0, 5, 10]


def test_what_is_new_is_asked_about_sooner_the_faster_it_comes() -> None:
    wide = texture(1, 500)
    slow = keys(film([wide[:, 2 * i : 2 * i + 160] for i in range(24)]), 20)
    fast = keys(film([wide[:, 12 * i : 12 * i + 160] for i in range(24)]), 20)
    assert len(slow) <= 3 < len(fast)


def test_who_asks_more_seldom_lets_more_be_new() -> None:
    wide = texture(1, 500)
    frames = film([wide[:, 6 * i : 6 * i + 160] for i in range(16)])
    often, seldom = keys(frames, 8), keys(frames, 16)
    assert len(seldom) < len(often)
    # However seldom: more than half of the picture is never new.
    assert keys(frames, 1000) == keys(frames, 20) != [0]


def test_frames_pass_in_order_with_their_links() -> None:
    frames = film([texture(1)] * 4)
    found = list(choose_keys(motions(frames), 3))
    assert [item.small for item in found] == frames
    assert [item.link is None for item in found] == [True, False, False, False]
    assert all(item.key and item.link is None for item in all_keys(frames))
