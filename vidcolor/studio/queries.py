"""What a request asks for, checked: its JSON object, the numbers of its query."""

from __future__ import annotations

import json
from collections.abc import Mapping
from reprlib import repr as brief
from typing import Any

from starlette.requests import Request

from vidcolor.errors import UsageError
from vidcolor.studio.faults import TooLargeError

_LARGEST = 1 << 20
"""Bytes of a request's JSON."""


async def json_of(request: Request, **kinds: type) -> dict[str, Any]:
    """The request's JSON object, whose values are of the ``kinds`` named. Raises UsageError, also
    for text that no file could hold: JSON can write half of a character."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST:
            raise TooLargeError("the request is too large")
    try:
        found = json.loads(body or b"{}")
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise UsageError(f"the request has {half!r} in a text, which is no character") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the request is not JSON: {error}") from error
    if not isinstance(found, Mapping):
        raise UsageError("the request must be a JSON object")
    for key, kind in kinds.items():
        if key in found and type(found[key]) is not kind:
            raise UsageError(f"{key} must be {kind.__name__}, not {found[key]!r}")
    return dict(found)


def frame_of(request: Request) -> int:
    """The number of the frame in the path. Raises UsageError."""
    return _whole("frame", request.path_params["frame"])


def whole_of(request: Request, name: str) -> int | None:
    """The whole number ``name`` of the query, None where it is not given. Raises UsageError."""
    text = request.query_params.get(name)
    return None if text is None else _whole(name, text)


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"{name} must be a whole number, not {brief(text)}")
    return int(text)


def share_of(request: Request, name: str) -> float:
    """The share ``name`` of the query, 0 … 1. Raises UsageError."""
    text = request.query_params.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise UsageError(f"{name} must be a share of the picture, 0 to 1, not {text!r}")
    return value
