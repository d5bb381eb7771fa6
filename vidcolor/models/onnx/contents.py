"""What an ONNX file holds and refers to, found without any library that would run it.

ONNX files are protocol buffers (protobuf.dev, "Encoding"); the numbers of their fields are those of
onnx.proto. Only what decides on whether the file may be opened is read: where the arrays are, and
in which version of the language the network is written.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vidcolor.disk import real
from vidcolor.errors import ModelError

_NEWEST = 26
"""The newest version of ONNX's operators we let through. OpenVINO would take those of a later one,
which may have changed their meaning, for what they were."""

_PARTS = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
}
"""By message, the fields that lead on to what is looked for."""


@dataclass(slots=True)
class _Found:
    graphs: int = 0
    opsets: dict[str, int] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)


def survey(path: Path) -> tuple[Path, ...]:
    """The files besides ``path`` in which the network's arrays lie.

    Raises ModelError for a file that is missing, damaged or no ONNX, is written in a version we do
    not know, or names a file that is missing or outside its own folder.
    """
    found = _Found()
    try:
        with path.open("rb") as file:
            # Never closed by hand: the traceback of an error still holds parts of it.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        _look(memoryview(data), "model", found)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not an ONNX file, or a damaged one: {error}") from error
    if not found.graphs or "" not in found.opsets:
        raise ModelError(f"{path}: not an ONNX file: it holds no network")
    if found.opsets[""] > _NEWEST:
        raise ModelError(
            f"{path}: written in opset {found.opsets['']} of ONNX, which is newer than we know "
            f"({_NEWEST}); export it with an older one"
        )
    return tuple(_inside(path, name) for name in dict.fromkeys(found.outside))


def _inside(path: Path, name: str) -> Path:
    """The file ``name`` beside ``path``, links resolved."""
    folder = path.resolve().parent
    try:
        file = real(folder / name)
        there = file.is_file()
    except (OSError, ValueError):
        there, file = False, folder
    if not file.is_relative_to(folder):
        raise ModelError(f"{path}: not opened: it names a file outside its folder: {name!r}")
    if not there:
        raise ModelError(f"{path}: the file {name!r}, which holds part of it, is missing")
    return file


def _look(message: memoryview, kind: str, found: _Found) -> None:
    found.graphs += kind == "graph"
    parts = _PARTS[kind]
    for place, value in _fields(message):
        inner = parts.get(place)
        if inner is None:
            continue
        if isinstance(value, int):
            raise ValueError(f"a number where a part of its {kind} should be")
        if inner == "opset":
            pair = dict(_fields(value))
            version = pair.get(2, 0)
            domain = _text(pair.get(1, b""))
            own = domain in ("", "ai.onnx")
            found.opsets["" if own else domain] = version if isinstance(version, int) else 0
        elif inner == "external":
            entry = dict(_fields(value))
            if _text(entry.get(1, b"")) == "location":
                found.outside.append(_text(entry.get(2, b"")))
        else:
            _look(value, inner, found)


def _text(value: int | memoryview | bytes) -> str:
    if isinstance(value, int):
        raise ValueError("a number where a name should be")
    return bytes(value).decode()


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of every field. Raises ValueError where the message ends before they do."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("it is no protocol buffer")
        if at + size > end:
            raise ValueError("it ends before its contents do")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at ``at``, and where the next begins."""
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("it ends before its contents do")
