"""The training loop, top to bottom: data, network, optimiser, steps, checkpoints.

A batch is a function of the seed and the step's number alone, so a run that was killed continues
from its last checkpoint with the very batches it would have seen.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vidcolor.device import pick_device, pick_dtype
from vidcolor.errors import ModelError, TargetError
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.chromanet.net import ChromaNet, InvertedResidual, NetConfig
from vidcolor.models.chromanet.pretrained import load_imagenet_encoder
from vidcolor.train.objectives import ColorLoss, node_prior
from vidcolor.train.photos import Augment, Example, PhotoSet, load_photos, make_example
from vidcolor.train.recipe import Recipe
from vidcolor.train.start import continue_from

Log = Callable[[str], None]
Batch = tuple[Tensor, Tensor, Tensor]
_AHEAD = 4
_STALL = 10.0
"""Seconds: a step that seems longer than this was suspended, and does not use up the minutes."""


def train(recipe: Recipe, log: Log = print) -> Path:
    """Train, or continue training, as the recipe says; returns the path of the final weights.

    Raises SourceError when there are no photos, ModelError when weights do not fit and TargetError
    when the run's folder cannot be made.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    device = pick_device(recipe.device)
    dtype = pick_dtype(device)
    run = Path(recipe.run)
    try:
        run.mkdir(parents=True, exist_ok=True)
        (run / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1), encoding="utf-8")
    except OSError as error:
        raise TargetError(f"{run}: cannot make the run's folder: {error.strerror}") from error

    photos = _photos(recipe)
    log(f"{len(photos.images)} photos; left out {photos.unreadable} unreadable, {photos.grey} grey")
    net = _network(recipe, photos).to(device)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = deepcopy(net).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(_groups(net, recipe), lr=recipe.rate, betas=(0.9, 0.98))
    first, spent = 0, 0.0
    last = run / "last.pt"
    if last.is_file():
        first, spent = _restore(last, net, average, optimiser, device)
        log(f"continuing from step {first}")
    elif recipe.start_from:
        log(f"starting from {recipe.start_from}")
    else:
        _prepare(net, photos, recipe, device)
        average.load_state_dict(net.state_dict())
    _freeze_norms(net)
    loss_of = ColorLoss(
        net.nodes,
        net.log_prior.exp(),
        recipe.rebalance,
        regression=recipe.regression,
        vividness=recipe.vividness,
        edges=recipe.edges,
        temperature=recipe.temperature,
        gain=recipe.chroma_gain,
    )

    begun = time.monotonic()
    progress = _progress(first, spent, recipe)
    seen, recent = 0, []
    step = first
    with ThreadPoolExecutor(1) as pool:
        batches = _batches(first, photos, recipe, pool, lambda: spent)
        for step, batch in batches:
            if progress >= 1:
                break
            started = time.monotonic()
            for number, group in enumerate(optimiser.param_groups):
                group["lr"] = _rate(step, progress, recipe) * (1, recipe.encoder_rate)[number]
            lightness, ab, hints = (part.to(device, non_blocking=True) for part in batch)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logits = net(lightness, hints)
            terms = loss_of(logits, ab)
            terms.total.backward()
            nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            _follow(average, net, min(recipe.ema, (1 + step) / (10 + step)))

            spent += min(time.monotonic() - started, _STALL)
            progress = _progress(step + 1, spent, recipe)
            seen += len(lightness)
            recent.append(
                torch.stack(
                    (terms.cross_entropy, terms.error, terms.vividness, terms.edges)
                ).detach()
            )
            if (step + 1) % recipe.log_every == 0:
                speed = seen / (time.monotonic() - begun)
                means = torch.stack(recent).mean(0).tolist()
                left = spent / max(progress, 1e-6) * (1 - progress) / 60
                log(
                    f"step {step + 1} ({progress:.1%}) ce {means[0]:.3f} error {means[1]:.3f} "
                    f"vivid {means[2]:.3f} edges {means[3]:.3f} {lightness.shape[-1]}px "
                    f"{speed:.1f} images/s, {left:.0f} min left"
                )
                recent = []
            if (step + 1) % recipe.save_every == 0:
                _save(last, step + 1, spent, net, average, optimiser)
    _save(last, step, spent, net, average, optimiser)
    weights = run / "weights.safetensors"
    export(average, weights, {"recipe": recipe.card(), "steps": step})
    log(f"wrote {weights}")
    return weights


def export(net: ChromaNet, path: Path, card: dict[str, Any]) -> None:
    """Write ``net`` folded, in float32, as a vidcolor checkpoint."""
    folded = deepcopy(net).eval().fold()
    state = {name: value.float().cpu() for name, value in folded.state_dict().items()}
    write_checkpoint(path, "chromanet", net.config.to_dict(), state, card)


def _photos(recipe: Recipe) -> PhotoSet:
    photos = load_photos([Path(item) for item in recipe.photos], short_side=256)
    if not recipe.exclude:
        return photos
    unwanted = set(Path(recipe.exclude).read_text(encoding="utf-8").split())
    kept = [i for i, name in enumerate(photos.names) if name not in unwanted]
    return PhotoSet(
        tuple(photos.images[i] for i in kept),
        tuple(photos.names[i] for i in kept),
        photos.unreadable,
        photos.grey,
    )


def _network(recipe: Recipe, photos: PhotoSet) -> ChromaNet:
    # What the class weights raised, the decoder takes back: see ColorLoss.
    net = ChromaNet(
        NetConfig(
            attention=recipe.attention,
            temperature=recipe.temperature,
            rebalance=-recipe.rebalance,
            chroma_gain=recipe.chroma_gain,
        )
    )
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


def _groups(net: ChromaNet, recipe: Recipe) -> list[dict[str, Any]]:
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


def _prepare(net: ChromaNet, photos: PhotoSet, recipe: Recipe, device: torch.device) -> None:
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


def _freeze_norms(net: ChromaNet) -> None:
    net.train()
    for module in net.encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _batches(
    first: int,
    photos: PhotoSet,
    recipe: Recipe,
    pool: ThreadPoolExecutor,
    spent: Callable[[], float],
) -> Iterator[tuple[int, Batch]]:
    """Batches from step ``first`` on, made a few steps ahead in the pool's thread."""
    augment = Augment(recipe.smallest_crop, recipe.degraded, recipe.points, recipe.dense)

    def make(step: int, size: int, count: int) -> Batch:
        rng = np.random.default_rng((recipe.seed, step))
        places = rng.integers(len(photos.images), size=count)
        return collate([make_example(photos.images[i], size, augment, rng) for i in places])

    waiting: list[tuple[int, Future[Batch]]] = []
    step = first
    while True:
        while len(waiting) < _AHEAD:
            # By the batch's own step, not by the one just trained: a resumed run asks the same.
            share = _progress(step, spent(), recipe)
            _, size, count = [stage for stage in recipe.stages if stage[0] <= share][-1]
            waiting.append((step, pool.submit(make, step, size, count)))
            step += 1
        number, future = waiting.pop(0)
        yield number, future.result()


def collate(examples: list[Example]) -> Batch:
    """Examples of one size to tensors: lightness, ab, hints."""
    return (
        torch.from_numpy(np.stack([item.lightness for item in examples])),
        torch.from_numpy(np.stack([item.ab for item in examples])),
        torch.from_numpy(np.stack([item.hints for item in examples])),
    )


def _progress(step: int, spent: float, recipe: Recipe) -> float:
    by_time = spent / (60 * recipe.minutes) if recipe.minutes > 0 else 0.0
    return max(step / recipe.steps, by_time)


def _rate(step: int, progress: float, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to ``last_rate``."""
    fall = 0.5 * (1 + math.cos(math.pi * min(progress, 1)))
    scale = recipe.last_rate + (1 - recipe.last_rate) * fall
    return recipe.rate * scale * min(1.0, (step + 1) / recipe.warmup)


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    for mean, now in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - keep)
        else:
            mean.copy_(now)


def _save(
    path: Path, step: int, spent: float, net: nn.Module, average: nn.Module, optimiser: Any
) -> None:
    part = path.with_suffix(".part")
    torch.save(
        {
            "step": step,
            "spent": spent,
            "net": net.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
        },
        part,
    )
    os.replace(part, path)


def _restore(
    path: Path, net: ChromaNet, average: nn.Module, optimiser: Any, device: torch.device
) -> tuple[int, float]:
    try:
        saved = torch.load(path, map_location=device, weights_only=True)
        net.load_state_dict(saved["net"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
    except (RuntimeError, KeyError, ValueError, EOFError) as error:
        raise ModelError(f"{path}: this checkpoint does not fit the recipe: {error}") from error
    return int(saved["step"]), float(saved["spent"])
