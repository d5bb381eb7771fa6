"""Small lightness images in, their colours out: the one place that runs a network on films."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import ModelError
from vidcolor.models.architecture import Sized
from vidcolor.models.checkpoint import digest
from vidcolor.models.engines import load_engine
from vidcolor.models.registry import find_model, read_model

if TYPE_CHECKING:
    import torch

Float32 = NDArray[np.float32]


class Colorizer:
    """A loaded network on its device.

    ``model`` is a known name or a checkpoint's path, ``device`` as in `vidcolor.device`. ``engine``
    is the library that runs the network: ``openvino`` (on a CPU), ``torch``, or ``auto``, which
    picks the first where it can. ``dtype`` is torch's, and asking for one is asking for torch; None
    picks the fastest one the device handles natively. ``warn`` is told in one line when memory ran
    out and the batch was halved. Raises ModelError and DeviceError.
    ``takes_hints`` says whether it can be told colours.
    """

    def __init__(
        self,
        model: str = "default",
        device: str = "auto",
        *,
        engine: str = "auto",
        dtype: torch.dtype | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._path = find_model(model)
        architecture, checkpoint = read_model(self.path)
        self._architecture = architecture.name
        self.takes_hints = architecture.hinted
        self._card = checkpoint.card
        self._beside = checkpoint.beside
        self._lock = threading.Lock()
        self._engine = load_engine(
            self.path, (architecture, checkpoint), device, engine, dtype, warn
        )

    @property
    def path(self) -> Path:
        """The checkpoint's."""
        return self._path

    @property
    def architecture(self) -> str:
        """The network's name."""
        return self._architecture

    @property
    def card(self) -> dict[str, Any]:
        """What the checkpoint tells of itself."""
        return self._card

    @property
    def description(self) -> dict[str, str]:
        """For reports: what ran, and where."""
        return {
            "architecture": self.architecture,
            "weights": self.path.name,
            "sha256": digest(self.path, *self._beside),
            **self._engine.description,
        }

    def prepare(self, height: int, width: int) -> None:
        """Let the first picture of that size, told no colours, not wait for the engine.

        May be called in another thread than `colors`, which then waits for it.
        """
        if isinstance(self._engine, Sized):
            with self._lock:
                self._engine.prepare(height, width)

    def colors(self, lightness: Float32, hints: Float32 | None = None) -> Float32:
        """``lightness`` (N, h, w) L* to ab (N, 2, h, w) float32; h and w are multiples of 32.

        ``hints`` (N, 3, h, w) hold a*, b* and a mask of 0 or 1; a network without such an input
        (``takes_hints``) raises ModelError, and so does an answer that is no number. When a GPU's
        memory does not suffice the batch is halved until it does; raises DeviceError if one picture
        does not fit.
        """
        if lightness.ndim != 3 or lightness.shape[1] % 32 or lightness.shape[2] % 32:
            raise ValueError(f"lightness must be (N, h, w), multiples of 32: {lightness.shape}")
        count, height, width = lightness.shape
        if hints is not None and hints.shape != (count, 3, height, width):
            raise ValueError(f"hints must be {(count, 3, height, width)}: {hints.shape}")
        if hints is not None and not self.takes_hints:
            raise ModelError(f"{self.path}: {self.architecture} cannot be told colours; give none")
        if not count:
            return np.empty((0, 2, height, width), np.float32)
        # Films that are compared share a network, each from a thread of its own.
        with self._lock:
            ab = self._engine.run(lightness, hints)
        if not np.isfinite(ab).all():
            raise ModelError(
                f"{self.path}: its network answers with nan or inf instead of colours; its weights "
                "are spoilt or too large: use another model"
            )
        return enlarge(ab, height, width)


def enlarge(ab: Float32, height: int, width: int) -> Float32:
    """``ab`` (N, 2, h, w) at (N, 2, height, width), linear between the centres of pixels."""
    if ab.shape[2:] == (height, width):
        return ab
    full = np.empty((*ab.shape[:2], height, width), np.float32)
    for planes, targets in zip(ab, full, strict=True):
        for plane, target in zip(planes, targets, strict=True):
            cv2.resize(plane, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    return full
