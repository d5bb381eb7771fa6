"""Several processes on one run, as torchrun starts them: each trains on its share of every batch.

Each process holds the whole network and all photos. After each backward pass the gradients are
averaged, so that every process takes the very same step; the process of rank 0 alone writes.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vidcolor.device import pick_device, processes
from vidcolor.errors import SettingsError

Result = TypeVar("Result")

_PATIENCE = timedelta(minutes=30)
"""How long the others wait for one process, which may be decoding photos or validating."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process's ``rank`` among ``count``, and its device."""

    device: torch.device
    rank: int = 0
    count: int = 1
    _talk: list[dist.ProcessGroup] = field(default_factory=list)
    """The group for single numbers, which need not pass through the device; none once it is left:
    it has threads, which should have ended when Python does, and errors hold what they came by."""
    _said: deque[Tensor] = field(default_factory=lambda: deque(maxlen=64))
    """What was said last. A thread that lets go of a tensor last needs Python for that, and where
    Python has just ended, brings it down."""

    @property
    def first(self) -> bool:
        """True for the one process that writes and logs."""
        return self.rank == 0

    def rows(self, stages: tuple[tuple[float, int, int], ...]) -> slice:
        """This process's part of every batch. Raises SettingsError if a batch does not divide."""
        for _, _, batch in stages:
            if batch % self.count:
                raise SettingsError(
                    f"stages: a batch of {batch} cannot be shared evenly by {self.count} processes"
                )
        return slice(self.rank, None, self.count)

    def agree(self, *nets: nn.Module) -> None:
        """Give every process the networks of the first."""
        if self.count > 1:
            for net in nets:
                for value in net.state_dict().values():
                    # A plain copy: filters lie with their channels last.
                    said = value.clone(memory_format=torch.contiguous_format)
                    dist.broadcast(said, 0)
                    value.copy_(said)

    def average(self, net: nn.Module) -> None:
        """Average the gradients, and the statistics that norms have just gathered."""
        if self.count == 1:
            return
        parts = [p.grad for p in net.parameters() if p.grad is not None]
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d) and module.training:
                parts += [s for s in (module.running_mean, module.running_var) if s is not None]
        flat = torch.cat([part.flatten() for part in parts])
        dist.all_reduce(flat)
        flat /= self.count
        sizes = [part.numel() for part in parts]
        for part, mean in zip(parts, flat.split(sizes), strict=True):
            part.copy_(mean.view_as(part))

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes of a small tensor."""
        if self.count > 1:
            value = value.clone()
            self._said.append(value)
            dist.all_reduce(value)
            value /= self.count
        return value

    def alike(self, value: float) -> bool:
        """Whether ``value`` is the same in every process; all are told the same."""
        if self.count == 1:
            return True
        said = torch.tensor([value, -value], dtype=torch.float64)
        self._said.append(said)
        dist.all_reduce(said, dist.ReduceOp.MAX, group=self._talk[0])
        return bool(said[0] == -said[1])

    def in_turn(self, work: Callable[[], Result]) -> Result:
        """Do ``work``, the others once the first process has done it: they find what it keeps."""
        if not self.first:
            self.told(0.0)
        result = work()
        if self.first:
            self.told(0.0)
        return result

    def told(self, value: float) -> float:
        """What the first process says; clocks differ, and all must do the same."""
        if self.count == 1:
            return value
        said = torch.tensor([value], dtype=torch.float64)
        self._said.append(said)
        dist.broadcast(said, 0, group=self._talk[0])
        return float(said)


@contextmanager
def joined(wanted: str) -> Iterator[Ranks]:
    """The processes of this run, one where torchrun has started no more; each with its device.

    ``wanted`` is as for `pick_device`. Where there are GPUs, each process of a machine takes its
    own.
    """
    count = processes()
    if count == 1:
        yield Ranks(pick_device(wanted))
        return
    try:
        rank, local = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    except KeyError as error:
        raise SettingsError(
            f"WORLD_SIZE is {count}, but {error} is not set: start with torchrun, or unset it"
        ) from error
    device = pick_device(wanted)
    on_cpu = device.type == "cpu"
    if not on_cpu:
        device = pick_device(f"{device.type}:{local}")
    try:
        dist.init_process_group(
            "gloo" if on_cpu else "nccl", timeout=_PATIENCE, device_id=None if on_cpu else device
        )
    except (RuntimeError, ValueError) as error:
        raise SettingsError(
            f"process {rank} of {count} cannot meet the others: {str(error).splitlines()[0]}"
        ) from error
    talk: list[dist.ProcessGroup] = []
    try:
        talk.append(dist.new_group(backend="gloo", timeout=_PATIENCE))
        yield Ranks(device, rank, count, talk)
    finally:
        talk.clear()
        dist.destroy_process_group()
