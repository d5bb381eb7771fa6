"""How an ONNX network is spoken to: read from a TOML file beside it.

``model.toml`` describes ``model.onnx``::

    [input]
    kind = "lightness"   # L*, 0 … 100; or "grey": one grey in three channels, sRGB codes, 0 … 1
    mean = 50            # the network sees (value * scale - mean) / std; a number, or one a channel
    size = [224, 224]    # height and width, where the file does not fix them itself

    [output]
    kind = "ab"          # a* and b*; or "rgb", "bgr", "yuv" (BT.601, signed), "bins"

Both tables may have ``name`` (needed where there are several), ``layout`` (``"NCHW"`` or
``"NHWC"``), ``scale``, ``mean`` and ``std``; of an output these are undone. ``multiple`` of the
input is what its sides must be multiples of, instead of ``size``. Of pictures that come back, the
chroma alone is taken. ``bins`` are scores of colours, which the file named by ``bins`` lists, an
array of (n, 2) a* and b* as NumPy saves it; the answer is their annealed mean at ``temperature``
(Zhang, Isola and Efros, 2016), or the plain one where ``probabilities`` is true.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidcolor.errors import ModelError, SettingsError
from vidcolor.listfile import check_keys
from vidcolor.tomlfile import read_toml

BINS = "pts_in_hull.npy"
"""The colours of ECCV16's classes, under the name they were released with."""

INPUTS = {"lightness": 1, "grey": 3}
OUTPUTS = {"ab": 2, "rgb": 3, "bgr": 3, "yuv": 3, "bins": 0}
"""Kinds, and how many channels each has; of bins the file of colours tells how many there are."""

_LAYOUTS = ("NCHW", "NHWC")
_SIDE = ("name", "kind", "layout", "scale", "mean", "std")
_INPUT = (*_SIDE, "size", "multiple")
_OUTPUT = (*_SIDE, "bins", "temperature", "probabilities")


@dataclass(frozen=True, slots=True)
class Side:
    """An input or output: the network's number is (value * scale - mean) / std."""

    kind: str
    name: str | None = None
    layout: str = "NCHW"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True)
class Description:
    """``size`` is (height, width) of the picture the network wants, None for any multiple."""

    input: Side
    output: Side
    size: tuple[int, int] | None = None
    multiple: int = 32
    bins: str = BINS
    temperature: float = 0.38
    probabilities: bool = False


def describe(path: Path) -> Description:
    """The description in the TOML file ``path``. Raises ModelError, which names file and key."""
    try:
        table = read_toml(path, "description")
        check_keys(table, ("input", "output"), f"{path}: ")
        tables = []
        for side, keys in (("input", _INPUT), ("output", _OUTPUT)):
            values = table.get(side)
            if not isinstance(values, dict):
                raise SettingsError(f"{path}: a table [{side}] is missing; see docs/models.md")
            check_keys(values, keys, f"{path}: [{side}]: ")
            tables.append(values)
        given, answered = tables
        return Description(
            _side(given, INPUTS, f"{path}: [input]"),
            _side(answered, OUTPUTS, f"{path}: [output]"),
            **_size(given, f"{path}: [input]"),
            **_bins(answered, f"{path}: [output]"),
        )
    except SettingsError as error:
        raise ModelError(str(error)) from error


def _side(values: Mapping[str, Any], kinds: Mapping[str, int], where: str) -> Side:
    kind, layout = values.get("kind"), values.get("layout", "NCHW")
    if not isinstance(kind, str) or kind not in kinds:
        raise SettingsError(f"{where}: kind must be one of {', '.join(kinds)}, not {kind!r}")
    if layout not in _LAYOUTS:
        raise SettingsError(f"{where}: layout must be one of {', '.join(_LAYOUTS)}, not {layout!r}")
    name = values.get("name")
    if name is not None and not isinstance(name, str):
        raise SettingsError(f"{where}: name must be a text, not {name!r}")
    scale = _numbers(values, "scale", 1.0, where, (1,))
    counts = (1, kinds[kind])
    mean = _numbers(values, "mean", 0.0, where, counts)
    std = _numbers(values, "std", 1.0, where, counts)
    if 0 in (*scale, *std):
        raise SettingsError(f"{where}: scale and std must not be 0")
    return Side(kind, name, layout, scale[0], mean, std)


def _numbers(
    values: Mapping[str, Any],
    key: str,
    usual: float,
    where: str,
    counts: tuple[int, ...],
) -> tuple[float, ...]:
    value = values.get(key, usual)
    numbers = value if isinstance(value, list) else [value]
    if not all(map(_finite, numbers)) or len(numbers) not in counts:
        wanted = "a number" if counts == (1,) else "a number or a list of one for each channel"
        raise SettingsError(f"{where}: {key} must be {wanted}, not {value!r}")
    return tuple(float(number) for number in numbers)


def _size(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    size, multiple = values.get("size"), values.get("multiple", 32)
    if size is not None:
        sides = size if isinstance(size, list) else [size]
        if not all(map(_counts, sides)) or len(sides) not in (1, 2):
            raise SettingsError(f"{where}: size must be [height, width], not {size!r}")
        found["size"] = (sides[0], sides[-1])
    if not _counts(multiple):
        raise SettingsError(f"{where}: multiple must be a whole number, not {multiple!r}")
    return {**found, "multiple": multiple}


def _bins(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    name, certain = values.get("bins", BINS), values.get("probabilities", False)
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
        raise SettingsError(f"{where}: bins must be the name of a file beside it, not {name!r}")
    if not isinstance(certain, bool):
        raise SettingsError(f"{where}: probabilities must be true or false, not {certain!r}")
    (temperature,) = _numbers(values, "temperature", 0.38, where, (1,))
    if temperature <= 0:
        raise SettingsError(f"{where}: temperature must be above 0, not {temperature:g}")
    return {"bins": name, "temperature": temperature, "probabilities": certain}


def _finite(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value)


def _counts(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 4096
