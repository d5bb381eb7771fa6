"""DeOldify's generators, written down a second time.

Their arrays as their author's release has them, and their equations in float64 NumPy; nothing here
comes from the modules under test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from published import Arrays, Float64, Reference
from skimage.color import lab2rgb, rgb2lab


@dataclass(frozen=True)
class Kind:
    """``blocks`` and ``widths`` of the encoder's stages; ``wide`` is the decoder's width, 0 in the
    deep kind, whose width follows from its inputs."""

    blocks: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    stem: int
    wide: int

    @property
    def deep(self) -> bool:
        return not self.wide

    @property
    def channels(self) -> list[int]:
        """Of the encoder at 1/2, 1/4, 1/8, 1/16 and 1/32."""
        return [self.stem, *(width * (1 if self.deep else 4) for width in self.widths)]


ARTISTIC = Kind((3, 4, 6, 3), (64, 128, 256, 512), 64, 0)
VIDEO = Kind((3, 4, 23, 3), (64, 128, 256, 512), 64, 1024)
TINY_DEEP = Kind((2, 1, 2, 1), (8, 8, 16, 16), 8, 0)
TINY_WIDE = Kind((1, 2, 1, 1), (8, 8, 8, 8), 8, 32)


class _Table(dict[str, tuple[int, ...]]):
    """Collects the shapes of the arrays by their names."""

    def conv(self, name: str, outputs: int, inputs: int, kernel: int) -> None:
        self[f"{name}.weight"] = (outputs, inputs, kernel, kernel)

    def norm(self, name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            self[f"{name}.{part}"] = (channels,)
        self[f"{name}.num_batches_tracked"] = ()

    def spectral(self, name: str, outputs: int, inputs: int, *kernel: int) -> None:
        self[f"{name}.weight_orig"] = (outputs, inputs, *kernel)
        self[f"{name}.weight_u"] = (outputs,)
        self[f"{name}.weight_v"] = (inputs * int(np.prod(kernel)),)

    def unit(self, name: str, outputs: int, inputs: int) -> None:
        self.spectral(f"{name}.0", outputs, inputs, 3, 3)
        self.norm(f"{name}.2", outputs)


def shapes(kind: Kind) -> dict[str, tuple[int, ...]]:
    """Every array of the official checkpoint, and its shape."""
    table = _Table()
    table.conv("layers.0.0", kind.stem, 3, 7)
    table.norm("layers.0.1", kind.stem)
    inputs = kind.stem
    for stage, (blocks, width) in enumerate(zip(kind.blocks, kind.widths, strict=True)):
        outputs = kind.channels[stage + 1]
        for block in range(blocks):
            name = f"layers.0.{4 + stage}.{block}"
            kernels = (3, 3) if kind.deep else (1, 3, 1)
            chain = (inputs, *(width,) * (len(kernels) - 1), outputs)
            for number, kernel in enumerate(kernels, 1):
                table.conv(f"{name}.conv{number}", chain[number], chain[number - 1], kernel)
                table.norm(f"{name}.bn{number}", chain[number])
            if block == 0 and (stage or inputs != outputs):
                table.conv(f"{name}.downsample.0", outputs, inputs, 1)
                table.norm(f"{name}.downsample.1", outputs)
            inputs = outputs
    table.norm("layers.1", inputs)
    table.unit("layers.3.0", 2 * inputs, inputs)
    table.unit("layers.3.1", inputs, 2 * inputs)
    for step, skip in enumerate(kind.channels[-2::-1]):
        name, last = f"layers.{4 + step}", step == 3
        up = inputs // 2 if kind.deep else kind.wide // (4 if last else 2)
        joined = up + skip
        outputs = int((joined // 2 if last else joined) * 1.5) if kind.deep else up
        table.spectral(f"{name}.shuf.conv.0", 4 * up, inputs, 1, 1)
        table.norm(f"{name}.shuf.conv.1", 4 * up)
        table.norm(f"{name}.bn", skip)
        convs = ("conv1", "conv2") if kind.deep else ("conv",)
        for conv, channels in zip(convs, (joined, outputs), strict=False):
            table.unit(f"{name}.{conv}", outputs, channels)
        if step == 1:
            place = f"{name}.{convs[-1]}.3"
            table[f"{place}.gamma"] = (1,)
            for part, channels in (("query", outputs // 8), ("key", outputs // 8)):
                table.spectral(f"{place}.{part}", channels, outputs, 1)
            table.spectral(f"{place}.value", outputs, outputs, 1)
        inputs = outputs
    table["layers.8.conv.0.bias"] = (4 * inputs,)
    table["layers.8.conv.0.weight_g"] = (4 * inputs, 1, 1, 1)
    table["layers.8.conv.0.weight_v"] = (4 * inputs, inputs, 1, 1)
    inputs += 3
    for name, outputs, kernel in (
        ("layers.10.layers.0.0", inputs, 3),
        ("layers.10.layers.1.0", inputs, 3),
        ("layers.11.0", 3, 1),
    ):
        table.spectral(name, outputs, inputs, kernel, kernel)
        table[f"{name}.bias"] = (outputs,)
    return dict(table)


def random_state(kind: Kind, seed: int = 0) -> Arrays:
    """Arrays that keep the activations' scale, so that each one matters."""
    rng = np.random.default_rng(seed)
    state: Arrays = {}
    for key, shape in shapes(kind).items():
        part = key.rpartition(".")[2]
        if part == "num_batches_tracked":
            state[key] = np.array(7, np.int64)
        elif part in ("running_var", "weight_g") or (part == "weight" and len(shape) == 1):
            state[key] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        elif part.startswith("weight"):
            state[key] = rng.standard_normal(shape, np.float32)
            if part == "weight":
                state[key] *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        else:
            state[key] = rng.uniform(-0.3, 0.5, shape).astype(np.float32)
    for key in [key for key in state if key.endswith("weight_orig")]:
        stem = key.removesuffix("orig")
        rows = state[key].reshape(len(state[key]), -1)
        # What a few steps of training leave: near the first singular vectors, not quite there.
        for _ in range(3):
            state[f"{stem}v"] = _unit(rows.T @ state[f"{stem}u"])
            state[f"{stem}u"] = _unit(rows @ state[f"{stem}v"])
    for key in [key for key in state if key.endswith("gamma")]:
        state[key] = np.array([0.8], np.float32)
    # The end of a random network says nearly grey everywhere.
    state["layers.11.0.bias"] = np.array([0.3, -0.2, 0.1], np.float32)
    return state


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class Deoldified(Reference):
    """The published equations, one square picture of lightness at a time."""

    def __init__(self, state: Arrays, kind: Kind) -> None:
        super().__init__(state)
        self._kind = kind

    def _array(self, key: str) -> Float64:
        stem, _, part = key.rpartition(".")
        if part == "weight" and f"{stem}.weight_orig" in self._state:
            weight, u, v = (self._array(f"{stem}.weight_{name}") for name in ("orig", "u", "v"))
            return weight / np.einsum("o,oi,i->", u, weight.reshape(len(u), -1), v)
        if part == "weight" and f"{stem}.weight_g" in self._state:
            length, way = self._array(f"{stem}.weight_g"), self._array(f"{stem}.weight_v")
            return length * way / np.sqrt((way**2).sum((1, 2, 3), keepdims=True))
        return super()._array(key)

    def unit(self, name: str, x: Float64) -> Float64:
        return self.norm(f"{name}.2", np.maximum(self.conv(f"{name}.0", x), 0))

    def block(self, name: str, x: Float64, stride: int) -> Float64:
        y = x
        count = 2 if self._kind.deep else 3
        for number in range(1, count + 1):
            step = stride if number == (1 if self._kind.deep else 2) else 1
            y = self.norm(f"{name}.bn{number}", self.conv(f"{name}.conv{number}", y, step))
            y = y if number == count else np.maximum(y, 0)
        if f"{name}.downsample.0.weight" in self._state:
            x = self.conv(f"{name}.downsample.0", x, stride)
            x = self.norm(f"{name}.downsample.1", x)
        return np.maximum(x + y, 0)

    def larger(self, name: str, x: Float64) -> Float64:
        x = self.conv(f"{name}.conv.0", x)
        if f"{name}.conv.1.weight" in self._state:
            x = self.norm(f"{name}.conv.1", x)
        x = np.maximum(x, 0)
        four, height, width = x.shape
        large = np.zeros((four // 4, 2 * height, 2 * width))
        for number in range(4):
            large[:, number // 2 :: 2, number % 2 :: 2] = x[number::4]
        padded = np.pad(large, ((0, 0), (1, 0), (1, 0)), "edge")
        return sliding_window_view(padded, (2, 2), (1, 2)).mean((3, 4))

    def attention(self, name: str, x: Float64) -> Float64:
        places = x.reshape(len(x), -1)
        query, key, value = (
            self._array(f"{name}.{part}.weight")[:, :, 0] @ places
            for part in ("query", "key", "value")
        )
        odds = np.exp(query.T @ key)
        seen = value @ (odds / odds.sum(0))
        return x + self._array(f"{name}.gamma")[0] * seen.reshape(x.shape)

    def step(self, number: int, x: Float64, skip: Float64) -> Float64:
        name = f"layers.{4 + number}"
        joined = np.concatenate((self.larger(f"{name}.shuf", x), self.norm(f"{name}.bn", skip)))
        x = np.maximum(joined, 0)
        for conv in ("conv1", "conv2") if self._kind.deep else ("conv",):
            x = self.unit(f"{name}.{conv}", x)
        return self.attention(f"{name}.{conv}.3", x) if number == 1 else x

    def colors(self, lightness: Float64) -> Float64:
        """ab (2, s, s) of L* (s, s)."""
        grey = lab2rgb(np.stack((lightness, *np.zeros((2, *lightness.shape))), -1))
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        picture = ((grey - mean) / std).transpose(2, 0, 1)
        x = np.maximum(self.norm("layers.0.1", self.conv("layers.0.0", picture, 2)), 0)
        kept = [x]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        x = sliding_window_view(padded, (3, 3), (1, 2))[:, ::2, ::2].max((3, 4))
        for stage, blocks in enumerate(self._kind.blocks):
            for number in range(blocks):
                stride = 2 if stage and not number else 1
                x = self.block(f"layers.0.{4 + stage}.{number}", x, stride)
            kept.append(x)
        x = np.maximum(self.norm("layers.1", kept.pop()), 0)
        x = self.unit("layers.3.1", self.unit("layers.3.0", x))
        for number in range(4):
            x = self.step(number, x, kept.pop())
        x = np.concatenate((self.larger("layers.8", x), picture))
        y = x
        for number in range(2):
            y = np.maximum(self.conv(f"layers.10.layers.{number}.0", y), 0)
        answer = self.conv("layers.11.0", x + y)
        rgb = (6 / (1 + np.exp(-answer)) - 3).transpose(1, 2, 0) * std + mean
        rgb = np.clip(rgb, 0, 1)
        luma = rgb @ np.array([0.299, 0.587, 0.114])
        return rgb2lab(np.clip(rgb + grey - luma[..., None], 0, 1))[..., 1:].transpose(2, 0, 1)
