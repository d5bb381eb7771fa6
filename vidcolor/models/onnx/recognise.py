"""How to speak to an ONNX network that nobody described, as far as its shapes tell.

One channel in and two or 313 out are ECCV16 and what came after it: L* to a*b* or to scores of its
colours. Released for Caffe and OpenCV it takes L* - 50 and answers at a quarter of the size; as
exported from PyTorch it takes L* and answers at full size. Three in and two out are DDColor's
exports: grey to a*b*. Three in and three out make pictures of pictures, in a range that is tried.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vidcolor.errors import ModelError
from vidcolor.models.onnx.convention import Convention
from vidcolor.models.onnx.description import Description, Side
from vidcolor.models.onnx.graph import fixed_size, last_line, prepare, sized
from vidcolor.models.runtime import load_openvino

_CLASSES = 313
_SIZE = (64, 64)
"""What a network that takes any size is tried with."""
_RANGES: tuple[tuple[float, tuple[float, ...], tuple[float, ...]], ...] = (
    (1, (0,), (1,)),
    (255, (0,), (1,)),
    (1, (0.5,), (0.5,)),
    (1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
)
"""(scale, mean, std) that pictures are commonly given in: shares, codes, -1 … 1 and ImageNet's."""
_NEAR = 0.1
"""A colour picture's luma lies so near to that of the grey one it was made from, on average."""


def recognise(path: Path, model: Any) -> Description:
    """A description of ``model``, read from ``path``. Raises ModelError where none is sure."""
    found = _by_shapes(path, model)
    if found is not None:
        return found
    shapes = [str(port.partial_shape) for port in (*model.inputs, *model.outputs)]
    raise ModelError(
        f"{path}: cannot tell from its shapes ({' '.join(shapes)}) how to use it; say so in "
        f"{path.with_suffix('.toml').name}, such as "
        'input = { kind = "lightness", mean = 50 } and, on a line of its own, '
        'output = { kind = "ab" }; see docs/models.md'
    )


def _by_shapes(path: Path, model: Any) -> Description | None:
    if len(model.inputs) != 1:
        return None
    entry, layout = _channels(model.input(0).partial_shape, (1, 3))
    fitting = []
    for port in model.outputs:
        count, form = _channels(port.partial_shape, (2, 3, _CLASSES))
        if count:
            fitting.append((port, count, form))
    if not entry or len(fitting) != 1:
        return None
    port, count, form = fitting[0]
    name = port.any_name if len(model.outputs) > 1 else None
    if entry == 3:
        grey = Side("grey", layout=layout)
        if count == 2:
            return Description(grey, Side("ab", name, form))
        return _tried(path, model, grey, Side("rgb", name, form)) if count == 3 else None
    if count == 2:
        centred = Description(Side("lightness", layout=layout), Side("ab", name, form))
        full = _answer_size(path, model, centred) == _picture_size(model, layout)
        mean = 0.0 if full else 50.0
        return Description(Side("lightness", layout=layout, mean=(mean,)), centred.output)
    if count == _CLASSES:
        last = port.get_node().input_value(0).get_node().get_type_name()
        side = Side("lightness", layout=layout, mean=(50.0,))
        return Description(side, Side("bins", name, form), probabilities=last == "Softmax")
    return None


def _channels(shape: Any, wanted: tuple[int, ...]) -> tuple[int, str]:
    """How many of the ``wanted`` channels a picture of that shape has, and its layout; or 0."""
    if shape.rank.is_static and len(shape) == 4:
        for place, layout in ((1, "NCHW"), (3, "NHWC")):
            if shape[place].is_static and shape[place].get_length() in wanted:
                return shape[place].get_length(), layout
    return 0, ""


def _picture_size(model: Any, layout: str) -> tuple[int, int]:
    return fixed_size(model.input(0).partial_shape, layout) or _SIZE


def _answer_size(path: Path, model: Any, description: Description) -> tuple[int, int] | None:
    graph = prepare(path, model, description)
    try:
        ready = sized(graph, description, _picture_size(model, description.input.layout))
    except RuntimeError as error:
        raise ModelError(f"{path}: OpenVINO cannot run it: {last_line(error)}") from error
    return fixed_size(ready.output(graph.output).partial_shape, description.output.layout)


def _tried(path: Path, model: Any, grey: Side, rgb: Side) -> Description | None:
    """With the range in which a grey ramp comes back most nearly as light as it was."""
    size = _picture_size(model, grey.layout)
    ramp = np.tile(np.linspace(5, 95, size[1], dtype=np.float32), (size[0], 1))
    given = Description(grey, rgb)
    graph = prepare(path, model, given)
    try:
        ready = sized(graph, given, size)
        run = load_openvino().Core().compile_model(ready, "CPU")
    except RuntimeError as error:
        raise ModelError(f"{path}: OpenVINO cannot run it: {last_line(error)}") from error
    found, least = None, _NEAR
    for scale, mean, std in _RANGES:
        tried = Description(
            Side("grey", None, grey.layout, scale, mean, std),
            Side("rgb", rgb.name, rgb.layout, scale, mean, std),
        )
        convention = Convention(tried)
        answer = run([convention.picture(ramp, size)])[graph.output][0]
        off = convention.off(answer, ramp)
        if off < least:
            found, least = tried, off
    return found
