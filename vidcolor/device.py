"""The only file that says "cuda"."""

from __future__ import annotations

import torch

from vidcolor.errors import DeviceError


def pick_device(wanted: str = "auto") -> torch.device:
    """``auto`` (CUDA when there is one), ``cpu``, ``cuda`` or ``cuda:N`` to a torch device.

    Raises DeviceError for a device that is not there, and for a name that means nothing.
    """
    if wanted == "cpu":
        return torch.device("cpu")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda" if found else "cpu")
    name, _, number = wanted.partition(":")
    if name != "cuda" or (number and not number.isdigit()):
        raise DeviceError(f"device {wanted!r}: unknown; valid are auto, cpu, cuda and cuda:N")
    if not found:
        raise DeviceError(
            f"device {wanted!r}: no CUDA GPU is usable here; use --device cpu, or auto"
        )
    if number and int(number) >= found:
        raise DeviceError(f"device {wanted!r}: only cuda:0 to cuda:{found - 1} are here")
    return torch.device(wanted)
