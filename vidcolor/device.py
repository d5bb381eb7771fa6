"""The only file that says "cuda": which device there is, what it is good at, when it is full.

PyTorch takes seconds to import and is not needed everywhere, so it is imported where it is used.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from traceback import clear_frames
from typing import TYPE_CHECKING, Any

from vidcolor.errors import DeviceError

if TYPE_CHECKING:
    import torch

    OutOfMemory = torch.cuda.OutOfMemoryError
    """What torch raises when the device's memory is full."""
else:

    def __getattr__(name: str) -> Any:
        if name == "OutOfMemory":
            import torch

            return torch.cuda.OutOfMemoryError
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_DRIVERS = (
    "/proc/driver/nvidia",
    "/dev/nvidiactl",
    "/dev/dxg",  # Windows' subsystem for Linux
    "/dev/nvmap",  # Jetson
    "/dev/kfd",  # AMD, whose PyTorch calls its devices cuda too
)
"""Where Linux shows that a GPU's driver is loaded."""


_SHARERS = "VIDCOLOR_SHARERS"


def has_driver() -> bool:
    """Whether a GPU may be usable; False is certain, and costs no import of PyTorch."""
    if sys.platform == "darwin":
        return False
    if sys.platform == "win32":
        for name in ("nvcuda.dll", "amdhip64_6.dll", "amdhip64_7.dll"):
            try:
                ctypes.WinDLL(name)
            except OSError:
                continue
            return True
        return False
    return any(Path(path).exists() for path in _DRIVERS)


def pick_name(wanted: str = "auto") -> str:
    """``auto`` (CUDA when there is one), ``cpu``, ``cuda`` or ``cuda:N`` to a device's name.

    Raises DeviceError for a device that is not there, and for a name that means nothing.
    """
    if wanted == "cpu":
        return wanted
    name, colon, number = wanted.partition(":")
    if wanted != "auto" and (name != "cuda" or bool(colon) != number.isdecimal()):
        raise DeviceError(f"device {wanted!r}: unknown; valid are auto, cpu, cuda and cuda:N")
    found = _count() if has_driver() else 0
    if wanted == "auto":
        return "cuda" if found else "cpu"
    if not found:
        raise DeviceError(
            f"device {wanted!r}: no CUDA GPU is usable here; use --device cpu, or auto"
        )
    if number and int(number) >= found:
        raise DeviceError(f"device {wanted!r}: only cuda:0 to cuda:{found - 1} are here")
    return wanted


def _count() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def pick_device(wanted: str = "auto") -> torch.device:
    """As `pick_name`, as a torch device."""
    import torch

    return torch.device(pick_name(wanted))


def pick_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively, which halves the time; else float32.

    A CPU without such instructions would emulate them, slower than float32.
    """
    import torch

    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Not a documented name; where torch lacks it, float32 is the safe answer.
        probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
        native = bool(probe and probe())
    return torch.bfloat16 if native else torch.float32


def describe(device: torch.device) -> str:
    """The device's name for reports: ``cpu``, or the GPU's own name."""
    if device.type != "cuda":
        return "cpu"
    import torch

    return torch.cuda.get_device_name(device)


def free_cache(device: torch.device, error: BaseException) -> None:
    """Give cached memory back to the device, after it ran out with ``error``."""
    # What it was busy with would be kept, by the error, as long as that is being handled.
    clear_frames(error.__traceback__)
    if device.type == "cuda":
        import torch

        torch.cuda.empty_cache()


def host_pages(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Zeros, float32, in memory from which ``device`` reads and to which it writes by itself."""
    import torch

    return torch.zeros(shape, pin_memory=device.type == "cuda")


def wait_for(device: torch.device) -> None:
    """Until all that this thread asked of ``device`` is done."""
    if device.type == "cuda":
        import torch

        torch.cuda.current_stream(device).synchronize()


def record(step: Callable[[], torch.Tensor], device: torch.device) -> Callable[[], torch.Tensor]:
    """``step``, whose arrays on ``device`` stay where they are, as one CUDA graph: what is returned
    does it again, and gives the same array each time, written anew. On a CPU ``step`` itself.

    Raises RuntimeError where it cannot be recorded.
    """
    if device.type != "cuda":
        return step
    import torch

    with torch.cuda.device(device):
        # Libraries set themselves up in the first calls, which must not be recorded.
        aside = torch.cuda.Stream(device)
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            for _ in range(3):
                step()
        torch.cuda.current_stream(device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile, for another network. Where recording fails,
        # `graph` itself leaves the thread on its stream.
        before = torch.cuda.stream(torch.cuda.current_stream(device))
        with before, torch.cuda.graph(graph, capture_error_mode="thread_local"):
            result = step()

    def replay() -> torch.Tensor:
        with torch.cuda.device(device):
            graph.replay()
        return result

    return replay


def cores() -> int:
    """CPU cores this process may use, which can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return max(1, (os.cpu_count() or 1) // int(os.environ.get(_SHARERS, "1")))


def processes() -> int:
    """How many there are of this run: what torchrun has started, else this one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def share_cores(number: int, count: int) -> None:
    """Leave this process its part of the cores, being ``number`` (from 0) of ``count``.

    On Linux decoders and encoders keep to it too, as they count the cores a process may use;
    elsewhere no process can be told, and it is for the network alone.
    """
    if hasattr(os, "sched_setaffinity"):
        there = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, there[number::count] or there[number % len(there) :][:1])
    else:
        os.environ[_SHARERS] = str(count)
