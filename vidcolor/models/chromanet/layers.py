"""Layers of an OpenVINO graph, from the arrays of a ChromaNet's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidcolor.models.chromanet.config import HINT_CHANNELS

Float32 = NDArray[np.float32]
Node = Any
"""A value in the graph; OpenVINO's own types say little more."""

_MOST = 6.0
"""What units clamp their results to."""
_LEVELS = 63
"""The largest integer that stands for a weight, whose sign is apart; rounding may make it one more,
which two products of 8 bits have just room for in 16."""


class Layers:
    """Adds layers to a graph, and takes each array of the state exactly once.

    ``ops`` are OpenVINO's operations. Unless ``exact``, some convolutions multiply integers, see
    `unit`.
    """

    def __init__(self, ops: Any, state: Mapping[str, NDArray[Any]], exact: bool) -> None:
        self.ops = ops
        self._left = dict(state)
        self._exact = exact
        self._bounds = ops.constant(np.float32(0)), ops.constant(np.float32(_MOST))

    def take(self, name: str, *shape: int) -> Float32:
        """An array of the state as float32. Raises KeyError and ValueError."""
        if name not in self._left:
            raise KeyError(f"missing array {name}")
        value = self._left.pop(name)
        if value.shape != shape:
            raise ValueError(f"{name} has shape {value.shape}, expected {shape}")
        return np.asarray(value, np.float32)

    def finish(self) -> None:
        """Raises KeyError if the state holds anything that no part has taken."""
        if self._left:
            raise KeyError(f"unexpected arrays {', '.join(sorted(self._left))}")

    def unit(
        self,
        x: Node,
        name: str,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activate: bool = True,
        joined: bool = False,
        hints: Node | None = None,
        bounded: bool = False,
    ) -> Node:
        """A folded ConvUnit; ``joined`` if it takes hints beside its inputs. These are ``bounded``
        if they are results of other units, see `convolution`."""
        own = inputs // groups
        taken = own + HINT_CHANNELS if joined else own
        weight = self.take(f"{name}.conv.weight", outputs, taken, kernel, kernel)
        bias = self.take(f"{name}.conv.bias", outputs)
        weight, told = np.split(weight, [own], axis=1)
        # With a stride as TensorFlow pads: more at the end than at the beginning.
        extra = kernel - stride
        before = extra // 2
        if groups > 1:
            steps, begin, end = [stride, stride], [before, before], [extra - before] * 2
            filters = weight.reshape(groups, outputs // groups, inputs // groups, kernel, kernel)
            x = self.ops.group_convolution(x, self.constant(filters), steps, begin, end, [1, 1])
        else:
            x = self.convolution(
                x, weight, before, stride=stride, after=extra - before, bounded=bounded
            )
        if hints is not None:
            said = self.convolution(hints, told, before, stride=stride, after=extra - before)
            x = self.ops.add(x, said)
        x = self.ops.add(x, self.constant(bias.reshape(1, -1, 1, 1)))
        return self.ops.clamp(x, 0.0, _MOST) if activate else x

    def doubling_unit(
        self,
        x: Node,
        beside: Node,
        name: str,
        inputs: int,
        others: int,
        outputs: int,
        *,
        hints: Node | None,
        bounded: bool,
    ) -> Node:
        """A folded ConvUnit of 3x3 over ``x`` at twice its size, each pixel four times, ``beside``
        what has that size already, and hints.

        Of three neighbours in the doubled map two are the same pixel, so that filters of 2x2 over
        the map as it is do the same, one for each of the four pixels that become of one, in less
        than half the multiplications (compare Shi et al., "Real-time single image and video
        super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016).
        """
        weight = self.take(f"{name}.conv.weight", outputs, inputs + others + HINT_CHANNELS, 3, 3)
        bias = self.take(f"{name}.conv.bias", outputs)
        above, own, told = np.split(weight, [inputs, inputs + others], axis=1)
        height, width = beside.shape[2], beside.shape[3]
        x = self.convolution(x, halved(above), 1, bounded=bounded)
        # The filters' places begin half a pixel outside the map.
        x = self.ops.depth_to_space(x, "blocks_first", 2)
        begin, end = np.array([1, 1]), np.array([height + 1, width + 1])
        x = self.ops.slice(x, begin, end, np.array([1, 1]), np.array([2, 3]))
        x = self.ops.add(self.convolution(beside, own, 1, bounded=bounded), x)
        if hints is not None:
            x = self.ops.add(x, self.convolution(hints, told, 1))
        x = self.ops.add(x, self.constant(bias.reshape(1, -1, 1, 1)))
        return self.ops.clamp(x, 0.0, _MOST)

    def convolution(
        self,
        x: Node,
        weight: Float32,
        before: int,
        *,
        stride: int = 1,
        after: int | None = None,
        bounded: bool = False,
    ) -> Node:
        """``x`` under filters (outputs, inputs, k, k), with ``before`` and ``after`` (the same,
        unless given) rows and columns of zeros around it.

        Where ``x`` is ``bounded``, being the result of a unit, it and the filters are taken for
        integers of 8 and 7 bits: the filters of each output have a scale of their own (Jacob et
        al., "Quantization and training of neural networks for efficient integer-arithmetic-only
        inference", CVPR 2018). The scale of ``x`` need not be found out, as units end with a clamp.
        8 bits for both would overflow where a CPU adds up pairs of products in 16 bits.
        """
        after = before if after is None else after
        if bounded and not self._exact:
            x = self.ops.fake_quantize(x, *self._bounds, *self._bounds, 256)
            filters = self.integers(weight)
        else:
            filters = self.constant(weight)
        return self.ops.convolution(
            x, filters, [stride, stride], [before, before], [after, after], [1, 1]
        )

    def norm(self, x: Node, name: str, channels: int) -> Node:
        """LayerNorm over the last axis."""
        x = self.ops.mvn(x, np.array([-1]), True, 1e-5, "inside_sqrt")
        x = self.ops.multiply(x, self.constant(self.take(f"{name}.weight", channels)))
        return self.ops.add(x, self.constant(self.take(f"{name}.bias", channels)))

    def linear(self, x: Node, name: str, inputs: int, outputs: int) -> Node:
        """A linear layer over the last axis."""
        weight = self.constant(self.take(f"{name}.weight", outputs, inputs))
        bias = self.constant(self.take(f"{name}.bias", outputs))
        return self.ops.add(self.ops.matmul(x, weight, False, True), bias)

    def pointwise(self, x: Node, weight: Float32, bias: Float32) -> Node:
        """A linear layer (outputs, inputs) over the channels of a map."""
        x = self.convolution(x, weight[..., None, None], 0)
        return self.ops.add(x, self.constant(bias.reshape(1, -1, 1, 1)))

    def layer(self, x: Node, name: str, inputs: int, outputs: int) -> Node:
        """A linear layer of the state, over the channels of a map."""
        weight = self.take(f"{name}.weight", outputs, inputs)
        return self.pointwise(x, weight, self.take(f"{name}.bias", outputs))

    def constant(self, value: Float32) -> Node:
        # Given an array as an operand, OpenVINO would turn it into a list of Python's numbers.
        return self.ops.constant(np.ascontiguousarray(value, np.float32))

    def integers(self, filters: Float32) -> Node:
        """``filters`` (outputs, …) as integers of 7 bits and a scale for each output.

        What rounding takes from one place of a filter it gives to the next, so that the sum is
        right: neighbouring pixels are much alike, and so are errors of plain rounding over them.
        """
        scale = np.abs(filters).max(axis=(1, 2, 3), keepdims=True) / _LEVELS
        scale = np.maximum(scale, np.finfo(np.float32).tiny)
        places = (filters / scale).reshape(*filters.shape[:2], -1)
        whole = np.empty(places.shape, np.int8)
        left = np.zeros(places.shape[:2], np.float32)
        for place in range(places.shape[2]):
            left += places[..., place]
            rounded = np.rint(left)
            whole[..., place] = rounded
            left -= rounded
        integers = self.ops.convert(self.ops.constant(whole.reshape(filters.shape)), np.float32)
        return self.ops.multiply(integers, self.constant(scale))


def halved(filters: Float32) -> Float32:
    """What filters (outputs, inputs, 3, 3) over a doubled map are over the map itself: (4 outputs,
    inputs, 2, 2), for each output at the odd rows and columns of the doubled map first."""
    rows = [_paired(filters, 2, even=even) for even in (False, True)]
    return np.concatenate([_paired(row, 3, even=even) for row in rows for even in (False, True)])


def _paired(filters: Float32, axis: int, *, even: bool) -> Float32:
    """Three places along ``axis`` as two: those that fall on one pixel of the map, summed up."""
    first, second, third = np.split(filters, 3, axis)
    pair = (first, second + third) if even else (first + second, third)
    return np.concatenate(pair, axis)
