"""3D look-up tables of colour, as grading programs write them: ``.cube`` files.

The format is Adobe's (*Cube LUT Specification* 1.0, 2013): the size, the outputs with red running
fastest, and what else the header holds. Tables of single channels are refused: they cannot tell
one colour from another, and so are for brightness, which is not ours to change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SettingsError

Float32: TypeAlias = NDArray[np.float32]

LARGEST = 129
"""Points along each side at most; usual are 17, 33 and 65."""
_BOUNDS = {"DOMAIN_MIN": 3, "DOMAIN_MAX": 3, "LUT_3D_INPUT_RANGE": 2}
"""Header lines of numbers, and how many. The last is DaVinci Resolve's: one domain for all."""


@dataclass(frozen=True, slots=True)
class Cube:
    """A table of ``size`` points a side: ``table`` is (size * size, size, 3) float32 of R, G and B
    less those that go in, rows by blue and then green, columns by red; ``low`` and ``high`` are the
    inputs it spans.

    Differences, because OpenCV looks up at 1/32 of the way between two points, no finer.
    """

    size: int
    table: Float32
    low: Float32
    high: Float32

    def apply(self, rgb: Float32) -> Float32:
        """What becomes of (h, w, 3) float32 R'G'B', linear between the points. Inputs beyond the
        table count as on its border."""
        last = self.size - 1
        rgb = np.clip(rgb, self.low, self.high)
        at = (rgb - self.low) / (self.high - self.low) * np.float32(last)
        red, green, blue = (np.ascontiguousarray(at[..., channel]) for channel in range(3))
        slab = np.minimum(np.floor(blue), last - 1)
        row = green + slab * self.size
        lower, upper = (
            cv2.remap(self.table, red, where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for where in (row, row + self.size)
        )
        return np.asarray(rgb + lower + (upper - lower) * (blue - slab)[..., None], np.float32)


def read_cube(path: Path) -> Cube:
    """Read a ``.cube`` file. Raises SettingsError, which names the file and what is wrong."""
    try:
        # Titles and comments are in whatever encoding their writer had.
        return _parse(path.read_text(encoding="utf-8-sig", errors="replace"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot read this LUT: {error.strerror}") from error
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def _parse(text: str) -> Cube:
    size, bounds, rows = 0, {"DOMAIN_MIN": [0.0] * 3, "DOMAIN_MAX": [1.0] * 3}, []
    for number, line in enumerate(text.splitlines(), 1):
        key, *words = line.split() or ["#"]
        if key.startswith("#") or key == "TITLE":
            continue
        if key == "LUT_1D_SIZE":
            raise SettingsError("a LUT of single channels; it takes a 3D one to change colours")
        if key == "LUT_3D_SIZE":
            size = int(words[0]) if len(words) == 1 and words[0].isdecimal() else 0
            if not 2 <= size <= LARGEST:
                raise SettingsError(f"line {number}: a LUT has 2 to {LARGEST} points a side")
        elif key in _BOUNDS:
            bounds[key] = _numbers(words, _BOUNDS[key], number)
        elif size:
            rows.append(_numbers([key, *words], 3, number))
        else:
            raise SettingsError(f"line {number}: not a .cube file: LUT_3D_SIZE must come first")
        if len(rows) > size**3 > 0:
            break
    if size == 0 or len(rows) != size**3:
        raise SettingsError(f"not a whole .cube file: {size}³ lines of colours should be in it")
    if "LUT_3D_INPUT_RANGE" in bounds:
        first, last = bounds["LUT_3D_INPUT_RANGE"]
        bounds = {"DOMAIN_MIN": [first] * 3, "DOMAIN_MAX": [last] * 3}
    low, high = (np.array(bounds[key], np.float32) for key in ("DOMAIN_MIN", "DOMAIN_MAX"))
    if not (low < high).all():
        raise SettingsError("its domain is empty")
    points = [np.linspace(*ends, size) for ends in zip(low, high, strict=True)]
    blue, green, red = np.meshgrid(*reversed(points), indexing="ij")
    table = np.array(rows) - np.stack([red, green, blue], -1).reshape(-1, 3)
    return Cube(size, table.astype(np.float32).reshape(size * size, size, 3), low, high)


def _numbers(words: list[str], count: int, line: int) -> list[float]:
    try:
        found = [float(word) for word in words]
    except ValueError:
        found = []
    if len(found) != count or not np.isfinite(found).all():
        raise SettingsError(f"line {line}: should be {count} numbers, not {' '.join(words)!r}")
    return found
