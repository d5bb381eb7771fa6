"""From flags to Settings: presets, config files and flags, in this order."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from fractions import Fraction
from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Any

from vidcolor.errors import SettingsError, UsageError
from vidcolor.hintlist import read_hints
from vidcolor.listfile import seconds
from vidcolor.references import find_references
from vidcolor.settings import RangeSettings, Settings, load_settings
from vidcolor.shots import with_shots


def presets() -> dict[str, Path]:
    """The presets by name."""
    folder = Path(str(files("vidcolor_configs")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_preset(name: str) -> Settings:
    """The settings of a preset. Raises SettingsError naming the known ones."""
    known = presets()
    if name not in known:
        raise SettingsError(f"--preset {name}: unknown; presets are {', '.join(known)}")
    return load_settings(known[name])


def build_settings(
    preset: str,
    configs: Sequence[Path] | None,
    color: dict[str, Any],
    encoder: dict[str, Any],
    fields: dict[str, Any] | None = None,
    look: dict[str, Any] | None = None,
) -> Settings:
    """Defaults, then the preset, the config files in their order, the flags that were given."""
    settings = load_preset(preset)
    for config in configs or ():
        settings = load_settings(config, settings)
    given = {name: value for name, value in encoder.items() if value is not None}
    base = settings.encoder.for_codec(given.get("codec"))
    if given.get("audio") is not None:
        given["audio"] = given["audio"].lower()
    given["options"] = {**base.options, **parse_options(given.get("options"))}
    settings = dataclasses.replace(settings, encoder=base).replace("encoder", **given)
    for group, flags in (("color", color), ("fields", fields or {}), ("look", look or {})):
        flags = {name: value for name, value in flags.items() if value is not None}
        settings = settings.replace(group, **flags)
    return settings


def parse_options(text: str | None, flag: str = "--encoder-options") -> dict[str, str]:
    """``k=v,k=v`` to a dict. Raises UsageError."""
    found = {}
    for item in (text or "").split(","):
        name, equals, value = item.partition("=")
        if item and not (equals and name.strip()):
            raise UsageError(f"{flag}: {item!r} is not key=value")
        if item:
            found[name.strip()] = value.strip()
    return found


def parse_range(frames: str | None, start: str | None, duration: str | None) -> RangeSettings:
    """``A:B`` frame numbers, half-open, and seconds or hh:mm:ss. Raises UsageError."""
    first, end = (None, None) if frames is None else _numbers("--frames", frames)
    return RangeSettings(first, end, _seconds("--start", start), _seconds("--duration", duration))


def _numbers(flag: str, text: str) -> tuple[int | None, int | None]:
    match = re.fullmatch(r"(\d*):(\d*)", text)
    if match is None or text == ":":
        raise UsageError(f"{flag} {text}: give first:end, such as 100:250, :250 or 100:")
    first, end = (int(part) if part else None for part in match.groups())
    return first, end


def _seconds(flag: str, text: str | None) -> Fraction | None:
    if text is None:
        return None
    found = seconds(text)
    if found is None:
        raise UsageError(f"{flag} {text}: give seconds, or hh:mm:ss, such as 90, 1:30 or 0:01:30.5")
    return found


def with_range(settings: Settings, crop: RangeSettings, *, overwrite: bool) -> Settings:
    """``settings`` for this range of the film."""
    return dataclasses.replace(settings, range=crop, overwrite=overwrite)


def with_decoder(settings: Settings, device: str | None) -> Settings:
    """``settings`` that have films decoded by ``device``, if one is given."""
    return settings if device is None else settings.replace("decoder", device=device)


_LONGEST_NUMBER = 18
"""Digits; of thousands, Python refuses to make or to show a number."""


def with_rate(settings: Settings, text: str | None, sound: Path | None = None) -> Settings:
    """``settings`` with the frame rate of numbered pictures, if one is given, and their sound.
    Raises UsageError."""
    return settings.replace(rate=None if text is None else parse_rate(text), sound=sound)


def parse_rate(text: str) -> Fraction:
    """``24``, ``24000/1001`` or what people write for it, ``23.976``. Raises UsageError."""
    try:
        rate = Fraction(text if len(text) < 2 * _LONGEST_NUMBER and "e" not in text.lower() else "")
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"--fps {text}: give frames per second, such as 24, 16.67, 23.976 or 24000/1001"
        ) from None
    # Television's rates are written down rounded.
    nominal = ceil(rate) * Fraction(1000, 1001)
    return nominal if rate.denominator > 1 and abs(rate - nominal) < Fraction(1, 200) else rate


def check_one(workers: int, cluster: str | None) -> None:
    """Raise UsageError where both are asked for help."""
    if cluster is not None and workers > 1:
        raise UsageError("--workers and --cluster: give one of them")


def with_limits(settings: Settings, text: str | None, *, strict: bool) -> Settings:
    """``settings`` with the limits that are given as ``k=v,k=v``. Raises UsageError."""
    limits: dict[str, Any] = {"strict": True} if strict else {}
    for name, value in parse_options(text, "--limits").items():
        if not (value.isascii() and value.isdecimal() and len(value) < _LONGEST_NUMBER):
            raise UsageError(f"--limits: {name} must be a whole number, not {value!r}")
        limits[name] = int(value)
    return settings.replace("limits", **limits)


def with_lists(
    settings: Settings, shots: Path | None, hints: Path | None, reference: Path | None
) -> Settings:
    """``settings`` that go by a shot list, by the hints of a file, and by a still or a folder of
    them."""
    if shots is not None:
        settings = with_shots(settings, shots)
    if hints is not None:
        settings = settings.replace(hints=read_hints(hints))
    if reference is not None:
        settings = settings.replace(references=find_references(reference))
    return settings


def with_keep(settings: Settings, text: str | None) -> Settings:
    """``settings`` that keep the film's own colour in the ranges of ``text``, or by ``auto``."""
    if text is None or text == "auto":
        return settings.replace(keep_color=text)
    ranges = [_numbers("--keep-colour", part) for part in text.split(",")]
    return settings.replace(keep_color=tuple((first or 0, end) for first, end in ranges))


def tile_flags(tiles: list[str] | None) -> str | None:
    """Several ``--tiles`` in one, as the setting has them."""
    return "+".join(tiles) if tiles else None


def look_flags(
    warmth: float | None, tint: float | None, vibrance: float | None, lut: Path | None
) -> dict[str, Any]:
    """The flags of the look, as `build_settings` takes them."""
    path = None if lut is None else str(lut)
    return {"warmth": warmth, "tint": tint, "vibrance": vibrance, "lut": path}
