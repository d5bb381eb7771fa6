"""Photos the network does not train on, and how well it colours them while it trains.

The figures are made as those of `vidcolor eval`, except that each photo's middle square is seen and
compared at one small size, so that a batch is a batch. They tell one state of a run from another;
to compare with other work, use ``vidcolor eval``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vidcolor.models.architecture import ColorNet
from vidcolor.models.lab import lab_from_rgb, rgb_from_lab
from vidcolor.scaling import scaled
from vidcolor.train.photos import PhotoSet

SIDE = 192
"""Pixels a side of the squares, which is also what the network sees by default in a film."""
FEWEST = 50
"""With fewer photos than this none is held out: the network needs them all."""
_LEAST = 4
"""Where any are held out, at least so many are: one photo tells little."""
_WANTED = 0.78
_PENALTY = 3.0
_BATCH = 32


def hold_out(photos: PhotoSet, share: float, most: int) -> tuple[PhotoSet, PhotoSet | None]:
    """Set ``share`` of the photos aside, at most ``most`` of them, chosen by a hash of the name.

    A photo stays on its side when others are added or come in another order, and all of one name
    are on the same side. Returns those to train on, and those held out or None.
    """
    if len(photos.images) < FEWEST or share <= 0:
        return photos, None
    place = [_hash(name) for name in photos.names]
    limit = max(share, sorted(place)[_LEAST - 1])
    aside = sorted((k for k, at in enumerate(place) if at <= limit), key=lambda k: place[k])[:most]
    chosen = {photos.names[k] for k in aside}
    rest = [k for k, name in enumerate(photos.names) if name not in chosen]
    if not rest:
        return photos, None
    return photos.subset(rest), photos.subset(aside)


def _hash(name: str) -> float:
    """A number in 0 … 1 that depends on the name alone."""
    data = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(data) / 2**64


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over photos: ``gain`` is PSNR over leaving it grey, in dB; ``colour`` is mean
    colourfulness over the truth's; ``rmse`` is the distance in a*b*, ``grey_rmse`` that of grey."""

    gain: float
    colour: float
    rmse: float = 0.0
    grey_rmse: float = 0.0

    @property
    def score(self) -> float:
        """What makes one state better than another: the gain, less 3 dB for each whole missing in
        colourfulness below 0.78. The gain alone would choose sepia."""
        return self.gain + _PENALTY * min(0.0, self.colour - _WANTED)

    def rank(self, by: str) -> float:
        """More for the better state, ``by`` the ``score`` or by the ``rmse`` alone."""
        return -self.rmse if by == "rmse" else self.score


class HeldOut:
    """Squares of photos, ready to be coloured, ``side`` pixels a side."""

    def __init__(self, photos: PhotoSet, most: int, side: int = SIDE) -> None:
        self._rgb = as_batch([square(image, side) for image in photos.images[:most]])

    def __len__(self) -> int:
        return len(self._rgb)

    def measure(self, net: ColorNet, device: torch.device, dtype: torch.dtype) -> Figures:
        """Colour all photos with ``net`` as it decodes; ``net`` is in eval mode."""
        gains, found, true, near, grey_near = [], [], [], [], []
        for start in range(0, len(self), _BATCH):
            rgb, grey, coloured = self._coloured(net, slice(start, start + _BATCH), device, dtype)
            gains.append(_psnr(coloured, rgb) - _psnr(grey, rgb))
            found.append(_colourfulness(coloured))
            true.append(_colourfulness(rgb))
            near.append(_ab_rmse(coloured, rgb))
            grey_near.append(_ab_rmse(grey, rgb))
        gain, some, all_, rmse, grey_rmse = (
            float(torch.cat(part).mean()) for part in (gains, found, true, near, grey_near)
        )
        return Figures(gain, some / max(all_, 1e-6), rmse, grey_rmse)

    def sheet(self, net: ColorNet, device: torch.device, dtype: torch.dtype) -> NDArray[np.uint8]:
        """The first 8 photos, a row each: grey, coloured by ``net``, true: (h, w, 3) uint8 RGB."""
        rgb, grey, coloured = self._coloured(net, slice(0, 8), device, dtype)
        rows = torch.cat((grey, coloured, rgb), 3).permute(0, 2, 3, 1).flatten(0, 1)
        return np.asarray((rows * 255).round().to(torch.uint8).cpu().numpy(), np.uint8)

    @torch.no_grad()
    def _coloured(
        self, net: ColorNet, part: slice, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        rgb = self._rgb[part].to(device).float() / 255
        lightness = lab_from_rgb(rgb)[:, :1]
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = net(lightness)
        ab = enlarged(net.decode(logits.float()), lightness.shape[-2:])
        coloured = rgb_from_lab(torch.cat((lightness, ab), 1))
        return rgb, rgb_from_lab(torch.cat((lightness, 0 * ab), 1)), coloured


def square(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle of a picture (h, w, 3) as a square of ``size`` pixels a side."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = image[top : top + side, left : left + side]
    return scaled(middle, (size, size))


def as_batch(squares: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Pictures (S, S, 3) of one size to a tensor (N, 3, S, S)."""
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)


def enlarged(ab: Tensor, size: torch.Size) -> Tensor:
    """``ab`` (N, 2, h, w) at ``size``, linear between the centres of pixels, as films have it."""
    if ab.shape[-2:] == size:
        return ab
    return F.interpolate(ab, size=tuple(size), mode="bilinear")


def _psnr(picture: Tensor, truth: Tensor) -> Tensor:
    error = (picture - truth).square().mean((1, 2, 3)).clamp_min(1e-10)
    return -10 * error.log10()


def _ab_rmse(picture: Tensor, truth: Tensor) -> Tensor:
    away = lab_from_rgb(picture)[:, 1:] - lab_from_rgb(truth)[:, 1:]
    return away.square().sum(1).mean((1, 2)).sqrt()


def _colourfulness(rgb: Tensor) -> Tensor:
    """Hasler and Süsstrunk (2003), on 0 … 255: (N,)."""
    red, green, blue = (255 * rgb).flatten(2).unbind(1)
    opposed = torch.stack((red - green, (red + green) / 2 - blue), 1)
    spread = opposed.var(2, correction=0).sum(1).sqrt()
    return spread + 0.3 * opposed.mean(2).square().sum(1).sqrt()
