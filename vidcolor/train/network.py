"""The network a run trains: built to the recipe, filled, and made ready for its photos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vidcolor.errors import ModelError, TargetError
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.chromanet.bins import nodes
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.chromanet.pretrained import (
    encoder_stages,
    load_imagenet_encoder,
    weights_package,
)
from vidcolor.models.eccv16.net import EccvNet
from vidcolor.models.fusionnet.classifier import published
from vidcolor.models.fusionnet.net import FusionConfig, FusionNet
from vidcolor.models.lab import AB_SCALE
from vidcolor.models.siggraph17.net import SiggraphNet
from vidcolor.models.tanhnet.net import TanhNet
from vidcolor.models.trainable import TrainableNet
from vidcolor.models.unet.net import PaletteNet, UNet
from vidcolor.train.examples import Augment, Example, make_example
from vidcolor.train.objectives import ColorLoss, node_prior
from vidcolor.train.photos import PhotoSet
from vidcolor.train.recipe import Recipe
from vidcolor.train.start import continue_from, fill

_KINDS: dict[str, type[TrainableNet]] = {
    kind.architecture: kind
    for kind in (ChromaNet, EccvNet, SiggraphNet, TanhNet, FusionNet, UNet, PaletteNet)
}

_SAMPLE = 768
"""Photos that colours and norms are measured on."""


def net_config(recipe: Recipe) -> NetConfig:
    """The default network's shape, and the decoding its weights begin with."""
    w32, w16, w8, w4 = recipe.widths
    variant = "lite0" if recipe.encoder == "none" else recipe.encoder
    # What the class weights raised, the decoder takes back: see ColorLoss.
    return NetConfig(
        stages=encoder_stages(variant),
        widths=(w32, w16, w8, w4),
        attention=recipe.attention,
        temperature=recipe.temperature,
        rebalance=-recipe.rebalance if recipe.loss == "distribution" else 0.0,
        chroma_gain=recipe.chroma_gain,
    )


def augmentation(recipe: Recipe) -> Augment:
    """How photos are varied, and what the recipe's network is told and asked of them."""
    kind = _KINDS[recipe.network]
    vary = float(recipe.vary)
    return Augment(
        smallest_crop=recipe.smallest_crop if recipe.vary else 1.0,
        degraded=vary * recipe.degraded,
        points=recipe.points if kind.hinted else 0.0,
        dense=recipe.dense if kind.hinted else 0.0,
        rotate=vary * recipe.rotate,
        shrink=kind.shrink,
        mirror=vary * Augment().mirror,
        stretch=vary * Augment().stretch,
    )


def check_start(recipe: Recipe) -> None:
    """Raises ModelError for weights to start or learn from that are missing: before any photo is
    read."""
    starts = (recipe.start_from,) if recipe.start_from else ()
    for key, paths in (("start_from", starts), ("teachers", recipe.teachers)):
        for path in paths:
            if not Path(path).is_file():
                raise ModelError(f"{key}: {path}: no such checkpoint")
    from_imagenet = recipe.network == "chromanet" and not recipe.start_from
    asked = recipe.embedding != "learned" or recipe.labels == "classifier" or recipe.perceptual
    if recipe.encoder != "none" and (from_imagenet or asked):
        weights_package(recipe.encoder)


def build_net(recipe: Recipe, photos: PhotoSet, labels: int = 0) -> TrainableNet:
    """The recipe's network on the CPU, filled with what it starts from. Raises ModelError.

    ``labels`` is how many kinds of photos it is to tell apart.
    """
    if recipe.network == "chromanet":
        return _build_chromanet(recipe, photos)
    net = _build_plain(recipe, labels)
    if recipe.start_from:
        fill(net, Path(recipe.start_from))
    return net


def _build_plain(recipe: Recipe, labels: int) -> TrainableNet:
    match recipe.network:
        case "eccv16":
            colours = nodes()
            net = EccvNet(recipe.width, len(colours), recipe.temperature)
            net.model_out.weight = nn.Parameter(
                (colours.T / AB_SCALE)[:, :, None, None], requires_grad=False
            )
            return net
        case "siggraph17":
            return SiggraphNet(recipe.width)
        case "fusionnet":
            # What is computed once for each whole photo needs no classifier, but films do.
            fusion = FusionNet(
                FusionConfig(recipe.width, recipe.embedding, recipe.encoder, labels, recipe.space)
            )
            if recipe.embedding != "learned":
                fusion.classifier = published(recipe.encoder)
            return fusion
    kind = {"tanhnet": TanhNet, "unet": UNet, "palettenet": PaletteNet}[recipe.network]
    return kind(recipe.width, recipe.space)


def _build_chromanet(recipe: Recipe, photos: PhotoSet) -> ChromaNet:
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
        load_imagenet_encoder(net.encoder, recipe.encoder)
    return net


def _sample(photos: PhotoSet, recipe: Recipe, count: int) -> list[Example]:
    rng = np.random.default_rng(recipe.seed)
    chosen = rng.permutation(len(photos.images))[:count]
    plain = Augment(degraded=0.5, points=0, dense=0)
    return [make_example(photos.images[i], 128, plain, rng) for i in chosen]


def color_loss(recipe: Recipe, net: TrainableNet, photos: PhotoSet) -> ColorLoss | None:
    """The loss of ``net``, on its device, if it answers with a distribution."""
    if recipe.loss != "distribution":
        return None
    if isinstance(net, ChromaNet):
        grid, prior = net.nodes, net.log_prior.exp()
    else:
        assert isinstance(net, EccvNet), "the recipe's check lets no other through"
        grid = net.model_out.weight[:, :, 0, 0].T * AB_SCALE
        prior = _prior(_sample(photos, recipe, _SAMPLE)).to(grid.device)
    return ColorLoss(
        grid,
        prior,
        recipe.rebalance,
        uniform=recipe.uniform,
        regression=recipe.regression,
        vividness=recipe.vividness,
        edges=recipe.edges,
        temperature=recipe.temperature,
        gain=recipe.chroma_gain,
        taught=recipe.taught,
    )


def _prior(examples: list[Example]) -> Tensor:
    ab = torch.from_numpy(np.stack([item.ab for item in examples]))
    return node_prior(ab, len(nodes()))


def prepare(net: TrainableNet, photos: PhotoSet, recipe: Recipe, device: torch.device) -> None:
    """Of the default network: tell it how common each colour is, and let the encoder's norms see
    grey pictures. Any other needs nothing."""
    if not isinstance(net, ChromaNet):
        return
    examples = _sample(photos, recipe, _SAMPLE)
    net.log_prior.copy_((_prior(examples) + 1e-5).log())
    # The head starts from how common each colour is, which saves it the first hundred steps.
    with torch.no_grad():
        net.head.bias.copy_(net.log_prior * (1 - recipe.rebalance))  # type: ignore[union-attr]
    net.train()
    with torch.no_grad():
        for start in range(0, len(examples), 64):
            batch = np.stack([item.lightness for item in examples[start : start + 64]])
            net.encoder(torch.from_numpy(batch).to(device) / 50 - 1)


def freeze_norms(net: TrainableNet) -> None:
    """To training mode, but for the norms of the default network's encoder."""
    net.train()
    if isinstance(net, ChromaNet):
        for module in net.encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


@contextmanager
def norms_at_rest(net: nn.Module) -> Iterator[None]:
    """Norms go by each batch as they do in training, but gather no statistics of it."""
    norms = [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


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


def export(net: TrainableNet, path: Path, card: dict[str, Any]) -> None:
    """Write ``net`` as films need it, in float32, as a vidcolor checkpoint. Raises TargetError."""
    ready = net.for_films()
    state = {name: value.float().cpu() for name, value in ready.state_dict().items()}
    try:
        write_checkpoint(path, net.architecture, net.shape(), state, card)
    except Exception as error:  # safetensors has one of its own for a full disk.
        raise TargetError(f"{path}: cannot write the weights: {error}") from error
