"""``vidcolor eval PHOTOS``: how near models' colours come to true ones, and how steady."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from vidcolor.disk import real
from vidcolor.errors import UsageError

from .flags import Tiles
from .options import build_settings, tile_flags
from .reports import check_place, check_report
from .signals import heed


def evaluate(
    photos: Annotated[list[Path], Argument(help="Folders, tar files or lists of photos; clips.")],
    model: Annotated[
        list[str] | None,
        Option(help="A model's name, or a checkpoint; several are compared.  [default: default]"),
    ] = None,
    device: Annotated[str, Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    tiles: Tiles = None,
    short_side: Annotated[int | None, Option(help="Of the network's picture, in pixels.")] = None,
    limit: Annotated[
        int | None, Option(min=1, help="Only so many photos, and frames of each clip.")
    ] = None,
    hints: Annotated[
        bool, Option("--hints", help="Also with 1 to 100 random points of the true colour.")
    ] = False,
    json: Annotated[
        Path | None,
        Option("--json", "--report", metavar="FILE.json", help="Each photo's figures."),
    ] = None,
    html: Annotated[
        Path | None, Option(metavar="FILE.html", help="A page with figures, plots and pictures.")
    ] = None,
    flow: Annotated[
        Path | None, Option(metavar="FILE|FOLDER", help="Motion to judge clips by, as NAME.npz.")
    ] = None,
    flicker: Annotated[
        Path | None, Option(metavar="FILE.mp4", help="One clip alone, steadied, difference × 8.")
    ] = None,
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace what is there; earlier reports are anyway.")
    ] = False,
) -> None:
    """Turn photos grey, colour them, and compare with the truth: PSNR, colourfulness and more.

    Of clips also how steady the colours are, frame by frame and as a film.
    """
    from vidcolor.evaluate.compare import Options, compare, label_models
    from vidcolor.evaluate.page import build_page
    from vidcolor.models.blend import open_colorizer
    from vidcolor.textfile import TextFile

    names = model or ["default"]
    given = {"device": device, "short_side": short_side, "tiles": tile_flags(tiles)}
    color = build_settings("default", None, given, {}).color
    outputs = [path for path in (json, html, flicker) if path is not None]
    if len(set(map(real, outputs))) < len(outputs):
        raise UsageError("--json, --html, --flicker: two of them name one file; give two names")
    with ExitStack() as stack:
        for path in outputs:
            check = check_place if overwrite else check_report
            check(path, *photos, *([flow] if flow is not None else []))
        # Opened before the work: nobody should wait an hour to learn that a disk is read-only.
        files = {path: stack.enter_context(TextFile(path)) for path in (json, html) if path}
        colorizers = [open_colorizer(name, device, color.tiles, warn=_warn) for name in names]
        options = Options(limit, hints, html is not None, color.short_side, flow, flicker)
        models = list(zip(label_models(names), colorizers, strict=True))
        found = compare(models, photos, options, _tell, _warn)
        if json is not None:
            files[json].write(found.to_json())
        if html is not None:
            files[html].write(build_page(found))
    # Whoever reads this may stop reading, which is no reason to lose the reports.
    print(found.to_text())


def _tell(done: int) -> None:
    heed()
    if done % 100 == 0:
        print(f"{done} pictures", file=sys.stderr, flush=True)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)
