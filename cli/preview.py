"""``vidcolor preview FILE [OUTPUT]``: a film to look at before the work is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from vidcolor.errors import UsageError
from vidcolor.settings import load_settings

from .flags import (
    Config,
    Device,
    Fps,
    Hints,
    Limits,
    Lut,
    Model,
    Preset,
    Reference,
    Saturation,
    Sound,
    Tiles,
    Tint,
    Vibrance,
    Warmth,
)
from .options import (
    build_settings,
    look_flags,
    parse_range,
    tile_flags,
    with_limits,
    with_lists,
    with_range,
    with_rate,
)
from .progress import show_progress


def preview(
    file: Annotated[Path, Argument(help="The film.", metavar="FILE")],
    output: Annotated[
        Path | None,
        Argument(metavar="OUTPUT", help="A .jpg or .png; of a clip, an .mp4, .mov or .mkv."),
    ] = None,
    count: Annotated[int | None, Option(help="Stills on the sheet.  [default: 24]")] = None,
    shots: Annotated[Path | None, Option(metavar="FILE.json", help="One of each shot.")] = None,
    every_shot: Annotated[
        bool, Option("--every-shot", help="Find the shots first; reads all of the film.")
    ] = False,
    frames: Annotated[str | None, Option(metavar="A:B", help="A clip of these frames.")] = None,
    start: Annotated[str | None, Option(metavar="TIME", help="A clip from here on.")] = None,
    duration: Annotated[str | None, Option(metavar="TIME", help="A clip of this length.")] = None,
    fps: Fps = None,
    sound: Sound = None,
    split: Annotated[bool, Option("--split", help="A clip half before, half after.")] = False,
    compare: Annotated[
        list[str] | None,
        Option(metavar="MODEL", help="Another model, or a config .toml, beside; repeatable."),
    ] = None,
    width: Annotated[int, Option(min=320, max=16000, help="Of all, in pixels, at most.")] = 1920,
    preset: Preset = "default",
    config: Config = None,
    model: Model = None,
    device: Device = None,
    tiles: Tiles = None,
    saturation: Saturation = None,
    warmth: Warmth = None,
    tint: Tint = None,
    vibrance: Vibrance = None,
    lut: Lut = None,
    hints: Hints = None,
    reference: Reference = None,
    limits: Limits = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace OUTPUT.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Show FILE before and after: a sheet of stills, or a short clip with sound."""
    color = {"model": model, "device": device, "saturation": saturation}
    color["tiles"] = tile_flags(tiles)
    look = look_flags(warmth, tint, vibrance, lut)
    settings = build_settings(preset, config, color, {}, look=look)
    settings = with_lists(settings, shots, hints, reference)
    settings = with_range(settings, parse_range(frames, start, duration), overwrite=overwrite)
    settings = with_limits(with_rate(settings, fps, sound), limits, strict=False)
    clip = not settings.range.whole
    if clip and (count is not None or every_shot):
        raise UsageError("--count and --every-shot are for a sheet, which is of the whole film")
    if not clip and (hints or reference):
        raise UsageError(
            "--hints and --reference need motion; give --frames, or --start and --duration"
        )
    if split and not clip:
        raise UsageError("--split is for a clip; give --frames, or --start and --duration")
    ways = [(settings.color.model if not config else config[-1].stem, settings)]
    for item in compare or ():
        if item.endswith(".toml"):
            ways.append((Path(item).stem, load_settings(Path(item), settings)))
        else:
            ways.append((Path(item).name, settings.replace("color", model=item)))
    target = output or Path(f"{file.stem}-preview{'.mp4' if clip else '.jpg'}")
    from vidcolor.preview.clip import make_clip
    from vidcolor.preview.columns import Column
    from vidcolor.preview.sheet import SheetOptions, make_sheet

    columns = [Column(*way) for way in ways]
    with show_progress(quiet=quiet) as (progress, note):
        if clip:
            made = make_clip(
                file, target, columns, split=split, width=width, progress=progress, warn=note
            )
        else:
            options = SheetOptions(count, width, every_shot)
            made = make_sheet(file, target, columns, options, progress=progress, warn=note)
    if not quiet:
        print(f"{target}: {made} {'frame' if clip else 'still'}{'s' * (made != 1)}")
