"""Which library runs a network: OpenVINO on the CPU where it can, PyTorch everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vidcolor.device import pick_name
from vidcolor.errors import DeviceError
from vidcolor.models.architecture import Architecture, Engine
from vidcolor.models.checkpoint import Checkpoint
from vidcolor.models.registry import fitting
from vidcolor.models.runtime import load_openvino

if TYPE_CHECKING:
    import torch

ENGINES = ("auto", "openvino", "torch")


def pick_engine(
    wanted: str, device: str, architecture: Architecture, *, any_dtype: bool = True
) -> str:
    """``openvino`` or ``torch`` for ``device``, a name from `vidcolor.device.pick_name`.

    ``auto`` is OpenVINO on the CPU if it is installed and knows the architecture, unless a dtype
    was asked for. Raises DeviceError for an engine that is unknown or cannot do what is asked.
    """
    if wanted not in ENGINES:
        raise DeviceError(f"engine {wanted!r}: unknown; valid are {', '.join(ENGINES)}")
    if wanted == "torch":
        return wanted
    reason = None
    if device != "cpu":
        reason = f"runs on the CPU alone, not on {device}"
    elif architecture.graph is None:
        reason = f"cannot run {architecture.name}"
    elif not any_dtype:
        reason = "has no choice of dtype"
    else:
        try:
            load_openvino()
        except ImportError:
            reason = "is not installed; pip install openvino"
    if wanted == "openvino" and reason:
        raise DeviceError(f"engine 'openvino' {reason}, or use engine 'torch'")
    return "torch" if reason else "openvino"


def load_engine(
    path: Path,
    model: tuple[Architecture, Checkpoint],
    device: str,
    engine: str = "auto",
    dtype: torch.dtype | None = None,
    warn: Callable[[str], None] | None = None,
) -> Engine:
    """The network of ``model``, read from ``path``, on ``device`` (as in `vidcolor.device`).

    Raises ModelError when the checkpoint does not fit its architecture, and DeviceError.
    """
    architecture, checkpoint = model
    if architecture.open is not None:
        if engine != "auto" or dtype is not None:
            raise DeviceError(
                f"{architecture.name} has an engine of its own, and no choice of engine or dtype"
            )
        return architecture.open(path, checkpoint, device)
    state, config = checkpoint.state, checkpoint.config
    place = pick_name(device)
    if pick_engine(engine, place, architecture, any_dtype=dtype is None) == "openvino":
        from vidcolor.models.openvino_net import OpenVinoNet

        graph = architecture.graph
        assert graph is not None
        # The size of films is not known yet, but whether all arrays fit is to be known now.
        with fitting(path, architecture):
            tried = graph(state, config, 32, 32, hinted=True)
        integers = any(part.get_type_name() == "FakeQuantize" for part in tried.get_ops())
        return OpenVinoNet(
            lambda height, width, hinted: graph(state, config, height, width, hinted=hinted),
            "int8 and float32" if integers else "float32",
        )
    from vidcolor.models.torch_net import TorchNet

    assert architecture.load is not None
    with fitting(path, architecture):
        net = architecture.load(state, config)
    return TorchNet(net, place, dtype, warn)
