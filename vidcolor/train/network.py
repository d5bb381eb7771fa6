"""The network a run trains: built to the recipe, filled, and made ready for its photos."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vidcolor.errors import TargetError
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.net import ChromaNet, InvertedResidual
from vidcolor.models.chromanet.pretrained import encoder_stages, load_imagenet_encoder
from vidcolor.train.examples import Augment, Example, make_example
from vidcolor.train.objectives import node_prior
from vidcolor.train.photos import PhotoSet
from vidcolor.train.recipe import Recipe
from vidcolor.train.start import continue_from


def net_config(recipe: Recipe) -> NetConfig:
    """The network's shape, and the decoding its weights begin with."""
    w32, w16, w8, w4 = recipe.widths
    variant = "lite0" if recipe.encoder == "none" else recipe.encoder
    # What the class weights raised, the decoder takes back: see ColorLoss.
    return NetConfig(
        stages=encoder_stages(variant),
        widths=(w32, w16, w8, w4),
        attention=recipe.attention,
        temperature=recipe.temperature,
        rebalance=-recipe.rebalance,
        chroma_gain=recipe.chroma_gain,
    )


def build_net(recipe: Recipe, photos: PhotoSet) -> ChromaNet:
    """The recipe's network on the CPU, filled with what it starts from. Raises ModelError."""
    net = ChromaNet(net_config(recipe))
    nn.init.zeros_(net.head.bias)  # type: ignore[arg-type]
    if recipe.start_from:
        examples = _sample(photos, recipe, 512)
        pictures = (
            torch.from_numpy(np.stack([item.lightness for item in examples[k : k + 32]]))
            for k in range(0, len(examples), 32)
        )
        continue_from(Path(recipe.start_from), net, pictures)
    elif recipe.encoder != "none":
        load_imagenet_encoder(net, recipe.encoder)
    return net


def _sample(photos: PhotoSet, recipe: Recipe, count: int) -> list[Example]:
    rng = np.random.default_rng(recipe.seed)
    chosen = rng.permutation(len(photos.images))[:count]
    plain = Augment(degraded=0.5, points=0, dense=0)
    return [make_example(photos.images[i], 128, plain, rng) for i in chosen]


def parameter_groups(net: ChromaNet, recipe: Recipe) -> list[dict[str, Any]]:
    """Decoder and encoder; the encoder's depthwise filters stay as ImageNet made them.

    Its first blocks, large maps with general filters, can be left as they are altogether, which
    spares a third of a step.
    """
    if recipe.frozen_blocks:
        for part in (net.encoder.stem, *list(net.encoder.blocks)[: recipe.frozen_blocks]):
            part.requires_grad_(False)
    for unit in net.encoder.modules():
        if isinstance(unit, nn.Conv2d) and unit.groups > 1:
            unit.weight.requires_grad_(False)
    for block in net.encoder.blocks:
        assert isinstance(block, InvertedResidual)
        assert block.filter.norm is not None
        block.filter.norm.weight.requires_grad_(False)
    encoder = [p for p in net.encoder.parameters() if p.requires_grad]
    inside = {id(p) for p in net.encoder.parameters()}
    decoder = [p for p in net.parameters() if id(p) not in inside]
    decay = recipe.weight_decay
    return [
        {"params": decoder, "weight_decay": decay},
        {"params": encoder, "weight_decay": decay},
    ]


def prepare(net: ChromaNet, photos: PhotoSet, recipe: Recipe, device: torch.device) -> None:
    """Measure how common each colour is, and let the encoder's norms see grey pictures."""
    examples = _sample(photos, recipe, 768)
    ab = torch.from_numpy(np.stack([item.ab for item in examples]))
    prior = node_prior(ab, len(net.nodes))
    net.log_prior.copy_((prior + 1e-5).log())
    # The head starts from how common each colour is, which saves it the first hundred steps.
    with torch.no_grad():
        net.head.bias.copy_(net.log_prior * (1 - recipe.rebalance))  # type: ignore[union-attr]
    net.train()
    with torch.no_grad():
        for start in range(0, len(examples), 64):
            batch = np.stack([item.lightness for item in examples[start : start + 64]])
            net.encoder(torch.from_numpy(batch).to(device) / 50 - 1)


def freeze_norms(net: ChromaNet) -> None:
    net.train()
    for module in net.encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    """Move ``average`` towards ``net``, keeping the share ``keep`` of what it was."""
    means, news = [], []
    for mean, now in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            means.append(mean)
            news.append(now)
        else:
            mean.copy_(now)
    # All at once: some hundred small ones would keep a GPU waiting.
    torch._foreach_lerp_(means, news, 1 - keep)


def export(net: ChromaNet, path: Path, card: dict[str, Any]) -> None:
    """Write ``net`` folded, in float32, as a vidcolor checkpoint. Raises TargetError."""
    folded = deepcopy(net).eval().fold()
    state = {name: value.float().cpu() for name, value in folded.state_dict().items()}
    try:
        write_checkpoint(path, "chromanet", net.config.to_dict(), state, card)
    except Exception as error:  # safetensors has one of its own for a full disk.
        raise TargetError(f"{path}: cannot write the weights: {error}") from error
