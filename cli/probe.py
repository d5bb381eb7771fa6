"""``vidcolor probe FILE``: what is known of a film."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from vidcolor.report import visible
from vidcolor.settings import Settings

from .flags import Limits
from .options import with_limits


def probe(
    file: Annotated[Path, Argument(help="The film.", metavar="FILE")],
    limits: Limits = None,
    as_json: Annotated[bool, Option("--json", help="For programs.")] = False,
) -> None:
    """Print what is known of a film: picture, timing, colour tags, all other streams."""
    from vidcolor.media.probe import probe as look

    info = look(file, with_limits(Settings(), limits, strict=False).limits)
    values = dataclasses.asdict(info)
    del values["surface"]  # It is of a job alone.
    if as_json:
        print(json.dumps(values, indent=2, default=str))
        return
    values["fields"] = info.fields or "progressive"
    others = values.pop("others")
    metadata = values.pop("metadata")
    for name, value in values.items():
        print(f"{name.replace('_', ' '):<22}{visible(_plain(value))}")
    for stream in others:
        print(f"{'stream ' + str(stream.pop('index')):<22}{visible(_plain(stream))}")
    for key, value in metadata.items():
        print(visible(f"{'metadata ' + key:<21} {value}"))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items() if item not in (None, ""))
    if isinstance(value, Fraction):
        return f"{value} ({float(value):.6g})" if value.denominator > 1 else str(value)
    return "unknown" if value is None else str(value)
