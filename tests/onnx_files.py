"""Small ONNX files, written byte by byte: that needs no package, and any fault can be put in.

The numbers are those of the fields in onnx.proto. A node is (operator, inputs, outputs, attributes)
and, for one that is not ONNX's own, its domain.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Shape = Sequence[int | str]
"""A word stands for a size that is open."""


def _varint(value: int) -> bytes:
    out = b""
    while True:
        value, low = value >> 7, value & 127
        out += bytes([low | 128 if value else low])
        if not value:
            return out


def _number(place: int, value: int) -> bytes:
    return _varint(place << 3) + _varint(value)


def part(place: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return _varint(place << 3 | 2) + _varint(len(data)) + data


def tensor(name: str, array: np.ndarray, outside: str | None = None) -> bytes:
    kind = 7 if array.dtype == np.int64 else 1
    data = array if kind == 7 else array.astype("<f4")
    head = b"".join(_number(1, size) for size in array.shape) + _number(2, kind) + part(8, name)
    if outside is None:
        return head + part(9, data.tobytes())
    return head + part(13, part(1, "location") + part(2, outside)) + _number(14, 1)


def _attribute(name: str, value: Any) -> bytes:
    if isinstance(value, float):
        rest = _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, 1)
    elif isinstance(value, int):
        rest = _number(3, value) + _number(20, 2)
    elif isinstance(value, str):
        rest = part(4, value) + _number(20, 3)
    else:
        rest = b"".join(_number(8, item) for item in value) + _number(20, 7)
    return part(1, name) + rest


def _value(name: str, shape: Shape) -> bytes:
    sizes = b"".join(
        part(1, part(2, size) if isinstance(size, str) else _number(1, size)) for size in shape
    )
    return part(1, name) + part(2, part(1, _number(1, 1) + part(2, sizes)))


@dataclass
class Onnx:
    """``input`` and ``output`` are (name, shape); ``outside`` is where one array's numbers are."""

    input: tuple[str, Shape]
    output: tuple[str, Shape]
    nodes: Sequence[tuple[Any, ...]]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    opset: int = 13
    outside: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        graph = b""
        for operator, inputs, outputs, attributes, *domain in self.nodes:
            node = b"".join(part(1, name) for name in inputs)
            node += b"".join(part(2, name) for name in outputs) + part(4, operator)
            node += b"".join(part(5, _attribute(*item)) for item in attributes.items())
            graph += part(1, node + b"".join(part(7, name) for name in domain))
        graph += part(2, "net")
        for name, array in self.arrays.items():
            graph += part(5, tensor(name, array, self.outside.get(name)))
        graph += part(11, _value(*self.input)) + part(12, _value(*self.output))
        own = {name for *_, name in (node for node in self.nodes if len(node) == 5)}
        opsets = [("", self.opset), *((name, 1) for name in sorted(own))]
        imports = b"".join(part(8, part(1, name) + _number(2, n)) for name, n in opsets)
        path.write_bytes(_number(1, 8) + part(7, graph) + imports)
        return path
