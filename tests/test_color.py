"""Colour conversions, against scikit-image as the golden reference."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from skimage.color import rgb2lab

from vidcolor import color, gamut
from vidcolor.frames import ColorSpec, Matrix

MATRICES: list[Matrix] = ["bt601", "bt709", "bt2020", "smpte240m", "fcc"]
SPECS = [ColorSpec("bt709", full, depth) for full in (False, True) for depth in (8, 10, 12, 16)] + [
    ColorSpec(matrix, False, 10) for matrix in MATRICES
]


def grey_codes(share: np.ndarray, spec: ColorSpec) -> np.ndarray:
    black, span = color.luma_scale(spec)
    return np.rint(black + share * span).astype(np.uint8 if spec.depth == 8 else np.uint16)


def shown(lightness: np.ndarray, chroma: np.ndarray, matrix: Matrix) -> np.ndarray:
    """R'G'B' of chroma under the luma of a lightness, unlimited, in double precision."""
    light = lightness.astype(np.float64)
    linear = np.where(light > 8, ((light + 16) / 116) ** 3, light / 903.3)
    encoded = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-12) ** (1 / 2.4) - 0.055
    )
    r_cr, b_cb, g_cb, g_cr = gamut.rgb_factors(matrix)
    cb, cr = chroma.astype(np.float64)
    return np.stack(
        [encoded + r_cr * cr, encoded + g_cb * cb + g_cr * cr, encoded + b_cb * cb], axis=-1
    )


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_lightness_is_that_of_grey_pixels(spec: ColorSpec) -> None:
    share = np.linspace(0, 1, 300).reshape(20, 15)
    light = color.lightness_from_luma(grey_codes(share, spec), spec)
    black, span = color.luma_scale(spec)
    exact = (grey_codes(share, spec) - black) / span
    assert light.dtype == np.float32
    np.testing.assert_allclose(light, rgb2lab(np.dstack([exact] * 3))[..., 0], atol=2e-3)


def test_codes_beyond_black_and_white_are_black_and_white() -> None:
    spec = ColorSpec("bt709", False, 10)
    light = color.lightness_from_luma(np.array([[0, 64, 940, 1023, 65535]], np.uint16), spec)
    np.testing.assert_allclose(light, [[0, 0, 100, 100, 100]], atol=1e-4)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("reach", [15, 60, 300])
def test_no_colour_leaves_the_gamut(matrix: Matrix, reach: float) -> None:
    rng = np.random.default_rng(1)
    light = rng.uniform(0, 100, (60, 80)).astype(np.float32)
    ab = rng.uniform(-reach, reach, (2, 60, 80)).astype(np.float32)
    chroma = color.chroma_from_lab(light, ab, ColorSpec(matrix, False, 8))
    rgb = shown(light, chroma, matrix)
    assert rgb.min() > -3e-4 and rgb.max() < 1 + 3e-4
    # Extreme wishes are bent, not refused: much colour is left.
    assert np.abs(chroma).mean() > (0.02 if reach < 20 else 0.05)


@pytest.mark.parametrize("matrix", MATRICES)
def test_wanted_hue_and_chroma_under_the_luma_that_is_there(matrix: Matrix) -> None:
    rng = np.random.default_rng(2)
    light = rng.uniform(35, 80, (60, 80)).astype(np.float32)
    ab = rng.uniform(-22, 22, (2, 60, 80)).astype(np.float32)
    rgb = shown(light, color.chroma_from_lab(light, ab, ColorSpec(matrix, False, 8)), matrix)
    lab = rgb2lab(rgb)
    found = np.moveaxis(lab[..., 1:], -1, 0)
    # bt2020 and others share sRGB's primaries here: the matrix only tells how RGB is coded.
    error = np.hypot(*(found - ab))
    assert np.percentile(error, 95) < 0.5
    # L* is free to move, for strong colours it must: Y' is what is kept.
    assert np.abs(lab[..., 0] - light).max() > 0.5
    red, blue = gamut.LUMA_WEIGHTS[matrix]
    kept = rgb @ np.array([red, 1 - red - blue, blue])
    grey = shown(light, np.zeros((2, *light.shape)), matrix)[..., 0]
    np.testing.assert_allclose(kept, grey, atol=1e-6)


def test_compression_keeps_hue_and_order() -> None:
    hues = np.linspace(-np.pi, np.pi, 48, endpoint=False)
    chroma = np.array([10, 40, 80, 120, 200, 400], np.float64)
    ab = (chroma[None, :, None] * np.stack([np.cos(hues), np.sin(hues)])[:, None, :]).astype(
        np.float32
    )
    light = np.full(ab.shape[1:], 55, np.float32)
    lab = rgb2lab(shown(light, color.chroma_from_lab(light, ab, SPECS[0]), "bt709").clip(0, 1))
    hue = np.arctan2(lab[..., 2], lab[..., 1])
    off = np.abs((hue - hues + np.pi) % (2 * np.pi) - np.pi)
    assert np.degrees(off).max() < 4
    size = np.hypot(lab[..., 1], lab[..., 2])
    assert (np.diff(size, axis=0) > -0.2).all(), "more colour wanted must not give less"
    assert (size[-1] < 140).all()


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_round_trip_through_codes(spec: ColorSpec) -> None:
    rng = np.random.default_rng(3)
    luma = grey_codes(rng.uniform(0.3, 0.8, (40, 50)), spec)
    ab = rng.uniform(-18, 18, (2, 40, 50)).astype(np.float32)
    light = color.lightness_from_luma(luma, spec)
    codes = color.quantise(color.chroma_from_lab(light, ab, spec), spec)
    assert codes.dtype == luma.dtype
    lab = color.lab_from_ycbcr(luma, codes[0], codes[1], spec)
    tolerance = 1.6 if spec.depth == 8 else 0.7
    assert np.percentile(np.hypot(*(lab[1:] - ab)), 99) < tolerance
    reference = rgb2lab(color.rgb(luma, codes[0], codes[1], spec))
    assert np.abs(reference - np.moveaxis(lab, 0, -1)).max() < 1.5  # rgb() has 8 bits


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_grey_is_neutral_to_the_bit(spec: ColorSpec) -> None:
    light = np.linspace(0, 100, 101, dtype=np.float32)[None].repeat(3, 0)
    chroma = color.chroma_from_lab(light, np.zeros((2, 3, 101), np.float32), spec)
    assert not chroma.any()
    assert (color.quantise(chroma, spec) == 1 << (spec.depth - 1)).all()


@pytest.mark.parametrize(
    ("full", "depth", "expected"),
    [
        (False, 8, (16, 128, 240)),
        (True, 8, (0, 128, 255)),
        (False, 10, (64, 512, 960)),
        (True, 10, (0, 512, 1023)),
        (False, 16, (4096, 32768, 61440)),
        (True, 16, (0, 32768, 65535)),
    ],
)
def test_legal_codes(full: bool, depth: int, expected: tuple[int, int, int]) -> None:
    chroma = np.array([[-0.6, -0.5, 0, 0.5, 0.6]], np.float32)
    codes = color.quantise(chroma, ColorSpec("bt709", full, depth))[0].tolist()
    lowest, neutral, highest = expected
    assert codes[0] == lowest and codes[2] == neutral and codes[-1] == highest
    assert abs(codes[1] - lowest) <= 1 and codes[3] == highest


def test_black_and_white_carry_no_colour() -> None:
    light = np.array([[0.0, 100.0]], np.float32)
    chroma = color.chroma_from_lab(light, np.full((2, 1, 2), 60, np.float32), SPECS[0])
    assert (color.quantise(chroma, SPECS[0]) == 128).all()


def test_tables_that_another_thread_is_making_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go, solved = threading.Event(), threading.Event(), []

    def solve(lightness: np.ndarray, *rest: Any) -> np.ndarray:
        solved.append(lightness.shape)
        begun.set()
        assert go.wait(60)
        return np.zeros((2, *lightness.shape))

    monkeypatch.setattr(color, "solve_chroma", solve)
    monkeypatch.setattr(color, "_chroma_table", lru_cache(color._chroma_table.__wrapped__))
    threads = [threading.Thread(target=color.prepare, args=(SPECS[0],)) for _ in range(2)]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    threads[1].join(0.2)
    go.set()
    for thread in threads:
        thread.join(60)
    assert sum(levels for levels, *_ in solved) == color._TABLE_LIGHTNESS
