"""Which values a recipe's keys may have, and which of them go together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidcolor.device import processes
from vidcolor.errors import SettingsError
from vidcolor.models.chromanet.config import HEADS

if TYPE_CHECKING:
    from vidcolor.train.recipe import Recipe

_DEEPEST = 32
"""Crop size at which the deepest maps are a single place."""
_BEHIND_TANH = ("tanhnet", "fusionnet", "unet", "palettenet")
_PLAIN = ("eccv16", "siggraph17", *_BEHIND_TANH)
_HINTED = ("chromanet", "siggraph17", "palettenet")
NETWORKS = ("chromanet", *_PLAIN)
_CHOICES = {
    "network": NETWORKS,
    "space": ("lab", "yuv"),
    "embedding": ("learned", "logits", "features"),
    "encoder": ("none", "lite0", "lite1", "lite2"),
    "resident": ("auto", "on", "off"),
    "optimiser": ("adamw", "muon"),
    "best_by": ("score", "rmse"),
    "loss": ("distribution", "l1", "l2", "huber"),
    "labels": ("auto", "folders", "classifier"),
}
_POSITIVE = ("steps", "threads", "workers", "log_every", "save_every", "warmup", "val_photos")
_NOT_NEGATIVE = (
    *("minutes", "stop_after", "val_every", "sheet_every", "sheet_epochs", "patience", "limit"),
    *("attention", "frozen_blocks", "rotate", "perceptual", "adversarial", "classification"),
    *("seed", "weight_decay", "encoder_rate", "regression", "vividness", "edges"),
)
_SHARES = (
    *("val_share", "smallest_crop", "degraded", "points", "dense", "ema", "last_rate", "uniform"),
    *("critic_from", "adversary_from", "hold", "taught"),
)
_ABOVE_ZERO = ("smallest_crop", "rate", "clip", "temperature", "chroma_gain")
_BELONGS = {
    "widths": ("network", ("chromanet",)),
    "attention": ("network", ("chromanet",)),
    "frozen_blocks": ("network", ("chromanet",)),
    "frozen_filters": ("network", ("chromanet",)),
    "width": ("network", _PLAIN),
    "space": ("network", _BEHIND_TANH),
    "embedding": ("network", ("fusionnet",)),
    "cache": ("embedding", ("logits", "features")),
    "classification": ("embedding", ("learned",)),
    "teachers": ("network", ("chromanet",)),
    "points": ("network", _HINTED),
    "dense": ("network", _HINTED),
    "temperature": ("network", ("chromanet", "eccv16")),
    "chroma_gain": ("network", ("chromanet", "eccv16")),
    "rebalance": ("loss", ("distribution",)),
    "uniform": ("loss", ("distribution",)),
    "regression": ("loss", ("distribution",)),
    "vividness": ("loss", ("distribution",)),
    "edges": ("loss", ("distribution",)),
}
"""Keys that mean something only with some values of another."""
_NEEDS = {
    "taught": "teachers",
    "val": "val_every",
    "best_by": "val_every",
    "rotate": "vary",
    "smallest_crop": "vary",
    "degraded": "vary",
    "teachers": "taught",
    "labels": "classification",
    "critic_width": "adversarial",
    "critic_from": "adversarial",
    "adversary_from": "adversarial",
    "patience": "val_every",
    "gallery": "val_every",
}
"""Keys that mean something only where another is not 0, or not empty."""


def check(path: Path, recipe: Recipe) -> None:
    """Raises SettingsError, naming ``path``, for values that cannot be meant."""
    for fault in _faults(recipe):
        raise SettingsError(f"{path}: {fault}")


def _faults(recipe: Recipe) -> Iterator[str]:
    if not recipe.photos:
        yield "photos is empty: name folders or tar files of photos"
    if not recipe.run:
        yield "run is empty: name a folder for checkpoint, log and weights"
    for item in fields(recipe):
        if not _finite(getattr(recipe, item.name)):
            yield f"{item.name} must be finite, not nan or inf"
    for key in ("photos", "val", "include", "exclude", "teachers"):
        if not all(isinstance(item, str) for item in getattr(recipe, key)):
            yield f"{key} must be a list of names"
    yield from _shape_faults(recipe)
    for key, choices in _CHOICES.items():
        value = getattr(recipe, key)
        if value not in choices:
            yield f"{key} {value!r}: unknown; valid are {', '.join(choices)}"
    for key in _POSITIVE:
        if getattr(recipe, key) <= 0:
            yield f"{key} must be at least 1"
    for key in _NOT_NEGATIVE:
        if getattr(recipe, key) < 0:
            yield f"{key} must not be negative"
    for key in _SHARES:
        if not 0 <= getattr(recipe, key) <= 1:
            yield f"{key} must lie in 0 to 1"
    for key in _ABOVE_ZERO:
        if getattr(recipe, key) <= 0:
            yield f"{key} must be above 0"
    if recipe.ema == 1:
        yield "ema must be below 1: the averaged weights would never change"
    if recipe.rotate > 180:
        yield "rotate must be at most 180, half a turn either way"
    if recipe.points + recipe.dense > 1:
        yield "points and dense are shares of the crops, and must not be above 1 together"
    yield from _contradictions(recipe)


def _finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _is_stage(item: Any) -> bool:
    kinds = (float | int, int, int)
    fits = isinstance(item, tuple) and len(item) == 3 and all(map(isinstance, item, kinds))
    return fits and bool not in map(type, item)


def _shape_faults(recipe: Recipe) -> Iterator[str]:
    stages = recipe.stages
    if not stages or not all(_is_stage(item) for item in stages):
        yield "stages must be a list of [share, crop size, batch size]"
    if stages[0][0] != 0 or any(size <= 0 or size % 32 for _, size, _ in stages):
        yield "stages must begin at 0.0 and have crop sizes that are multiples of 32"
    begins = [share for share, _, _ in stages]
    if begins[-1] > 1 or not all(one < other for one, other in pairwise(begins)):
        yield "stages must come in the order they begin in, none beyond 1.0, the schedule's end"
    if not all(count > 0 for _, _, count in stages):
        yield "stages must have batch sizes of at least 1"
    parts = recipe.threads * processes()
    if any(size == _DEEPEST and count < 2 * parts for _, size, count in stages):
        # At the bottom of the network they are one place each, which has no spread to go by.
        yield f"crops of {_DEEPEST} px need batches of at least 2 for each of the {parts} threads"
    if len(recipe.widths) != 4 or not all(isinstance(w, int) and w > 1 for w in recipe.widths):
        yield "widths must be four numbers of channels, of at least 2"
    if recipe.attention and recipe.widths[1] % HEADS:
        yield f"attention has {HEADS} heads, by which widths[1] must be divisible"
    for key in ("width", "critic_width"):
        if getattr(recipe, key) <= 0 or getattr(recipe, key) % 8:
            yield f"{key} must be a multiple of 8"


def _contradictions(recipe: Recipe) -> Iterator[str]:
    default: dict[str, Any] = {item.name: item.default for item in fields(recipe)}
    for key, other in _NEEDS.items():
        if getattr(recipe, key) != default[key] and not getattr(recipe, other):
            absent = {"()": "empty", "True": "false"}.get(repr(default[other]), "0")
            yield f"{key} = {getattr(recipe, key)!r} means nothing while {other} is {absent}"
    for key, (other, values) in _BELONGS.items():
        value, chosen = getattr(recipe, key), getattr(recipe, other)
        if value != default[key] and chosen not in values:
            yield (
                f"{key} = {value!r} means nothing with {other} = {chosen!r}; it is for "
                f"{other} {' or '.join(values)}"
            )
    distributes = ("chromanet", "eccv16")
    if recipe.loss == "distribution" and recipe.network not in distributes:
        yield (
            f"loss 'distribution' is for network {' or '.join(distributes)}; {recipe.network} "
            "gives a single answer: set loss to l1, l2 or huber"
        )
    if recipe.teachers and recipe.loss != "distribution":
        yield f"teachers tell a distribution, which loss {recipe.loss!r} has no use for"
    if recipe.loss != "distribution" and recipe.network == "eccv16":
        yield f"loss {recipe.loss!r}: eccv16 gives a distribution; use tanhnet, the same blocks"
    if recipe.network == "fusionnet" and recipe.embedding == "learned":
        wanted = recipe.classification > 0 and recipe.labels == "classifier" and "labels"
    else:
        wanted = recipe.network == "fusionnet" and "embedding"
    wanted = wanted or (recipe.perceptual > 0 and "perceptual")
    if wanted and recipe.encoder == "none":
        yield f"{wanted} needs a pretrained encoder: set encoder to lite0, lite1 or lite2"
    # What class weights raised, the loss takes out before it judges, and a network not always.
    if recipe.network == "chromanet" and recipe.uniform:
        yield (
            f"uniform = {recipe.uniform!r}: chromanet is decoded by the prior without a uniform "
            "share; it is for network eccv16"
        )
    if recipe.network == "eccv16" and (recipe.regression or recipe.edges):
        yield (
            "regression and edges judge colours that eccv16 is not decoded to; set both to 0 as "
            "in configs/train/eccv16.toml, or use network chromanet"
        )
    if recipe.classification and recipe.network != "fusionnet":
        yield "classification is of an embedding, which network fusionnet alone has"
    if recipe.critic_from > recipe.adversary_from:
        yield "adversary_from must not come before critic_from: the critic would know nothing"
