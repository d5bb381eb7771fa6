"""Whether a recipe's network can learn a single photo by heart: the first thing to ask of it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from vidcolor.device import processes
from vidcolor.errors import ModelError, UsageError
from vidcolor.models.registry import load_net
from vidcolor.train.heldout import Figures, HeldOut, square
from vidcolor.train.journal import Log
from vidcolor.train.loop import train
from vidcolor.train.recipe import Recipe
from vidcolor.train.sets import photo_sets

SIDE = 64
MOST = 0.35
"""The share of grey's ab error that may be left at the end."""


def check_sanity(recipe: Recipe, log: Log = print, steps: int = 300) -> Figures:
    """Train on the first photo alone, ``SIDE`` pixels a side and never varied, and measure on it.

    Network, loss, colour space and optimiser are the recipe's; the rate is 1e-3, so that a slow
    recipe shows in as many steps. Nothing is kept. Raises ModelError when more than ``MOST`` of the
    ab error of the grey photo is left: then the network, its loss or its data are wrong; UsageError
    where torchrun has started several processes, which one photo cannot be shared by.
    """
    if processes() > 1:
        raise UsageError("the sanity check learns one photo in one process; start it alone")
    first, _ = photo_sets(replace(recipe, limit=1, val_every=0), recipe.threads)
    photo = replace(first, images=(square(first.images[0], SIDE),))
    with tempfile.TemporaryDirectory() as folder:
        short = replace(
            recipe,
            run=folder,
            cache=folder if recipe.cache else "",
            steps=steps,
            minutes=0.0,
            stop_after=0.0,
            stages=((0.0, SIDE, 1),),
            rate=1e-3,
            warmup=10,
            last_rate=0.1,
            ema=0.9,
            vary=False,
            points=0.0,
            dense=0.0,
            val_every=0,
            sheet_every=0,
            sheet_epochs=0.0,
            threads=1,
        )

        def told(line: str) -> None:
            # Nothing that lies there is kept.
            if folder not in line:
                log(line)

        weights = train(short, told, photo)
        net, _ = load_net(Path(weights))
    found = HeldOut(photo, 1, SIDE).measure(net, torch.device("cpu"), torch.float32)
    left = found.rmse / max(found.grey_rmse, 1e-6)
    verdict = f"one photo by heart: {left:.0%} of the ab error is left after {steps} steps"
    if left > MOST:
        raise ModelError(
            f"{verdict}, more than {MOST:.0%}: look at the network, its loss and its rate"
        )
    log(f"{verdict}; {found.gain:+.2f} dB over grey: this recipe can learn")
    return found
