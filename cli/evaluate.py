"""``vidcolor eval PHOTOS``: how close models' colours come to those of photographs and clips."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from vidcolor.errors import UsageError

from .reports import check_report


def evaluate(
    photos: Annotated[
        list[Path], Argument(help="Folders, tar files or lists of photos; colour clips.")
    ],
    model: Annotated[
        list[str] | None,
        Option(help="A model's name, or a checkpoint; several are compared.  [default: default]"),
    ] = None,
    device: Annotated[str, Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
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
) -> None:
    """Turn photos grey, colour them, and compare with the truth: PSNR, colourfulness and more."""
    from vidcolor.evaluate.compare import Options, compare, label_models
    from vidcolor.evaluate.files import ReportFile
    from vidcolor.evaluate.page import build_page
    from vidcolor.models.colorizer import Colorizer

    names = model or ["default"]
    targets = [path for path in (json, html) if path is not None]
    if len(targets) == 2 and targets[0].resolve() == targets[1].resolve():
        raise UsageError(f"--json and --html both name {html}; give two names")
    with ExitStack() as stack:
        for path in targets:
            check_report(path, *photos)
        # Opened before the work: nobody should wait an hour to learn that a disk is read-only.
        files = {path: stack.enter_context(ReportFile(path)) for path in targets}
        colorizers = [Colorizer(name, device, warn=_warn) for name in names]
        options = Options(limit, hints, pictures=html is not None)
        models = list(zip(label_models(names), colorizers, strict=True))
        found = compare(models, photos, options, _tell, _warn)
        print(found.to_text())
        if json is not None:
            files[json].write(found.to_json())
        if html is not None:
            files[html].write(build_page(found))


def _tell(done: int) -> None:
    if done % 100 == 0:
        print(f"{done} pictures", file=sys.stderr, flush=True)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)
