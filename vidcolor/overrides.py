"""Named values put in place of a record's own: what they may be called, and of which type."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from vidcolor.errors import SettingsError

_ALIKE: Mapping[type, tuple[tuple[type, ...], Callable[[Any], Any]]] = MappingProxyType(
    {
        int: ((Integral,), int),
        float: ((Real,), float),
        Fraction: ((Real,), lambda value: Fraction(str(value))),
        str: ((os.PathLike,), os.fspath),
        Path: ((str,), Path),
        tuple: ((list,), tuple),
    }
)
"""Of a type, those whose values it can take, and how."""


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def override(part: Any, values: Mapping[str, Any], prefix: str, where: str) -> Any:
    """A copy of the dataclass ``part`` with ``values`` by name; ``where`` and ``prefix`` are what a
    message says of where they are from, and of which group.

    Raises SettingsError for an unknown name or a value of the wrong type.
    """
    return dataclasses.replace(part, **checked(type(part), values, prefix, where))


def checked(kind: type, values: Mapping[str, Any], prefix: str, where: str) -> dict[str, Any]:
    """``values`` as the fields of the dataclass ``kind`` are declared; otherwise as `override`."""
    hints = _hints(kind)
    found = {}
    for key, value in values.items():
        if key not in hints:
            names = ", ".join(sorted(hints))
            raise SettingsError(f"{where}: unknown key {prefix + key!r}; valid keys are {names}")
        found[key] = _coerce(value, hints[key], f"{where}: {prefix}{key}")
    return found


def as_declared(part: Any, where: str) -> dict[str, Any]:
    """The fields of ``part``, a dataclass, that were given as another type than is declared, as the
    declared one; of fields that are dataclasses, too. Raises SettingsError, as `override`."""
    found: dict[str, Any] = {}
    kind: Any = type(part)
    for key, hint in _hints(kind).items():
        given = getattr(part, key)
        value = _coerce(given, hint, f"{where}: {key}")
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = as_declared(value, f"{where}: {key}")
            value = dataclasses.replace(value, **inner) if inner else value
        if value is not given:
            found[key] = value
    return found


def beside(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` from the file ``path``, with the LUT and the checkpoint that they name as they lie
    beside it, where they do. The names of two models that are mixed stay as they are."""
    found = dict(values)
    for key in ("lut", "model"):
        name = found.get(key)
        # A model's name has no suffix, and means no file even where one is called so.
        if isinstance(name, str) and Path(name).suffix:
            with suppress(OSError, ValueError):  # Too long a name, or one with a null.
                if (path.parent / name).is_file():
                    found[key] = str(path.parent / name)
    return found


def _coerce(value: Any, hint: Any, where: str) -> Any:
    """What says the same does: a number of another kind that loses nothing, NumPy's included, a
    decimal for a Fraction, a path for its name or a name for its path, a list for a tuple; and so
    for what is in tuples and tables."""
    if hint is Any:
        return value
    if hint == Mapping[str, str]:
        if not isinstance(value, Mapping):
            raise SettingsError(f"{where} must be a table of options, not {value!r}")
        return {str(key): _option(item) for key, item in value.items()}
    members = hint.__args__ if isinstance(hint, UnionType) else (hint,)
    kinds = tuple(get_origin(kind) or kind for kind in members)
    found = _of_kinds(value, kinds, where)
    whole = next((kind for kind in members if isinstance(found, get_origin(kind) or ())), None)
    return found if whole is None else _inside(found, whole, where)


def _of_kinds(value: Any, kinds: tuple[Any, ...], where: str) -> Any:
    if isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds):
        return value
    for kind in () if isinstance(value, bool) else kinds:
        takes, make = _ALIKE.get(kind, ((), kind))
        if isinstance(value, takes):
            with suppress(ValueError, OverflowError):  # No number, or endless.
                return make(value)
    names = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
    raise SettingsError(f"{where} must be {names}, not {value!r}")


def _inside(found: Any, hint: Any, where: str) -> Any:
    """The items of a tuple, or the keys and values of a table, as ``hint`` has them."""
    inner = get_args(hint)
    if isinstance(found, Mapping):
        return {
            _coerce(key, inner[0], f"{where}: a key"): _coerce(item, inner[1], f"{where}: {key!r}")
            for key, item in found.items()
        }
    each = inner[:1] * len(found) if inner[-1] is ... else inner
    if len(each) != len(found):
        raise SettingsError(f"{where} must be {len(each)} values, not {found!r}")
    return tuple(
        _coerce(item, kind, f"{where}: item {number}")
        for number, (item, kind) in enumerate(zip(found, each, strict=True), 1)
    )


def _option(value: Any) -> str:
    """An encoder's option as FFmpeg writes it: TOML's true is its 1."""
    return str(int(value)) if isinstance(value, bool) else str(value)
