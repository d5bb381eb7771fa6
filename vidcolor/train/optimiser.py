"""What of a network is trained, how fast, and by which optimiser."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.chromanet.parts import InvertedResidual
from vidcolor.models.trainable import TrainableNet
from vidcolor.train.muon import Muon
from vidcolor.train.recipe import Recipe


def build_optimiser(net: TrainableNet, recipe: Recipe) -> tuple[Optimizer, list[float]]:
    """The optimiser of ``net``, and for each of its groups the factor on the recipe's rate."""
    groups = _groups(net, recipe)
    factors = [group.pop("factor") for group in groups]
    adamw: dict[str, Any] = {"lr": recipe.rate, "betas": (0.9, 0.98)}
    if recipe.optimiser != "muon":
        return torch.optim.AdamW(groups, **adamw), factors
    on_cpu = next(net.parameters()).device.type == "cpu"
    return Muon(groups, threads=recipe.threads if on_cpu else 1, **adamw), factors


def rate_at(step: int, progress: float, recipe: Recipe) -> float:
    """The rate of a step, begun at this share of the schedule: a linear warm-up, then half a cosine
    down to ``last_rate``, or from ``hold`` a straight line.

    Holding the rate and letting it fall late comes out like the cosine (Hägele et al., 2024), and
    until it falls, how long the run will be need not be known.
    """
    left = 1 - min(progress, 1.0)
    if recipe.hold:
        share = min(left / (1 - recipe.hold), 1.0) if recipe.hold < 1 else 1.0
    else:
        share = 0.5 * (1 - math.cos(math.pi * left))
    scale = recipe.last_rate + (1 - recipe.last_rate) * share
    return recipe.rate * scale * min(1.0, (step + 1) / recipe.warmup)


def _groups(net: TrainableNet, recipe: Recipe) -> list[dict[str, Any]]:
    """The default network's decoder and encoder apart, of any other all that is trained; for Muon
    each in two, its matrices first.

    Of the default network's encoder the depthwise filters can stay as ImageNet made them. Its first
    blocks, large maps with general filters, can be left as they are altogether, which spares a
    third of a step.
    """
    parts: list[tuple[float, list[nn.Parameter]]]
    if isinstance(net, ChromaNet):
        _freeze(net, recipe)
        inside = {id(parameter) for parameter in net.encoder.parameters()}
        parts = [
            (1.0, [p for p in net.parameters() if id(p) not in inside]),
            (recipe.encoder_rate, list(net.encoder.parameters())),
        ]
    else:
        parts = [(1.0, list(net.parameters()))]
    groups: list[dict[str, Any]] = []
    last = {id(parameter) for parameter in net.answer().parameters()}
    for factor, parameters in parts:
        shared = {"factor": factor, "weight_decay": recipe.weight_decay}
        trained = [p for p in parameters if p.requires_grad]
        if recipe.optimiser != "muon":
            groups.append({**shared, "params": trained})
            continue
        for matrices in (True, False):
            params = [p for p in trained if (_is_matrix(p) and id(p) not in last) == matrices]
            groups.append({**shared, "params": params, "orthogonal": matrices})
    return groups


def _is_matrix(parameter: nn.Parameter) -> bool:
    """Whether it maps several channels to several: depthwise filters do not."""
    return parameter.ndim >= 2 and parameter.shape[0] > 1 and parameter.shape[1] > 1


def _freeze(net: ChromaNet, recipe: Recipe) -> None:
    if recipe.encoder == "none" and not recipe.start_from:
        return  # Its weights are random, and nothing to keep.
    if recipe.frozen_blocks:
        for part in (net.encoder.stem, *list(net.encoder.blocks)[: recipe.frozen_blocks]):
            part.requires_grad_(False)
    if not recipe.frozen_filters:
        return
    for unit in net.encoder.modules():
        if isinstance(unit, nn.Conv2d) and unit.groups > 1:
            unit.weight.requires_grad_(False)
    for block in net.encoder.blocks:
        assert isinstance(block, InvertedResidual)
        assert block.filter.norm is not None
        block.filter.norm.weight.requires_grad_(False)
