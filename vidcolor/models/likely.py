"""Which colours a network holds for likely at a place: the peaks of its distribution there.

The default network answers with a distribution over ab (Zhang, Isola and Efros, "Colorful Image
Colorization", 2016), of which a film gets an annealed mean. Where a thing may have several colours
the mean is none of them; the peaks are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import ModelError
from vidcolor.models.blend import first_of
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.registry import find_model, read_model
from vidcolor.models.runtime import load_openvino

Float32: TypeAlias = NDArray[np.float32]

_APART = 14.0
"""Units of ab within which two nodes are of one colour to the eye, under one light."""
_LEAST = 0.01
"""Share of the distribution that a colour must have."""
_AROUND = 1
"""Cells of the distribution, a quarter of the picture's pixels, on each side of the place that have
a say too."""


@dataclass(frozen=True, slots=True)
class LikelyColor:
    """One colour that a place may have, and its ``share`` of all that it may have, 0 … 1."""

    a: float
    b: float
    share: float


class LikelyColors:
    """The distribution of a network of the default kind, on the CPU; kept for one picture.

    ``model`` is a known name or a checkpoint's path; for any other kind of network the default one
    is asked. Raises ModelError.
    """

    def __init__(self, model: str = "default") -> None:
        # Of two that are mixed, the default one too.
        architecture, self._checkpoint = read_model(find_model(first_of(model)))
        if architecture.name != "chromanet":
            architecture, self._checkpoint = read_model(find_model("default"))
        if architecture.name != "chromanet":
            raise ModelError(
                "the default model has no distribution that could be asked for colours"
            )
        self._nodes = np.asarray(self._checkpoint.state["nodes"], np.float32)
        self._config = NetConfig.from_dict(self._checkpoint.config)
        self._ready: tuple[tuple[int, ...], Any] | None = None

    def at(
        self, lightness: Float32, place: tuple[float, float], count: int = 6
    ) -> list[LikelyColor]:
        """The likeliest colours at ``place`` (x, y), in shares of the picture ``lightness`` (h, w)
        L*, sides multiples of 32: at most ``count``, the likeliest first."""
        shares = self.shares(lightness)
        height, width, _ = shares.shape
        row = min(int(place[1] * height), height - 1)
        column = min(int(place[0] * width), width - 1)
        rows = slice(max(0, row - _AROUND), row + _AROUND + 1)
        columns = slice(max(0, column - _AROUND), column + _AROUND + 1)
        found = peaks(shares[rows, columns].mean((0, 1)), self._nodes, count)
        return [self._vivid(it) for it in found]

    def _vivid(self, it: LikelyColor) -> LikelyColor:
        times = self._config.vividness(math.hypot(it.a, it.b))
        return replace(it, a=it.a * times, b=it.b * times)

    def shares(self, lightness: Float32) -> Float32:
        """The distribution (h/4, w/4, Q) over the nodes; its sum is 1 everywhere."""
        if self._ready is None or self._ready[0] != lightness.shape:
            self._ready = (lightness.shape, self._prepare(*lightness.shape))
        found = self._ready[1](np.ascontiguousarray(lightness, np.float32)[None, None])
        return np.asarray(found, np.float32)

    def _prepare(self, height: int, width: int) -> Any:
        try:
            openvino = load_openvino()
        except ImportError:
            return self._prepare_torch()
        from vidcolor.models.chromanet.graph import build_shares

        graph = build_shares(self._checkpoint.state, self._checkpoint.config, height, width)
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        request = openvino.Core().compile_model(graph, "CPU", settings).create_infer_request()

        def run(lightness: Float32) -> Any:
            request.infer([lightness])
            return request.get_output_tensor(0).data[0]

        return run

    def _prepare_torch(self) -> Any:
        import torch

        from vidcolor.models.chromanet import load

        net = load(self._checkpoint.state, self._checkpoint.config)

        def run(lightness: Float32) -> Any:
            with torch.inference_mode():
                logits = net(torch.from_numpy(lightness))
                logits = logits - net.config.rebalance * net.log_prior[:, None, None]
                return torch.softmax(logits, 1)[0].permute(1, 2, 0).numpy()

        return run


def peaks(shares: Float32, nodes: Float32, count: int) -> list[LikelyColor]:
    """The colours about which ``shares`` (Q,) of ``nodes`` (Q, 2) ab are gathered, at most
    ``count``: each the mean of the nodes near a peak, which the next ones go without."""
    far = np.square(nodes[:, None] - nodes[None]).sum(-1)
    near = np.exp(far / np.float32(-2 * (_APART / 2) ** 2))
    left = np.array(shares, np.float32)
    found: list[LikelyColor] = []
    while len(found) < count:
        peak = int((near @ left).argmax())
        mine = far[peak] <= _APART**2
        share = float(left[mine].sum())
        if share < _LEAST:
            break
        a, b = (left[mine] @ nodes[mine]) / share
        found.append(LikelyColor(float(a), float(b), share))
        left[mine] = 0
    return sorted(found, key=lambda it: -it.share)
