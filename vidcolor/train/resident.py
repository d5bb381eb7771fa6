"""Photos that live on the device, and batches made there.

A GPU trains faster than CPU cores can crop and convert. So every photo is decoded once, lies in
one flat array in the device's memory, and a batch is cut, scaled, converted, aged and given hints
by the device itself. What comes out is distributed as by `vidcolor.train.examples.make_example`; it
runs on a CPU as well, where the tests compare the two.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vidcolor.device import OutOfMemory, describe, free_cache
from vidcolor.errors import DeviceError
from vidcolor.models.lab import lab_from_rgb
from vidcolor.train.ageing import Chance, age_batch, around, square
from vidcolor.train.examples import Augment, Batch
from vidcolor.train.photos import PhotoSet
from vidcolor.train.resampling import resize_matrix, smooth_field

_MOST_STRETCH = Augment().stretch
_POINTS = 99
_POINT_REACH = 4


class ResidentPhotos:
    """Decoded photos on a device, and batches of them by the seed and the step's number.

    Raises DeviceError when the device's memory does not suffice.
    """

    def __init__(self, photos: PhotoSet, device: torch.device) -> None:
        sizes = np.array([image.shape[:2] for image in photos.images], np.int64)
        ends = np.cumsum(sizes.prod(1))
        try:
            # Channels apart, so that each is gathered and scaled as a plane of its own.
            self._planes = torch.empty((3, int(ends[-1])), dtype=torch.uint8, device=device)
            for image, end in zip(photos.images, ends, strict=True):
                pixels = torch.from_numpy(np.ascontiguousarray(image)).view(-1, 3).to(device)
                self._planes[:, int(end) - len(pixels) : int(end)] = pixels.T
        except OutOfMemory as error:
            free_cache(device, error)
            raise DeviceError(
                f"{describe(device)}: {len(sizes)} photos, {3 * ends[-1] / 2**30:.1f} GiB, do not "
                "fit into its memory; set resident = 'off'"
            ) from error
        self.device = device
        self._starts = torch.from_numpy(ends - sizes.prod(1)).to(device)
        self._sizes = torch.from_numpy(sizes).to(device)
        sides = np.sort(sizes, 1)
        self._widest = int(
            np.minimum(sides[:, 1], np.ceil(sides[:, 0] * np.exp(_MOST_STRETCH))).max()
        )

    def __len__(self) -> int:
        return len(self._starts)

    def batch(
        self,
        seed: int,
        step: int,
        size: int,
        count: int,
        augment: Augment,
        rows: slice = slice(None),
    ) -> Batch:
        """``count`` pictures of ``size`` pixels a side.

        A function of the arguments alone, on one kind of device: ``rows`` are this process's share
        of the ``count`` pictures.
        """
        generator = torch.Generator(self.device)
        # Mixed as numpy does it: neighbouring seeds give unrelated draws.
        generator.manual_seed(int(np.random.SeedSequence((seed, step)).generate_state(1)[0]))
        chance = Chance(generator, count, rows)
        number = chance.whole(0, len(self))
        lab = self._crops(number, size, augment, chance)
        lightness, ab = lab[:, 0], lab[:, 1:]
        hints = draw_hints(ab, augment, chance)
        aged = age_batch(lightness, chance)
        lightness = torch.where(chance.happens(augment.degraded, 1, 1), aged, lightness)
        return Batch(lightness[:, None], F.avg_pool2d(ab, augment.shrink), hints, number)

    def _crops(self, number: Tensor, size: int, augment: Augment, chance: Chance) -> Tensor:
        """Random crops of these photos, some mirrored, scaled to a square: (n, 3, S, S) Lab."""
        side = self._sizes[number].min(1).values * chance.uniform(augment.smallest_crop, 1)
        aspect = torch.exp(chance.uniform(-augment.stretch, augment.stretch))
        height, width = self._sizes[number].unbind(1)
        crop_h = torch.minimum(height, (side * aspect).round().long())
        crop_w = torch.minimum(width, (side / aspect).round().long())
        room_h, room_w = height - crop_h, width - crop_w
        top = torch.minimum((chance.uniform(0, 1) * (room_h + 1)).long(), room_h)
        left = torch.minimum((chance.uniform(0, 1) * (room_w + 1)).long(), room_w)

        step = torch.arange(self._widest, device=self.device)
        y = torch.minimum(top[:, None] + step, height[:, None] - 1)
        x = torch.minimum(left[:, None] + step, width[:, None] - 1)
        place = (self._starts[number, None] + y * width[:, None])[:, :, None] + x[:, None, :]
        down = resize_matrix(crop_h, size, self._widest)
        across = resize_matrix(crop_w, size, self._widest, chance.happens(augment.mirror)).mT
        planes = [down @ plane[place].float() @ across for plane in self._planes]
        rgb = torch.stack(planes, 1) / 255
        if augment.rotate:
            rgb = turned(rgb, chance.uniform(-augment.rotate, augment.rotate))
        return lab_from_rgb(rgb)


def turned(pictures: Tensor, degrees: Tensor) -> Tensor:
    """``pictures`` (n, C, S, S), each turned about its middle by its angle, its edges mirrored."""
    cosine, sine = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees))
    none = torch.zeros_like(cosine)
    rows = torch.stack((cosine, -sine, none, sine, cosine, none), 1).view(-1, 2, 3)
    grid = F.affine_grid(rows, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def draw_hints(ab: Tensor, augment: Augment, chance: Chance) -> Tensor:
    """Hints (n, 3, S, S) for true colours ``ab`` (n, 2, S, S): a*, b* and a mask of 0 or 1.

    A share of the pictures gets points, a share dense colours with holes, the others nothing.
    """
    draw = chance.uniform(0, 1, 1, 1, 1)
    points, dense = _points(ab, chance), _dense(ab, chance)
    with_points = draw < augment.points
    with_dense = ~with_points & (draw < augment.points + augment.dense)
    return points * with_points + dense * with_dense


def _points(ab: Tensor, chance: Chance) -> Tensor:
    """Squares of 1 to 9 pixels a side, each of the mean of what it covers; later ones on top."""
    count, _, size, _ = ab.shape
    wanted = torch.exp(chance.uniform(0, float(np.log(100)), 1)).long()
    half = chance.whole(0, 1 + _POINT_REACH, _POINTS, 1)
    middle = chance.whole(0, size, _POINTS, 2)
    number = torch.arange(_POINTS, device=ab.device)
    down, along = square(_POINT_REACH, ab.device)
    place, inside = around(middle, down, along, size)
    covered = inside & (torch.maximum(down.abs(), along.abs()) <= half)
    pixels = ab.flatten(2).gather(2, place.flatten(1)[:, None].expand(-1, 2, -1))
    pixels = pixels.view(count, 2, *place.shape[1:])
    mass = covered.sum(2)[:, None]
    mean = (pixels * covered[:, None]).sum(3) / mass
    # Which point a pixel shows: the last that covers it, 0 for none.
    drawn = covered & (number < wanted)[..., None]
    order = (drawn * (number + 1)[:, None]).flatten(1)
    owner = torch.zeros((count, size * size), dtype=torch.int64, device=ab.device)
    owner = owner.scatter_reduce_(1, place.flatten(1), order, "amax")
    colours = mean.gather(2, (owner - 1).clamp_min(0)[:, None].expand(-1, 2, -1))
    mask = (owner > 0)[:, None].float()
    return torch.cat((colours * mask, mask), 1).view(count, 3, size, size)


def _dense(ab: Tensor, chance: Chance) -> Tensor:
    """Colours warped along the flow: nearly everywhere, a little wrong, with ragged holes."""
    field = smooth_field(chance.normal(1, 6, 6), ab.shape[-1])
    mask = (field > chance.uniform(-1.2, 0.8, 1, 1))[:, None].float()
    shift = chance.normal(3, 2, 1, 1)
    return torch.cat(((ab + shift) * mask, mask), 1)
