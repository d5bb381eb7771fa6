"""Networks of others in ONNX files, each by the conventions of its author.

``read`` and ``open_net`` are what the registry asks of an architecture that reads its own files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vidcolor.errors import DeviceError
from vidcolor.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    from vidcolor.models.onnx.net import OnnxNet


def read(path: Path) -> Checkpoint:
    """What belongs to ``path``, once it is known to be whole and to name no file elsewhere.

    Raises ModelError.
    """
    from vidcolor.models.onnx.contents import survey
    from vidcolor.models.onnx.description import BINS, describe

    arrays, beside, bins = survey(path), path.with_suffix(".toml"), BINS
    if beside.is_file():
        arrays, bins = (*arrays, beside), describe(beside).bins
    more = [path.parent / bins] if (path.parent / bins).is_file() else []
    return Checkpoint("onnx", {}, {}, {}, (*arrays, *more))


def open_net(path: Path, checkpoint: Checkpoint, device: str) -> OnnxNet:
    """The network, ready to run on the CPU. Raises ModelError and DeviceError."""
    from vidcolor.models.onnx.net import open_net

    if device not in ("auto", "cpu"):
        raise DeviceError(f"{path}: ONNX files run on the CPU alone; use --device cpu")
    return open_net(path)
