"""What a run makes small: parts that a recipe chooses and weighs, added up."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vidcolor.models.fusionnet.net import FusionNet
from vidcolor.models.lab import AB_SCALE, chroma_of, rgb_from_lab
from vidcolor.models.trainable import TrainableNet
from vidcolor.train.critic import Adversary
from vidcolor.train.examples import Batch
from vidcolor.train.heldout import enlarged
from vidcolor.train.known import Known
from vidcolor.train.network import norms_at_rest
from vidcolor.train.objectives import ColorLoss
from vidcolor.train.perceptual import Perceptual
from vidcolor.train.recipe import Recipe
from vidcolor.train.teachers import Teachers

_DISTRIBUTION = ("cross_entropy", "error", "vividness", "edges")


def terms_of(recipe: Recipe) -> tuple[str, ...]:
    """The names of the loss's parts; the last is ``total``."""
    own = _DISTRIBUTION if recipe.loss == "distribution" else (recipe.loss,)
    further = ("classification", "perceptual", "adversarial")
    critic = ("critic",) if recipe.adversarial else ()
    return (*own, *(name for name in further if getattr(recipe, name)), *critic, "total")


class Costs:
    """The loss of a network on a batch, and its parts.

    The colours' own part is ``named`` or, without, a distance of the network's ``chroma``.
    ``terms`` names the parts, as they are before they are weighed. The ``adversary`` has a part
    while ``opposed`` is True.
    """

    def __init__(
        self,
        recipe: Recipe,
        named: ColorLoss | None,
        known: Known,
        adversary: Adversary | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._recipe, self._known, self._dtype = recipe, known, dtype
        self._named, self._adversary, self.opposed = named, adversary, False
        self._teachers = Teachers(recipe.teachers, device) if recipe.teachers else None
        self._perceptual = Perceptual(recipe.encoder).to(device) if recipe.perceptual else None
        self.terms = terms_of(recipe)

    def __call__(self, net: TrainableNet, batch: Batch) -> tuple[Tensor, Tensor]:
        """What is to be made small, and all ``terms`` of it, the critic's own left 0."""
        recipe = self._recipe
        output, kinds = self._seen(net, batch)
        parts: dict[str, Tensor] = {}
        if self._named is not None:
            named = self._named(output, batch.ab, self._told(batch))
            parts |= {name: getattr(named, name) for name in _DISTRIBUTION}
            total = named.total
        else:
            total = parts[recipe.loss] = self._distance(net, output, batch)
        if kinds is not None and self._known.labels is not None:
            cost = F.cross_entropy(kinds.float(), self._known.labels[batch.number])
            parts["classification"] = cost
            total = total + recipe.classification * cost
        if self._perceptual is not None or (self._adversary and self.opposed):
            size = batch.lightness.shape[-2:]
            found, true = enlarged(net.decode(output.float()), size), enlarged(batch.ab, size)
            if self._perceptual is not None:
                shown = (rgb_from_lab(torch.cat((batch.lightness, ab), 1)) for ab in (found, true))
                parts["perceptual"] = self._perceptual(*shown)
                total = total + recipe.perceptual * parts["perceptual"]
            if self._adversary and self.opposed:
                parts["adversarial"] = self._adversary.doubt(batch.lightness, found)
                total = total + recipe.adversarial * parts["adversarial"]
        parts["total"] = total
        none = total.new_zeros(())
        return total, torch.stack([parts.get(name, none) for name in self.terms]).detach()

    def look(self, net: TrainableNet, batch: Batch) -> Tensor:
        """All ``terms``, of a network that is not to learn from them."""
        with torch.no_grad(), norms_at_rest(net):
            return self(net, batch)[1]

    def teach_critic(self, net: TrainableNet, batch: Batch) -> Tensor:
        """Set the gradients of the critic; returns its loss among the ``terms``, the others 0."""
        assert self._adversary is not None
        with torch.no_grad(), norms_at_rest(net):
            found = net.decode(self._seen(net, batch)[0].float())
        size = batch.lightness.shape[-2:]
        pictures = enlarged(found, size), enlarged(batch.ab, size)
        loss = self._adversary.backward(batch.lightness, *pictures)
        return torch.stack([loss if name == "critic" else 0 * loss for name in self.terms])

    def _seen(self, net: TrainableNet, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """The network's output, and its logits for the kinds of photos if it has such."""
        hints = batch.hints if net.hinted else None
        with self._cast(batch):
            if not isinstance(net, FusionNet):
                return net(batch.lightness, hints), None
            table = self._known.embeddings
            return net.paint(batch.lightness, hints, None if table is None else table[batch.number])

    def _told(self, batch: Batch) -> Tensor | None:
        if self._teachers is None:
            return None
        with self._cast(batch):
            return self._teachers(batch.lightness, batch.hints)

    def _cast(self, batch: Batch) -> torch.autocast:
        # Made anew each time, as it holds for the thread that enters it.
        kind, exact = batch.lightness.device.type, self._dtype == torch.float32
        return torch.autocast(kind, self._dtype, enabled=not exact)

    def _distance(self, net: TrainableNet, output: Tensor, batch: Batch) -> Tensor:
        times = batch.lightness.shape[-1] // batch.ab.shape[-1]
        small = F.avg_pool2d(batch.lightness, times)
        found, true = net.chroma(output.float()), chroma_of(small, batch.ab, net.space)
        match self._recipe.loss:
            case "l1":
                return F.l1_loss(found, true)
            case "l2":
                return F.mse_loss(found, true)
        # Round for less than one unit of ab.
        return F.smooth_l1_loss(found, true, beta=1 / AB_SCALE)
