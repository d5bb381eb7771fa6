"""``vidcolor studio [FILE]``: a local page to set colours, shots and looks by eye."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from vidcolor.errors import UsageError
from vidcolor.report import visible

from .flags import Config, Device, Model
from .options import build_settings, presets


def _from_anywhere(model: str) -> str:
    """A model's name; a checkpoint's as other folders know it too."""
    return str(Path(model).absolute()) if Path(model).is_file() else model


def studio(
    file: Annotated[Path | None, Argument(help="The film to begin with.", metavar="FILE")] = None,
    folder: Annotated[
        Path | None, Option(help="What the page may read and write; else that of FILE, or this.")
    ] = None,
    port: Annotated[
        int | None, Option(min=1, max=65535, help="Else 8765, or the next that is free.")
    ] = None,
    host: Annotated[str, Option(help="The address to be reached under.")] = "127.0.0.1",
    upload_limit: Annotated[int, Option(min=1, metavar="MB", help="Of films sent to it.")] = 4096,
    browser: Annotated[bool, Option("--browser", help="Open the page in a browser.")] = False,
    config: Config = None,
    model: Model = None,
    device: Device = None,
) -> None:
    """Open a page in which to look through FILE, set hints, shots and looks, and colour it.

    It is served to this machine alone, and fetches nothing from anywhere. What is set there is
    saved beside the film, in the files that --shots, --hints, --reference and --config take.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError("the studio needs more: pip install 'vidcolor[studio]'") from error
    from vidcolor.studio.serve import Place, serve

    color = {"model": model, "device": device}
    known = {name: build_settings(name, config, color, {}) for name in presets()}

    def opened(address: str) -> None:
        if browser:
            import webbrowser

            webbrowser.open(address)

    serve(
        folder or (Path() if file is None else file.absolute().parent),
        file,
        known,
        Place(host, port),
        upload_limit=upload_limit * 10**6,
        say=lambda line: print(visible(line), file=sys.stderr, flush=True),
        opened=opened,
        given=[
            *(word for path in config or () for word in ("--config", str(path.absolute()))),
            *(() if model is None else ("--model", _from_anywhere(model))),
            *(() if device is None else ("--device", device)),
        ],
    )
