"""The mean of several runs' weights, with the spread of every layer set back to theirs.

    python -m vidcolor.train.mean RUN.safetensors … MEAN.safetensors --shares 0.5 0.3 0.2 --photos …

A mean of weights whose runs parted long ago answers too faintly: what differs cancels. So each
convolution's outputs get the mean and the spread, channel by channel, that they have in the runs
(Jordan et al., "REPAIR: REnormalizing Permuted Activations for Interpolation Repair", 2022). What
one run alone would be comes back as it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from vidcolor.models.checkpoint import read_checkpoint
from vidcolor.models.chromanet import load
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.chromanet.parts import ConvUnit
from vidcolor.train.examples import Augment, make_example
from vidcolor.train.network import export
from vidcolor.train.photos import load_photos

Pictures: TypeAlias = tuple[Tensor, Tensor]
"""Lightness (N, 1, S, S) and hints (N, 3, S, S)."""
_AUGMENT = Augment(smallest_crop=1.0, degraded=0.15, points=0.0, dense=0.0)
_AT_ONCE = 40
_MOST_SPREAD = 10.0
"""Times that a channel's spread may be widened."""


def repaired_mean(
    nets: Sequence[ChromaNet], shares: Sequence[float], pictures: Pictures
) -> ChromaNet:
    """The mean of folded networks of one shape, each with its share, by what they do on
    ``pictures``, which are held at once. Raises ValueError where the shares
    are not one for each, or do not add up to 1."""
    if len(nets) != len(shares) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"{len(nets)} shares that add up to 1 are needed, not {list(shares)}")
    wanted = [_spreads(net, pictures) for net in nets]
    states = [net.state_dict() for net in nets]
    mean = {
        name: _sum([share * state[name] for share, state in zip(shares, states, strict=True)])
        for name in states[0]
    }
    made = ChromaNet(nets[0].config)
    for name in wanted[0]:
        del mean[f"{name}.conv.bias"]
        center, spread = (
            _sum([share * each[name][k] for share, each in zip(shares, wanted, strict=True)])
            for k in (0, 1)
        )
        mean |= {
            f"{name}.norm.weight": spread,
            f"{name}.norm.bias": center,
            f"{name}.norm.running_mean": torch.zeros_like(center),
            f"{name}.norm.running_var": torch.ones_like(center),
            f"{name}.norm.num_batches_tracked": torch.tensor(0),
        }
    made.load_state_dict(mean)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum, module.eps = None, 1e-8
    # In one batch: the spread within smaller ones is less than that of all, layer upon layer.
    made.train()
    with torch.no_grad():
        made(*pictures)
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                _leave_the_dead(module)
    return made.eval()


def _leave_the_dead(norm: nn.BatchNorm2d) -> None:
    """Channels that hardly say anything stay as the mean has them: to give them the spread of the
    runs, which is none to speak of either, filters would have to grow beyond what half precision
    holds."""
    assert norm.running_var is not None
    own = (norm.running_var + norm.eps).sqrt()
    norm.weight.copy_(torch.where(norm.weight > _MOST_SPREAD * own, own, norm.weight))


@torch.no_grad()
def _spreads(net: ChromaNet, pictures: Pictures) -> dict[str, tuple[Tensor, Tensor]]:
    """Of every convolution's outputs before what makes them no longer straight: mean and standard
    deviation of each channel."""
    sums: dict[str, list[Tensor]] = {}

    def watched(name: str) -> Callable[[Tensor], None]:
        def watch(output: Tensor) -> None:
            variance, mean = torch.var_mean(output.double(), (0, 2, 3), correction=0)
            weight = len(output)
            sums.setdefault(name, []).append(weight * torch.stack((mean, variance + mean.square())))

        return watch

    units = {name: unit for name, unit in net.named_modules() if isinstance(unit, ConvUnit)}
    for name, unit in units.items():
        unit.watch = watched(name)
    for start in range(0, len(pictures[0]), _AT_ONCE):
        net(*(part[start : start + _AT_ONCE] for part in pictures))
    for unit in units.values():
        unit.watch = None
    found = {}
    for name, parts in sums.items():
        mean, square = torch.stack(parts).sum(0) / len(pictures[0])
        spread = (square - mean.square()).clamp_min(1e-8).sqrt()
        found[name] = mean.float(), spread.float()
    return found


def _sum(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m vidcolor.train.mean", description=__doc__)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("target", type=Path)
    parser.add_argument("--shares", type=float, nargs="+", required=True)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--count", type=int, default=240, help="photos to look at")
    parser.add_argument("--side", type=int, default=192, help="pixels of their sides")
    asked = parser.parse_args(words)
    photos = load_photos(asked.photos, asked.side)
    chosen = np.random.default_rng(0).permutation(len(photos.images))[: asked.count]
    rng = np.random.default_rng(1)
    examples = [make_example(photos.images[k], asked.side, _AUGMENT, rng) for k in chosen]
    pictures = (
        torch.from_numpy(np.stack([example.lightness for example in examples])),
        torch.from_numpy(np.stack([example.hints for example in examples])),
    )
    checkpoints = [read_checkpoint(path) for path in asked.weights]
    nets = [load(item.state, item.config).eval() for item in checkpoints]
    card = {"shares": asked.shares, "runs": [item.card for item in checkpoints]}
    export(repaired_mean(nets, asked.shares, pictures), asked.target, card)


if __name__ == "__main__":
    main()
