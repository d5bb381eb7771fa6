"""Means of weights that parted long ago keep the spread of their layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from networks import TINY, tiny_checkpoint
from training import photo_folder

from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.registry import load_net
from vidcolor.train.mean import _spreads, main, repaired_mean


def folded(seed: int) -> ChromaNet:
    torch.manual_seed(seed)
    net = ChromaNet(TINY)
    for value in net.parameters():
        if value.ndim > 1:
            torch.nn.init.normal_(value, std=0.2)
    return net.for_films()


def pictures(count: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(9)
    return torch.rand(count, 1, 64, 64) * 100, torch.zeros(count, 3, 64, 64)


def test_one_networks_mean_is_itself() -> None:
    net, shown = folded(0), pictures()
    made = repaired_mean([net, net], [0.25, 0.75], shown).for_films()
    with torch.no_grad():
        before, after = net(*shown), made(*shown)
    # Norms divide by one sample less: the smallest maps have 96 of them.
    torch.testing.assert_close(after, before, rtol=0, atol=5e-3 * float(before.abs().max()))


def test_every_layer_has_the_spread_of_the_runs() -> None:
    nets, shown = [folded(0), folded(1)], pictures()
    made = repaired_mean(nets, [0.5, 0.5], shown).for_films()
    plain = folded(2)
    states = [net.state_dict() for net in nets]
    plain.load_state_dict({name: (states[0][name] + states[1][name]) / 2 for name in states[0]})
    wanted = [_spreads(net, shown) for net in nets]
    repaired, faint = _spreads(made, shown), _spreads(plain, shown)
    for name in wanted[0]:
        spread = (wanted[0][name][1] + wanted[1][name][1]) / 2
        torch.testing.assert_close(repaired[name][1], spread, rtol=0.02, atol=1e-3)
    deepest = list(wanted[0])[-1]
    spread = (wanted[0][deepest][1] + wanted[1][deepest][1]) / 2
    assert float((faint[deepest][1] / spread).median()) < 0.9


def test_shares_are_one_for_each() -> None:
    net = folded(0)
    for nets, shares in (([net], [0.5, 0.5]), ([net, net], [1.0, 1.0]), ([], [])):
        with pytest.raises(ValueError, match="that add up to 1"):
            repaired_mean(nets, shares, pictures(2))


def test_the_command_writes_weights_that_load(tmp_path: Path) -> None:
    runs = [str(tiny_checkpoint(tmp_path / f"{k}.safetensors")) for k in range(2)]
    target = tmp_path / "mean.safetensors"
    photos = ["--photos", str(photo_folder(tmp_path / "photos")), "--count", "4", "--side", "64"]
    main([*runs, str(target), "--shares", "0.5", "0.5", *photos])
    net, _ = load_net(target)
    assert isinstance(net, ChromaNet)
