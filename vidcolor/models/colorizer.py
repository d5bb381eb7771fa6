"""Small lightness images in, their colours out: the one place that runs a network on films."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from vidcolor.device import OutOfMemory, describe, free_cache, pick_device, pick_dtype
from vidcolor.errors import DeviceError
from vidcolor.models.checkpoint import digest
from vidcolor.models.crew import Crew
from vidcolor.models.registry import find_model, load_net

Float32 = NDArray[np.float32]


class Colorizer:
    """A loaded network on its device.

    ``model`` is a known name or a checkpoint's path, ``device`` as in `vidcolor.device`;
    ``dtype`` None picks the fastest one the device handles natively. ``warn`` is told in one line
    when memory ran out and the batch was halved. Raises ModelError and DeviceError.
    """

    def __init__(
        self,
        model: str = "default",
        device: str = "auto",
        *,
        dtype: torch.dtype | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.path: Path = find_model(model)
        self.device = pick_device(device)
        self.dtype = dtype or pick_dtype(self.device)
        net, checkpoint = load_net(self.path)
        self.architecture = checkpoint.architecture
        self.card = checkpoint.card
        try:
            self._net = net.to(self.device, memory_format=torch.channels_last)
        except OutOfMemory as error:
            raise DeviceError(
                f"{describe(self.device)}: not enough memory for the model; use --device cpu"
            ) from error
        self._crew = Crew() if self.device.type == "cpu" else None
        self._warn = warn or (lambda message: None)
        self._most: int | None = None

    @property
    def description(self) -> dict[str, str]:
        """For reports: what ran, and where."""
        return {
            "architecture": self.architecture,
            "weights": self.path.name,
            "sha256": digest(self.path),
            "device": describe(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
        }

    def colors(self, lightness: Float32, hints: Float32 | None = None) -> Float32:
        """``lightness`` (N, h, w) L* to ab (N, 2, h, w) float32; h and w are multiples of 32.

        ``hints`` (N, 3, h, w) hold a*, b* and a mask of 0 or 1. When the device's memory does not
        suffice the batch is halved until it does; raises DeviceError if one picture does not fit.
        """
        if lightness.ndim != 3 or lightness.shape[1] % 32 or lightness.shape[2] % 32:
            raise ValueError(f"lightness must be (N, h, w), multiples of 32: {lightness.shape}")
        parts = []
        start = 0
        while start < len(lightness):
            stop = min(len(lightness), start + (self._most or len(lightness)))
            part = None if hints is None else hints[start:stop]
            try:
                parts.append(self._run(lightness[start:stop], part))
            except OutOfMemory as error:
                free_cache(self.device)
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

    def _run(self, lightness: Float32, hints: Float32 | None) -> Float32:
        if self._crew is None:
            return self._infer(lightness, hints)
        count = min(self._crew.count, len(lightness))
        lights = np.array_split(lightness, count)
        told = [None] * count if hints is None else np.array_split(hints, count)
        done = self._crew.map(lambda part: self._infer(*part), list(zip(lights, told, strict=True)))
        return done[0] if count == 1 else np.concatenate(done)

    @torch.inference_mode()
    def _infer(self, lightness: Float32, hints: Float32 | None) -> Float32:
        light = torch.from_numpy(np.ascontiguousarray(lightness))[:, None].to(self.device)
        given = None if hints is None else torch.from_numpy(hints).to(self.device)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = self._net(light, given)
        ab = self._net.decode(logits)
        ab = F.interpolate(ab, size=light.shape[2:], mode="bilinear", align_corners=False)
        return np.asarray(ab.cpu().numpy(), np.float32)
