"""Threads that run the network on a CPU, each with one core and pictures of its own.

PyTorch would rather split every operation over all cores. Its threads then wait for each other at
the end of each, and where decoder and encoder want the same cores, most of the time goes into that
waiting: on two busy cores a picture took 380 ms so, and 75 ms with a thread to itself. Even alone,
two pictures in two threads take less time than one after the other in two.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from vidcolor.device import cores
from vidcolor.errors import DeviceError

In = TypeVar("In")
Out = TypeVar("Out")


class Crew:
    """``count`` threads, as many as there are cores unless told otherwise; they end with it.

    They are not there in a process that was forked later.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or cores()
        before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(
            self.count, "colorizer", initializer=torch.set_num_threads, initargs=(1,)
        )
        # All must have started before the number is set back for everybody else.
        everyone = threading.Barrier(self.count)
        for started in [self._pool.submit(everyone.wait) for _ in range(self.count)]:
            started.result()
        torch.set_num_threads(before)
        self._process = os.getpid()
        weakref.finalize(self, self._pool.shutdown, wait=False)

    def map(self, work: Callable[[In], Out], items: Sequence[In]) -> list[Out]:
        """``work`` done to every item, in order; raises what the first failure raised, and
        DeviceError where the threads are those of another process."""
        if os.getpid() != self._process:
            raise DeviceError(
                "this process was forked from the one that opened the colorizer, and its threads "
                "with it were not; open one in each process, or have multiprocessing spawn them"
            )
        return list(self._pool.map(work, items))
