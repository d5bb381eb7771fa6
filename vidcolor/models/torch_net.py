"""A network run by PyTorch, on a GPU or on the CPU's cores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidcolor.device import OutOfMemory, describe, free_cache, pick_dtype
from vidcolor.errors import DeviceError
from vidcolor.models.architecture import ColorNet
from vidcolor.models.crew import Crew
from vidcolor.models.recorded import Recorded

Float32 = NDArray[np.float32]


class TorchNet:
    """``net`` on ``device``, a torch device or its name.

    ``dtype`` None picks the fastest one the device handles natively. ``warn`` is told in one line
    when memory ran out and the batch was halved. Raises DeviceError when not even the weights fit.
    """

    def __init__(
        self,
        net: ColorNet,
        device: torch.device | str,
        dtype: torch.dtype | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.dtype = dtype or pick_dtype(self.device)
        try:
            self._net = net.to(self.device, memory_format=torch.channels_last)
        except OutOfMemory as error:
            raise DeviceError(
                f"{describe(self.device)}: not enough memory for the model; use --device cpu"
            ) from error
        on_cpu = self.device.type == "cpu"
        self._crew = Crew() if on_cpu else None
        self._recorded = None if on_cpu else Recorded(self._work, self.device)
        self._warn = warn or (lambda message: None)
        self._most: int | None = None

    @property
    def description(self) -> dict[str, str]:
        """For reports: what runs the network, where, and in which precision."""
        return {
            "engine": f"torch {torch.__version__}",
            "device": describe(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
        }

    def run(self, lightness: Float32, hints: Float32 | None = None) -> Float32:
        """``lightness`` (N, h, w) and ``hints`` (N, 3, h, w) to ab (N, 2, h/s, w/s) float32.

        When the device's memory does not suffice the batch is halved until it does; raises
        DeviceError if one picture does not fit.
        """
        parts = []
        start = 0
        while start < len(lightness):
            stop = min(len(lightness), start + (self._most or len(lightness)))
            part = None if hints is None else hints[start:stop]
            try:
                parts.append(self._share(lightness[start:stop], part))
            except OutOfMemory as error:
                free_cache(self.device, error)
                if stop - start == 1:
                    height, width = lightness.shape[1:]
                    raise DeviceError(
                        f"{describe(self.device)}: not enough memory for one {width}x{height} "
                        "picture; use a smaller --short-side, or --device cpu"
                    ) from error
                self._most = (stop - start) // 2
                self._warn(f"out of device memory: going on with batches of {self._most}")
                continue
            start = stop
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _share(self, lightness: Float32, hints: Float32 | None) -> Float32:
        if self._recorded is not None:
            with torch.inference_mode():
                return self._recorded.run(lightness, hints)
        assert self._crew is not None
        count = min(self._crew.count, len(lightness))
        lights = np.array_split(lightness, count)
        told = [None] * count if hints is None else np.array_split(hints, count)
        done = self._crew.map(lambda part: self._infer(*part), list(zip(lights, told, strict=True)))
        return done[0] if count == 1 else np.concatenate(done)

    @torch.inference_mode()
    def _infer(self, lightness: Float32, hints: Float32 | None) -> Float32:
        light = _tensor(lightness)[:, None]
        given = None if hints is None else _tensor(hints)
        return np.asarray(self._work(light, given).numpy())

    def _work(self, light: Tensor, hints: Tensor | None) -> Tensor:
        """``light`` (N, 1, h, w), ``hints`` (N, 3, h, w) to ab float32, all on the device."""
        # Weights are cast anew in each call: a recording must not keep those of a cache.
        with torch.autocast(
            self.device.type,
            self.dtype,
            enabled=self.dtype != torch.float32,
            cache_enabled=self.device.type == "cpu",
        ):
            logits = self._net(light, hints)
        ab: Tensor = self._net.decode(logits).float()
        return ab


def _tensor(array: Float32) -> Tensor:
    """The array itself where torch takes it, which it does not read-only or read backwards."""
    fit = np.require(array, requirements=("C", "W"))
    # Of a side of one, any direction counts as forwards to NumPy.
    return torch.from_numpy(fit if min(fit.strides) >= 0 else fit.copy())
