"""What frames hold on to while they wait."""

from __future__ import annotations

import av
import numpy as np
import pytest

from vidcolor.frames import ColorSpec, Frame, SmallFrame
from vidcolor.media.picture import read_luma
from vidcolor.media.released import released

SMALL, LARGE = (64, 48), (2560, 1664)


def waiting(name: str, size: tuple[int, int], *, keeps: bool = False) -> SmallFrame:
    picture = av.VideoFrame(*size, name)
    for number, plane in enumerate(picture.planes):
        np.frombuffer(memoryview(plane), np.uint8)[:] = 40 + number  # type: ignore[call-overload]
    color = ColorSpec("bt709", full_range=False, depth=10 if "10" in name else 8)
    luma, owner = read_luma(picture, color)
    frame = Frame(0, 0, 1, luma, color, owner=owner, keeps_color=keeps)
    return SmallFrame(frame, np.zeros((32, 32), np.float32), False)


@pytest.mark.parametrize(
    ("name", "size", "goes"),
    [
        ("gbrp", SMALL, True),  # Luma was made anew.
        ("gbrp10le", LARGE, True),
        ("yuv420p", SMALL, False),
        ("yuv420p", LARGE, False),
        ("yuv444p", SMALL, False),
        ("yuv444p", LARGE, True),
        ("yuv422p10le", LARGE, True),
        ("gray10le", LARGE, False),
    ],
)
def test_pictures_are_let_go_of_where_that_saves_memory(
    name: str, size: tuple[int, int], goes: bool
) -> None:
    before = waiting(name, size)
    (after,) = released([before])
    assert (after.frame.owner is None) == goes
    assert np.array_equal(after.frame.luma, before.frame.luma)
    assert goes != np.shares_memory(after.frame.luma, before.frame.luma) or name.startswith("gbr")


@pytest.mark.parametrize("name", ["gbrp", "yuv444p"])
def test_what_keeps_its_colour_keeps_its_picture(name: str) -> None:
    before = waiting(name, LARGE, keeps=True)
    (after,) = released([before])
    assert after is before
