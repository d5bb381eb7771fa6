"""A network's work on a GPU, recorded for each shape of batch and replayed from then on.

A small network is a hundred short kernels. Launching each from Python takes longer than running
it; a recorded graph launches them as one. What it reads and writes has fixed places, so the
pictures are copied into those, from pages that the driver need not copy once more. Batches are
filled up to a power of two, that few shapes need recording.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidcolor.device import OutOfMemory, free_cache, host_pages, record, wait_for

Float32: TypeAlias = NDArray[np.float32]
Work: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
Recorder: TypeAlias = Callable[[Callable[[], Tensor], torch.device], Callable[[], Tensor]]
_Key: TypeAlias = tuple[int, int, int, bool]
"""Pictures, height, width, and whether they are hinted."""

_SHAPES = 8
"""Recordings kept; each holds the memory of its batch's feature maps."""
_ALIKE = 0.5
"""By how much, in units of ab, a replay may differ from the work itself: bfloat16's roundings."""


@dataclass(slots=True)
class _Place:
    """An array's fixed places, here and on the device."""

    host: Tensor
    device: Tensor

    def send(self, values: Float32) -> None:
        """Fill the first ``len(values)`` pictures; what an earlier batch left in the rest is
        computed along and thrown away."""
        self.host.numpy()[: len(values)] = values
        self.device.copy_(self.host, non_blocking=True)


@dataclass(slots=True)
class _Recording:
    light: _Place
    hints: _Place | None
    replay: Callable[[], Tensor] | None = None
    result: Tensor | None = None
    """Host pages for what ``replay`` gives."""

    def send(self, lightness: Float32, hints: Float32 | None) -> None:
        self.light.send(lightness[:, None])
        if self.hints is not None and hints is not None:
            self.hints.send(hints)


class Recorded:
    """``work``, which takes lightness (N, 1, h, w) and hints (N, 3, h, w) or None to float32 ab
    (N, 2, H, W), picture by picture, on ``device``.

    What cannot be recorded (it asks the device something on the way), or comes out otherwise when
    it is replayed, is done afresh each time.
    ``recorder`` is as `vidcolor.device.record`. May be called by one thread at a time.
    """

    def __init__(self, work: Work, device: torch.device, recorder: Recorder = record) -> None:
        self._work = work
        self._device = device
        self._recorder = recorder
        self._kept: OrderedDict[_Key, _Recording] = OrderedDict()

    def run(self, lightness: Float32, hints: Float32 | None = None) -> Float32:
        """``lightness`` (N, h, w), ``hints`` (N, 3, h, w) to ab (N, 2, H, W), the caller's to keep.

        When memory runs out, recordings of other shapes give theirs back first. Raises
        `vidcolor.device.OutOfMemory` if that is not enough; no recording holds any then.
        """
        count, height, width = lightness.shape
        key = 1 << (count - 1).bit_length(), height, width, hints is not None
        others = any(kept != key for kept in self._kept)
        try:
            return self._run(key, lightness, hints)
        except OutOfMemory as error:
            self._kept.clear()
            if not others:
                raise
            free_cache(self._device, error)
        try:
            return self._run(key, lightness, hints)
        except OutOfMemory:
            self._kept.clear()
            raise

    def _run(self, key: _Key, lightness: Float32, hints: Float32 | None) -> Float32:
        recording = self._kept.pop(key, None) or self._places(*key)
        self._kept[key] = recording
        recording.send(lightness, hints)
        if recording.replay is None or recording.result is None:
            recording.replay, recording.result = self._record(recording)
        recording.result.copy_(recording.replay(), non_blocking=True)
        # Errors of the device show here, and the pages may be read and filled again.
        wait_for(self._device)
        return recording.result.numpy()[: len(lightness)].copy()

    def _places(self, count: int, height: int, width: int, hinted: bool) -> _Recording:
        while len(self._kept) >= _SHAPES:
            self._kept.popitem(last=False)
        light = self._place(count, 1, height, width)
        return _Recording(light, self._place(count, 3, height, width) if hinted else None)

    def _record(self, recording: _Recording) -> tuple[Callable[[], Tensor], Tensor]:
        """How to do the work again, and host pages for what it gives."""
        light = recording.light.device
        hints = None if recording.hints is None else recording.hints.device
        work = self._work

        # Must not know the recording, which will know it: rings give their memory back late.
        def step() -> Tensor:
            return work(light, hints)

        expected = step()
        pages = host_pages(tuple(expected.shape), self._device)
        try:
            replay = self._recorder(step, self._device)
            if torch.allclose(replay(), expected, rtol=0, atol=_ALIKE):
                return replay, pages
        except OutOfMemory:
            raise
        except RuntimeError:
            pass
        return step, pages

    def _place(self, *shape: int) -> _Place:
        host = host_pages(shape, self._device)
        return _Place(host, torch.zeros(shape, device=self._device))
