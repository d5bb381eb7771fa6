"""The small lightness image: its size, its values, and that it does not shimmer."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from vidcolor.frames import ColorSpec, Frame
from vidcolor.shrink import shrink, working_size


def frame(luma: np.ndarray, depth: int = 8, full: bool = True) -> Frame:
    return Frame(0, 0, 1, luma, ColorSpec("bt709", full, depth))


@pytest.mark.parametrize(
    ("width", "height", "aspect", "short", "expected"),
    [
        (1920, 1080, Fraction(1), 256, (256, 448)),
        (1080, 1920, Fraction(1), 256, (448, 256)),
        (640, 480, Fraction(1), 256, (256, 352)),
        (720, 576, Fraction(64, 45), 256, (256, 448)),
        (720, 576, Fraction(0), 256, (256, 320)),
        (160, 120, Fraction(1), 128, (128, 160)),
        (4000, 100, Fraction(1), 256, (256, 1024)),
        (2, 900, Fraction(1), 64, (256, 64)),
        (500, 500, Fraction(1), 320, (320, 320)),
    ],
)
def test_working_size(
    width: int, height: int, aspect: Fraction, short: int, expected: tuple[int, int]
) -> None:
    assert working_size(width, height, aspect, short) == expected


@pytest.mark.parametrize(
    ("width", "height", "short"), [(0, 100, 256), (100, -1, 256), (10, 10, 100)]
)
def test_impossible_sizes_are_refused(width: int, height: int, short: int) -> None:
    with pytest.raises(ValueError, match=r"working size|short_side"):
        working_size(width, height, Fraction(1), short)


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
@pytest.mark.parametrize("full", [False, True])
def test_depths_and_ranges_agree(depth: int, full: bool) -> None:
    ramp = np.linspace(0, 1, 640)[None].repeat(360, 0)
    span, black = ((1 << depth) - 1, 0) if full else (219 << (depth - 8), 16 << (depth - 8))
    luma = np.rint(black + span * ramp).astype(np.uint8 if depth == 8 else np.uint16)
    light = shrink(frame(luma, depth, full), (128, 224))
    assert light.shape == (128, 224) and light.dtype == np.float32
    assert light.flags.c_contiguous
    exact = np.rint(255 * ramp).astype(np.uint8)
    reference = shrink(frame(exact), (128, 224))
    np.testing.assert_allclose(light, reference, atol=0.6)


@pytest.mark.parametrize(
    "shape", [(1080, 1920), (1081, 1919), (480, 854), (256, 448), (100, 180), (1, 1), (2, 3000)]
)
def test_any_source_size(shape: tuple[int, int]) -> None:
    light = shrink(frame(np.full(shape, 255, np.uint8)), (256, 448))
    assert light.shape == (256, 448)
    np.testing.assert_allclose(light, 100, atol=1e-3)


def test_a_row_strided_view_is_read_right() -> None:
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 255, (540, 1024), dtype=np.uint8)
    view = wide[:, :960]
    np.testing.assert_array_equal(
        shrink(frame(view), (256, 448)), shrink(frame(view.copy()), (256, 448))
    )


@pytest.mark.parametrize("size", [(1080, 1920), (720, 1280), (480, 854)])
def test_fine_stripes_turn_grey_instead_of_aliasing(size: tuple[int, int]) -> None:
    luma = np.zeros(size, np.uint8)
    luma[:, ::2] = 200
    light = shrink(frame(luma), (256, 448))[:, 4:-4]
    skipped = shrink(frame(np.ascontiguousarray(luma[:, ::4])), (256, 448))
    assert skipped.mean() > 75, "decimation would have seen only the bright lines"
    assert light.std() < 8 and 20 < light.mean() < 60


def test_picture_stays_in_its_place() -> None:
    y, x = np.mgrid[0:1080, 0:1920]
    spot = np.exp(-((x - 1200) ** 2 + (y - 300) ** 2) / 8000)
    light = shrink(frame(np.rint(255 * spot).astype(np.uint8)), (256, 448)) ** 4
    rows, columns = np.mgrid[0:256, 0:448]
    assert abs((light * columns).sum() / light.sum() - (1200.5 / 1920 * 448 - 0.5)) < 0.2
    assert abs((light * rows).sum() / light.sum() - (300.5 / 1080 * 256 - 0.5)) < 0.2
