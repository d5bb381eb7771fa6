"""Named values put in place of a record's own: what they may be called, and of which type."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from types import UnionType
from typing import Any, get_origin, get_type_hints

from vidcolor.errors import SettingsError


def override(part: Any, values: Mapping[str, Any], prefix: str, where: str) -> Any:
    """A copy of the dataclass ``part`` with ``values`` by name; ``where`` and ``prefix`` are what a
    message says of where they are from, and of which group.

    Raises SettingsError for an unknown name or a value of the wrong type.
    """
    hints = get_type_hints(type(part))
    checked = {}
    for key, value in values.items():
        if key not in hints:
            names = ", ".join(sorted(hints))
            raise SettingsError(f"{where}: unknown key {prefix + key!r}; valid keys are {names}")
        checked[key] = _coerce(value, hints[key], f"{where}: {prefix}{key}")
    return dataclasses.replace(part, **checked)


def _coerce(value: Any, hint: Any, where: str) -> Any:
    """A whole number does for a float or a Fraction; all else must fit exactly."""
    if hint == Mapping[str, str]:
        if not isinstance(value, Mapping):
            raise SettingsError(f"{where} must be a table of options, not {value!r}")
        return {str(key): _option(item) for key, item in value.items()}
    kinds = hint.__args__ if isinstance(hint, UnionType) else (hint,)
    kinds = tuple(get_origin(kind) or kind for kind in kinds)
    if isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        for kind in (float, Fraction):
            if kind in kinds:
                return kind(value)
    names = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
    raise SettingsError(f"{where} must be {names}, not {value!r}")


def _option(value: Any) -> str:
    """An encoder's option as FFmpeg writes it: TOML's true is its 1."""
    return str(int(value)) if isinstance(value, bool) else str(value)
