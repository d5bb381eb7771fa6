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

from vidcolor.models.trainable import TrainableNet
from vidcolor.train.costs import Costs
from vidcolor.train.examples import Batch


class Shares:
    """Runs ``net`` forwards and backwards on parts of a batch, as many at once as ``count``.

    The parts' networks share one set of weights; each gathers the statistics of its norms itself,
    and their mean is what the network keeps. The result does not depend on which part is done
    first. A context manager, for its threads.
    """

    def __init__(self, net: TrainableNet, count: int) -> None:
        self._net = net
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

    def backward(self, costs: Costs, batch: Batch) -> Tensor:
        """Set the gradients of the weights; returns the loss's parts, as in ``costs.terms``."""
        count = len(self._nets)
        if self._pool is None or len(batch.lightness) < count:
            total, terms = costs(self._net, batch)
            total.backward()
            self.take_norms()
            return terms
        parts = [Batch(*part) for part in zip(*(v.tensor_split(count) for v in batch), strict=True)]
        weights = [len(part.number) / len(batch.number) for part in parts]
        done = list(self._pool.map(self._part, self._nets, parts, weights, [costs] * count))
        for number, weight in enumerate(self._weights):
            weight.grad = sum(grads[number] for _, grads in done)  # type: ignore[assignment]
        self._join_norms()
        return torch.stack([terms for terms, _ in done]).sum(0)

    @torch.no_grad()
    def take_norms(self) -> None:
        """Give every part the statistics that the network's norms have now, changed from outside:
        after a resume they would begin with these."""
        for norm, *others in zip(*(net.modules() for net in self._nets), strict=True):
            if isinstance(norm, nn.BatchNorm2d) and norm.training:
                for name in ("running_mean", "running_var"):
                    for other in others:
                        getattr(other, name).copy_(getattr(norm, name))

    def _part(
        self, net: TrainableNet, batch: Batch, weight: float, costs: Costs
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        total, terms = costs(net, batch)
        # A part that the loss does not reach has gradients of 0.
        grads = torch.autograd.grad(weight * total, self._weights, materialize_grads=True)
        return weight * terms, grads

    @torch.no_grad()
    def _join_norms(self) -> None:
        for same in zip(*(net.modules() for net in self._nets), strict=True):
            if isinstance(same[0], nn.BatchNorm2d) and same[0].training:
                for name in ("running_mean", "running_var"):
                    mean = torch.stack([getattr(norm, name) for norm in same]).mean(0)
                    for norm in same:
                        getattr(norm, name).copy_(mean)
