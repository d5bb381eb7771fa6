"""The published networks ECCV16 and SIGGRAPH17, written down a second time.

Their arrays as a table, and their equations in float64 NumPy; nothing here comes from the modules
under test.

A row is a module's name and the shape of its weight: four numbers a convolution (outputs first; a
transposed one has its inputs first), one number a batch norm.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.float32]]
Float64 = NDArray[np.float64]

_TRUNK = """
model1.2 64 64 3 3
model1.4 64
model2.0 128 64 3 3
model2.2 128 128 3 3
model2.4 128
model3.0 256 128 3 3
model3.2 256 256 3 3
model3.4 256 256 3 3
model3.6 256
model4.0 512 256 3 3
model4.2 512 512 3 3
model4.4 512 512 3 3
model4.6 512
model5.0 512 512 3 3
model5.2 512 512 3 3
model5.4 512 512 3 3
model5.6 512
model6.0 512 512 3 3
model6.2 512 512 3 3
model6.4 512 512 3 3
model6.6 512
model7.0 512 512 3 3
model7.2 512 512 3 3
model7.4 512 512 3 3
model7.6 512
"""
TABLES = {
    "eccv16": f"""
model1.0 64 1 3 3 {_TRUNK}
model8.0 512 256 4 4
model8.2 256 256 3 3
model8.4 256 256 3 3
model8.6 313 256 1 1
model_out 2 313 1 1
""",
    "siggraph17": f"""
model1.0 64 4 3 3 {_TRUNK}
model8up.0 512 256 4 4
model3short8.0 256 256 3 3
model8.1 256 256 3 3
model8.3 256 256 3 3
model8.5 256
model9up.0 256 128 4 4
model2short9.0 128 128 3 3
model9.1 128 128 3 3
model9.3 128
model10up.0 128 128 4 4
model1short10.0 128 64 3 3
model10.1 128 128 3 3
model_class.0 529 256 1 1
model_out.0 2 128 1 1
""",
}


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Every array of the official checkpoint, and its shape."""
    found: dict[str, tuple[int, ...]] = {}
    for row in TABLES[name].split("\n"):
        module, *numbers = row.split() or [""]
        shape = tuple(map(int, numbers))
        if not shape:
            continue
        found[f"{module}.weight"] = shape
        if len(shape) == 1:
            parts = dict.fromkeys(("bias", "running_mean", "running_var"), shape)
            found |= {f"{module}.{part}": size for part, size in parts.items()}
            found[f"{module}.num_batches_tracked"] = ()
        elif module != "model_out":
            found[f"{module}.bias"] = (shape[1 if shape[2] == 4 else 0],)
    return found


def random_state(name: str, seed: int = 0) -> Arrays:
    """Arrays that keep the activations' scale through all layers, so that each one matters."""
    rng = np.random.default_rng(seed)
    state: Arrays = {}
    for key, shape in shapes(name).items():
        kind = key.rpartition(".")[2]
        if kind == "num_batches_tracked":
            state[key] = np.array(7, np.int64)
        elif kind in ("running_var", "weight") and len(shape) == 1:
            state[key] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        elif kind == "weight":
            # A transposed convolution meets each output with a quarter of its kernel.
            taps = shape[0] * 4 if shape[2] == 4 else np.prod(shape[1:])
            state[key] = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / taps))
        else:
            state[key] = rng.uniform(-0.3, 0.5, shape).astype(np.float32)
    if name == "eccv16":
        state["model8.6.weight"] *= 3
        state["model_out.weight"] = rng.uniform(-1, 1, (2, 313, 1, 1)).astype(np.float32)
    else:
        state["model_out.0.weight"] *= np.float32(0.5)
    return state


class Reference:
    """The published equations, one picture (channels, height, width) at a time."""

    def __init__(self, state: Arrays) -> None:
        self._state = state

    def _array(self, key: str) -> Float64:
        return self._state[key].astype(np.float64)

    def _bias(self, module: str) -> Float64:
        bias = f"{module}.bias"
        return self._array(bias)[:, None, None] if bias in self._state else np.zeros((1, 1, 1))

    def conv(self, module: str, x: Float64, stride: int = 1, dilation: int = 1) -> Float64:
        weight = self._array(f"{module}.weight")
        reach = dilation * (weight.shape[2] - 1)
        padded = np.pad(x, ((0, 0), (reach // 2, reach // 2), (reach // 2, reach // 2)))
        windows = sliding_window_view(padded, (reach + 1, reach + 1), (1, 2))
        windows = windows[:, ::stride, ::stride, ::dilation, ::dilation]
        return np.tensordot(weight, windows, ([1, 2, 3], [0, 3, 4])) + self._bias(module)

    def up(self, module: str, x: Float64) -> Float64:
        """Pixel (i, j) adds its kernel at (2i - 1, 2j - 1)."""
        weight = self._array(f"{module}.weight")
        _, height, width = x.shape
        sums = np.zeros((weight.shape[1], 2 * height + 2, 2 * width + 2))
        for row, column in np.ndindex(4, 4):
            place = np.s_[:, row : row + 2 * height : 2, column : column + 2 * width : 2]
            sums[place] += np.tensordot(weight[:, :, row, column].T, x, 1)
        return sums[:, 1:-1, 1:-1] + self._bias(module)

    def norm(self, module: str, x: Float64) -> Float64:
        mean, var, weight, bias = (
            self._array(f"{module}.{part}")[:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + 1e-5) * weight + bias

    def stage(self, number: int, x: Float64, stride: int = 1) -> Float64:
        """``model1`` to ``model7``; the last convolution has the stride."""
        places = (0, 2) if number <= 2 else (0, 2, 4)
        dilation = 2 if number in (5, 6) else 1
        for place in places:
            step = stride if place == places[-1] else 1
            x = np.maximum(self.conv(f"model{number}.{place}", x, step, dilation), 0)
        return self.norm(f"model{number}.{places[-1] + 2}", x)

    def eccv16(self, lightness: Float64) -> Float64:
        """ab (2, h/4, w/4) of L* (h, w)."""
        x = ((lightness - 50) / 100)[None]
        for number in range(1, 8):
            x = self.stage(number, x, 2 if number <= 3 else 1)
        x = np.maximum(self.up("model8.0", x), 0)
        x = np.maximum(self.conv("model8.2", x), 0)
        x = np.maximum(self.conv("model8.4", x), 0)
        x = self.conv("model8.6", x)
        odds = np.exp(x - x.max(0))
        return self.conv("model_out", odds / odds.sum(0)) * 110

    def siggraph17(self, lightness: Float64, hints: Float64) -> tuple[Float64, Float64]:
        """ab (2, h, w) and class logits (529, h/4, w/4) of L* (h, w), hints (3, h, w)."""
        first = np.stack(((lightness - 50) / 100, hints[0] / 110, hints[1] / 110, hints[2]))
        c1 = self.stage(1, first)
        c2 = self.stage(2, c1[:, ::2, ::2])
        c3 = self.stage(3, c2[:, ::2, ::2])
        x = c3[:, ::2, ::2]
        for number in range(4, 8):
            x = self.stage(number, x)
        x = np.maximum(self.up("model8up.0", x) + self.conv("model3short8.0", c3), 0)
        x = np.maximum(self.conv("model8.1", x), 0)
        x = self.norm("model8.5", np.maximum(self.conv("model8.3", x), 0))
        classes = self.conv("model_class.0", x)
        x = np.maximum(self.up("model9up.0", x) + self.conv("model2short9.0", c2), 0)
        x = self.norm("model9.3", np.maximum(self.conv("model9.1", x), 0))
        x = np.maximum(self.up("model10up.0", x) + self.conv("model1short10.0", c1), 0)
        x = self.conv("model10.1", x)
        x = np.where(x > 0, x, 0.2 * x)
        return np.tanh(self.conv("model_out.0", x)) * 110, classes
