"""Light and its codes: what a film's R'G'B' means in light, and what of that is white.

Three transfers: ``sdr``, for which the display model is sRGB's curve; ``pq`` (SMPTE ST 2084, codes
of cd/m2) and ``hlg`` (ARIB STD-B67), both as in ITU-R BT.2100. The networks know SDR pictures only,
so HDR is shown to them toned down: luminance as it is up to a quarter of reference white, which is
203 cd/m2 (ITU-R BT.2408), and from there bent so that the brightest light is white, as in Reinhard
et al.: Photographic Tone Reproduction for Digital Images, SIGGRAPH 2002, equation 4. The curve has
an inverse; the film itself is never toned.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import Primaries, Transfer

Float64: TypeAlias = NDArray[np.float64]

_REFERENCE_WHITE: Final = 203.0
_KNEE: Final = 0.25
_PQ_PEAK: Final = 10_000.0
_PQ_M1, _PQ_M2 = 2610 / 16384, 2523 / 32
_PQ_C1, _PQ_C2, _PQ_C3 = 3424 / 4096, 2413 / 128, 2392 / 128
_HLG_PEAK: Final = 1000.0
"""cd/m2 of the nominal display, whose system gamma is 1.2."""
_HLG_GAMMA: Final = 1.2
_HLG_A: Final = 0.17883277
_HLG_B, _HLG_C = 1 - 4 * _HLG_A, 0.5 - _HLG_A * np.log(4 * _HLG_A)

_WEIGHTS_BT2020: Final = np.array([0.2627, 0.6780, 0.0593])
_BT2020_FROM_BT709: Final = np.array(
    [
        [0.6274039, 0.3292830, 0.0433131],
        [0.0690973, 0.9195404, 0.0113623],
        [0.0163914, 0.0880133, 0.8955953],
    ]
)
"""ITU-R BT.2087; both have the same white, D65."""


def linear(encoded: Float64, transfer: Transfer) -> Float64:
    """Light of R'G'B' or Y': 1 is SDR's white, PQ's 10000 cd/m2, HLG's brightest scene.

    SDR's is odd about zero, so that a solver may step out of gamut; the others end at 0 and 1.
    """
    if transfer == "sdr":
        size = np.abs(encoded)
        curve = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
        return np.copysign(curve, encoded)
    encoded = np.clip(encoded, 0, 1)
    if transfer == "hlg":
        high = (np.exp((encoded - _HLG_C) / _HLG_A) + _HLG_B) / 12
        return np.where(encoded <= 0.5, encoded**2 / 3, high)
    root = encoded ** (1 / _PQ_M2)
    return np.asarray(
        (np.maximum(root - _PQ_C1, 0) / (_PQ_C2 - _PQ_C3 * root)) ** (1 / _PQ_M1), np.float64
    )


def encoded(light: Float64, transfer: Transfer) -> Float64:
    """The inverse of `linear`."""
    if transfer == "sdr":
        size = np.abs(light)
        curve = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
        return np.copysign(curve, light)
    light = np.clip(light, 0, 1)
    if transfer == "hlg":
        high = _HLG_A * np.log(np.maximum(12 * light - _HLG_B, 1e-9)) + _HLG_C
        return np.where(light <= 1 / 12, np.sqrt(3 * light), high)
    power = light**_PQ_M1
    return np.asarray(((_PQ_C1 + _PQ_C2 * power) / (1 + _PQ_C3 * power)) ** _PQ_M2, np.float64)


def toned(luminance: Float64, transfer: Transfer) -> Float64:
    """Luminance of the SDR picture, 0 … 1, for luminance as `linear` gives it."""
    if transfer == "sdr":
        return luminance
    peak, gamma = _display(transfer)
    shown = peak * np.maximum(luminance, 0) ** gamma
    above, white = np.maximum(shown - _KNEE, 0) / (1 - _KNEE), (peak - _KNEE) / (1 - _KNEE)
    bent = above * (1 + above / white**2) / (1 + above)
    return np.where(shown <= _KNEE, shown, _KNEE + (1 - _KNEE) * bent)


def untoned(luminance: Float64, transfer: Transfer) -> Float64:
    """The inverse of `toned`; what the film cannot hold becomes its brightest."""
    if transfer == "sdr":
        return luminance
    peak, gamma = _display(transfer)
    bent, white = (luminance - _KNEE) / (1 - _KNEE), (peak - _KNEE) / (1 - _KNEE)
    bent = np.maximum(bent, 0)
    above = white**2 / 2 * (bent - 1 + np.sqrt((1 - bent) ** 2 + 4 * bent / white**2))
    shown = np.where(luminance <= _KNEE, luminance, _KNEE + (1 - _KNEE) * above)
    return np.asarray((np.clip(shown, 0, peak) / peak) ** (1 / gamma), np.float64)


def to_primaries(light: Float64, primaries: Primaries) -> Float64:
    """Linear RGB (…, 3) of BT.709's primaries, which are sRGB's, in those of the film."""
    return light if primaries == "bt709" else light @ _BT2020_FROM_BT709.T


def from_primaries(light: Float64, primaries: Primaries) -> Float64:
    """The inverse of `to_primaries`."""
    return light if primaries == "bt709" else light @ np.linalg.inv(_BT2020_FROM_BT709).T


def sdr_light(rgb: Float64, transfer: Transfer, primaries: Primaries) -> Float64:
    """Linear sRGB (…, 3) of a film's R'G'B', toned down in luminance alone where it is HDR."""
    light = linear(rgb, transfer)
    if transfer != "sdr":
        luminance = light @ _WEIGHTS_BT2020
        ratio = toned(luminance, transfer) / np.maximum(luminance, 1e-12)
        light = light * ratio[..., None]
    return from_primaries(light, primaries)


def recoded(
    light: Float64, luma: Float64, weights: Float64, transfer: Transfer, primaries: Primaries
) -> Float64:
    """R'G'B' (…, 3) of HDR film, of the chromaticity of ``light`` and (to 0.0001) this ``luma``.

    ``light`` is linear sRGB (…, 3) within 0 … 1 and not black, ``luma`` (…) is Y' in 0 … 1,
    ``weights`` are R', G' and B' in Y'.
    """
    light = np.maximum(to_primaries(light, primaries), 0)
    light = light / light.max(axis=-1, keepdims=True)
    low = np.full_like(luma, 1e-9)  # 1e-5 cd/m2
    high = np.ones_like(luma)
    # Y' rises with the light, by no simple rule; halving in steps of its logarithm is safe.
    for _ in range(18):
        middle = np.sqrt(low * high)
        above = encoded(middle[..., None] * light, transfer) @ weights > luma
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return encoded(high[..., None] * light, transfer)


def _display(transfer: Transfer) -> tuple[float, float]:
    """The display's peak, in units of reference white, and its gamma over `linear`'s light."""
    if transfer == "hlg":
        return _HLG_PEAK / _REFERENCE_WHITE, _HLG_GAMMA
    return _PQ_PEAK / _REFERENCE_WHITE, 1.0
