"""What the network is trained to do: name the right colours, and be near them on average."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vidcolor.models.chromanet.bins import encode

_BETA = 2.0
"""Distance, in ab units, at which the regression turns from squared to absolute."""


def node_prior(samples: Tensor, count: int) -> Tensor:
    """How often each of ``count`` nodes occurs in ``samples`` (N, 2, H, W) ab: (Q,), sums to 1."""
    number, weight = encode(samples)
    prior = torch.zeros(count).index_add_(0, number.flatten(), weight.flatten().float())
    return prior / prior.sum()


def class_weights(prior: Tensor, power: float) -> Tensor:
    """Weights that raise rare colours, prior**-power, with mean 1 over what occurs.

    A gentler form of Zhang et al.'s class rebalancing (ECCV 2016): a power of 0 leaves the
    distribution calibrated, and whatever was raised here can be taken back when decoding.
    """
    weights = (prior + 1e-5) ** -power
    return weights / (weights * prior).sum()


class ColorLoss:
    """Cross-entropy over nodes, plus the distance of the calibrated mean colour from the truth.

    The mean is taken after the class weights are taken out of the distribution again, so that the
    two terms want the same thing. The distance is divided by each picture's own colourfulness:
    an error of five units is nothing in a flower bed and a cast in a fog.
    """

    def __init__(self, nodes: Tensor, prior: Tensor, power: float, regression: float) -> None:
        self.weights = class_weights(prior, power)
        raised = 1 / self.weights
        # One product with these columns gives, for every pixel, the calibrated distribution's
        # mean (times its mass) and its mass.
        self.columns = torch.stack((nodes[:, 0] * raised, nodes[:, 1] * raised, raised), 1)
        self.regression = regression

    def __call__(self, logits: Tensor, ab: Tensor) -> tuple[Tensor, Tensor]:
        """``logits`` (N, Q, h, w), true ``ab`` (N, 2, h, w): the two terms, each a scalar."""
        terms: tuple[Tensor, Tensor] = _FusedLoss.apply(logits, ab, self)  # type: ignore[no-untyped-call]
        return terms


class _FusedLoss(torch.autograd.Function):
    """Both terms and their common gradient in one go.

    Left to autograd, the two softmaxes over some three hundred nodes cost as much as the network:
    written out, one softmax and two thin matrix products do.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, ab: Tensor, loss: ColorLoss) -> tuple[Tensor, Tensor]:
        count, nodes, height, width = logits.shape
        rows = logits.permute(0, 2, 3, 1).reshape(-1, nodes).float()
        pixels = len(rows)
        number, share = (part.permute(0, 2, 3, 1).reshape(-1, 4) for part in encode(ab))
        p = torch.softmax(rows, 1)
        weight = (loss.weights[number] * share).sum(1, keepdim=True) / pixels
        cross_entropy = -(p.gather(1, number).clamp_min(1e-20).log() * share * weight).sum()

        sums = p @ loss.columns
        mass = sums[:, 2:]
        mean = sums[:, :2] / mass
        truth = ab.permute(0, 2, 3, 1).reshape(-1, 2)
        chroma = ab.square().sum(1).mean((1, 2)).sqrt()
        scale = (loss.regression / pixels / (chroma + 6)).repeat_interleave(height * width)
        regression = (
            F.smooth_l1_loss(mean, truth, reduction="none", beta=_BETA).sum(1) * scale
        ).sum()

        slope = ((mean - truth) / _BETA).clamp(-1, 1) * scale[:, None] / mass
        thin = torch.cat((slope, -(slope * mean).sum(1, keepdim=True)), 1)
        grad = torch.addmm(weight, thin, loss.columns.t()).mul_(p)
        grad.scatter_add_(1, number, -share * weight)
        grad = grad.reshape(count, height, width, nodes).permute(0, 3, 1, 2)
        ctx.save_for_backward(grad.to(logits.dtype))
        return cross_entropy, regression

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        # The terms are only ever added up, so both come back with the same factor.
        (grad,) = ctx.saved_tensors
        return grad * grads[0], None, None
