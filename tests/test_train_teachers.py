from __future__ import annotations

from pathlib import Path

import pytest
import torch
from networks import tiny_checkpoint

from vidcolor.errors import ModelError
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.registry import load_net
from vidcolor.models.tanhnet.net import TanhNet
from vidcolor.train.costs import Costs
from vidcolor.train.examples import Batch
from vidcolor.train.known import Known
from vidcolor.train.objectives import ColorLoss
from vidcolor.train.recipe import Recipe
from vidcolor.train.teachers import Teachers

CPU = torch.device("cpu")


def _batch() -> Batch:
    torch.manual_seed(0)
    hints = torch.zeros(2, 3, 32, 64)
    hints[:, :, 4:9, 4:9] = torch.tensor([40.0, 30.0, 1.0])[:, None, None]
    return Batch(
        torch.rand(2, 1, 32, 64) * 100, torch.randn(2, 2, 8, 16) * 20, hints, torch.arange(2)
    )


def test_teachers_tell_the_mean_of_what_each_would_say(tmp_path: Path) -> None:
    paths = [tiny_checkpoint(tmp_path / f"{seed}.safetensors", seed) for seed in range(2)]
    batch = _batch()
    told = Teachers(map(str, paths), CPU)(batch.lightness, batch.hints)
    with torch.no_grad():
        one, other = (load_net(path)[0](batch.lightness, batch.hints).softmax(1) for path in paths)
    assert (one - other).abs().max() > 1e-3
    assert torch.allclose(told.reshape(2, 8, 16, -1).permute(0, 3, 1, 2), (one + other) / 2)


def test_who_says_what_the_teacher_says_has_nothing_to_learn(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "teacher.safetensors")
    net, _ = load_net(path)
    other, _ = load_net(tiny_checkpoint(tmp_path / "other.safetensors", 1))
    prior = torch.full((len(net.nodes),), 1 / len(net.nodes))
    loss = ColorLoss(net.nodes, prior, 0.25, regression=0.0, edges=0.0, taught=1.0)
    costs = Costs(Recipe(teachers=(str(path),)), loss, Known(), None, CPU, torch.float32)
    slopes = []
    for pupil in (net, other):
        pupil.requires_grad_(True)
        costs(pupil, _batch())[0].backward()
        slopes.append(pupil.head.weight.grad.abs().max())
    assert slopes[0] < 1e-6 < 1e-4 < slopes[1]


def test_who_cannot_teach_is_named(tmp_path: Path) -> None:
    other = TanhNet(8)
    path = tmp_path / "other.safetensors"
    write_checkpoint(path, other.architecture, other.shape(), other.state_dict())
    with pytest.raises(ModelError, match=r"other.safetensors: only chromanet can teach, not tanh"):
        Teachers([str(path)], CPU)
    path.write_bytes(b"none")
    with pytest.raises(ModelError, match=r"other.safetensors: broken checkpoint"):
        Teachers([str(path)], CPU)
