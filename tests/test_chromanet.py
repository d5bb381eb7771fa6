from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import TINY, tiny_net

from vidcolor.models.chromanet.bins import STEP, encode, nodes
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.depthwise import FrozenDepthwise
from vidcolor.models.chromanet.net import ChromaNet, pool_hints


def test_the_mean_of_a_soft_encoding_is_the_colour_itself() -> None:
    # Colours as far from grey as sRGB has them, with every corner of their cell in the grid.
    rgb = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    from skimage.color import rgb2lab

    lab = rgb2lab(rgb[0].permute(1, 2, 0).numpy())
    ab = torch.from_numpy(lab[..., 1:].astype(np.float32)).permute(2, 0, 1)[None]
    number, share = encode(ab)
    mean = (nodes()[number] * share[..., None]).sum(1).permute(0, 3, 1, 2)
    assert torch.allclose(share.sum(1), torch.ones(1, 16, 16), atol=1e-5)
    assert torch.allclose(mean, ab, atol=1e-3)


def test_nodes_are_a_grid_that_holds_grey() -> None:
    grid = nodes()
    assert (grid % STEP == 0).all()
    assert (grid == 0).all(1).sum() == 1
    assert 250 < len(grid) < 400


@pytest.mark.parametrize("stride", [1, 2])
def test_the_fast_depthwise_backward_equals_the_stock_one(stride: int) -> None:
    torch.manual_seed(stride)
    x = torch.randn(2, 4, 9, 11, dtype=torch.double, requires_grad=True)
    weight = torch.randn(4, 1, 5, 5, dtype=torch.double)
    bias = torch.randn(4, dtype=torch.double, requires_grad=True)
    padding = 2 if stride == 1 else 0
    stock = F.conv2d(x, weight, bias, stride, padding, groups=4)
    ours = FrozenDepthwise.apply(x, weight, bias, stride, padding)
    assert torch.equal(stock, ours)
    grad = torch.randn_like(stock)
    expected = torch.autograd.grad(stock, (x, bias), grad)
    found = torch.autograd.grad(ours, (x, bias), grad)
    for one, other in zip(expected, found, strict=True):
        assert torch.allclose(one, other)


def test_folding_changes_nothing() -> None:
    net = tiny_net()
    with torch.no_grad():
        for unit in net.units():
            assert unit.norm is not None
            unit.norm.running_mean.uniform_(-0.2, 0.2)
            unit.norm.running_var.uniform_(0.5, 2)
    light, hints = torch.rand(1, 1, 64, 96) * 100, torch.rand(1, 3, 64, 96).round()
    before = net(light, hints)
    after = net.fold()(light, hints)
    assert torch.allclose(before, after, atol=1e-4)
    fresh = ChromaNet(TINY, folded=True).eval()
    fresh.load_state_dict(net.state_dict(), strict=True)
    assert torch.allclose(fresh(light, hints), after, atol=1e-6)


def test_the_size_of_the_default_network() -> None:
    net = ChromaNet()
    assert sum(item.numel() for item in net.parameters()) < 10e6
    assert net.eval()(torch.zeros(1, 1, 64, 96)).shape == (1, len(nodes()), 16, 24)


def test_no_hints_are_the_same_as_empty_hints() -> None:
    net = tiny_net()
    light = torch.rand(2, 1, 64, 64) * 100
    assert torch.equal(net(light), net(light, torch.zeros(2, 3, 64, 64)))


def test_hints_change_the_answer() -> None:
    net = tiny_net()
    light, hints = torch.rand(1, 1, 64, 64) * 100, torch.zeros(1, 3, 64, 64)
    hints[:, :, 20:25, 20:25] = torch.tensor([60.0, 40.0, 1.0])[None, :, None, None]
    assert not torch.allclose(net(light), net(light, hints))


def test_one_hinted_pixel_is_as_vivid_at_every_scale() -> None:
    hints = torch.zeros(1, 3, 64, 64)
    hints[0, :, 33, 17] = torch.tensor([50.0, -30.0, 1.0])
    for pooled in pool_hints(hints, torch.zeros(1, 8, 16, 16)):
        inside = pooled[0, 2] > 0
        assert inside.sum() == 1
        assert torch.allclose(pooled[0, :2, inside][:, 0], torch.tensor([0.5, -0.3]), atol=1e-4)


def test_decoding_interpolates_between_mean_and_mode() -> None:
    logits = torch.zeros(1, len(nodes()), 1, 1)
    one, other = 10, 200
    logits[0, one], logits[0, other] = 12.0, 11.0
    warm = ChromaNet(NetConfig(**(TINY.to_dict() | {"temperature": 1.0})))
    cold = ChromaNet(NetConfig(**(TINY.to_dict() | {"temperature": 0.05})))
    mean, mode = warm.decode(logits)[0, :, 0, 0], cold.decode(logits)[0, :, 0, 0]
    assert torch.allclose(mode, nodes()[one], atol=0.1)
    share = torch.sigmoid(torch.tensor(1.0))
    assert torch.allclose(mean, share * nodes()[one] + (1 - share) * nodes()[other], atol=0.2)


def test_a_config_survives_json() -> None:
    import json

    assert NetConfig.from_dict(json.loads(json.dumps(TINY.to_dict()))) == TINY


def test_vivid_colours_gain_more_than_faint_ones() -> None:
    net = ChromaNet(replace(TINY, chroma_gain=0.8, chroma_power=0.5)).eval()
    # Each place is sure of its node.
    logits = torch.full((1, len(net.nodes), 1, len(net.nodes)), -1e4)
    logits[0, range(len(net.nodes)), 0, range(len(net.nodes))] = 1e4
    found = net.decode(logits)[0, :, 0].T
    chroma = net.nodes.norm(dim=1, keepdim=True)
    assert torch.allclose(found, net.nodes * 0.8 * ((chroma + 8) / 20).sqrt(), atol=1e-3)
    # Grey stays grey, and what lies at the middle has the gain alone.
    assert net.config.vividness(12.0) == pytest.approx(0.8)
