"""Resizing and blurring a batch as matrix products, each picture by its own measure.

A batch of crops of different sizes has no common resize; but along one axis every resize and every
blur is a matrix, and a product of batched matrices is what a GPU does best. The matrices are those
of OpenCV's filters, so that both ways of making a batch agree.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

_REACH = 4.0
"""OpenCV cuts a float Gaussian off at four standard deviations."""


def resize_matrix(crop: Tensor, size: int, widest: int, mirror: Tensor | None = None) -> Tensor:
    """(N, size, widest): row i weighs the pixels of a crop that make pixel i of the result.

    ``crop`` (N,) is each crop's length in whole pixels, at most ``widest``; weights beyond it are
    zero. Reduction takes the mean over the area a pixel covers, enlargement is linear, as with
    INTER_AREA and INTER_LINEAR. Where ``mirror`` (N,) is true the result is reversed.
    """
    device = crop.device
    place = torch.arange(size, device=device, dtype=torch.float32).expand(len(crop), size)
    if mirror is not None:
        place = torch.where(mirror[:, None], size - 1 - place, place)
    scale = (crop / size).float()[:, None]
    source = torch.arange(widest, device=device, dtype=torch.float32)
    start = (place * scale)[..., None]
    stop = ((place + 1) * scale)[..., None]
    area = (torch.minimum(stop, source + 1) - torch.maximum(start, source)).clamp_min(0)
    area /= scale[..., None]
    middle = ((place + 0.5) * scale - 0.5).clamp_min(0)
    middle = torch.minimum(middle, crop[:, None] - 1.0)
    linear = (1 - (middle[..., None] - source).abs()).clamp_min(0)
    return torch.where((crop > size)[:, None, None], area, linear)


def blur_matrix(sigma: Tensor, size: int) -> Tensor:
    """(N, size, size): a Gaussian of ``sigma`` (N,) pixels, mirrored about the border pixels.

    A ``sigma`` of 0 leaves everything as it is.
    """
    at = torch.arange(size, device=sigma.device, dtype=torch.float32)
    here, there = at[:, None], at[None, :]
    wide = sigma.clamp_min(1e-3)[:, None, None]
    # OpenCV rounds the kernel to an odd number of taps.
    taps = torch.round(wide * _REACH * 2 + 1)
    radius = torch.div(taps, 2, rounding_mode="floor")

    def bell(distance: Tensor) -> Tensor:
        value = torch.exp(-0.5 * (distance / wide).square())
        return torch.where(distance <= radius, value, torch.zeros_like(value))

    weight = bell((here - there).abs())
    weight += bell(here + there) * (there > 0)
    weight += bell(2 * (size - 1) - here - there) * (there < size - 1)
    return weight / weight.sum(2, keepdim=True)


@lru_cache(maxsize=16)
def _cubic(few: int, size: int, device: torch.device) -> Tensor:
    way = cv2.resize(np.eye(few, dtype=np.float32), (few, size), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(np.ascontiguousarray(way, np.float32)).to(device)


def smooth_field(coarse: Tensor, size: int) -> Tensor:
    """(N, few, few) to (N, size, size), bicubic as OpenCV does it."""
    matrix = _cubic(coarse.shape[-1], size, coarse.device)
    return matrix @ coarse @ matrix.T
