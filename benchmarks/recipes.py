"""All training recipes, trained equally long on the same photos, and compared on others.

    python benchmarks/recipes.py --photos SHARD_OR_FOLDER … --held val.tar --out FOLDER
        [--minutes 5] [--only gan,palette] [--no-table]

Networks are made small and see small crops, so that a few minutes of one core are something. A run
that was finished before is not trained again, so that --only may train them bit by bit; the table
and the picture are of all that are finished. Whoever starts from weights in its recipe starts here
without, but for ImageNet's encoders: equally long would mean nothing otherwise.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidcolor.evaluate.compare import Options, compare
from vidcolor.evaluate.metrics import rgb_of
from vidcolor.evaluate.photos import make_case, shown
from vidcolor.models.colorizer import Colorizer
from vidcolor.preview.grid import arrange
from vidcolor.shrink import working_size
from vidcolor.stills import jpeg
from vidcolor.train.heldout import square
from vidcolor.train.loop import train
from vidcolor.train.photos import load_photos
from vidcolor.train.recipe import Recipe, load_recipe

CONFIGS = Path(__file__).parent.parent / "configs" / "train"
NAMES = sorted({path.stem for path in CONFIGS.glob("*.toml")} - {"gpu", "finish"})
SHOWN, TILE = 8, 128
"""Photos in the picture, and their pixels a side."""


def small_recipe(name: str, chosen: argparse.Namespace) -> Recipe:
    """The recipe of that name, on one core for so many minutes."""
    changes = {
        "photos": chosen.photos,
        "run": str(chosen.out / name),
        "start_from": "",
        "minutes": chosen.minutes,
        "stages": [[0.0, chosen.side, chosen.batch]],
        "rate": chosen.rate,
        "warmup": 50,
        "ema": 0.99,
        "val_every": 0,
        "patience": 0,
        "gallery": False,
        "sheet_every": 0,
        "sheet_epochs": 0.0,
        "device": "cpu",
        "threads": 1,
    }
    plain = load_recipe(CONFIGS / f"{name}.toml", {"photos": chosen.photos})
    if plain.network != "chromanet":
        changes["width"] = chosen.width
    if plain.adversarial:
        changes["critic_width"] = chosen.width
    if plain.cache:
        changes["cache"] = str(chosen.out / "cache")
    return load_recipe(CONFIGS / f"{name}.toml", changes)


def seconds_a_picture(colorizer: Colorizer) -> float:
    """The median of several, one picture of 256 x 256 at a time."""
    lightness = np.random.default_rng(0).uniform(0, 100, (1, 256, 256)).astype(np.float32)
    colorizer.colors(lightness)
    spent = []
    for _ in range(7):
        begun = time.perf_counter()
        colorizer.colors(lightness)
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def write_grid(
    path: Path, models: Sequence[tuple[str, Colorizer]], chosen: argparse.Namespace
) -> None:
    """Rows of photos held out: grey, truth, then each recipe's."""
    photos = load_photos([chosen.pictures or chosen.held], TILE, limit=chosen.held_photos)
    count = min(SHOWN, len(photos.images))
    step = len(photos.images) // count
    size = working_size(TILE, TILE, Fraction(1), chosen.side)
    names = ["grey", "truth", *(name for name, _ in models)]
    tile = len(names) * (TILE + 4) + 100
    grid = arrange(count, len(names), (TILE, TILE), tile)
    sheet = grid.blank()
    for cell, image in enumerate(photos.images[::step][:count]):
        case = make_case(str(cell), square(image, TILE), size)
        pictures = [rgb_of(case.lab[..., 0], 0 * case.lab[..., 1:]), case.rgb]
        for _, colorizer in models:
            pictures.append(shown(case, colorizer.colors(case.lightness[None])[0])[1])
        panels = [np.rint(255 * picture).astype(np.uint8) for picture in pictures]
        grid.draw(sheet, cell, panels, names)
    path.write_bytes(jpeg(sheet, 85))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", action="append", required=True)
    parser.add_argument("--held", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, help="photos for the picture, instead of those")
    parser.add_argument("--held-photos", type=int, default=300)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--only", default=",".join(NAMES))
    parser.add_argument("--no-table", action="store_true", help="only train")
    chosen = parser.parse_args()
    for name in chosen.only.split(","):
        if not (chosen.out / name / "card.json").is_file():
            train(small_recipe(name, chosen), lambda line, name=name: print(name, line, flush=True))
    if chosen.no_table:
        return
    done = [name for name in NAMES if (chosen.out / name / "card.json").is_file()]
    models = [
        (name, Colorizer(str(chosen.out / name / "weights.safetensors"), "cpu")) for name in done
    ]
    found = compare(models, [chosen.held], Options(chosen.held_photos, short_side=chosen.side))
    print("| recipe | images | gain, dB | ab RMSE | colour | parameters | ms a picture |")
    print("|---|---|---|---|---|---|---|")
    for (name, colorizer), result in zip(models, found.results, strict=True):
        card = json.loads((chosen.out / name / "card.json").read_text(encoding="utf-8"))
        means = result.summary
        print(
            f"| {name} | {card['images_seen']} | {means['gain']:+.2f} | {means['ab_rmse']:.2f} | "
            f"{means['colorfulness_ratio']:.0%} | {card['parameters'] / 1e6:.2f} M | "
            f"{1000 * seconds_a_picture(colorizer):.0f} |",
            flush=True,
        )
    write_grid(chosen.out / "recipes.jpg", models, chosen)


if __name__ == "__main__":
    main()
