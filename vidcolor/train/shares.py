"""A step's work shared by threads, each of which computes with one core.

PyTorch's own threads split every single operation and wait for each other at its end. On a machine
that does anything else beside, most of the time went into that waiting: 10 images a second on two
cores, where threads that each take half of the batch, and meet once a step, made 49.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from types import TracebackType

import torch
from torch import Tensor, nn

from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.train.objectives import ColorLoss
from vidcolor.train.results import TERMS


class Shares:
    """Runs ``net`` forwards and backwards on parts of a batch, as many at once as ``count``.

    The parts' networks share one set of weights; each gathers the statistics of its norms itself,
    and their mean is what the network keeps. The result does not depend on which part is done
    first. A context manager, for its threads.
    """

    def __init__(self, net: ChromaNet, count: int, dtype: torch.dtype) -> None:
        self._net, self._dtype = net, dtype
        self._weights = [value for value in net.parameters() if value.requires_grad]
        shared = {id(value): value for value in net.parameters()}
        self._nets = [net] + [deepcopy(net, dict(shared)) for _ in range(count - 1)]
        self._pool = ThreadPoolExecutor(count, "vidcolor-train") if count > 1 else None

    def __enter__(self) -> Shares:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def backward(self, loss: ColorLoss, lightness: Tensor, ab: Tensor, hints: Tensor) -> Tensor:
        """Set the gradients of the weights; returns the loss's terms in the order of `TERMS`."""
        if self._pool is None or len(lightness) < len(self._nets):
            total, terms = self._terms(self._net, loss, (lightness, ab, hints))
            total.backward()
            return terms
        count = len(self._nets)
        parts = zip(*(value.tensor_split(count) for value in (lightness, ab, hints)), strict=True)
        weights = [len(part) / len(lightness) for part in lightness.tensor_split(count)]
        done = list(self._pool.map(self._part, self._nets, parts, weights, [loss] * count))
        for number, weight in enumerate(self._weights):
            weight.grad = sum(grads[number] for _, grads in done)  # type: ignore[assignment]
        self._join_norms()
        return sum((terms for terms, _ in done), torch.zeros(len(TERMS)))

    def _part(
        self,
        net: ChromaNet,
        batch: tuple[Tensor, Tensor, Tensor],
        weight: float,
        loss: ColorLoss,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        total, terms = self._terms(net, loss, batch)
        return weight * terms, torch.autograd.grad(weight * total, self._weights)

    def _terms(
        self, net: ChromaNet, loss: ColorLoss, batch: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        lightness, ab, hints = batch
        # Here, as autocast holds for the thread that enters it.
        with torch.autocast(
            lightness.device.type, self._dtype, enabled=self._dtype != torch.float32
        ):
            logits = net(lightness, hints)
        terms = loss(logits, ab)
        return terms.total, torch.stack([getattr(terms, name) for name in TERMS]).detach()

    @torch.no_grad()
    def _join_norms(self) -> None:
        for same in zip(*(net.modules() for net in self._nets), strict=True):
            if isinstance(same[0], nn.BatchNorm2d) and same[0].training:
                for name in ("running_mean", "running_var"):
                    mean = torch.stack([getattr(norm, name) for norm in same]).mean(0)
                    for norm in same:
                        getattr(norm, name).copy_(mean)
