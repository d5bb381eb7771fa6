"""``vidcolor eval PHOTOS``: how close a model's colours come to those of colour photographs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .reports import write_report


def evaluate(
    photos: Annotated[list[Path], Argument(help="Folders, tar files or lists of photos.")],
    model: Annotated[str, Option(help="A model's name, or a checkpoint.")] = "default",
    device: Annotated[str, Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    limit: Annotated[int | None, Option(min=1, help="Only so many photos.")] = None,
    report: Annotated[
        Path | None, Option(metavar="FILE.json", help="Each photo's figures.")
    ] = None,
) -> None:
    """Turn photos grey, colour them, and compare with the truth: PSNR, colourfulness and more."""
    from dataclasses import asdict

    from vidcolor.evaluate.photos import evaluate as score_photos
    from vidcolor.evaluate.photos import summarise
    from vidcolor.models.colorizer import Colorizer

    def tell(done: int) -> None:
        if done % 100 == 0:
            print(f"{done} photos", file=sys.stderr, flush=True)

    colorizer = Colorizer(model, device)
    scores = score_photos(colorizer, photos, limit, tell)
    summary = summarise(scores)
    for name, value in summary.items():
        print(f"{name.replace('_', ' '):<24}{value:9.3f}")
    if report is not None:
        values = {
            "model": colorizer.description,
            "summary": summary,
            "photos": [asdict(item) for item in scores],
        }
        write_report(report, json.dumps(values, indent=1))
