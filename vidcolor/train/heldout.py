"""Photos the network does not train on, and how well it colours them while it trains.

The figures are made as those of `vidcolor eval`, except that each photo's middle square is seen and
compared at one small size, so that a batch is a batch. They tell one state of a run from another;
to compare with other work, use ``vidcolor eval``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.lab import lab_from_rgb, rgb_from_lab
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
    colourfulness over the truth's."""

    gain: float
    colour: float

    @property
    def score(self) -> float:
        """What makes one state better than another: the gain, less 3 dB for each whole missing in
        colourfulness below 0.78. The gain alone would choose sepia."""
        return self.gain + _PENALTY * min(0.0, self.colour - _WANTED)


class HeldOut:
    """Squares of photos, ready to be coloured, ``SIDE`` pixels a side."""

    def __init__(self, photos: PhotoSet, most: int) -> None:
        squares = [_square(image) for image in photos.images[:most]]
        self._rgb = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)

    def __len__(self) -> int:
        return len(self._rgb)

    def measure(self, net: ChromaNet, device: torch.device, dtype: torch.dtype) -> Figures:
        """Colour all photos with ``net`` as it decodes; ``net`` is in eval mode."""
        gains, found, true = [], [], []
        for start in range(0, len(self), _BATCH):
            rgb, grey, coloured = self._coloured(net, slice(start, start + _BATCH), device, dtype)
            gains.append(_psnr(coloured, rgb) - _psnr(grey, rgb))
            found.append(_colourfulness(coloured))
            true.append(_colourfulness(rgb))
        gain, some, all_ = (float(torch.cat(part).mean()) for part in (gains, found, true))
        return Figures(gain, some / max(all_, 1e-6))

    def sheet(self, net: ChromaNet, device: torch.device, dtype: torch.dtype) -> NDArray[np.uint8]:
        """The first 8 photos, a row each: grey, coloured by ``net``, true: (h, w, 3) uint8 RGB."""
        rgb, grey, coloured = self._coloured(net, slice(0, 8), device, dtype)
        rows = torch.cat((grey, coloured, rgb), 3).permute(0, 2, 3, 1).flatten(0, 1)
        return np.asarray((rows * 255).round().to(torch.uint8).cpu().numpy(), np.uint8)

    @torch.no_grad()
    def _coloured(
        self, net: ChromaNet, part: slice, device: torch.device, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor, Tensor]:
        rgb = self._rgb[part].to(device).float() / 255
        lightness = lab_from_rgb(rgb)[:, :1]
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = net(lightness)
        ab = F.interpolate(net.decode(logits.float()), scale_factor=4.0, mode="bilinear")
        coloured = rgb_from_lab(torch.cat((lightness, ab), 1))
        return rgb, rgb_from_lab(torch.cat((lightness, 0 * ab), 1)), coloured


def _square(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = image[top : top + side, left : left + side]
    way = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(middle, (SIDE, SIDE), interpolation=way), np.uint8)


def _psnr(picture: Tensor, truth: Tensor) -> Tensor:
    error = (picture - truth).square().mean((1, 2, 3)).clamp_min(1e-10)
    return -10 * error.log10()


def _colourfulness(rgb: Tensor) -> Tensor:
    """Hasler and Süsstrunk (2003), on 0 … 255: (N,)."""
    red, green, blue = (255 * rgb).flatten(2).unbind(1)
    opposed = torch.stack((red - green, (red + green) / 2 - blue), 1)
    spread = opposed.var(2, correction=0).sum(1).sqrt()
    return spread + 0.3 * opposed.mean(2).square().sum(1).sqrt()
