"""A run's checkpoint: all that is needed to go on as if nothing had happened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from vidcolor.disk import put_in_place
from vidcolor.errors import ModelError, TargetError
from vidcolor.models.torch_state import load_file
from vidcolor.models.trainable import TrainableNet
from vidcolor.train.critic import Adversary

Part = TypeVar("Part")

_UNFIT = (RuntimeError, LookupError, ValueError, TypeError, AttributeError)
"""What torch raises when the content of a file is not what was saved."""


_REMEDY = "Use another run folder, or remove it"
_DECODING = frozenset({"temperature", "rebalance", "chroma_gain", "chroma_power"})
"""What may be changed of a network at any time; the rest of its shape may not."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What training changes. ``terms`` are the loss's, ``adversary`` is None without a critic."""

    net: TrainableNet
    average: TrainableNet
    optimiser: Optimizer
    terms: tuple[str, ...]
    adversary: Adversary | None = None

    def sound(self) -> bool:
        """Whether all weights are numbers."""
        nets = [self.net, *([self.adversary.critic] if self.adversary else [])]
        return all(bool(value.isfinite().all()) for net in nets for value in net.parameters())


@dataclass(slots=True)
class State:
    """Where a run stands, besides its networks and its optimiser."""

    step: int = 0
    """Steps done."""
    spent: float = 0.0
    """Seconds of training."""
    images: int = 0
    """Crops seen."""
    best: float = float("-inf")
    """The highest score of a validation so far."""
    best_by: str = ""
    """What it was a score of, see `Recipe.best_by`; empty: of an earlier version, or of none."""
    best_step: int = 0
    stale: int = 0
    """Validations since then."""
    validated: int = -1
    """The step last validated."""
    counted: int = 0
    """Steps whose losses are in ``sums``, since the last log line."""


def save(path: Path, state: State, sums: Tensor, trained: Trained) -> None:
    """Write the checkpoint beside ``path``, make sure it is on the disk, then replace ``path``.

    Raises TargetError when it cannot be written; what was at ``path`` is then still there.
    """
    write_tensors(
        path,
        {
            "state": {item.name: getattr(state, item.name) for item in fields(state)},
            "sums": sums,
            "config": _config(trained),
            "net": trained.net.state_dict(),
            "average": trained.average.state_dict(),
            "optimiser": trained.optimiser.state_dict(),
            "adversary": trained.adversary.state_dict() if trained.adversary else None,
        },
    )


def write_tensors(path: Path, content: dict[str, Any]) -> None:
    """`torch.save`, whole or not at all. Raises TargetError."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as handle:
            torch.save(content, handle)
        put_in_place(part, path)
    # torch's writer hides the system's errors behind a RuntimeError about positions.
    except (OSError, RuntimeError) as error:
        with contextlib.suppress(OSError):
            part.unlink()
        why = _reason(error)
        kept = "; the one saved before is kept" if path.is_file() else ""
        raise TargetError(
            f"{path}: cannot save: {why}{kept}. Make room and give the same command again"
        ) from error


def restore(path: Path, trained: Trained) -> tuple[State, Tensor]:
    """Fill networks and optimisers from a checkpoint, made on whichever device.

    Returns the state and the sums of losses. Raises ModelError when the checkpoint is broken or of
    another network.
    """
    try:
        # To the CPU first: each tensor then goes where its owner wants it, and the optimiser's
        # step counts, which it reads every step, stay off the device.
        saved = load_file(path)
    except ModelError as error:
        raise ModelError(f"{error}. {_REMEDY}") from error
    try:
        _check(path, saved.get("config"), _config(trained))
        trained.net.load_state_dict(saved["net"])
        trained.average.load_state_dict(saved["average"])
        _load_moments(trained.optimiser, saved["optimiser"])
        if trained.adversary:
            trained.adversary.load_state_dict(saved["adversary"])
        return State(**saved["state"]), saved["sums"]
    except _UNFIT as error:
        raise ModelError(
            f"{path}: this checkpoint does not fit the recipe: {misfit(error)}. {_REMEDY}"
        ) from error


def _load_moments(optimiser: Optimizer, saved: dict[str, Any]) -> None:
    """What it has gathered; how it steps is for the recipe to say, which may have changed."""
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimiser.param_groups]
    optimiser.load_state_dict(saved)
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            for value in optimiser.state[parameter].values():
                if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
                    raise ValueError("its optimiser has other groups of layers")
    for group, own in zip(optimiser.param_groups, groups, strict=True):
        group.update(own)


@dataclass(frozen=True, slots=True)
class Best:
    """The averaged weights of one validation: what ``best.pt`` holds."""

    step: int
    score: float
    average: dict[str, Tensor]
    config: dict[str, Any] = field(default_factory=dict)
    """What the network is, beside its arrays; empty: of an earlier version."""

    def save(self, path: Path) -> None:
        """Raises TargetError."""
        write_tensors(path, {item.name: getattr(self, item.name) for item in fields(self)})


def read_best(path: Path) -> Best:
    """Raises ModelError."""
    return _read_back(path, lambda saved: Best(**saved))


def read_average(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The averaged weights in a ``.pt`` file of a run, and what their network is beside its arrays,
    nothing where that is not told. Raises ModelError."""
    return _read_back(path, lambda saved: (saved["average"], dict(saved.get("config") or {})))


def _read_back(path: Path, take: Callable[[dict[str, Any]], Part]) -> Part:
    saved = load_file(path)
    try:
        return take(saved)
    except _UNFIT as error:
        raise ModelError(f"{path}: cannot be read back: {misfit(error)}") from error


def _reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def misfit(error: Exception) -> str:
    """What does not fit, in a sentence without its full stop."""
    if isinstance(error, KeyError):
        return f"it has no {error}"
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    # Of a network, torch has a heading, and then each array that is missing or of another shape.
    told = lines[1] if len(lines) > 1 and lines[0].endswith(":") else lines[0]
    return shorten(told.rstrip("."), 250, placeholder=" …")


def _config(trained: Trained) -> dict[str, Any]:
    # The network first: what differs is told in this order.
    name = trained.net.architecture
    return {"network": name, "terms": trained.terms, **described(trained.net)}


def described(net: TrainableNet) -> dict[str, Any]:
    """What a network is, beside its arrays."""
    return {"network": net.architecture, **net.shape()}


def _check(path: Path, there: dict[str, Any] | None, here: dict[str, Any]) -> None:
    if there is None:
        return
    for key in (key for key in here if key not in _DECODING):
        # What an older version did not write is compared by the arrays' shapes alone.
        if _listed(there.get(key, here[key])) != _listed(here[key]):
            raise ModelError(
                f"{path}: this checkpoint does not fit the recipe: its network has {key} "
                f"{_listed(there.get(key))}, the recipe's {_listed(here[key])}. {_REMEDY}"
            )


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value
