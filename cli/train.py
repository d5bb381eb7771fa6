"""``vidcolor train RECIPE``: train a network on photos."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def train(
    recipe: Annotated[Path, Argument(help="A TOML recipe; see configs/train.", metavar="RECIPE")],
    photos: Annotated[
        list[Path] | None, Option(help="Folder, tar or list of photos; may be repeated.")
    ] = None,
    run: Annotated[Path | None, Option(help="Folder for checkpoints, log and weights.")] = None,
    steps: Annotated[int | None, Option(min=1, help="Steps, instead of the recipe's.")] = None,
    minutes: Annotated[
        float | None, Option(min=0, help="End the schedule after this long.")
    ] = None,
    stop_after: Annotated[
        float | None,
        Option(min=0, help="End this call after so many minutes; the same command goes on."),
    ] = None,
    device: Annotated[str | None, Option(help="auto, cpu, cuda or cuda:N.")] = None,
    sanity: Annotated[
        bool, Option("--sanity", help="Only find out whether one 64x64 photo can be learned.")
    ] = False,
) -> None:
    """Train a network as RECIPE says, or go on where the same run was interrupted."""
    changes: dict[str, object] = {}
    if photos:
        changes["photos"] = [str(path) for path in photos]
    given = {
        "run": run,
        "steps": steps,
        "minutes": minutes,
        "stop_after": stop_after,
        "device": device,
    }
    for name, value in given.items():
        if value is not None:
            changes[name] = str(value) if isinstance(value, Path) else value

    from vidcolor.evaluate.gallery import write_gallery
    from vidcolor.train.loop import train as run_training
    from vidcolor.train.recipe import load_recipe
    from vidcolor.train.sanity import check_sanity

    log = functools.partial(print, flush=True)
    chosen = load_recipe(recipe, changes)
    if sanity:
        check_sanity(chosen, log)
        return
    weights = run_training(chosen, log)
    page = write_gallery(chosen, weights)
    if page is not None:
        log(f"wrote {page}")
