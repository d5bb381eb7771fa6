"""What is trained, how fast, and by which optimiser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from training import tiny_config

from vidcolor.errors import SettingsError
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.unet.net import UNet
from vidcolor.train.combinations import check
from vidcolor.train.muon import Muon, orthogonal
from vidcolor.train.optimiser import build_optimiser, rate_at
from vidcolor.train.recipe import Recipe

RECIPE = Recipe()


def chromanet() -> ChromaNet:
    torch.manual_seed(0)
    return ChromaNet(tiny_config(RECIPE))


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_all_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(shape)
    before = torch.linalg.svdvals(matrix)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = orthogonal(matrix)
    values = torch.linalg.svdvals(turned)
    assert before.max() / before.min() > 1.8
    assert values.min() > 0.6
    assert values.max() < 1.3
    # Its directions are those of the matrix.
    between = left.mT @ turned @ right.mT
    assert (between - torch.diag(between.diagonal())).abs().max() < 1e-4
    assert orthogonal(torch.zeros(shape)).abs().max() == 0


def test_a_step_has_the_size_of_one_of_adamw_whatever_the_gradients() -> None:
    torch.manual_seed(2)
    for scale in (1e-4, 1e4):
        weight = nn.Parameter(torch.zeros(32, 16, 3, 3))
        optimiser = Muon([{"params": [weight], "orthogonal": True}], lr=0.01, weight_decay=0.0)
        weight.grad = scale * torch.randn_like(weight)
        optimiser.step()
        assert 0.7 < weight.square().mean().sqrt() / (0.2 * 0.01) < 1.3
        assert weight.grad is None


def test_the_step_goes_down_and_old_gradients_carry_on() -> None:
    weight = nn.Parameter(torch.zeros(4, 4))
    optimiser = Muon([{"params": [weight], "orthogonal": True}], lr=0.1, weight_decay=0.0)
    weight.grad = torch.eye(4)
    optimiser.step()
    first = weight.detach().clone()
    assert (first.diagonal() < 0).all()
    weight.grad = torch.zeros(4, 4)
    optimiser.step()
    assert (weight.diagonal() < first.diagonal()).all()


def test_weights_decay_and_the_rest_is_adamws() -> None:
    torch.manual_seed(3)
    values = [torch.randn(6, 5), torch.randn(6)]
    ours = [nn.Parameter(value.clone()) for value in values]
    plain = nn.Parameter(values[1].clone())
    optimiser = Muon(
        [{"params": ours[:1], "orthogonal": True}, {"params": ours[1:], "orthogonal": False}],
        lr=0.01,
        weight_decay=0.5,
    )
    other = torch.optim.AdamW([plain], lr=0.01, weight_decay=0.5)
    for _ in range(3):
        grad = torch.randn(6)
        for parameter in (ours[1], plain):
            parameter.grad = grad.clone()
        ours[0].grad = torch.zeros(6, 5)
        optimiser.step()
        other.step()
    assert torch.equal(ours[1], plain)
    torch.testing.assert_close(ours[0].detach(), values[0] * (1 - 0.005) ** 3)


def test_threads_make_the_same_step() -> None:
    made = []
    for threads in (1, 3):
        torch.manual_seed(4)
        weights = [nn.Parameter(torch.randn(6, size)) for size in (2, 5, 9, 40)]
        groups = [{"params": weights, "orthogonal": True}]
        optimiser = Muon(groups, threads=threads, lr=0.01)
        for _ in range(3):
            for weight in weights:
                weight.grad = torch.randn_like(weight)
            optimiser.step()
        made.append(torch.cat([weight.detach() for weight in weights], 1))
    assert torch.equal(*made)


@pytest.mark.parametrize("small", [1e-2, 1e-4])
def test_a_direction_seen_seldom_is_turned_like_the_rest(small: float) -> None:
    torch.manual_seed(5)
    left, _, right = torch.linalg.svd(torch.randn(24, 90), full_matrices=False)
    values = torch.ones(24)
    values[-1] = small
    strengths = (left.mT @ orthogonal(left * values @ right) @ right.mT).diagonal()
    # As in exact arithmetic: the polynomial of one number, five times.
    x = small / values.norm()
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    assert abs(strengths[-1] - x) < 2e-3


def test_the_rate_falls_along_a_cosine_or_late_in_a_straight_line() -> None:
    cosine = replace(RECIPE, rate=2.0, warmup=10, last_rate=0.1)
    late = replace(cosine, hold=0.6)
    for recipe in (cosine, late):
        assert rate_at(4, 0.0, recipe) == pytest.approx(1.0)
        assert rate_at(20, 0.0, recipe) == pytest.approx(2.0)
        assert rate_at(20, 1.0, recipe) == rate_at(20, 1.2, recipe) == pytest.approx(0.2)
    assert rate_at(20, 0.5, cosine) == pytest.approx(1.1)
    assert rate_at(20, 0.6, late) == pytest.approx(2.0)
    assert rate_at(20, 0.8, late) == pytest.approx(1.1)
    assert rate_at(20, 1.0, replace(late, hold=1.0)) == pytest.approx(2.0)


def test_muon_takes_every_matrix_but_the_last_layers() -> None:
    net = chromanet()
    optimiser, factors = build_optimiser(
        net, replace(RECIPE, optimiser="muon", frozen_filters=False)
    )
    assert factors == [1.0, 1.0, 0.3, 0.3]
    kinds = {
        id(p): group["orthogonal"] for group in optimiser.param_groups for p in group["params"]
    }
    assert len(kinds) == len(list(net.parameters()))
    assert kinds[id(net.bottom.conv.weight)]
    assert kinds[id(net.context[0].weight)]
    assert not kinds[id(net.head.weight)]
    for unit in net.units():
        # Of one channel: the first convolution, and the filters of each channel for itself.
        assert kinds[id(unit.conv.weight)] == (unit.conv.weight.shape[1] > 1)
        assert unit.norm is not None
        assert not kinds[id(unit.norm.weight)]


@pytest.mark.parametrize(
    ("encoder", "frozen"), [("lite0", True), ("lite0", False), ("none", False)]
)
def test_the_encoders_filters_are_trained_if_the_recipe_says_so(encoder: str, frozen: bool) -> None:
    """And in any case where they are random: there is nothing to keep."""
    net = chromanet()
    wish = frozen or encoder == "none"
    blocks = 3 if encoder == "none" else 0
    recipe = replace(RECIPE, frozen_filters=wish, frozen_blocks=blocks, encoder=encoder)
    optimiser, factors = build_optimiser(net, recipe)
    assert factors == [1.0, 0.3]
    trained = {id(p) for group in optimiser.param_groups for p in group["params"]}
    filters = [unit.conv.weight for unit in net.units() if unit.conv.groups > 1]
    assert filters
    assert all((id(weight) in trained) != frozen for weight in filters)
    assert id(net.encoder.stem.conv.weight) in trained


def test_other_networks_are_trained_whole() -> None:
    net = UNet(8, "lab")
    optimiser, factors = build_optimiser(net, replace(RECIPE, network="unet", optimiser="muon"))
    assert factors == [1.0, 1.0]
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(
        list(net.parameters())
    )


def test_an_unknown_optimiser_is_refused() -> None:
    with pytest.raises(SettingsError, match="muon"):
        check(Path("recipe.toml"), replace(RECIPE, photos=("x",), optimiser="sgd"))
