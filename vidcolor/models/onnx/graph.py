"""ONNX networks as OpenVINO's graphs: read, their ports found, made for one size of picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidcolor.errors import ModelError
from vidcolor.models.onnx.description import INPUTS, Description
from vidcolor.models.runtime import load_openvino


@dataclass(frozen=True, slots=True)
class Graph:
    """``model`` is an ``openvino.Model``, ``output`` the number of its output that is used.

    ``size`` is (height, width) of the picture it wants, None where it takes any.
    """

    model: Any
    output: int
    size: tuple[int, int] | None


def read_model(path: Path) -> Any:
    """The ``openvino.Model`` in an ONNX file. Raises ModelError where it cannot be run."""
    try:
        openvino = load_openvino()
    except ImportError as error:
        raise ModelError(f"{path}: ONNX files need OpenVINO: pip install openvino") from error
    try:
        # By its own reader: asked in general, others look at a file that this one refuses, and
        # write to stderr what they think of it.
        reader = openvino.frontend.FrontEndManager().load_by_framework("onnx")
        return reader.convert(reader.load(str(path)))
    except Exception as error:  # Its errors have no common type but Exception.
        raise ModelError(f"{path}: OpenVINO cannot run it: {last_line(error)}") from error


def prepare(path: Path, model: Any, description: Description) -> Graph:
    """Find what ``description`` speaks of. Raises ModelError where it is not there."""
    given, answered = description.input, description.output
    if len(model.inputs) != 1:
        raise ModelError(f"{path}: has {len(model.inputs)} inputs; only one, the picture, is known")
    _find(path, model.inputs, given.name, "input")
    number = _find(path, model.outputs, answered.name, "output")
    shape = model.input(0).partial_shape
    return Graph(model, number, description.size or fixed_size(shape, given.layout))


def fixed_size(shape: Any, layout: str) -> tuple[int, int] | None:
    """Height and width of a picture of that partial shape, if both are fixed."""
    if shape.rank.is_dynamic or len(shape) != 4:
        return None
    height, width = (shape[place] for place in ((2, 3) if layout == "NCHW" else (1, 2)))
    if height.is_dynamic or width.is_dynamic:
        return None
    return height.get_length(), width.get_length()


def sized(graph: Graph, description: Description, size: tuple[int, int]) -> Any:
    """A copy of the network for one picture of ``size``, which takes and gives float32.

    Raises RuntimeError when it cannot have that size.
    """
    side = description.input
    channels = INPUTS[side.kind]
    shape = [1, channels, *size] if side.layout == "NCHW" else [1, *size, channels]
    copy = graph.model.clone()
    copy.reshape({copy.input(0): shape})
    openvino = load_openvino()
    typed = openvino.preprocess.PrePostProcessor(copy)
    typed.input(0).tensor().set_element_type(openvino.Type.f32)
    typed.output(graph.output).tensor().set_element_type(openvino.Type.f32)
    return typed.build()


def last_line(error: BaseException) -> str:
    """Where OpenVINO says what went wrong, below where in its sources that was."""
    lines = [line.strip("- ") for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def _find(path: Path, ports: Any, name: str | None, which: str) -> int:
    names = [sorted(port.names) for port in ports]
    if name is None and len(names) == 1:
        return 0
    for number, own in enumerate(names):
        if name in own:
            return number
    known = ", ".join(own[0] for own in names if own)
    wrong = f"has no {which} {name!r}" if name else f"has several {which}s"
    raise ModelError(f"{path}: {wrong}; name one in {path.with_suffix('.toml').name}: {known}")
