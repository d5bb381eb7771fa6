"""L*a*b* to Y'CbCr and back: every matrix, range and depth a film may come in.

The display model is sRGB's: D65 white, sRGB transfer. Y' is the film's own luma in 0 … 1, Cb and Cr
are signed and lie in -0.5 … 0.5, as in ITU-T H.273. The lightness of a film is the L* of a grey
pixel R' = G' = B' = Y'.

Colour is put on a film without touching Y', so L* is not free: `chroma_from_lab` finds the chroma
which, *under the luma that is there*, shows the wanted a* and b*. What the luma cannot carry is
drawn toward grey at constant luma and hue (a soft knee), never clipped channel by channel. Solving
that for each pixel would cost more than the network, so the solution is tabulated once per matrix
over (L*, a*, b*) and interpolated. The RGB cube is convex in Y'CbCr too: what is interpolated
between colours inside it stays inside it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import ColorSpec, Matrix

Codes: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]

LUMA_WEIGHTS: Final[dict[Matrix, tuple[float, float]]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
    "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11),
}
"""Kr and Kb of H.273, table 4; Kg is what is left of 1."""

_XYZ_FROM_RGB: Final = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE: Final = np.array([0.95047, 1.0, 1.08883])
_KNEE: Final = 0.8
"""Share of the greatest chroma up to which colours pass unchanged."""
_TABLE_LIGHTNESS: Final = 41
_TABLE_AB: Final = 65
_TABLE_REACH: Final = 128.0
"""The table spans a* and b* of ±128, which holds all of sRGB."""


def luma_scale(spec: ColorSpec) -> tuple[float, float]:
    """Code of black, and codes from black to white: ``Y' = (code - black) / span``."""
    if spec.full_range:
        return 0.0, float((1 << spec.depth) - 1)
    return float(16 << (spec.depth - 8)), float(219 << (spec.depth - 8))


def chroma_scale(spec: ColorSpec) -> tuple[float, float]:
    """Code of no colour, and codes per unit of chroma: ``code = neutral + span * chroma``."""
    neutral = float(1 << (spec.depth - 1))
    if spec.full_range:
        return neutral, float((1 << spec.depth) - 1)
    return neutral, float(224 << (spec.depth - 8))


def rgb_factors(matrix: Matrix) -> tuple[float, float, float, float]:
    """Factors (r_cr, b_cb, g_cb, g_cr): R' = Y' + r_cr Cr, B' = Y' + b_cb Cb, G' = Y' + g_cb Cb +
    g_cr Cr."""
    red, blue = LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    r_cr, b_cb = 2 * (1 - red), 2 * (1 - blue)
    return r_cr, b_cb, -blue * b_cb / green, -red * r_cr / green


def lightness_from_luma(codes: Codes, spec: ColorSpec) -> Float32:
    """L* (float32, 0 … 100, shape of ``codes``) of grey pixels with these luma codes.

    Codes below black and above white count as black and white.
    """
    table = lightness_table(spec)
    if codes.dtype == np.uint8:
        return np.asarray(cv2.LUT(codes, table[:256]), np.float32)
    if spec.depth < 16:  # stray bits above the depth must not read past the table
        codes = np.minimum(codes, np.uint16((1 << spec.depth) - 1))
    return np.asarray(np.take(table, codes), np.float32)


@lru_cache(maxsize=16)
def lightness_table(spec: ColorSpec) -> Float32:
    """L* of every luma code of ``spec``: float32 of 2**depth values. Read only."""
    black, span = luma_scale(spec)
    luma = np.clip((np.arange(1 << spec.depth) - black) / span, 0, 1)
    table = _lightness(_linear(luma)).astype(np.float32)
    table.flags.writeable = False
    return table


def chroma_from_lab(lightness: Float32, ab: Float32, spec: ColorSpec) -> Float32:
    """Signed Cb and Cr that show ``ab`` under the luma of ``lightness``.

    ``lightness`` is (h, w) float32 L* of the film's grey picture, ``ab`` (2, h, w) float32 in CIE
    units, of any size of values; the result is (2, h, w) float32, Cb and Cr in -0.5 … 0.5. Shown
    with its Y' unchanged, the pixel has the hue of ``ab``, and its chroma as far as the luma
    carries it; every R'G'B' stays within 0 … 1. Where ``ab`` is zero the result is exactly zero.
    """
    table = _chroma_table(spec.matrix)
    height, width = lightness.shape
    a, b = ab[0], ab[1]
    reach = np.maximum(np.abs(a), np.abs(b))
    step = (_TABLE_AB - 1) / (2 * _TABLE_REACH)
    middle = (_TABLE_AB - 1) / 2
    # Scaled as a pair, so that what lies beyond the table keeps its hue.
    scale = np.divide(_TABLE_REACH, np.maximum(reach, _TABLE_REACH, out=reach), out=reach)
    scale *= step
    along = a * scale
    along += middle
    down = b * scale
    down += middle
    level = lightness * np.float32((_TABLE_LIGHTNESS - 1) / 100)
    np.clip(level, 0, _TABLE_LIGHTNESS - 1.001, out=level)
    slab = np.floor(level)
    level -= slab
    slab *= _TABLE_AB
    down += slab
    found = cv2.remap(table, along, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    chroma = np.empty((2, height, width), np.float32)
    for plane in range(2):
        low, high = (
            np.asarray(cv2.extractChannel(found, channel), np.float32)
            for channel in (plane, plane + 2)
        )
        high -= low
        high *= level
        np.add(low, high, out=chroma[plane])
    return chroma


def quantise(chroma: Float32, spec: ColorSpec) -> Codes:
    """Chroma codes (uint8, or uint16 above 8 bits) of signed chroma, clamped to the legal codes."""
    neutral, span = chroma_scale(spec)
    lowest, highest = (0.0, span) if spec.full_range else (neutral - span / 2, neutral + span / 2)
    codes: Float32 = np.clip(
        np.rint(chroma * np.float32(span) + np.float32(neutral)), lowest, highest
    )
    return codes.astype(np.uint8) if spec.depth == 8 else codes.astype(np.uint16)


def rgb(luma: Codes, cb: Codes, cr: Codes, spec: ColorSpec) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 R'G'B' of a picture in codes; smaller chroma planes are scaled up first.

    For evaluation and previews: the pipeline itself holds no RGB picture.
    """
    return np.rint(np.clip(_rgb(luma, cb, cr, spec), 0, 1) * 255).astype(np.uint8)


def lab_from_ycbcr(luma: Codes, cb: Codes, cr: Codes, spec: ColorSpec) -> Float32:
    """(3, h, w) float32 L*, a*, b* of a picture in codes; smaller chroma planes are scaled up.

    In double precision and therefore for small pictures: training targets, measures, tests.
    """
    lab = _lab(_linear(np.clip(_rgb(luma, cb, cr, spec), 0, 1)))
    return np.ascontiguousarray(np.moveaxis(lab, -1, 0), np.float32)


def lab_from_rgb(encoded: Float64) -> Float64:
    """L*a*b* (…, 3) of R'G'B' (…, 3), 0 … 1."""
    return _lab(_linear(encoded))


def _rgb(luma: Codes, cb: Codes, cr: Codes, spec: ColorSpec) -> Float64:
    """R'G'B' (h, w, 3), not yet limited to 0 … 1."""
    black, luma_span = luma_scale(spec)
    neutral, chroma_span = chroma_scale(spec)
    size = luma.shape[::-1]
    y = (luma.astype(np.float64) - black) / luma_span
    u, v = ((plane.astype(np.float64) - neutral) / chroma_span for plane in (cb, cr))
    if cb.shape != luma.shape:
        u, v = (np.asarray(cv2.resize(plane, size), np.float64) for plane in (u, v))
    return _rgb_from_signed(y, u, v, spec.matrix)


def _rgb_from_signed(y: Float64, u: Float64, v: Float64, matrix: Matrix) -> Float64:
    r_cr, b_cb, g_cb, g_cr = rgb_factors(matrix)
    return np.stack([y + r_cr * v, y + g_cb * u + g_cr * v, y + b_cb * u], axis=-1)


def _linear(encoded: Float64) -> Float64:
    """sRGB's transfer, odd about zero so that a solver may step out of gamut."""
    size = np.abs(encoded)
    curve = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(curve, encoded)


def _encoded(linear: Float64) -> Float64:
    size = np.abs(linear)
    curve = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.copysign(curve, linear)


def _lightness(y: Float64) -> Float64:
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


def _lab(linear: Float64) -> Float64:
    """L*a*b* (…, 3) of linear sRGB (…, 3)."""
    xyz = linear @ _XYZ_FROM_RGB.T / _XYZ_FROM_RGB.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _encoded_from_lab(lightness: Float64, a: Float64, b: Float64) -> Float64:
    """R'G'B' (…, 3) of L*a*b*, beyond 0 … 1 where out of gamut."""
    y = (lightness + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787) * _XYZ_FROM_RGB.sum(axis=1)
    return _encoded(xyz @ np.linalg.inv(_XYZ_FROM_RGB).T)


def _greatest_share(y: Float64, u: Float64, v: Float64, matrix: Matrix) -> Float64:
    """The factor on (u, v) that brings the colour to the face of the RGB cube."""
    offset = _rgb_from_signed(np.zeros_like(y), u, v, matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(offset > 0, (1 - y[..., None]) / offset, np.inf)
        down = np.where(offset < 0, -y[..., None] / offset, np.inf)
    return np.asarray(np.minimum(up, down).min(axis=-1), np.float64)


def _greatest_chroma(y: Float64, matrix: Matrix) -> tuple[Float64, Float64]:
    """For each luma, the Lab hues of the gamut's rim (in turn, ascending) and their chroma."""
    angle = np.linspace(-np.pi, np.pi, 720, endpoint=False)
    u, v = np.broadcast_arrays(np.cos(angle)[None], np.sin(angle)[None])
    luma = np.broadcast_to(y[:, None], (len(y), len(angle)))
    share = _greatest_share(luma, u, v, matrix)
    rim = _lab(_linear(np.clip(_rgb_from_signed(luma, share * u, share * v, matrix), 0, 1)))
    hue = np.arctan2(rim[..., 2], rim[..., 1])
    order = np.argsort(hue, axis=1)
    chroma = np.hypot(rim[..., 1], rim[..., 2])
    return np.take_along_axis(hue, order, 1), np.take_along_axis(chroma, order, 1)


def compress(chroma: Float64, greatest: Float64) -> Float64:
    """The knee: identity up to 80 % of ``greatest``, from there smoothly against it."""
    share = chroma / np.maximum(greatest, 1e-9)
    bent = _KNEE + (1 - _KNEE) * np.tanh((share - _KNEE) / (1 - _KNEE))
    return np.where(share <= _KNEE, chroma, greatest * bent)


def _solve(luma: Float64, a: Float64, b: Float64, matrix: Matrix) -> tuple[Float64, Float64]:
    """Cb and Cr of the colours with these a*, b* whose Y' is ``luma``; arrays of one shape."""
    red, blue = LUMA_WEIGHTS[matrix]
    weights = np.array([red, 1 - red - blue, blue])
    lightness = _lightness(_linear(luma))
    for _ in range(5):  # Newton; Y' rises with L* and is nearly straight
        here = _encoded_from_lab(lightness, a, b) @ weights
        slope = (_encoded_from_lab(lightness + 0.01, a, b) @ weights - here) / 0.01
        lightness = np.clip(lightness - (here - luma) / np.maximum(slope, 1e-3), -20, 120)
    found = _encoded_from_lab(lightness, a, b)
    y = found @ weights
    return (found[..., 2] - y) / (2 - 2 * blue), (found[..., 0] - y) / (2 - 2 * red)


def solve_chroma(lightness: Float64, a: Float64, b: Float64, matrix: Matrix) -> Float64:
    """`chroma_from_lab` without the table, in double precision: (2, …) from arrays of one shape."""
    levels, where = np.unique(np.clip(lightness, 0, 100), return_inverse=True)
    luma = _encoded(np.where(levels > 8, ((levels + 16) / 116) ** 3, levels / 903.3))
    hues, rims = _greatest_chroma(luma, matrix)
    hue, chroma = np.arctan2(b, a), np.hypot(a, b)
    rim = np.empty_like(chroma)
    for index in range(len(levels)):
        here = where.reshape(chroma.shape) == index
        rim[here] = np.interp(hue[here], hues[index], rims[index], period=2 * np.pi)
    chroma = compress(chroma, rim)
    y = luma[where].reshape(chroma.shape)
    u, v = _solve(y, chroma * np.cos(hue), chroma * np.sin(hue), matrix)
    share = np.minimum(_greatest_share(y, u, v, matrix), 1)
    grey = rim < 1e-6  # black and white
    return np.where(grey | (chroma == 0), 0, np.stack([u * share, v * share]))


@lru_cache(maxsize=8)
def _chroma_table(matrix: Matrix) -> Float32:
    """The solution at the nodes of (L*, b*, a*), stacked by L*: (levels * n, n, 4) float32.

    Channels are Cb, Cr at this level and Cb, Cr at the next, so that one look-up serves both.
    """
    axis = np.linspace(-_TABLE_REACH, _TABLE_REACH, _TABLE_AB)
    levels = np.linspace(0, 100, _TABLE_LIGHTNESS)
    grid = np.meshgrid(levels, axis, axis, indexing="ij")
    here = np.moveaxis(solve_chroma(grid[0], grid[2], grid[1], matrix), 0, -1)
    following = np.concatenate([here[1:], here[-1:]])
    table = np.concatenate([here, following], axis=-1).astype(np.float32)
    return np.ascontiguousarray(table.reshape(_TABLE_LIGHTNESS * _TABLE_AB, _TABLE_AB, 4))
