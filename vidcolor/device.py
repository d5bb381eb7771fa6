"""The only file that says "cuda": which device there is, what it is good at, when it is full."""

from __future__ import annotations

import torch

from vidcolor.errors import DeviceError

OutOfMemory = torch.cuda.OutOfMemoryError
"""What torch raises when the device's memory is full."""


def pick_device(wanted: str = "auto") -> torch.device:
    """``auto`` (CUDA when there is one), ``cpu``, ``cuda`` or ``cuda:N`` to a torch device.

    Raises DeviceError for a device that is not there, and for a name that means nothing.
    """
    if wanted == "cpu":
        return torch.device("cpu")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda" if found else "cpu")
    name, colon, number = wanted.partition(":")
    if name != "cuda" or bool(colon) != number.isdecimal():
        raise DeviceError(f"device {wanted!r}: unknown; valid are auto, cpu, cuda and cuda:N")
    if not found:
        raise DeviceError(
            f"device {wanted!r}: no CUDA GPU is usable here; use --device cpu, or auto"
        )
    if number and int(number) >= found:
        raise DeviceError(f"device {wanted!r}: only cuda:0 to cuda:{found - 1} are here")
    return torch.device(wanted)


def pick_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively, which halves the time; else float32.

    A CPU without such instructions would emulate them, slower than float32.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Not a documented name; where torch lacks it, float32 is the safe answer.
        probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
        native = bool(probe and probe())
    return torch.bfloat16 if native else torch.float32


def describe(device: torch.device) -> str:
    """The device's name for reports: ``cpu``, or the GPU's own name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def free_cache(device: torch.device) -> None:
    """Give cached memory back to the device, after it ran out."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
