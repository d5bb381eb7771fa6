"""Ray, and the way to a cluster of its that is there already."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vidcolor.errors import DeviceError, UsageError

_ANSWER = 5.0
"""Seconds within which a cluster must answer."""


def load_ray() -> Any:
    """The module ``ray``, without its reports to its makers. Raises UsageError if it is missing."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("--cluster needs Ray: pip install 'vidcolor[cluster]'") from error
    return ray


def connect(address: str) -> bool:
    """Connect this process with the cluster at ``address``; False if it is with one already.

    Raises UsageError without Ray, DeviceError if there is no cluster.
    """
    with _own_signals():
        ray = load_ray()
        if ray.is_initialized():
            return False
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise DeviceError(
                f"--cluster {address}: no Ray cluster to be reached there; start one "
                "with ray start --head, and join this machine to it"
            ) from error
        return True


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself, when it is imported and when it connects; here it is taken
    back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _knock(address: str) -> None:
    """Raise OSError if nobody is there: Ray itself would go on trying for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        host = host.rpartition("//")[2].strip("[]")
        socket.create_connection((host, int(port)), _ANSWER).close()
