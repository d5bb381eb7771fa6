"""L*a*b*, sRGB and Y'UV on tensors, in float32, on whichever device they lie.

The same display model as `vidcolor.color`: sRGB's transfer, BT.709 primaries, D65. That module
works in double precision with numpy and cannot follow the photos onto a device.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

_XYZ_FROM_RGB = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
"""BT.709 primaries and D65, as in skimage and OpenCV. The rows' sums are the white point."""

SPACES = ("lab", "yuv")
AB_SCALE = 110.0
"""ab in shares of this lies within -1 … 1, for every colour of sRGB."""
_LUMA = (0.299, 0.587, 0.114)
_HALVINGS = 16
"""Of a span of codes that is 2 wide at most: less than a hundredth of an 8-bit code is left."""


def lab_from_rgb(encoded: Tensor) -> Tensor:
    """R'G'B' (N, 3, H, W), 0 … 1, to L*, a*, b* of the same shape."""
    x, y, z = _mixed(_linear(encoded), _matrix(encoded.device)).unbind(1)
    x, y, z = (
        torch.where(v > 0.008856, v.clamp_min(1e-6) ** (1 / 3), 7.787 * v + 16 / 116)
        for v in (x, y, z)
    )
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), 1)


def rgb_from_lab(lab: Tensor) -> Tensor:
    """L*, a*, b* (N, 3, H, W) to R'G'B', limited to 0 … 1 as a screen would."""
    light, a, b = lab.unbind(1)
    y = (light + 16) / 116
    f = torch.stack((y + a / 500, y, y - b / 200), 1)
    xyz = torch.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787)
    linear = _mixed(xyz, _matrix(lab.device, back=True)).clamp(0, 1)
    return torch.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(1e-6) ** (1 / 2.4) - 0.055
    )


def chroma_of(lightness: Tensor, ab: Tensor, space: str) -> Tensor:
    """Colours in ``space``, in shares of its largest, of L* (N, 1, H, W) and ab (N, 2, H, W).

    ``space`` is ``lab``, for a*b*, or ``yuv``, for U and V of BT.601's Y'UV.
    """
    if space == "lab":
        return ab / AB_SCALE
    rgb = rgb_from_lab(torch.cat((lightness, ab), 1))
    luma = _luma(rgb)
    # U is B' - Y' and V is R' - Y', each in shares of the most it can be.
    blue, red = (rgb[:, 2:] - luma) / (1 - _LUMA[2]), (rgb[:, :1] - luma) / (1 - _LUMA[0])
    return torch.cat((blue, red), 1)


def ab_of(lightness: Tensor, chroma: Tensor, space: str) -> Tensor:
    """The reverse of `chroma_of`: ab (N, 2, H, W).

    A lightness alone does not tell Y', which in saturated colours differs from that of an equally
    light grey; it is found by halving. Where no Y' makes the colour as light, the nearest is taken.
    """
    if space == "lab":
        return chroma * AB_SCALE
    blue, red = chroma[:, :1] * (1 - _LUMA[2]), chroma[:, 1:] * (1 - _LUMA[0])
    green = -(_LUMA[2] * blue + _LUMA[0] * red) / _LUMA[1]
    away = torch.cat((red, green, blue), 1)
    with torch.no_grad():
        low, high = -away.amax(1, keepdim=True), 1 - away.amin(1, keepdim=True)
        for _ in range(_HALVINGS):
            luma = (low + high) / 2
            darker = lab_from_rgb((luma + away).clamp(0, 1))[:, :1] < lightness
            low, high = torch.where(darker, luma, low), torch.where(darker, high, luma)
    # Once more by a step whose slope is known, for losses that look at the colours.
    lab = lab_from_rgb((luma + away).clamp(0, 1))
    luma = luma + grey_of(lightness) - grey_of(lab[:, :1])
    return lab_from_rgb((luma + away).clamp(0, 1))[:, 1:]


def grey_of(lightness: Tensor) -> Tensor:
    """L* (N, 1, H, W) to the code, 0 … 1, of a grey as light."""
    return rgb_from_lab(torch.cat((lightness, lightness * 0, lightness * 0), 1))[:, :1]


def picture_ab(pictures: Tensor) -> Tensor:
    """a*b* (N, 2, H, W) of what a network made of a grey picture, put under that picture's luma.

    ``pictures`` (N, 4, H, W), 0 … 1, are its R'G'B' and the grey it was shown. Of the answer the
    chroma alone is taken, Y'CbCr's (BT.601) as these networks' authors do, so that a grey which
    came back lighter or darker changes no hue.
    """
    rgb, grey = pictures[:, :3].clamp(0, 1), pictures[:, 3:]
    return lab_from_rgb((rgb - _luma(rgb) + grey).clamp(0, 1))[:, 1:]


def _luma(rgb: Tensor) -> Tensor:
    return sum(share * rgb[:, [n]] for n, share in enumerate(_LUMA))  # type: ignore[return-value]


def _linear(encoded: Tensor) -> Tensor:
    return torch.where(
        encoded <= 0.04045, encoded / 12.92, ((encoded.clamp_min(0) + 0.055) / 1.055) ** 2.4
    )


@lru_cache(maxsize=8)
def _matrix(device: torch.device, back: bool = False) -> Tensor:
    """Linear RGB to XYZ over the white's, or ``back``.

    Kept on the device: a copy to it would wait for all that the device still has to do.
    """
    # Kept for whoever comes next: a tensor made in inference mode would be of no use to gradients.
    with torch.inference_mode(False):
        rows = torch.tensor(_XYZ_FROM_RGB, dtype=torch.float64)
        rows /= rows.sum(1, keepdim=True)
        return (torch.linalg.inv(rows) if back else rows).float().to(device)


def _mixed(picture: Tensor, matrix: Tensor) -> Tensor:
    # Written out: as a matrix product this could run in a reduced precision chosen elsewhere.
    red, green, blue = picture.unbind(1)
    return torch.stack([row[0] * red + row[1] * green + row[2] * blue for row in matrix], 1)
