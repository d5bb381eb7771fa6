"""A critic that learns to tell true colours from the network's, and is to be fooled.

Isola, Zhu, Zhou and Efros, "Image-to-Image Translation with Conditional Adversarial Networks" (CVPR
2017): the critic judges each patch of a picture by itself, and sees the lightness as well. With
``critic_from`` and ``adversary_from`` the two are trained in the manner of Antic's NoGAN (DeOldify,
2019): the network first without a critic, then the critic alone, and both only at the end.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidcolor.models.eccv16.net import scale_lightness
from vidcolor.models.lab import AB_SCALE
from vidcolor.train.recipe import Recipe

_BETAS = (0.5, 0.999)


class PatchCritic(nn.Module):
    """L* (N, 1, H, W) and ab (N, 2, H, W) to a verdict on each patch: logits, true above 0.

    With four layers that a verdict looks through, a patch is 70 pixels wide.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for times, stride in ((2, 2), (4, 2), (8, 1)):
            inputs, outputs = width * max(1, times // 2), width * times
            layers += [
                nn.Conv2d(inputs, outputs, 4, stride, 1),
                nn.GroupNorm(8, outputs),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))

    def forward(self, lightness: Tensor, ab: Tensor) -> Tensor:
        verdicts: Tensor = self.layers(torch.cat((scale_lightness(lightness), ab / AB_SCALE), 1))
        return verdicts


class Adversary:
    """The critic with its optimiser, and which of the two learns when."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self._recipe = recipe
        self.critic = PatchCritic(recipe.critic_width).to(device).requires_grad_(False)
        self._optimiser = torch.optim.Adam(self.critic.parameters(), lr=recipe.rate, betas=_BETAS)

    def opposes(self, progress: float) -> bool:
        """Whether the network is to fool the critic by now."""
        return progress >= self._recipe.adversary_from

    def learns(self, progress: float) -> bool:
        """Whether the critic learns by now."""
        return progress >= self._recipe.critic_from

    def doubt(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """How sure the critic is that ``ab`` is not true: what the network is to make small."""
        verdicts = self.critic(lightness, ab)
        return F.binary_cross_entropy_with_logits(verdicts, torch.ones_like(verdicts))

    def backward(self, lightness: Tensor, found: Tensor, true: Tensor) -> Tensor:
        """Set the critic's gradients, for ``found`` and ``true`` ab; returns its loss."""
        self.critic.requires_grad_(True)
        false, right = self.critic(lightness, found), self.critic(lightness, true)
        loss = 0.5 * (
            F.binary_cross_entropy_with_logits(false, torch.zeros_like(false))
            + F.binary_cross_entropy_with_logits(right, torch.ones_like(right))
        )
        loss.backward()
        self.critic.requires_grad_(False)
        return loss.detach()

    def step(self, rate: float) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return {"critic": self.critic.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.critic.load_state_dict(state["critic"])
        self._optimiser.load_state_dict(state["optimiser"])
