"""Trained networks whose answers a new one is trained towards, beside the truth."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from vidcolor.errors import ModelError
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.registry import load_net


class Teachers:
    """Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015).

    A photograph has one colour where several were likely; a network that has seen many says how
    likely each was, and the mean of several such says it better than any of them. Each sees the
    very crop, as aged and with the hints, that the pupil sees (Beyer et al., "Knowledge
    distillation: a good teacher is patient and consistent", CVPR 2022).

    ``paths`` are checkpoints of the default network, of any size. Raises ModelError where one is
    missing, cannot be read or is of another architecture.
    """

    def __init__(self, paths: Iterable[str], device: torch.device) -> None:
        self._nets = []
        for path in map(Path, paths):
            net, checkpoint = load_net(path)
            if not isinstance(net, ChromaNet):
                raise ModelError(f"{path}: only chromanet can teach, not {checkpoint.architecture}")
            net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._nets.append(net.requires_grad_(False))

    @torch.no_grad()
    def __call__(self, lightness: Tensor, hints: Tensor | None) -> Tensor:
        """Their mean distribution over the nodes, rare colours raised as they were in their own
        training: (N · H/4 · W/4, Q) float32, of L* (N, 1, H, W) and hints (N, 3, H, W)."""
        told: Tensor | None = None
        for net in self._nets:
            logits = net(lightness, hints)
            rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1]).float()
            likely = torch.softmax(rows, 1)
            told = likely if told is None else told.add_(likely)
        assert told is not None
        return told.div_(len(self._nets))
