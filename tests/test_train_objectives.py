from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from networks import TINY, tiny_checkpoint, tiny_lively_net

from vidcolor.errors import ModelError
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.chromanet.bins import encode, nodes
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.registry import load_net
from vidcolor.train.network import freeze_norms
from vidcolor.train.objectives import ColorLoss, class_weights, node_prior
from vidcolor.train.start import continue_from, fill


def test_class_weights_raise_rare_colours_and_keep_the_mean() -> None:
    prior = torch.tensor([0.7, 0.29, 0.01])
    weights = class_weights(prior, 0.5)
    assert weights[2] > weights[1] > weights[0]
    assert torch.isclose((weights * prior).sum(), torch.tensor(1.0))
    assert torch.allclose(class_weights(prior, 0), torch.ones(3))
    # Zhang et al.'s own: one over an even mixture with a uniform prior.
    paper = 1 / (0.5 * prior + 0.5 / 3)
    paper /= (paper * prior).sum()
    assert torch.allclose(class_weights(prior, 1, 0.5), paper, rtol=1e-3)


@pytest.mark.parametrize("taught", [0.0, 0.3, 1.0])
def test_the_loss_equals_its_plain_form_and_so_does_its_gradient(taught: float) -> None:
    torch.manual_seed(0)
    grid = nodes()
    ab = (torch.rand(2, 2, 4, 4) - 0.5) * 80
    prior = node_prior(ab, len(grid)) + 1e-3
    prior /= prior.sum()
    loss = ColorLoss(
        grid,
        prior,
        0.25,
        regression=0.6,
        vividness=0.9,
        edges=0.4,
        temperature=0.8,
        gain=1.2,
        taught=taught,
    )
    told = torch.softmax(torch.randn(2, len(grid), 4, 4), 1)

    def plain(logits: torch.Tensor) -> torch.Tensor:
        number, share = encode(ab)
        log_p = F.log_softmax(logits, 1)
        weight = (loss.weights[number] * share).sum(1)
        cross = -((log_p.gather(1, number) * share).sum(1) * weight).mean()
        cross = (1 - taught) * cross - taught * (told * log_p).sum(1).mean()
        calibrated = torch.softmax((logits - loss.weights.log()[:, None, None]) / 0.8, 1)
        found = 1.2 * torch.einsum("nqhw,qc->nchw", calibrated, grid)
        error = torch.log(((found - ab) ** 2).sum(1).mean((1, 2)) + 20).mean()

        def colourful(x: torch.Tensor) -> torch.Tensor:
            spread = x.var((2, 3), correction=0).sum(1) + 1
            return (spread.sqrt() + 0.3 * (x.mean((2, 3)).square().sum(1) + 1).sqrt()).mean()

        scale = ab.square().sum(1).mean((1, 2)).sqrt() + 6
        away = found - ab
        edges = sum((away.diff(dim=d).abs().mean((1, 2, 3)) / scale).mean() for d in (2, 3))
        return cross + 0.6 * (error - 0.9 * colourful(found) / colourful(ab)) + 0.4 * edges

    one = torch.randn(2, len(grid), 4, 4, requires_grad=True)
    other = one.detach().clone().requires_grad_(True)
    rows = told.permute(0, 2, 3, 1).reshape(-1, len(grid)) if taught else None
    expected, found = plain(one), loss(other, ab, rows).total
    assert torch.isclose(expected, found, rtol=1e-5)
    expected.backward()
    found.backward()
    assert torch.allclose(one.grad, other.grad, atol=1e-6)


def test_going_on_from_shipped_weights_changes_nothing_at_first(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "weights.safetensors")
    shipped, _ = load_net(path)
    light = torch.rand(4, 1, 64, 64) * 100
    net = ChromaNet(replace(TINY, attention=1))
    continue_from(path, net, [light])
    with torch.no_grad():
        assert torch.allclose(net.eval()(light), shipped(light), atol=1e-4)
        # On the very pictures they were measured on, the decoder's norms also train from there.
        net.train()
        freeze_norms(net)
        assert torch.allclose(net(light), shipped(light), atol=1e-2)


def test_weights_of_another_shape_are_no_start(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match="cannot be narrowed"):
        continue_from(path, ChromaNet(), [torch.zeros(1, 1, 32, 32)])
    with pytest.raises(ModelError, match="no such checkpoint"):
        continue_from(tmp_path / "none.safetensors", ChromaNet(), [])


@pytest.mark.parametrize("content", [b"", b"no weights at all", [1, 2], torch.zeros(3)])
def test_a_broken_run_is_no_start(content: object, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ModelError, match=r"last\.pt: (cannot be read back|broken|not opened)"):
        continue_from(path, ChromaNet(TINY), [])


@pytest.mark.parametrize("average", [5, [1], {1: torch.zeros(1)}])
def test_what_is_no_state_dict_is_no_start(average: object, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    torch.save({"average": average}, path)
    with pytest.raises(ModelError, match=r"last\.pt: does not fit the recipe's network"):
        fill(ChromaNet(TINY), path)


def test_a_run_gone_astray_is_no_start(tmp_path: Path) -> None:
    net = tiny_lively_net()
    with torch.no_grad():
        net.head.bias[0] = torch.nan
    path = tmp_path / "weights.safetensors"
    write_checkpoint(path, "chromanet", TINY.to_dict(), net.state_dict())
    with pytest.raises(ModelError, match="holds values that are not numbers"):
        continue_from(path, ChromaNet(TINY), [torch.rand(1, 1, 64, 64) * 100])


@pytest.mark.parametrize("stages", [[[1, 2]], []])
def test_a_shape_that_cannot_be_is_no_start(stages: list[object], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_checkpoint(path, "chromanet", {"stages": stages, "widths": [8, 8, 8, 8]}, {})
    with pytest.raises(ModelError, match="cannot continue from this"):
        continue_from(path, ChromaNet(TINY), [])
