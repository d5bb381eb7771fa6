"""Batches in the order of their steps, made ahead in threads or on the device itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
import torch

from vidcolor.train.examples import Batch, Example, make_example
from vidcolor.train.network import augmentation
from vidcolor.train.photos import PhotoSet
from vidcolor.train.recipe import Recipe
from vidcolor.train.resident import ResidentPhotos

Progress: TypeAlias = Callable[[int], float]
"""The share of the schedule that is done when a step begins."""

_AHEAD = 4


def batches(
    first: int,
    photos: PhotoSet,
    recipe: Recipe,
    device: torch.device,
    progress: Progress,
    rows: slice = slice(None),
) -> Generator[tuple[int, Batch]]:
    """(step, batch) from step ``first`` on, without end, the batch on ``device``.

    A batch is a function of the recipe's seed and the step's number alone; ``rows`` are this
    process's share of it. Close the iterator to end its threads.
    """
    if lives_on(device, recipe.resident):
        return _resident(first, ResidentPhotos(photos, device), recipe, progress, rows)
    return _ahead(first, photos, recipe, device, progress, rows)


def lives_on(device: torch.device, resident: str) -> bool:
    """Whether the photos are to lie in the device's memory."""
    return resident == "on" or (resident == "auto" and device.type != "cpu")


def stage(recipe: Recipe, share: float) -> tuple[int, int]:
    """Crop size and batch size at this share of the schedule."""
    _, size, count = [item for item in recipe.stages if item[0] <= share][-1]
    return size, count


def collate(examples: list[Example], numbers: list[int]) -> Batch:
    """Examples of one size, of the photos with these numbers, to tensors."""
    return Batch(
        torch.from_numpy(np.stack([item.lightness for item in examples])),
        torch.from_numpy(np.stack([item.ab for item in examples])),
        torch.from_numpy(np.stack([item.hints for item in examples])),
        torch.tensor(numbers),
    )


def _resident(
    first: int, photos: ResidentPhotos, recipe: Recipe, progress: Progress, rows: slice
) -> Generator[tuple[int, Batch]]:
    step, augment = first, augmentation(recipe)
    while True:
        size, count = stage(recipe, progress(step))
        yield step, photos.batch(recipe.seed, step, size, count, augment, rows)
        step += 1


def _ahead(
    first: int,
    photos: PhotoSet,
    recipe: Recipe,
    device: torch.device,
    progress: Progress,
    rows: slice,
) -> Generator[tuple[int, Batch]]:
    """Batches made a few steps ahead, one thread to a batch.

    Threads, not processes: most of the time goes to OpenCV and numpy, which run without Python's
    lock, and threads share the decoded photos and hand over a batch without copying it. About a
    quarter is Python, so more than three or four threads gain little.
    """
    augment = augmentation(recipe)

    def make(step: int, size: int, count: int) -> Batch:
        examples, numbers = [], []
        # By picture, not by batch: however many processes share a batch, it stays the same.
        for row in range(count)[rows]:
            rng = np.random.default_rng((recipe.seed, step, row))
            numbers.append(int(rng.integers(len(photos.images))))
            examples.append(make_example(photos.images[numbers[-1]], size, augment, rng))
        return collate(examples, numbers)

    waiting: deque[tuple[int, Future[Batch]]] = deque()
    step = first
    pool = ThreadPoolExecutor(recipe.workers)
    try:
        while True:
            while len(waiting) < max(_AHEAD, 2 * recipe.workers):
                # By the batch's own step, not by the one just trained: a resumed run asks the same.
                size, count = stage(recipe, progress(step))
                waiting.append((step, pool.submit(make, step, size, count)))
                step += 1
            number, future = waiting.popleft()
            yield number, Batch(*(part.to(device, non_blocking=True) for part in future.result()))
    finally:
        pool.shutdown(cancel_futures=True)
