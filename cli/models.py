"""``vidcolor models``: which networks there are; ``vidcolor models pull NAME`` fetches one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from typer import Argument, Context, Option, Typer

app = Typer(invoke_without_command=True, rich_markup_mode=None)

Shown = Callable[[int, int | None], None]


@app.callback()
def models(context: Context) -> None:
    """List the models that --model knows by name.

    Where the folder lies can be set with VIDCOLOR_MODELS; files put there by hand count too.
    """
    if context.invoked_subcommand is None:
        from vidcolor.models.catalog import to_text

        print(to_text())


@app.command()
def pull(
    name: Annotated[str, Argument(help="Which one.", metavar="NAME")],
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Download a model; goes on where an earlier download was interrupted."""
    from vidcolor.models.pull import find_entry, pull

    model = find_entry(name)
    note: Callable[[str], None] = (lambda line: None) if quiet else _say
    note(f"{model.name}: {model.title}; licence {model.licence}; {model.source}")
    with _bar(shown=not quiet and sys.stderr.isatty()) as progress:
        path = pull(model, progress, note)
    print(path)


@contextmanager
def _bar(*, shown: bool) -> Iterator[Shown]:
    if not shown:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
