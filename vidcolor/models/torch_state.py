"""PyTorch's own weight files, read without running what they hold, and weights put into networks.

A ``.pth`` file is a pickle, and a pickle can hold code. PyTorch's restricted reader knows arrays
and plain containers alone and stops at anything else, so that opening a file runs nothing of it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vidcolor.aside import no_warnings
from vidcolor.errors import ModelError

Net = TypeVar("Net", bound=nn.Module)

_WRAPPED = ("model", "params_ema", "params", "state_dict")
"""Where a state lies among what else is saved with it, by fastai, BasicSR and Lightning."""


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """The state dict in a PyTorch file, old or new format, as arrays on the CPU by their names.

    It may lie beside that of an optimiser, as fastai saves it, which is left out.

    Raises ModelError when the file is missing, broken, or holds anything besides arrays.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such checkpoint")
    state = load_file(path)
    if isinstance(state, Mapping):
        state = next((state[k] for k in _WRAPPED if isinstance(state.get(k), Mapping)), state)
    if not isinstance(state, Mapping) or not all(map(_is_plain, state.values())):
        raise ModelError(f"{path}: not a state dict: its values are not all arrays")
    return {str(name): _array(value) for name, value in state.items()}


def load_file(path: Path) -> Any:
    """What lies in a PyTorch file, its tensors on the CPU. Raises ModelError when it is broken."""
    try:
        # Torch warns of pickles it did not write, in lines of its own.
        with no_warnings.held():
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        # What torch says here is a page long, and tells how to let the file run its code.
        what = "it is damaged, or holds code or objects besides its arrays"
        with path.open("rb") as file:
            if file.read(64).lstrip().lower().startswith((b"<!doctype html", b"<html")):
                what = "it is a web page; download the file itself"
        raise ModelError(f"{path}: not opened: {what}") from error
    except Exception as error:  # Of a damaged pickle, whatever its bytes happen to mean.
        reason = "it is truncated or damaged"
        # Torch reads before the beginning of a zip file that is cut short.
        if isinstance(error, OSError) and error.strerror and error.errno != errno.EINVAL:
            reason = error.strerror
        raise ModelError(f"{path}: broken checkpoint, or not one at all: {reason}") from error


def _is_plain(value: Any) -> bool:
    """Whether it is an array as NumPy knows them: not sparse, not quantised, not without data."""
    if not isinstance(value, Tensor) or value.is_quantized or value.is_meta:
        return False
    return value.layout == torch.strided


def _array(value: Tensor) -> NDArray[Any]:
    """NumPy has no bfloat16, nor arrays that require a gradient."""
    plain = value.detach()
    return np.asarray(plain.float() if plain.is_floating_point() else plain)


def filled(make: Callable[[], Net], state: Mapping[str, NDArray[Any]]) -> Net:
    """The network that ``make`` makes, with ``state``, in eval mode and float32.

    Raises RuntimeError when names, shapes or kinds of numbers do not fit exactly.
    """
    # Without storage at first: random weights would be drawn only to be replaced.
    with torch.device("meta"):
        net = make()
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    wide = {
        name: value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
    }
    # Arrays that are assigned keep their kind, and the first picture would be the one to fail.
    for name, value in net.state_dict().items():
        given = wide.get(name, value)
        if value.is_floating_point() and not given.is_floating_point():
            raise RuntimeError(f"{name} holds {given.dtype}, not floating-point numbers")
    net.load_state_dict(wide, strict=True, assign=True)
    return net.eval().requires_grad_(False)
