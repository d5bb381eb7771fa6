"""A network in an ONNX file, run by OpenVINO on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import ModelError
from vidcolor.models.onnx.convention import Convention
from vidcolor.models.onnx.description import describe
from vidcolor.models.onnx.graph import Graph, last_line, prepare, read_model, sized
from vidcolor.models.onnx.recognise import recognise
from vidcolor.models.openvino_net import OpenVinoNet

Float32 = NDArray[np.float32]


class OnnxNet(OpenVinoNet):
    """Lightness in, ab out, by the ``convention`` of the network in ``graph``."""

    def __init__(self, graph: Graph, convention: Convention) -> None:
        super().__init__(lambda height, width, hinted: self.sized(height, width))
        self._graph, self._convention = graph, convention

    def sized(self, height: int, width: int) -> Any:
        """The ``openvino.Model`` for a picture of that size."""
        size = self._size((height, width))
        return sized(self._graph, self._convention.description, size)

    def _size(self, picture: tuple[int, ...]) -> tuple[int, int]:
        """(h, w) that the network is shown for a picture (h, w)."""
        if self._graph.size is not None:
            return self._graph.size
        multiple = self._convention.description.multiple
        height, width = (-(-side // multiple) * multiple for side in picture)
        return height, width

    def _given(self, lightness: Float32, hints: Float32 | None) -> list[Float32]:
        return [self._convention.picture(lightness, self._size(lightness.shape))]

    def _answer(self, request: Any, lightness: Float32) -> Float32:
        answer = request.get_output_tensor(self._graph.output).data[0]
        return self._convention.ab(answer, lightness)


def open_net(path: Path) -> OnnxNet:
    """The network in ``path``, described by the TOML file beside it or else by its shapes.

    Raises ModelError when OpenVINO is missing or cannot run the network, and when how to speak to
    it is not known or does not fit.
    """
    model = read_model(path)
    beside = path.with_suffix(".toml")
    description = describe(beside) if beside.is_file() else recognise(path, model)
    convention = Convention.beside(path, description)
    graph = prepare(path, model, description)
    net = OnnxNet(graph, convention)
    try:
        shape = net.sized(64, 64).output(graph.output).partial_shape
    except RuntimeError as error:
        raise ModelError(f"{path}: does not fit its description: {last_line(error)}") from error
    side, wanted = description.output, convention.channels
    channels = None if len(shape) != 4 else shape[1 if side.layout == "NCHW" else 3]
    if channels is None or (channels.is_static and channels.get_length() != wanted):
        raise ModelError(
            f"{path}: its output {shape} is not {wanted} channels in {side.layout}, as kind "
            f'"{side.kind}" has; describe it in {beside.name}'
        )
    return net
