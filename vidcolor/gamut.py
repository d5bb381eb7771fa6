"""Which colours a given luma carries: L*a*b*, the gamut's rim, and chroma at constant luma.

All in double precision and for tables: `vidcolor.color` holds what is done for every frame.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import ColorSpec, Matrix
from vidcolor.transfer import encoded, from_primaries, linear, recoded, to_primaries, untoned

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
_KNEE: Final = 0.8
"""Share of the greatest chroma up to which colours pass unchanged."""
_STRAIGHT: Final = 0.2068966
"""Under this, L*a*b*'s cube root is a straight line."""
_SDR: Final = ColorSpec("bt709", full_range=False, depth=8)


def rgb_factors(matrix: Matrix) -> tuple[float, float, float, float]:
    """Factors (r_cr, b_cb, g_cb, g_cr): R' = Y' + r_cr Cr, B' = Y' + b_cb Cb, G' = Y' + g_cb Cb +
    g_cr Cr."""
    red, blue = LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    r_cr, b_cb = 2 * (1 - red), 2 * (1 - blue)
    return r_cr, b_cb, -blue * b_cb / green, -red * r_cr / green


def rgb_from_signed(y: Float64, u: Float64, v: Float64, matrix: Matrix) -> Float64:
    """R'G'B' (…, 3) of Y', Cb and Cr, not limited to 0 … 1."""
    r_cr, b_cb, g_cb, g_cr = rgb_factors(matrix)
    return np.stack([y + r_cr * v, y + g_cb * u + g_cr * v, y + b_cb * u], axis=-1)


def lightness_of(y: Float64) -> Float64:
    """L* of luminance, white being 1."""
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


def luminance_of(lightness: Float64) -> Float64:
    """The inverse of `lightness_of`."""
    return np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)


def lab(light: Float64) -> Float64:
    """L*a*b* (…, 3) of linear sRGB (…, 3)."""
    xyz = light @ _XYZ_FROM_RGB.T / _XYZ_FROM_RGB.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def compress(chroma: Float64, greatest: Float64) -> Float64:
    """The knee: identity up to 80 % of ``greatest``, from there smoothly against it."""
    share = chroma / np.maximum(greatest, 1e-9)
    bent = _KNEE + (1 - _KNEE) * np.tanh((share - _KNEE) / (1 - _KNEE))
    return np.where(share <= _KNEE, chroma, greatest * bent)


def solve_chroma(lightness: Float64, a: Float64, b: Float64, spec: ColorSpec) -> Float64:
    """Cb and Cr that show a* and b* under the luma of a grey of this L*: (2, …).

    What `vidcolor.color.chroma_from_lab` interpolates; takes three arrays of one shape.
    """
    if spec.transfer != "sdr":
        return _solve_hdr(lightness, a, b, spec)
    levels, where = np.unique(np.clip(lightness, 0, 100), return_inverse=True)
    luma = encoded(luminance_of(levels), "sdr")
    hues, rims = _greatest_chroma(luma, spec)
    hue, chroma = np.arctan2(b, a), np.hypot(a, b)
    rim = np.empty_like(chroma)
    for index in range(len(levels)):
        here = where.reshape(chroma.shape) == index
        rim[here] = np.interp(hue[here], hues[index], rims[index], period=2 * np.pi)
    chroma = compress(chroma, rim)
    y = luma[where].reshape(chroma.shape)
    u, v = _solve(y, chroma * np.cos(hue), chroma * np.sin(hue), spec)
    share = np.minimum(_greatest_share(y, u, v, spec.matrix), 1)
    grey = rim < 1e-6  # black and white
    return np.where(grey | (chroma == 0), 0, np.stack([u * share, v * share]))


def _solve_hdr(lightness: Float64, a: Float64, b: Float64, spec: ColorSpec) -> Float64:
    """`solve_chroma` for HDR: the chromaticity of SDR's solution at the film's own luma."""
    u, v = solve_chroma(lightness, a, b, _SDR)
    luminance = luminance_of(np.clip(lightness, 0, 100))
    grey = encoded(luminance, "sdr")
    shown = linear(np.clip(rgb_from_signed(grey, u, v, _SDR.matrix), 0, 1), "sdr")
    luma = encoded(untoned(luminance, spec.transfer), spec.transfer)
    lit = np.where((luminance > 0)[..., None], shown, 1)  # black has no chromaticity
    film = recoded(lit, luma, _weights(spec.matrix), spec.transfer, spec.primaries)
    _, u_film, v_film = signed_from_rgb(film, spec.matrix)
    share = np.minimum(_greatest_share(luma, u_film, v_film, spec.matrix), 1)
    return np.where((u == 0) & (v == 0), 0, np.stack([u_film * share, v_film * share]))


def _solve(luma: Float64, a: Float64, b: Float64, spec: ColorSpec) -> tuple[Float64, Float64]:
    """Cb and Cr of the SDR colours with these a*, b* whose Y' is ``luma``; arrays of one shape.

    Plane by plane, the derivative written out: the start of every film waits for it.
    """
    to_rgb = _XYZ_FROM_RGB.sum(axis=1)[:, None] * np.linalg.inv(_XYZ_FROM_RGB).T
    to_rgb = to_primaries(to_rgb, spec.primaries)
    weights = _weights(spec.matrix)
    lightness = lightness_of(linear(luma, "sdr"))

    def film(lightness: Float64) -> tuple[list[Float64], Float64]:
        """R', G' and B', and by how much Y' grows with L*."""
        y = (lightness + 16) / 116
        steps = [y + a / 500, y, y - b / 200]
        xyz = [np.where(f > _STRAIGHT, f * f * f, (f - 16 / 116) / 7.787) for f in steps]
        grown = [np.where(f > _STRAIGHT, 3 * f * f, 1 / 7.787) / 116 for f in steps]
        planes, slope = [], np.zeros_like(lightness)
        for column, weight in zip(to_rgb.T, weights, strict=True):
            light, rise = (
                sum(factor * part for factor, part in zip(column, parts, strict=True))
                for parts in (xyz, grown)
            )
            plane, size = encoded(light, "sdr"), np.abs(light)
            curve = (np.abs(plane) + 0.055) / (2.4 * np.maximum(size, 1e-9))
            slope += weight * rise * np.where(size <= 0.0031308, 12.92, curve)
            planes.append(plane)
        return planes, slope

    for _ in range(5):  # Newton; Y' rises with L* and is nearly straight
        planes, slope = film(lightness)
        missing = luma - sum(weight * plane for weight, plane in zip(weights, planes, strict=True))
        lightness = np.clip(lightness + missing / np.maximum(slope, 1e-3), -20, 120)
    _, u, v = signed_from_rgb(np.stack(film(lightness)[0], axis=-1), spec.matrix)
    return u, v


def _greatest_chroma(y: Float64, spec: ColorSpec) -> tuple[Float64, Float64]:
    """For each luma, the Lab hues of the gamut's rim (in turn, ascending) and their chroma."""
    angle = np.linspace(-np.pi, np.pi, 720, endpoint=False)
    u, v = np.broadcast_arrays(np.cos(angle)[None], np.sin(angle)[None])
    luma = np.broadcast_to(y[:, None], (len(y), len(angle)))
    share = _greatest_share(luma, u, v, spec.matrix)
    rim = np.clip(rgb_from_signed(luma, share * u, share * v, spec.matrix), 0, 1)
    _, a, b = np.moveaxis(lab(from_primaries(linear(rim, "sdr"), spec.primaries)), -1, 0)
    hue, chroma = np.arctan2(b, a), np.hypot(a, b)
    order = np.argsort(hue, axis=1)
    return np.take_along_axis(hue, order, 1), np.take_along_axis(chroma, order, 1)


def _greatest_share(y: Float64, u: Float64, v: Float64, matrix: Matrix) -> Float64:
    """The factor on (u, v) that brings the colour to the face of the RGB cube."""
    offset = rgb_from_signed(np.zeros_like(y), u, v, matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(offset > 0, (1 - y[..., None]) / offset, np.inf)
        down = np.where(offset < 0, -y[..., None] / offset, np.inf)
    return np.asarray(np.minimum(up, down).min(axis=-1), np.float64)


def _weights(matrix: Matrix) -> Float64:
    red, blue = LUMA_WEIGHTS[matrix]
    return np.array([red, 1 - red - blue, blue])


def signed_from_rgb(rgb: Float64, matrix: Matrix) -> tuple[Float64, Float64, Float64]:
    """Y', Cb and Cr of R'G'B' (…, 3)."""
    weights = _weights(matrix)
    y = rgb @ weights
    return y, (rgb[..., 2] - y) / (2 - 2 * weights[2]), (rgb[..., 0] - y) / (2 - 2 * weights[0])
