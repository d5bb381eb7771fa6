"""What is known of every photo before training: what a classifier says, and which kind it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vidcolor.errors import ModelError, SettingsError
from vidcolor.models.fusionnet.classifier import SIDE, published
from vidcolor.models.lab import lab_from_rgb
from vidcolor.models.torch_state import load_file
from vidcolor.textfile import writing
from vidcolor.train.heldout import as_batch, square
from vidcolor.train.journal import Log
from vidcolor.train.photos import PhotoSet
from vidcolor.train.recipe import Recipe
from vidcolor.train.saved import write_tensors

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Known:
    """By the photo's number: ``embeddings`` (P, C) and ``labels`` (P,) int64, None where unused.

    ``kinds`` is how many labels there are.
    """

    embeddings: Tensor | None = None
    labels: Tensor | None = None
    kinds: int = 0


def find_out(recipe: Recipe, photos: PhotoSet, device: torch.device, log: Log) -> Known:
    """What the recipe wants to know of its photos.

    Raises SettingsError, ModelError and TargetError.
    """
    embeddings = labels = None
    kinds = 0
    if recipe.cache:
        embeddings = _embeddings(recipe, photos, recipe.embedding, device, log)
    if recipe.classification:
        folders = photos.folders or ("",) * len(photos.names)
        names = sorted(set(folders))
        if recipe.labels == "folders" and len(names) < 2:
            raise SettingsError(
                "labels = 'folders': all photos lie in one folder; give those of each kind one of "
                "their own, or take labels = 'classifier'"
            )
        if recipe.labels == "folders" or (recipe.labels == "auto" and len(names) > 1):
            labels = torch.tensor([names.index(folder) for folder in folders])
            kinds = len(names)
            log(f"labels: the folders of the photos, {kinds} of them")
        else:
            said = _embeddings(recipe, photos, "logits", device, log).argmax(1)
            known, labels = said.unique(return_inverse=True)
            kinds = len(known)
            log(f"labels: the best guesses of {recipe.encoder}, {kinds} kinds of photo")
    return Known(_on(embeddings, device), _on(labels, device), kinds)


def _on(table: Tensor | None, device: torch.device) -> Tensor | None:
    return None if table is None else table.to(device)


def _embeddings(
    recipe: Recipe, photos: PhotoSet, which: str, device: torch.device, log: Log
) -> Tensor:
    """What the classifier says of each photo's middle square, from the cache where it is there."""
    path = None
    if recipe.cache:
        folder = Path(recipe.cache)
        with writing(folder, "cache"):
            folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{which}-{_digest(recipe.encoder, photos)}.pt"
        if path.is_file():
            log(f"{which} of {len(photos.images)} photos: from {path}")
            return _read(path, len(photos.images))
    log(f"{which} of {len(photos.images)} photos: asking {recipe.encoder}")
    classifier = published(recipe.encoder).to(device)
    found = []
    for start in range(0, len(photos.images), _BATCH):
        squares = [square(image, SIDE) for image in photos.images[start : start + _BATCH]]
        lightness = lab_from_rgb(as_batch(squares).to(device).float() / 255)[:, :1]
        found.append(classifier.embedding(lightness, which).cpu())
    whole = torch.cat(found)
    if path is not None:
        write_tensors(path, {"embeddings": whole})
    return whole


def _digest(variant: str, photos: PhotoSet) -> str:
    """Of the classifier's name and all pixels, in their order."""
    digest = hashlib.blake2b(variant.encode(), digest_size=12)
    for image in photos.images:
        digest.update(str(image.shape).encode())
        digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _read(path: Path, count: int) -> Tensor:
    try:
        found: Tensor = load_file(path)["embeddings"]
        if len(found) != count:
            raise ValueError(f"{len(found)} photos")
    except Exception as error:  # Of a damaged file, whatever its bytes happen to mean.
        raise ModelError(f"{path}: broken; remove it and give the same command again") from error
    return found
