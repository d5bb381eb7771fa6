"""Muon: steps along which a matrix turns all its directions alike (Jordan et al., 2024).

The momentum of a matrix is made nearly orthogonal by a few steps of Newton's and Schulz's
iteration, so that directions seen seldom are learned as fast as those in every picture. What is no
matrix, and the layer that answers, are AdamW's. Steps are sized as AdamW's are (Liu et al., "Muon
is scalable for LLM training", 2025), so that one rate does for both.
"""

from __future__ import annotations

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
    more: the first against all others is a matrix."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of all parameters that have a gradient; those of matrices are gone after it."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            if group["orthogonal"]:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._turn(parameter, group["lr"], group["weight_decay"])
                        parameter.grad = None
        return super().step()

    def _turn(self, parameter: Tensor, rate: float, decay: float) -> None:
        state = self.state[parameter]
        if not state:
            # AdamW wants to find a step wherever there is a state.
            state["step"] = torch.zeros((), device=parameter.device)
            state["momentum"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        momentum = state["momentum"].lerp_(parameter.grad, 1 - _MOMENTUM)
        matrix = parameter.grad.lerp(momentum, _MOMENTUM).flatten(1)
        turned = orthogonal(matrix).view(parameter.shape)
        parameter.mul_(1 - rate * decay)
        parameter.add_(turned, alpha=-rate * _SIZE * max(matrix.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """``matrix`` (m, n) with its singular vectors, and all singular values near one.

    A matrix of zeros stays one.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    # Where a GPU multiplies it, twice as fast; Jordan et al. lose nothing by it.
    x = matrix.bfloat16() if matrix.is_cuda else matrix.float()
    x = x.mT if tall else x
    x = x / (x.norm() + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = (x.mT if tall else x).to(matrix.dtype)
    return result
