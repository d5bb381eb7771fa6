"""A trained network with fewer channels in its decoder, to train a smaller one from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from vidcolor.models.chromanet.net import ChromaNet


@torch.no_grad()
def narrowed(net: ChromaNet, widths: tuple[int, int, int, int]) -> ChromaNet:
    """``net``, folded, with so many channels in its decoder: the weightiest of those it has.

    What a channel weighs is the norm of the filters that make it times that of those that read it
    (after Li et al., "Pruning Filters for Efficient ConvNets", 2017, who look at the former alone).
    Raises ValueError where ``net`` has fewer, or attention.
    """
    had = net.config.widths
    if net.config.attention or any(new > old for new, old in zip(widths, had, strict=True)):
        raise ValueError(f"a decoder of {had} channels cannot be narrowed to {widths}")
    state = dict(net.state_dict())
    for makers, reader, at, old, new in _groups(had, widths):
        ways = state[f"{reader}.weight"]
        weight = ways[:, at : at + old].square().transpose(0, 1).flatten(1).sum(1)
        for maker in makers:
            weight = weight * state[f"{maker}.weight"].square().flatten(1).sum(1)
        kept = weight.topk(new).indices.sort().values
        for maker in makers:
            for part in ("weight", "bias"):
                state[f"{maker}.{part}"] = state[f"{maker}.{part}"][kept]
        around = ways[:, :at], ways[:, at + kept], ways[:, at + old :]
        state[f"{reader}.weight"] = torch.cat(around, 1)
    smaller = ChromaNet(replace(net.config, widths=widths), folded=True)
    smaller.load_state_dict(state)
    return smaller.eval()


_Group = tuple[tuple[str, ...], str, int, int, int]


def _groups(had: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[_Group]:
    """Channels that are kept or not: what makes them, what reads them, from which of its channels
    on, how many there are, and how many are to stay. In each reader the last come first, so that
    those before are where they were."""
    yield ("context.0",), "context.2", 0, had[0], wanted[0]
    steps = "step16", "step8", "step4"
    for step, below, old, new in zip(steps, had, had[1:], wanted[1:], strict=False):
        yield (f"{step}.lateral.conv",), f"{step}.first.conv", below, old // 2, new // 2
        yield (f"{step}.first.conv",), f"{step}.second.conv", 0, old, new
    yield ("bottom.conv", "context.2"), "step16.first.conv", 0, had[0], wanted[0]
    yield ("step16.second.conv",), "step8.first.conv", 0, had[1], wanted[1]
    yield ("step8.second.conv",), "step4.first.conv", 0, had[2], wanted[2]
    yield ("step4.second.conv",), "head", 0, had[3], wanted[3]
