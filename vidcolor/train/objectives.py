"""What the network is trained to do: name the right colours, and be near them on average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidcolor.models.chromanet.bins import encode

_TOLERANCE = 20.0
"""Squared ab units: errors well below this (4.5 units) are nothing anyone would see."""


def node_prior(samples: Tensor, count: int) -> Tensor:
    """How often each of ``count`` nodes occurs in ``samples`` (N, 2, H, W) ab: (Q,), sums to 1."""
    number, weight = encode(samples)
    prior = torch.zeros(count).index_add_(0, number.flatten(), weight.flatten().float())
    return prior / prior.sum()


def class_weights(prior: Tensor, power: float, uniform: float = 0.0) -> Tensor:
    """Weights that raise rare colours, prior**-power, with mean 1 over what occurs.

    A power of 1 of a prior with a ``uniform`` share of 0.5 is Zhang et al.'s class rebalancing
    (ECCV 2016). Gentler ones leave the distribution nearly calibrated, and whatever was raised here
    can be taken back when decoding.
    """
    mixed = (1 - uniform) * prior + uniform / len(prior)
    weights = (mixed + 1e-5) ** -power
    return weights / (weights * prior).sum()


@dataclass(frozen=True, slots=True)
class Terms:
    """The parts of the loss, each a scalar; ``total`` is what is minimised."""

    cross_entropy: Tensor
    error: Tensor
    vividness: Tensor
    edges: Tensor
    total: Tensor


class ColorLoss:
    """Name the right colours, and let the decoded colour score well where films are judged.

    - Cross-entropy over the nodes, rare colours raised by ``class_weights``. Where teachers' rows
      are given, ``taught`` of it is the cross-entropy with these, which are raised already.
    - The logarithm of each photo's mean squared ab error, which is what PSNR averages: a cast over
      a fog costs as much as a wrong coat in a fair. The colour is decoded as it is after training:
      class weights taken out, annealed with ``temperature``, multiplied by ``gain``.
    - Less ``vividness`` times the ratio of decoded to true colourfulness: without it the error
      alone leads to sepia.
    - The difference of neighbouring colours: blotches in even ground and bleeding over edges are
      both wrong here, though a mean over the photo hardly sees them.
    """

    def __init__(
        self,
        nodes: Tensor,
        prior: Tensor,
        power: float,
        *,
        uniform: float = 0.0,
        regression: float = 0.7,
        vividness: float = 0.7,
        edges: float = 0.3,
        temperature: float = 0.75,
        gain: float = 1.15,
        taught: float = 0.5,
    ) -> None:
        self.nodes = nodes
        self.weights = class_weights(prior, power, uniform)
        self.raised = self.weights.log()
        self.regression, self.vividness, self.edges = regression, vividness, edges
        self.temperature, self.gain, self.taught = temperature, gain, taught

    def __call__(self, logits: Tensor, ab: Tensor, told: Tensor | None = None) -> Terms:
        """``logits`` (N, Q, h, w), true ``ab`` (N, 2, h, w), ``told`` (N·h·w, Q) of teachers."""
        cross_entropy, mean = _Decoded.apply(logits, ab, told, self)  # type: ignore[no-untyped-call]
        found = mean * self.gain
        squared = (found - ab).square().sum(1).mean((1, 2))
        error = (squared + _TOLERANCE).log().mean()
        vividness = _spread(found).mean() / _spread(ab).mean()
        chroma = ab.square().sum(1).mean((1, 2)).sqrt() + 6
        edges = sum(
            ((found - ab).diff(dim=dim).abs().mean((1, 2, 3)) / chroma).mean() for dim in (2, 3)
        )
        total = (
            cross_entropy
            + self.regression * (error - self.vividness * vividness)
            + self.edges * edges
        )
        return Terms(cross_entropy, error, vividness, torch.as_tensor(edges), total)


def _spread(ab: Tensor) -> Tensor:
    """Hasler and Süsstrunk's colourfulness (2003), on a* and b* instead of their axes: (N,)."""
    variance = ab.var((2, 3), correction=0).sum(1)
    centre = ab.mean((2, 3)).square().sum(1)
    return (variance + 1).sqrt() + 0.3 * (centre + 1).sqrt()


class _Decoded(torch.autograd.Function):
    """Cross-entropy, and the annealed mean colour (N, 2, h, w), from one pass over the logits.

    Left to autograd, the softmaxes over some three hundred nodes cost as much as the network;
    written out, each is one softmax and one thin matrix product.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, ab: Tensor, told: Tensor | None, loss: ColorLoss
    ) -> tuple[Tensor, Tensor]:
        count, nodes, height, width = logits.shape
        rows = logits.permute(0, 2, 3, 1).reshape(-1, nodes).float()
        number, share = (part.permute(0, 2, 3, 1).reshape(-1, 4) for part in encode(ab))
        p = torch.softmax(rows, 1)
        taught = 0.0 if told is None else loss.taught
        true = (1 - taught) / len(rows)
        weight = (loss.weights[number] * share).sum(1, keepdim=True).mul_(true)
        cross_entropy = -(p.gather(1, number).clamp_min(1e-20).log() * share * weight).sum()
        if told is None:
            slope = p.mul_(weight)
        else:
            each = taught / len(rows)
            # As what they say sums up to 1.
            said = torch.vdot(told.flatten(), rows.flatten())
            cross_entropy += each * (torch.logsumexp(rows, 1).sum() - said)
            slope = p.mul_(weight + each).sub_(told, alpha=each)
        slope.scatter_add_(1, number, -share * weight)

        q = torch.softmax((rows - loss.raised).mul_(1 / loss.temperature), 1)
        mean = q @ loss.nodes
        ctx.save_for_backward(slope, q, mean, loss.nodes)
        ctx.temperature, ctx.dtype = loss.temperature, logits.dtype
        return cross_entropy, mean.reshape(count, height, width, 2).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        slope, q, mean, nodes = ctx.saved_tensors
        count, _, height, width = grads[1].shape
        pull = grads[1].permute(0, 2, 3, 1).reshape(-1, 2) / ctx.temperature
        # d mean / d logit_q = p_q (node_q - mean) / T
        grad = torch.addmm(-(pull * mean).sum(1, keepdim=True), pull, nodes.t()).mul_(q)
        grad.addcmul_(slope, grads[0])
        grad = grad.reshape(count, height, width, -1).permute(0, 3, 1, 2)
        return grad.to(ctx.dtype), None, None, None
