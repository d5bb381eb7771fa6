"""Chroma planes: neutral where grey, on the luma's edges, inside the gamut, luma untouched."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vidcolor import color, gamut
from vidcolor.frames import ColoredFrame, ColorSpec, Frame
from vidcolor.paint import Painter, paint
from vidcolor.shrink import shrink

SIZE = (128, 224)
SPECS = [ColorSpec("bt709", full, depth) for full in (False, True) for depth in (8, 10, 12, 16)]
PLAIN = ColorSpec("bt709", False, 8)


def colored(share: np.ndarray, ab: np.ndarray, spec: ColorSpec = PLAIN) -> ColoredFrame:
    """A frame of luma 0 … 1 at full size with small colour ``ab`` (2, 128, 224)."""
    black, span = color.luma_scale(spec)
    codes = np.rint(black + span * share).astype(np.uint8 if spec.depth == 8 else np.uint16)
    frame = Frame(0, 0, 1, codes, spec)
    return ColoredFrame(frame, shrink(frame, SIZE), ab.astype(np.float32), True)


def landscape(shape: tuple[int, int] = (360, 640), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixed = sum(cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), s) * s for s in (3, 20))
    return (0.5 + 0.22 * mixed / np.std(mixed)).clip(0, 1)


def even(a: float, b: float) -> np.ndarray:
    return np.stack([np.full(SIZE, a), np.full(SIZE, b)])


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_grey_stays_exactly_neutral(spec: ColorSpec) -> None:
    painted = Painter((180, 320)).paint(colored(landscape(), even(0, 0), spec))
    for plane in (painted.cb, painted.cr):
        assert plane.shape == (180, 320) and plane.dtype == painted.frame.luma.dtype
        assert (plane == 1 << (spec.depth - 1)).all()


def test_no_saturation_is_grey() -> None:
    painted = Painter((180, 320), 0).paint(colored(landscape(), even(40, -30)))
    assert (painted.cb == 128).all() and (painted.cr == 128).all()


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_even_colour_arrives_as_wanted(spec: ColorSpec) -> None:
    frame = colored(np.full((360, 640), 0.5), even(14, 20), spec)
    painted = Painter((180, 320)).paint(frame)
    lab = color.lab_from_ycbcr(painted.frame.luma, painted.cb, painted.cr, spec)
    tolerance = 1.2 if spec.depth == 8 else 0.3
    np.testing.assert_allclose(lab[1].mean(), 14, atol=tolerance)
    np.testing.assert_allclose(lab[2].mean(), 20, atol=tolerance)


def test_saturation_scales_chroma() -> None:
    frame = colored(np.full((360, 640), 0.5), even(10, 10))
    single, double = (Painter((180, 320), factor).paint(frame).cr.mean() - 128 for factor in (1, 2))
    assert double == pytest.approx(2 * single, rel=0.15) and single > 3


def test_luma_is_the_very_array() -> None:
    frame = colored(landscape(), even(20, 20))
    before = frame.frame.luma.copy()
    painted = next(paint([frame], (180, 320), 1.0))
    assert painted.frame is frame.frame
    np.testing.assert_array_equal(frame.frame.luma, before)


@pytest.mark.parametrize("reach", [30, 200])
def test_gamut_holds_at_full_size(reach: float) -> None:
    rng = np.random.default_rng(1)
    ab = np.stack([cv2.GaussianBlur(rng.standard_normal(SIZE), (0, 0), 4) for _ in "ab"])
    # Luma with edges finer than the small image can know.
    share = (landscape() > 0.5) * 0.9 + 0.05 * landscape(seed=2)
    share = cv2.resize(cv2.resize(share, (320, 180), interpolation=cv2.INTER_AREA), (640, 360),
                       interpolation=cv2.INTER_NEAREST)  # fmt: skip
    frame = colored(share, ab / ab.std() * reach)
    painted = Painter((180, 320)).paint(frame)
    luma = np.ascontiguousarray(painted.frame.luma[::2, ::2])
    y = (luma.astype(np.float64) - 16) / 219
    r_cr, b_cb, g_cb, g_cr = gamut.rgb_factors("bt709")
    cb, cr = ((plane.astype(np.float64) - 128) / 224 for plane in (painted.cb, painted.cr))
    rgb = np.stack([y + r_cr * cr, y + g_cb * cb + g_cr * cr, y + b_cb * cb])
    assert rgb.min() > -0.01 and rgb.max() < 1.01  # rounding of codes: 2 / 224
    assert np.abs(painted.cr.astype(int) - 128).mean() > 3


def test_chroma_edge_lands_on_the_luma_edge() -> None:
    """A soft, slightly misplaced change of colour snaps to the edge the luma has."""
    share = np.full((360, 640), 0.35)
    share[:, 301:] = 0.65
    ramp = np.clip((np.arange(224) - 100) / 10, 0, 1) * 40 - 20  # the luma's edge is at 105
    frame = colored(share, np.stack([np.broadcast_to(ramp, SIZE), np.zeros(SIZE)]))
    row = Painter((180, 320)).paint(frame).cr[90].astype(float) - 128
    chroma = color.chroma_from_lab(frame.lightness, frame.ab, PLAIN)[1]
    bilinear = cv2.resize(chroma, (320, 180))[90] * 224
    jump, soft = (line[153] - line[147] for line in (row, bilinear))
    assert jump > 1.3 * soft > 0
    assert row[147] < 0 < row[153]
    # Far from the edge the colour is what was asked for, without a halo.
    assert np.ptp(row[:120]) <= 2 and np.ptp(row[180:]) <= 2


def test_letterbox_and_blown_whites_stay_neutral() -> None:
    share = landscape().clip(0.2, 0.8)
    share[:40] = share[-40:] = 0
    share[150:200, 300:360] = 1
    painted = Painter((180, 320)).paint(colored(share, even(40, 40)))
    for plane in (painted.cb, painted.cr):
        off = np.abs(plane.astype(int) - 128)
        assert off[:19].max() <= 1 and off[-19:].max() <= 1
        assert off[78:98, 153:177].max() <= 1
        assert off[30:60].mean() > 5


@pytest.mark.parametrize(
    "chroma", [(360, 640), (360, 320), (180, 320), (90, 160), (180, 160), (33, 57)]
)
def test_any_subsampling(chroma: tuple[int, int]) -> None:
    painted = Painter(chroma).paint(colored(landscape(), even(12, 12)))
    assert painted.cb.shape == painted.cr.shape == chroma
    assert painted.cb.flags.c_contiguous
    assert painted.cr.mean() > 132


def test_odd_sizes() -> None:
    painted = Painter((181, 321)).paint(colored(landscape((361, 641)), even(12, 12)))
    assert painted.cb.shape == (181, 321) and painted.cr.mean() > 132


@pytest.mark.parametrize("spec", [PLAIN, SPECS[-1]], ids=str)
def test_a_large_picture_is_painted_in_rows_as_it_would_be_whole(
    spec: ColorSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(7)
    ab = cv2.GaussianBlur(rng.normal(0, 200, (*SIZE, 2)), (0, 0), 6).transpose(2, 0, 1)
    frame = colored(landscape((301, 533)), ab, spec)
    whole = Painter((301, 533)).paint(frame)
    monkeypatch.setattr("vidcolor.paint.MOST", 40 * 533 + 5)
    painter = Painter((301, 533))
    assert sum(buffer.size for buffer in painter._buffers) == 6 * 40 * 533
    parts = painter.paint(frame)
    off = 1 if spec.depth == 8 else 3
    for one, other in ((whole.cb, parts.cb), (whole.cr, parts.cr)):
        assert np.ptp(one) > 20 and one.dtype == other.dtype
        assert np.abs(one.astype(int) - other).max() <= off
        assert (one == other).mean() > 0.99 or spec.depth == 16


def test_a_painter_keeps_nothing_between_frames() -> None:
    one, other = colored(landscape(), even(30, 5)), colored(landscape(seed=3), even(-20, 25))
    painter = Painter((180, 320))
    first = painter.paint(one)
    kept = first.cb.copy()
    second = painter.paint(other)
    np.testing.assert_array_equal(first.cb, kept)
    np.testing.assert_array_equal(second.cr, Painter((180, 320)).paint(other).cr)


@pytest.mark.parametrize(("shape", "factor"), [((0, 4), 1.0), ((4, 4), -0.1), ((4, 4), 2.5)])
def test_impossible_options_are_refused(shape: tuple[int, int], factor: float) -> None:
    with pytest.raises(ValueError, match=r"chroma plane|saturation"):
        Painter(shape, factor)


def test_an_odd_size_is_painted_by_the_luma_beneath() -> None:
    share, ab = landscape((362, 642)), even(20, 30)
    whole = Painter((181, 321)).paint(colored(share, ab))
    odd = Painter((181, 321)).paint(colored(share[:361, :641], ab))
    for one, other in ((whole.cb, odd.cb), (whole.cr, odd.cr)):
        assert one.std() > 2
        assert np.abs(one.astype(int) - other).mean() < 0.8
