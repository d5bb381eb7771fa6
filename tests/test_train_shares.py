from __future__ import annotations

import torch
from networks import TINY

from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.train.costs import Costs
from vidcolor.train.examples import Batch
from vidcolor.train.known import Known
from vidcolor.train.network import freeze_norms
from vidcolor.train.objectives import ColorLoss
from vidcolor.train.recipe import Recipe
from vidcolor.train.shares import Shares


def _costs(net: ChromaNet, **weights: float) -> Costs:
    prior = torch.full((len(net.nodes),), 1 / len(net.nodes))
    loss = ColorLoss(net.nodes, prior, 0.25, **weights)
    return Costs(Recipe(), loss, Known(), None, torch.device("cpu"), torch.float32)


def _batch(lightness: torch.Tensor, ab: torch.Tensor) -> Batch:
    count, _, height, width = lightness.shape
    return Batch(lightness, ab, torch.zeros(count, 3, height, width), torch.arange(count))


def test_shared_by_threads_a_step_has_the_gradients_of_one() -> None:
    torch.manual_seed(0)
    net = ChromaNet(TINY)
    batch = _batch(torch.rand(6, 1, 32, 32) * 100, torch.randn(6, 2, 8, 8) * 20)
    # Without the ratio of means over the batch, a batch's loss is the mean of its parts'.
    costs = _costs(net, vividness=0.0)
    net.eval()  # and with the norms at rest
    found = []
    for count in (1, 3):
        net.zero_grad()
        with Shares(net, count) as shares:
            terms = shares.backward(costs, batch)
        found.append((terms, [p.grad.clone() for p in net.parameters() if p.grad is not None]))
    (one, alone), (other, shared) = found
    keep = [name != "vividness" for name in costs.terms]
    assert torch.allclose(one[keep], other[keep], rtol=1e-4)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(alone, shared, strict=True))


def test_a_batch_too_small_to_share_leaves_all_parts_alike() -> None:
    """A resumed run has but one network's statistics to give them."""
    net = ChromaNet(TINY).train()
    with Shares(net, 3) as shares:
        shares.backward(
            _costs(net), _batch(torch.rand(2, 1, 64, 64) * 100, torch.zeros(2, 2, 16, 16))
        )
        norms = [part.step4.second.norm for part in shares._nets]
    assert norms[0].running_mean.abs().max() > 0
    assert all(torch.equal(norm.running_mean, norms[0].running_mean) for norm in norms)
    assert all(torch.equal(norm.running_var, norms[0].running_var) for norm in norms)


def test_threads_gather_the_statistics_of_all_parts() -> None:
    net = ChromaNet(TINY).train()
    freeze_norms(net)
    light = torch.cat((torch.full((2, 1, 32, 32), 20.0), torch.full((2, 1, 32, 32), 80.0)))
    with Shares(net, 2) as shares:
        shares.backward(_costs(net), _batch(light, torch.zeros(4, 2, 8, 8)))
        first, second = (part.step4.second.norm.running_mean for part in shares._nets)
    assert torch.equal(first, second)
    assert net.step4.second.norm.running_mean is first
    assert first.abs().max() > 0
