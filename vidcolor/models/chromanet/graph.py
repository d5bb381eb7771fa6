"""ChromaNet as an OpenVINO graph, straight from the arrays of its checkpoint.

The same network as in `net`, folded, with the decoding at its end; parts have the same names. It is
written for one picture of a fixed size, which is what a film has: several pictures run beside each
other rather than as a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidcolor.models.chromanet.config import FAINT, HEADS, HINT_CHANNELS, MIDDLE, NetConfig
from vidcolor.models.chromanet.layers import Float32, Layers, Node
from vidcolor.models.runtime import load_openvino


def build(
    state: Mapping[str, NDArray[Any]],
    config: Mapping[str, Any],
    height: int,
    width: int,
    *,
    hinted: bool,
    exact: bool = False,
) -> Any:
    """An ``openvino.Model``: lightness (1, 1, height, width) L* to ab (1, 2, height/4, width/4).

    With ``hinted`` it has a second input, hints (1, 3, height, width) as in `ChromaNet`; without,
    what belongs to hints is left out, as they would all be 0. Height and width are multiples of 32.
    Unless ``exact``, the decoder's convolutions multiply integers, see `Layers.convolution`.

    Raises TypeError, KeyError, ValueError or RuntimeError when state and config do not fit exactly.
    """
    shape = NetConfig.from_dict(dict(config))
    openvino = load_openvino()
    graph = _Graph(openvino.opset13, state, exact)
    lightness = graph.ops.parameter([1, 1, height, width], np.float32, name="lightness")
    inputs = [lightness]
    hints = None
    if hinted:
        hints = graph.ops.parameter([1, HINT_CHANNELS, height, width], np.float32, name="hints")
        inputs.append(hints)
    ab = graph.decode(graph.network(shape, lightness, hints), shape)
    graph.finish()
    return openvino.Model([graph.ops.result(ab)], inputs, "chromanet")


def build_shares(
    state: Mapping[str, NDArray[Any]], config: Mapping[str, Any], height: int, width: int
) -> Any:
    """The distribution itself: an ``openvino.Model`` from lightness to the share of each of Q nodes
    (1, height/4, width/4, Q), at temperature 1. Without hints; otherwise as `build`."""
    shape = replace(NetConfig.from_dict(dict(config)), temperature=1.0)
    openvino = load_openvino()
    graph = _Graph(openvino.opset13, state, exact=True)
    lightness = graph.ops.parameter([1, 1, height, width], np.float32, name="lightness")
    shares, _ = graph.shares(graph.network(shape, lightness, None), shape)
    graph.finish()
    return openvino.Model([graph.ops.result(shares)], [lightness], "shares")


def build_encoder(
    state: Mapping[str, NDArray[Any]], config: Mapping[str, Any], height: int, width: int
) -> Any:
    """The encoder alone: an ``openvino.Model`` from lightness to its features at 1/8 and 1/16."""
    openvino = load_openvino()
    graph = _Graph(openvino.opset13, state, exact=True)
    lightness = graph.ops.parameter([1, 1, height, width], np.float32, name="lightness")
    features, _ = graph.encoder(graph.scaled(lightness), NetConfig.from_dict(dict(config)))
    outputs = [graph.ops.result(item) for item in features[1:3]]
    return openvino.Model(outputs, [lightness], "encoder")


class _Graph(Layers):
    """The network's parts."""

    def network(self, config: NetConfig, lightness: Node, hints: Node | None) -> Node:
        ops = self.ops
        features, channels = self.encoder(self.scaled(lightness), config)
        quarter, eighth, sixteenth, deepest = channels
        f4, f8, f16, f32 = features
        h4, h8, h16, h32 = self.pool_hints(hints)
        w32, w16, w8, w4 = config.widths
        context = ops.reduce_mean(f32, np.array([2, 3]), keep_dims=True)
        context = self.layer(context, "context.0", deepest, w32)
        context = self.layer(ops.relu(context), "context.2", w32, w32)
        x = ops.add(self.unit(f32, "bottom", deepest, w32, 3, joined=True, hints=h32), context)
        x = self.step(x, "step16", f16, h16, w32, sixteenth, w16, bounded=False)
        for number in range(config.attention):
            x = self.mixer(x, f"mixers.{number}", w16)
        x = self.step(x, "step8", f8, h8, w16, eighth, w8, bounded=not config.attention)
        return self.step(x, "step4", f4, h4, w8, quarter, w4, bounded=True)

    def scaled(self, lightness: Node) -> Node:
        """L* as the encoder wants it: -1 … 1."""
        return self.ops.subtract(self.ops.divide(lightness, np.float32(50)), np.float32(1))

    def encoder(self, x: Node, config: NetConfig) -> tuple[list[Node], list[int]]:
        """The features at 1/4, 1/8, 1/16 and 1/32 size, and their channels."""
        x = self.unit(x, "encoder.stem", 1, config.stem, 3, stride=2)
        features, channels = [], []
        number, scale, inputs = 0, 2, config.stem
        for repeats, kernel, first, expansion, outputs in config.stages:
            if first > 1:
                features.append(x)
                channels.append(inputs)
                scale *= first
            for repeat in range(repeats):
                stride = first if repeat == 0 else 1
                name = f"encoder.blocks.{number}"
                x = self.block(x, name, inputs, outputs, kernel, stride, expansion)
                number, inputs = number + 1, outputs
        if scale != 32:
            raise ValueError(f"the encoder must reduce by 32, not {scale}")
        # The first lies at half size, which the decoder has no use for.
        return [*features[1:], x], [*channels[1:], inputs]

    def block(
        self,
        x: Node,
        name: str,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        expansion: int,
    ) -> Node:
        hidden = inputs * expansion
        y = x if expansion == 1 else self.unit(x, f"{name}.expand", inputs, hidden, 1)
        y = self.unit(y, f"{name}.filter", hidden, hidden, kernel, stride=stride, groups=hidden)
        y = self.unit(y, f"{name}.project", hidden, outputs, 1, activate=False)
        return self.ops.add(x, y) if stride == 1 and inputs == outputs else y

    def step(
        self,
        x: Node,
        name: str,
        lateral: Node,
        hints: Node | None,
        inputs: int,
        laterals: int,
        outputs: int,
        *,
        bounded: bool,
    ) -> Node:
        """Double the size, join the encoder's features and the hints, and mix."""
        narrow = outputs // 2
        beside = self.unit(lateral, f"{name}.lateral", laterals, narrow, 1)
        x = self.doubling_unit(
            x,
            beside,
            f"{name}.first",
            inputs,
            narrow,
            outputs,
            hints=hints,
            bounded=bounded,
        )
        return self.unit(x, f"{name}.second", outputs, outputs, 3, bounded=True)

    def mixer(self, x: Node, name: str, channels: int) -> Node:
        """Self-attention over all places of a map, then a small perceptron."""
        ops = self.ops
        height, width = x.shape[2], x.shape[3]
        count = height * width
        places = ops.transpose(ops.reshape(x, [1, channels, count], False), [0, 2, 1])
        mixed = self.linear(
            self.norm(places, f"{name}.before", channels), f"{name}.mix", channels, 3 * channels
        )
        # Apart first and then transposed: one transposition of all five axes, as in `net`, comes
        # out wrong in OpenVINO 2026.4 where there are as many places as heads.
        query, key, value = (
            ops.transpose(
                ops.reshape(part, [1, count, HEADS, channels // HEADS], False), [0, 2, 1, 3]
            )
            for part in ops.split(mixed, 2, 3).outputs()
        )
        seen = ops.scaled_dot_product_attention(query, key, value)
        seen = ops.reshape(ops.transpose(seen, [0, 2, 1, 3]), [1, count, channels], False)
        places = ops.add(places, self.linear(seen, f"{name}.join", channels, channels))
        wide = self.linear(
            self.norm(places, f"{name}.between", channels), f"{name}.widen", channels, 2 * channels
        )
        narrow = self.linear(ops.gelu(wide, "erf"), f"{name}.narrow", 2 * channels, channels)
        places = ops.transpose(ops.add(places, narrow), [0, 2, 1])
        return ops.reshape(places, [1, channels, height, width], False)

    def shares(self, x: Node, config: NetConfig) -> tuple[Node, Float32]:
        """The distribution over the nodes at every place (1, h, w, Q), and the nodes (Q, 2)."""
        width = config.widths[-1]
        count = len(self._left["nodes"]) if "nodes" in self._left else 0
        nodes = self.take("nodes", count, 2)
        weight = self.take("head.weight", count, width, 1, 1)
        bias = self.take("head.bias", count) - np.float32(config.rebalance) * self.take(
            "log_prior", count
        )
        # Temperature and prior go into the head.
        sharp = np.float32(1 / config.temperature)
        logits = self.pointwise(x, weight[..., 0, 0] * sharp, bias * sharp)
        # Channels last, as OpenVINO keeps them anyway: along axis 1 it would copy the logits twice.
        return self.ops.softmax(self.ops.transpose(logits, [0, 2, 3, 1]), 3), nodes

    def decode(self, x: Node, config: NetConfig) -> Node:
        """The annealed mean of the distribution, made vivid, as in `ChromaNet.decode`."""
        ops = self.ops
        shares, nodes = self.shares(x, config)
        ab = ops.matmul(shares, self.constant(nodes), False, False)
        # `NetConfig.vividness`.
        chroma = ops.reduce_l2(ab, np.array([3]), True)
        share = ops.multiply(ops.add(chroma, np.float32(FAINT)), np.float32(1 / MIDDLE))
        share = ops.power(share, np.float32(config.chroma_power))
        ab = ops.multiply(ab, ops.multiply(share, np.float32(config.chroma_gain)))
        return ops.transpose(ab, [0, 3, 1, 2])

    def pool_hints(self, hints: Node | None) -> list[Node | None]:
        """Hints at 1/4, 1/8, 1/16 and 1/32 size: the mean over the *hinted* pixels of a cell."""
        if hints is None:
            return [None] * 4
        ops = self.ops
        color, mask = ops.variadic_split(hints, 1, [2, 1]).outputs()
        mass = ops.concat([ops.divide(ops.multiply(color, mask), np.float32(100)), mask], 1)
        pooled = []
        for size in (4, 2, 2, 2):
            mass = ops.avg_pool(mass, [size, size], [0, 0], [0, 0], [size, size], True)
            color, weight = ops.variadic_split(mass, 1, [2, 1]).outputs()
            mean = ops.divide(color, ops.maximum(weight, np.float32(1e-6)))
            known = ops.convert(ops.greater(weight, np.float32(0)), np.float32)
            pooled.append(ops.concat([mean, known], 1))
        return pooled
