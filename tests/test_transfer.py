"""HDR's curves against the figures of BT.2100 and BT.2408, and HDR colour under its own luma."""

from __future__ import annotations

import numpy as np
import pytest

from vidcolor import color, gamut, transfer
from vidcolor.frames import ColorSpec, Transfer

HDR: list[Transfer] = ["pq", "hlg"]


@pytest.mark.parametrize(
    ("kind", "code", "light"),
    [
        ("pq", 0.508, 0.01),  # 100 cd/m2
        ("pq", 0.5807, 0.0203),  # reference white
        ("pq", 0.7518, 0.1),
        ("pq", 1.0, 1.0),
        ("hlg", 0.5, 1 / 12),
        ("hlg", 0.75, 0.265),
        ("hlg", 1.0, 1.0),
    ],
)
def test_codes_mean_the_light_the_standards_say(kind: Transfer, code: float, light: float) -> None:
    assert transfer.linear(np.array(code), kind) == pytest.approx(light, rel=3e-3)
    assert transfer.encoded(np.array(light), kind) == pytest.approx(code, abs=3e-4)


def test_reference_white_is_the_same_grey_in_both() -> None:
    white = [
        color.lightness_table(ColorSpec("bt2020", True, 16, kind, "bt2020"))[round(code * 65535)]
        for kind, code in (("pq", 0.5807), ("hlg", 0.75))
    ]
    assert white[0] == pytest.approx(white[1], abs=1)
    assert 80 < white[0] < 90


@pytest.mark.parametrize("kind", HDR)
def test_the_toning_has_an_inverse_and_a_slope(kind: Transfer) -> None:
    light = np.linspace(0, 1, 2000) ** 3
    toned = transfer.toned(light, kind)
    assert toned[0] == 0 and toned[-1] == pytest.approx(1)
    assert (np.diff(toned) > 0).all()
    np.testing.assert_allclose(transfer.untoned(toned, kind), light, rtol=1e-6, atol=1e-12)


def test_wide_primaries_keep_grey_and_turn_back() -> None:
    light = np.random.default_rng(0).random((50, 3))
    wide = transfer.to_primaries(light, "bt2020")
    np.testing.assert_allclose(transfer.from_primaries(wide, "bt2020"), light, atol=1e-9)
    np.testing.assert_allclose(transfer.to_primaries(np.ones(3), "bt2020"), 1, atol=1e-6)
    assert wide[..., 0].std() < light[..., 0].std()  # sRGB's red is not all of BT.2020's


def _codes(lightness: np.ndarray, spec: ColorSpec) -> np.ndarray:
    """Luma codes of greys whose toned lightness this is."""
    return np.searchsorted(color.lightness_table(spec), lightness).astype(np.uint16)


SIGNALS = [ColorSpec("bt2020", False, 12, kind, "bt2020") for kind in ("sdr", "pq", "hlg")]


@pytest.mark.parametrize("spec", SIGNALS, ids=lambda spec: spec.transfer)
def test_wanted_colour_is_seen_under_the_film_s_own_luma(spec: ColorSpec) -> None:
    rng = np.random.default_rng(3)
    light = rng.uniform(30, 80, (40, 50)).astype(np.float32)
    ab = rng.uniform(-18, 18, (2, 40, 50)).astype(np.float32)
    luma = _codes(light, spec)
    cb, cr = color.quantise(color.chroma_from_lab(light, ab, spec), spec)
    found = color.lab_from_ycbcr(luma, cb, cr, spec)
    error = np.hypot(*(found[1:] - ab))
    assert np.percentile(error, 95) < 1.5
    # Read as SDR of BT.709's primaries the same codes show other colours.
    plain = color.lab_from_ycbcr(luma, cb, cr, ColorSpec("bt2020", False, 12))
    assert np.median(np.hypot(*(plain[1:] - ab))) > 2


@pytest.mark.parametrize("spec", SIGNALS, ids=lambda spec: spec.transfer)
@pytest.mark.parametrize("reach", [15, 300])
def test_no_colour_leaves_the_wide_gamut(spec: ColorSpec, reach: float) -> None:
    rng = np.random.default_rng(4)
    light = rng.uniform(0, 100, (60, 80)).astype(np.float32)
    ab = rng.uniform(-reach, reach, (2, 60, 80)).astype(np.float32)
    cb, cr = color.chroma_from_lab(light, ab, spec).astype(np.float64)
    lit = transfer.untoned(gamut.luminance_of(light.astype(np.float64)), spec.transfer)
    rgb = gamut.rgb_from_signed(transfer.encoded(lit, spec.transfer), cb, cr, spec.matrix)
    assert rgb.min() > -5e-3 and rgb.max() < 1 + 5e-3
    assert np.abs(cb).mean() > 0.01
    grey = color.chroma_from_lab(light, np.zeros_like(ab), spec)
    assert (grey == 0).all()
