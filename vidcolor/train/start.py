"""Where a run's weights start from: ImageNet, an earlier run, or weights that ship."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from vidcolor.errors import ModelError
from vidcolor.models.checkpoint import read_checkpoint
from vidcolor.models.chromanet import load
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.chromanet.parts import ConvUnit
from vidcolor.models.trainable import TrainableNet
from vidcolor.train.narrow import narrowed
from vidcolor.train.saved import misfit, read_average


def continue_from(path: Path, net: ChromaNet, pictures: Iterable[Tensor]) -> None:
    """Fill ``net``, unfolded, with the weights in ``path``; attention it adds stays the identity,
    and of a wider decoder the weightiest channels stay.

    Weights that ship have their norms folded in. Each norm of the decoder is put back with the
    statistics that ``pictures``, batches of L* (N, 1, S, S), have at its place, so that it changes
    nothing at first and then trains as it did. Raises ModelError when the shapes do not fit.
    """
    if path.suffix == ".pt":
        state, _ = read_average(path)
    else:
        checkpoint = read_checkpoint(path)
        try:
            folded = load(checkpoint.state, checkpoint.config)
            if folded.config.widths != net.config.widths:
                folded = narrowed(folded, net.config.widths)
        except (RuntimeError, TypeError, LookupError, ValueError) as error:
            raise ModelError(f"{path}: cannot continue from this: {error}") from error
        state = _unfold(folded, pictures)
    new = {name: value for name, value in net.state_dict().items() if name.startswith("mixers.")}
    fill_from(net, new | state, path)


def fill(net: TrainableNet, path: Path) -> None:
    """Fill ``net``, of an architecture whose weights are as they were trained, with those in
    ``path``. Raises ModelError when they do not fit."""
    if path.suffix == ".pt":
        state, config = read_average(path)
        architecture = config.get("network", net.architecture)
    else:
        checkpoint = read_checkpoint(path)
        state = {name: torch.from_numpy(value) for name, value in checkpoint.state.items()}
        architecture, config = checkpoint.architecture, checkpoint.config
    # Arrays of one shape may be of two networks, and answer in two spaces.
    if architecture != net.architecture:
        raise ModelError(f"{path}: weights of {architecture}, not of {net.architecture}")
    if config.get("space", net.space) != net.space:
        raise ModelError(
            f"{path}: its answers are {config['space']}, those of the recipe's network {net.space}"
        )
    fill_from(net, state, path)


@torch.no_grad()
def _unfold(folded: ChromaNet, pictures: Iterable[Tensor]) -> dict[str, Tensor]:
    """The state of the network that, folded, is ``folded``."""
    sums: dict[str, list[Tensor]] = {}
    units = {name: unit for name, unit in folded.named_modules() if isinstance(unit, ConvUnit)}

    def watched(name: str) -> Callable[[Tensor], None]:
        def watch(output: Tensor) -> None:
            values = output.transpose(0, 1).flatten(1).double()
            sums.setdefault(name, []).append(
                torch.stack((values.mean(1), values.square().mean(1))).float()
            )

        return watch

    for name, unit in units.items():
        if not name.startswith("encoder."):
            unit.watch = watched(name)
    for batch in pictures:
        folded(batch)
    for unit in units.values():
        unit.watch = None

    state = dict(folded.state_dict())
    for name in units:
        bias = state.pop(f"{name}.conv.bias")
        if name in sums:
            mean, square = torch.stack(sums[name]).mean(0)
            variance = (square - mean.square()).clamp_min(1e-6)
        else:
            # The encoder's norms never look at a batch; any statistics will do.
            mean, variance = bias, torch.ones_like(bias)
        state |= {
            f"{name}.norm.weight": (variance + 1e-3).sqrt(),
            f"{name}.norm.bias": mean,
            f"{name}.norm.running_mean": mean - bias,
            f"{name}.norm.running_var": variance,
            f"{name}.norm.num_batches_tracked": torch.tensor(1),
        }
    return state


def fill_from(net: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Fill ``net`` with the ``state`` that was in ``path``. Raises ModelError."""
    try:
        net.load_state_dict(state, strict=True)
    except (RuntimeError, TypeError, AttributeError) as error:  # Of what is no state dict at all.
        raise ModelError(f"{path}: does not fit the recipe's network: {misfit(error)}") from error
    if not all(bool(value.isfinite().all()) for value in net.state_dict().values()):
        raise ModelError(f"{path}: holds values that are not numbers; no start for training")
