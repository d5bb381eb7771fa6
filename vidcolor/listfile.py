"""What shot lists and hints files have in common: JSON files made to be edited by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from vidcolor.errors import SettingsError

List = TypeVar("List")

_CLOCK = re.compile(r"(?:(?:(\d{1,9}):)?(\d{1,9}):)?(\d{1,200}(?:\.\d{1,30})?)")


def read_list(path: Path, what: str, parse: Callable[[Any], List]) -> List:
    """What ``parse`` makes of the JSON value in ``path``. Raises SettingsError, which names the
    file and what is wrong with it; ``what`` is what it calls the file, such as "this list"."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise SettingsError(f"{path}: cannot read {what}: {error.strerror}") from error
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not a JSON file: {error}") from error


def check_format(value: Any, wanted: str, what: str) -> None:
    """Raise SettingsError unless ``value`` is a table that has this ``format``."""
    found = value.get("format") if isinstance(value, dict) else None
    if found != wanted:
        raise SettingsError(f'not {what}: its "format" must be {wanted!r}, not {found!r}')


def check_keys(item: Mapping[str, Any], valid: tuple[str, ...], where: str = "") -> None:
    """Raise SettingsError, which begins with ``where``, for a key that is not ``valid``."""
    for key in item:
        if key not in valid:
            raise SettingsError(f"{where}unknown key {key!r}; valid keys are {', '.join(valid)}")


def seconds(text: str) -> Fraction | None:
    """The seconds in ``90``, ``1:30`` or ``0:01:30.5``; None for anything else, as ``1:90``."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, rest = match.groups()
    if (hours and int(minutes) >= 60) or (minutes and Fraction(rest) >= 60):
        return None
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(rest)
