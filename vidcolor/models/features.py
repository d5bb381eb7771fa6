"""What the default network's encoder sees in a picture, for finding the same thing in another.

The features of a network that was trained to tell things apart change little with pose, light and
noise (Long, Zhang, Darrell: Do Convnets Learn Correspondence?, 2014).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.device import cores
from vidcolor.errors import ModelError
from vidcolor.models.registry import find_model, read_model
from vidcolor.models.runtime import load_openvino

Float32: TypeAlias = NDArray[np.float32]

STEP = 8
"""Pixels of the picture from one feature to the next."""
_KEPT = 4
"""Sizes of picture for which a compiled encoder is kept."""


class Features:
    """The encoder of the default model, on the CPU. Raises ModelError."""

    def __init__(self) -> None:
        architecture, self._checkpoint = read_model(find_model("default"))
        if architecture.name != "chromanet":
            raise ModelError("the default model has no encoder whose features could be compared")
        self._runs: OrderedDict[tuple[int, ...], Callable[[Float32], list[Float32]]] = OrderedDict()

    def __call__(self, lightness: Float32) -> Float32:
        """``lightness`` (h, w) L*, multiples of 32, to (h/8, w/8, C) float32.

        The features of one place, C of them, have a length of 1: the product of two is how alike
        they are, at most 1.
        """
        size = lightness.shape
        if size not in self._runs:
            if len(self._runs) == _KEPT:
                self._runs.popitem(last=False)
            self._runs[size] = self._prepare(*size)
        eighth, sixteenth = self._runs[size](np.ascontiguousarray(lightness)[None, None])
        height, width, _ = eighth.shape
        coarse = np.asarray(cv2.resize(sixteenth, (width, height)), np.float32)
        joined = np.concatenate((unit(eighth), unit(coarse)), axis=-1)
        return unit(joined)

    def _prepare(self, height: int, width: int) -> Callable[[Float32], list[Float32]]:
        try:
            openvino = load_openvino()
        except ImportError:
            return self._prepare_torch()
        from vidcolor.models.chromanet.graph import build_encoder

        checkpoint = self._checkpoint
        graph = build_encoder(checkpoint.state, checkpoint.config, height, width)
        settings = {"INFERENCE_NUM_THREADS": cores(), "INFERENCE_PRECISION_HINT": "f32"}
        request = openvino.Core().compile_model(graph, "CPU", settings).create_infer_request()

        def run(lightness: Float32) -> list[Float32]:
            request.infer([lightness])
            return [_last(request.get_output_tensor(number).data[0]) for number in range(2)]

        return run

    def _prepare_torch(self) -> Callable[[Float32], list[Float32]]:
        import torch

        from vidcolor.models.chromanet import load

        encoder = load(self._checkpoint.state, self._checkpoint.config).encoder

        def run(lightness: Float32) -> list[Float32]:
            with torch.inference_mode():
                found = encoder(torch.from_numpy(lightness) / 50 - 1)[1:3]
            return [_last(item[0].numpy()) for item in found]

        return run


def _last(features: Float32) -> Float32:
    """(C, h, w) to (h, w, C), each channel about its own mean over the picture."""
    features = features - features.mean((1, 2), keepdims=True)
    return np.ascontiguousarray(features.transpose(1, 2, 0))


def unit(features: Float32) -> Float32:
    """Features (…, C) with a length of 1."""
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.maximum(length, np.float32(1e-6)), np.float32)
