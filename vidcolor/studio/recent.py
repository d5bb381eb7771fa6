"""What was looked at last, kept; and networks that need not be asked the same thing twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Generic, TypeVar

from vidcolor.models.colorizer import Colorizer, Float32
from vidcolor.models.features import Features

Value = TypeVar("Value")

_KEPT = 64
"""Answers that are kept, and features: some half a megabyte each."""


class Recent(Generic[Value]):
    """The ``size`` values that were asked for last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of ``key``, made if it is not there."""
        if key not in self._values:
            self._values[key] = make()
            if len(self._values) > self._size:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]

    def clear(self) -> None:
        self._values.clear()


class RecentColors(Colorizer):
    """``colorizer``, remembering what it said of single pictures: of several hinted frames in a
    shot, most have not changed since the last click."""

    def __init__(self, colorizer: Colorizer) -> None:
        self._colorizer = colorizer
        self._recent: Recent[Float32] = Recent(_KEPT)
        self.takes_hints = colorizer.takes_hints

    @property
    def description(self) -> dict[str, str]:
        return self._colorizer.description

    def prepare(self, height: int, width: int) -> None:
        """As `Colorizer.prepare`."""
        self._colorizer.prepare(height, width)

    def colors(self, lightness: Float32, hints: Float32 | None = None) -> Float32:
        """As `Colorizer.colors`."""
        if len(lightness) != 1:
            return self._colorizer.colors(lightness, hints)
        key = (_key(lightness), None if hints is None else _key(hints))
        return self._recent.get(key, lambda: self._colorizer.colors(lightness, hints))


class RecentFeatures(Features):
    """Features, remembered."""

    def __init__(self) -> None:
        super().__init__()
        self._recent: Recent[Float32] = Recent(_KEPT)

    def __call__(self, lightness: Float32) -> Float32:
        """As `Features`."""
        look = super().__call__
        return self._recent.get(_key(lightness), lambda: look(lightness))


def _key(values: Float32) -> Hashable:
    return values.shape, blake2b(values.tobytes(), digest_size=16).digest()
