"""Encoders take the processors as other programs do, not before all of them.

SVT-AV1 makes itself, and the thread that opens it, real-time work where the system lets it, as it
lets root: then nothing else on the machine runs until it has nothing to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_THREADS = Path("/proc/self/task")


@contextmanager
def usual_priority() -> Iterator[None]:
    """Undo, on Linux, what the block does to the scheduling of this process's threads: this one
    gets its own back, those that became real-time work, or were begun as such, the same."""
    if not hasattr(os, "sched_setscheduler") or not _THREADS.is_dir():
        yield
        return
    policy, given = os.sched_getscheduler(0), os.sched_getparam(0)
    before = _real_time()
    try:
        yield
    finally:
        for thread in _real_time() - before:
            with suppress(OSError):  # It may have ended meanwhile.
                os.sched_setscheduler(thread, policy, given)


def _real_time() -> set[int]:
    """The threads of this process that go before all others."""
    found = set()
    for entry in _THREADS.iterdir():
        with suppress(OSError):
            if os.sched_getscheduler(int(entry.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                found.add(int(entry.name))
    return found
