"""TOML files, read with faults that name them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vidcolor.errors import SettingsError

_MOST = 2**63
"""TOML's whole numbers have 64 bits, but Python's reader takes any: those of hundreds of digits fit
into no float, those of thousands cannot even be printed."""


def read_toml(path: Path, kind: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises SettingsError, which calls it by its ``kind``."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot read this {kind}: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are.
        raise SettingsError(f"{path}: not a TOML file: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: not a TOML file: nested too deeply") from error
    for key, value in _values(table):
        if isinstance(value, int) and not -_MOST <= value < _MOST:
            raise SettingsError(f"{path}: {key}: no TOML number is this large")
    return table


def _values(item: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in tables and lists that is neither, and its key."""
    if isinstance(item, dict):
        for name, value in item.items():
            yield from _values(value, f"{key}.{name}" if key else name)
    elif isinstance(item, list):
        for value in item:
            yield from _values(value, key)
    else:
        yield key, item
