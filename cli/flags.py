"""Flags that several commands have, so that they are called and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

PRESETS = "default, fast, quality, share, small, edit or archive."

Preset = Annotated[str, Option(help=PRESETS)]
Config = Annotated[
    list[Path] | None,
    Option(help="A TOML file over the preset; repeatable, the later over the first."),
]
Model = Annotated[str | None, Option(help="A model's name, or a checkpoint.")]
Device = Annotated[str | None, Option(help="auto, cpu, cuda or cuda:N.")]
Fps = Annotated[str | None, Option(metavar="RATE", help="Of numbered pictures.")]
Sound = Annotated[Path | None, Option(help="Sound of numbered pictures.")]
Frames = Annotated[str | None, Option(metavar="A:B", help="Only these, end excluded.")]
Start = Annotated[str | None, Option(metavar="TIME", help="Seconds or hh:mm:ss.")]
Duration = Annotated[str | None, Option(metavar="TIME", help="Seconds or hh:mm:ss.")]
FieldOrders = Annotated[
    str | None, Option("--fields", help="auto, progressive, top or bottom first.")
]
Deinterlace = Annotated[bool, Option("--deinterlace", help="Make fields whole frames.")]
Limits = Annotated[str | None, Option(metavar="K=N[,K=N]", help="pixels, frames, streams.")]
Tiles = Annotated[
    list[str] | None,
    Option(
        metavar="SIZE:STRIDE",
        help="Show the network tiles; repeatable; see docs/tiles.md.",
    ),
]
Saturation = Annotated[float | None, Option(help="0 (grey) to 2; 1 as it comes.")]
Warmth = Annotated[float | None, Option(help="-1 (bluer) to 1 (yellower).")]
Tint = Annotated[float | None, Option(help="-1 (greener) to 1 (toward magenta).")]
Vibrance = Annotated[float | None, Option(help="-1 to 1: for dull colours, not skin.")]
Lut = Annotated[Path | None, Option(metavar="FILE.cube", help="A 3D LUT for colours.")]
Hints = Annotated[Path | None, Option(metavar="FILE.json", help="Known colours.")]
Reference = Annotated[Path | None, Option(help="A colour still, or a folder of them.")]
Cluster = Annotated[str | None, Option(metavar="auto|ADDRESS", help="Of Ray.")]
