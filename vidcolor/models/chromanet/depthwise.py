"""Backpropagation through a depthwise convolution whose filters are not trained.

The stock backward of a depthwise convolution is several times slower on a CPU than its forward,
and took more than half of a training step. The gradient for the input is itself a depthwise
convolution, with the filters turned by 180 degrees, and runs at forward speed.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class FrozenDepthwise(torch.autograd.Function):
    """``conv2d`` with one fixed filter a channel: gradients for the input and the bias only."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int
    ) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.stride, ctx.padding, ctx.shape = stride, padding, x.shape
        return F.conv2d(x, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        (weight,) = ctx.saved_tensors
        channels, kernel = weight.shape[0], weight.shape[-1]
        border = kernel - 1 - ctx.padding
        turned = weight.flip(2, 3)
        if ctx.stride == 1:
            back = F.conv2d(grad, turned, None, 1, border, groups=channels)
        else:
            # Between the gradients of a strided convolution lie the inputs it stepped over.
            count, _, height, width = ctx.shape
            spread = grad.new_zeros(
                (count, channels, height + kernel - 1, width + kernel - 1)
            ).contiguous(memory_format=torch.channels_last)
            rows = slice(border, border + ctx.stride * grad.shape[2], ctx.stride)
            columns = slice(border, border + ctx.stride * grad.shape[3], ctx.stride)
            spread[:, :, rows, columns] = grad
            back = F.conv2d(spread, turned, None, 1, 0, groups=channels)
        return back, None, grad.sum((0, 2, 3)), None, None
