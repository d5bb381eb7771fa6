"""A network run by OpenVINO on the CPU: quick to start, small in memory, and free of PyTorch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidcolor.device import cores
from vidcolor.models.runtime import load_openvino

Float32 = NDArray[np.float32]

_KEPT = 8
"""Compiled networks kept, one for each size with and without hints; each has its own weights."""


class OpenVinoNet:
    """``build`` makes the graph for (height, width, hinted): one picture, and hints if hinted.

    As many pictures are under way at a time as this process has cores, each on one of them: split
    over several, a picture waits for whichever core is busy with decoding or encoding. Precision is
    the graph's own, ``dtype`` in words, also where the CPU knows a shorter one. Raises ImportError
    where OpenVINO is missing.
    """

    def __init__(self, build: Callable[[int, int, bool], Any], dtype: str = "float32") -> None:
        self._build = build
        self._dtype = dtype
        self._openvino = load_openvino()
        self._core = self._openvino.Core()
        self._compiled: OrderedDict[tuple[int, int, bool], Any] = OrderedDict()

    @property
    def description(self) -> dict[str, str]:
        """For reports: what runs the network, where, and in which precision."""
        version = self._openvino.__version__.partition("-")[0]
        return {"engine": f"openvino {version}", "device": "cpu", "dtype": self._dtype}

    def prepare(self, height: int, width: int) -> None:
        """Compile the network for pictures of that size without hints."""
        self._requests(height, width, hinted=False)

    def run(self, lightness: Float32, hints: Float32 | None = None) -> Float32:
        """``lightness`` (N, h, w) and ``hints`` (N, 3, h, w) to ab (N, 2, h/s, w/s) float32."""
        count, height, width = lightness.shape
        requests = self._requests(height, width, hints is not None)
        ab: list[Float32] = [np.empty(0, np.float32)] * count
        # A failed picture must not leave others running into arrays that are gone.
        begun = 0
        try:
            for number in range(count):
                request = requests[number % len(requests)]
                if number >= len(requests):
                    self._collect(request, ab, number - len(requests), lightness)
                told = None if hints is None else hints[number]
                request.start_async(self._given(lightness[number], told))
                begun = number + 1
        finally:
            for number in range(max(0, begun - len(requests)), begun):
                self._collect(requests[number % len(requests)], ab, number, lightness)
        return np.stack(ab)

    def _collect(self, request: Any, ab: list[Float32], number: int, lightness: Float32) -> None:
        request.wait()
        ab[number] = self._answer(request, lightness[number])

    def _given(self, lightness: Float32, hints: Float32 | None) -> list[Float32]:
        """What the graph is given for one picture (h, w), and hints (3, h, w)."""
        told = [] if hints is None else [np.ascontiguousarray(hints, np.float32)[None]]
        return [np.ascontiguousarray(lightness, np.float32)[None, None], *told]

    def _answer(self, request: Any, lightness: Float32) -> Float32:
        """The ab (2, h/s, w/s) in a request that is done."""
        # A copy, as the request will be used again.
        return np.array(request.get_output_tensor(0).data[0])

    def _requests(self, height: int, width: int, hinted: bool) -> list[Any]:
        key = (height, width, hinted)
        if key not in self._compiled:
            if len(self._compiled) == _KEPT:
                self._compiled.popitem(last=False)
            self._compiled[key] = self._compile(*key)
        self._compiled.move_to_end(key)
        requests: list[Any] = self._compiled[key]
        return requests

    def _compile(self, height: int, width: int, hinted: bool) -> list[Any]:
        count = cores()
        settings = {
            "NUM_STREAMS": count,
            "INFERENCE_NUM_THREADS": count,
            "INFERENCE_PRECISION_HINT": "f32",
            # Bound to a core, a thread waits for it also while another is idle.
            "ENABLE_CPU_PINNING": False,
        }
        model = self._build(height, width, hinted)
        compiled = self._core.compile_model(model, "CPU", settings)
        return [compiled.create_infer_request() for _ in range(count)]
