"""What HDR film says beside its colour tags: read from the source, handed to encoders that take it.

PyAV cannot put such data into a stream, so it goes through the encoders' own options into their bit
streams (SEI messages, metadata OBUs), where players look for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import av
from av.sidedata.sidedata import SideData

from vidcolor.errors import SourceError
from vidcolor.frames import LightMetadata
from vidcolor.media.fields import chain, pull, shape_of

_DYNAMIC = {
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
}
_UNTAGGED = 2
_MASTERING = struct.Struct("=20i2i")
"""FFmpeg's AVMasteringDisplayMetadata: x and y of red, green, blue and white, least and greatest
luminance, each a fraction; whether the first eight and the last two are known."""
_OPTION = {
    "libx265": ("x265-params", "master-display", "max-cll"),
    "libx264": ("x264-params", "mastering-display", "cll"),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light"),
}


def side_data(frame: av.VideoFrame) -> dict[str, bytes]:
    """What a decoded frame carries beside the picture, by FFmpeg's names of the kinds; no colour
    profile."""
    # A profile's name belongs to the frame, and PyAV frees it as well: looking at one, as PNG has
    # them, ends the process sooner or later.
    sieve = chain(shape_of(frame), ("sidedata", "mode=delete:type=ICC_PROFILE"))
    sieve.push(frame)
    (safe,) = pull(sieve)
    try:
        # The stubs take it for a mapping; it iterates over its values.
        entries = cast(Iterator[SideData], iter(safe.side_data))
        return {entry.type.name: bytes(entry) for entry in entries}
    except ValueError:
        return {}  # PyAV gives up on a frame that also carries a kind of data unknown to it.


def light_metadata(frame: av.VideoFrame, path: Path) -> LightMetadata | None:
    """The HDR metadata of the film ``path``, from its first frame; None if there is none.

    Raises SourceError for Dolby Vision whose picture means nothing without its metadata.
    """
    found = side_data(frame)
    dynamic = tuple(sorted({name for kind, name in _DYNAMIC.items() if kind in found}))
    if "Dolby Vision" in dynamic and int(frame.color_trc) == _UNTAGGED:
        # Profile 5: I, Ct, Cp codes of its own kind, which it does not and cannot tag.
        raise SourceError(
            f"{path}: Dolby Vision without a picture for ordinary players (profile 5) cannot be "
            "coloured; convert it to HDR10 or SDR first"
        )
    mastering = _mastering(found.get("MASTERING_DISPLAY_METADATA", b""))
    content = found.get("CONTENT_LIGHT_LEVEL", b"")
    light = cast(tuple[int, int], struct.unpack("=2I", content)) if len(content) == 8 else None
    if mastering or light or dynamic:
        return LightMetadata(mastering, light, dynamic)
    return None


def light_options(
    encoder: str, light: LightMetadata | None
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The encoder's option that carries ``light``, and one line for what it cannot carry."""
    if light is None:
        return {}, ()
    lost = list(light.dynamic)
    options: dict[str, str] = {}
    values = _values(encoder, light)
    if encoder in _OPTION:
        key, *names = _OPTION[encoder]
        words = [f"{name}={value}" for name, value in zip(names, values, strict=True) if value]
        options = {key: ":".join(words)} if words else {}
    else:
        lost += ["mastering display"] if light.mastering else []
        lost += ["content light level"] if light.content else []
    if not lost:
        return options, ()
    return options, (f"HDR metadata is left out, {encoder} cannot take it: {', '.join(lost)}",)


def _mastering(data: bytes) -> tuple[float, ...] | None:
    if len(data) != _MASTERING.size:
        return None
    numbers = _MASTERING.unpack(data)
    parts = list(zip(numbers[:20:2], numbers[1:20:2], strict=True))
    if not all(numbers[20:]) or any(below == 0 for _, below in parts):
        return None
    return tuple(above / below for above, below in parts)


def _values(encoder: str, light: LightMetadata) -> tuple[str, str]:
    """Both values as the encoder writes them; empty for what there is not."""
    content = "" if light.content is None else "{},{}".format(*light.content)
    if light.mastering is None:
        return "", content
    # SVT-AV1 takes plain numbers, the others whole ones of 1/50000, and 1/10000 cd/m2.
    plain = encoder == "libsvtav1"
    steps = [1.0] * 10 if plain else [50_000.0] * 8 + [10_000.0] * 2
    scaled = [value * step for value, step in zip(light.mastering, steps, strict=True)]
    red, green, blue, white, (least, greatest) = (
        [f"{value:.5g}" if plain else str(round(value)) for value in scaled[i : i + 2]]
        for i in range(0, 10, 2)
    )
    corners = zip(("G", "B", "R", "WP"), (green, blue, red, white), strict=True)
    named = "".join(f"{name}({x},{y})" for name, (x, y) in corners)
    return f"{named}L({greatest},{least})", content
