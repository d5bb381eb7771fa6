"""The best and the worst of the photos that a training run held out, as a page."""

from __future__ import annotations

import os
from pathlib import Path

from vidcolor.evaluate.compare import Options, compare
from vidcolor.evaluate.page import build_page
from vidcolor.models.colorizer import Colorizer
from vidcolor.textfile import write_text
from vidcolor.train.recipe import Recipe
from vidcolor.train.sets import photo_sets


def write_gallery(recipe: Recipe, weights: Path) -> Path | None:
    """Write ``gallery.html`` into the recipe's run, of its ``weights``, and return its path.

    None where the recipe wants none, the run is not at its end, no photo was held out, or this is
    not the first of several processes. Raises TargetError when it cannot be written, and what
    `compare` raises.
    """
    if not recipe.gallery or weights.suffix != ".safetensors" or os.environ.get("RANK", "0") != "0":
        return None
    _, held = photo_sets(recipe, recipe.threads)
    if held is None:
        return None
    colorizer = Colorizer(str(weights), recipe.device)
    found = compare([(recipe.network, colorizer)], held, Options(recipe.val_photos, pictures=True))
    path = Path(recipe.run) / "gallery.html"
    write_text(path, build_page(found), "gallery")
    return path
