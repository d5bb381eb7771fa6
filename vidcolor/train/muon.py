"""Muon: steps along which a matrix turns all its directions alike (Jordan et al., 2024).

The momentum of a matrix is made nearly orthogonal by a few steps of Newton's and Schulz's
iteration, so that directions seen seldom are learned as fast as those in every picture. What is no
matrix, and the layer that answers, are AdamW's. Steps are sized as AdamW's are (Liu et al., "Muon
is scalable for LLM training", 2025), so that one rate does for both.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

_MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of Jordan et al.: five steps bring every singular value to between 0.7 and 1.2."""
_STEPS = 5
_SIZE = 0.2
"""The root mean square of a step of AdamW."""


class Muon(torch.optim.AdamW):
    """AdamW, but for the groups with ``orthogonal`` true, which hold tensors of two dimensions or
    more: the first against all others is a matrix. ``threads`` turn one matrix each at a time."""

    def __init__(self, groups: Iterable[dict[str, Any]], *, threads: int = 1, **adamw: Any) -> None:
        super().__init__(groups, **adamw)
        self._threads = threads

    def step(self, closure: Any = None) -> Any:
        """One step of all parameters that have a gradient; those of matrices are gone after it."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        turns = [
            (parameter, group["lr"], group["weight_decay"])
            for group in self.param_groups
            if group["orthogonal"]
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        if self._threads > 1:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(self._turn, *zip(*turns, strict=True)))
        else:
            for turn in turns:
                self._turn(*turn)
        return super().step()

    @torch.no_grad()
    def _turn(self, parameter: Tensor, rate: float, decay: float) -> None:
        state = self.state[parameter]
        if not state:
            # AdamW wants to find a step wherever there is a state.
            state["step"] = torch.zeros((), device=parameter.device)
            state["momentum"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        momentum = state["momentum"].lerp_(parameter.grad, 1 - _MOMENTUM)
        matrix = parameter.grad.lerp(momentum, _MOMENTUM).flatten(1)
        parameter.grad = None
        turned = orthogonal(matrix).view(parameter.shape)
        parameter.mul_(1 - rate * decay)
        parameter.add_(turned, alpha=-rate * _SIZE * max(matrix.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """``matrix`` (m, n) with its singular vectors, and all singular values near one.

    A matrix of zeros stays one. Every iteration multiplies from the left by a polynomial in the
    matrix times its transpose. These commute, so that the product alone is carried on, and the long
    side multiplied only before and after: for a convolution's matrix a third of the work.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    # Not in half precision: the square holds the squares of singular values.
    x = matrix.float()
    x = x.mT if tall else x
    x = x / (x.norm() + 1e-7)
    a, b, c = _COEFFICIENTS
    square = x @ x.mT
    same = torch.eye(len(square), device=x.device)
    product = same
    for _ in range(_STEPS):
        factor = a * same + b * square + c * square @ square
        product = factor @ product
        square = factor @ square @ factor
    x = product @ x
    result: Tensor = (x.mT if tall else x).to(matrix.dtype)
    return result
