"""Which models there are: the architectures we can load, and the weights known by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from vidcolor.errors import ModelError
from vidcolor.models import (
    chromanet,
    deoldify,
    eccv16,
    fusionnet,
    onnx,
    plugins,
    siggraph17,
    spandrel_net,
    tanhnet,
    unet,
)
from vidcolor.models.architecture import Architecture, ColorNet
from vidcolor.models.catalog import CATALOG
from vidcolor.models.checkpoint import Checkpoint, read_checkpoint

ARCHITECTURES = (
    Architecture("chromanet", chromanet.detect, chromanet.load, chromanet.load_graph),
    Architecture("eccv16", eccv16.detect, eccv16.load, hinted=False),
    Architecture("siggraph17", siggraph17.detect, siggraph17.load),
    Architecture("tanhnet", tanhnet.detect, tanhnet.load, hinted=False),
    Architecture("fusionnet", fusionnet.detect, fusionnet.load, hinted=False),
    Architecture("unet", unet.detect, unet.load, hinted=False),
    Architecture("palettenet", unet.detect_palette, unet.load),
    Architecture("deoldify", deoldify.detect, deoldify.load, hinted=False),
    Architecture(
        "onnx",
        lambda names: False,
        hinted=False,
        open=onnx.open_net,
        suffixes=(".onnx",),
        read=onnx.read,
    ),
)

_SPANDREL = Architecture("spandrel", lambda names: True, spandrel_net.load, hinted=False)
"""Asked last: it tells whether a state is one of its own only when it builds the network."""

_TORCH_FILES = (".pt", ".pth")
"""Suffixes of PyTorch's own files, which hold arrays and neither architecture nor config."""
_OURS = (".safetensors", ".onnx", *_TORCH_FILES)
"""Suffixes of files for which no plugin is asked whether it reads them."""


_PARALLEL = "module."
"""Before all names of a network that was saved from within PyTorch's DataParallel."""


def find_model(name: str) -> Path:
    """The checkpoint a model name or path stands for; never downloads one.

    Raises ModelError when a known model is not installed, and for an unknown one.
    """
    known = {model.name: model for model in CATALOG}
    if name in known:
        if known[name].path.is_file():
            return known[name].path
        raise ModelError(f"model {name!r}: not installed; run: vidcolor models pull {name}")
    path = Path(name)
    try:
        if path.is_file():
            return path
    except OSError as error:
        raise ModelError(f"model {name!r}: cannot be read: {error.strerror}") from error
    for plugin in plugins.plugins():
        if plugin.name == name:
            weights = plugin.load().weights
            if weights is None:
                raise ModelError(f"model {name!r}: {plugin.package} brings no weights; name a file")
            return weights
    raise ModelError(
        f"model {name!r}: neither a model's name ({', '.join(known)}) nor a checkpoint file"
    )


def read_model(path: Path) -> tuple[Architecture, Checkpoint]:
    """A checkpoint and what it belongs to. Raises ModelError when that is nothing we know."""
    own = _read_alone(path)
    if own is not None:
        return own
    if _is_torch(path):
        from vidcolor.models.torch_state import read_state

        checkpoint = Checkpoint("", {}, read_state(path), {})
    else:
        checkpoint = read_checkpoint(path, foreign=True)
    if all(name.startswith(_PARALLEL) for name in checkpoint.state):
        state = {name.removeprefix(_PARALLEL): it for name, it in checkpoint.state.items()}
        checkpoint = replace(checkpoint, state=state)
    _check_numbers(path, checkpoint)
    return _owner(path, checkpoint), checkpoint


_PICKLED = (b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5")
"""How a pickle begins, by its protocol."""


def _is_torch(path: Path) -> bool:
    """Whether it is one of PyTorch's own files, by its suffix or by how it begins, as a zip archive
    or a pickle: the released ones go by many names."""
    if path.suffix.lower() in _OURS:
        return path.suffix.lower() in _TORCH_FILES
    try:
        with path.open("rb") as file:
            begins = file.read(4)
    except OSError:
        return False
    return begins == b"PK\x03\x04" or begins[:2] in _PICKLED


def _check_numbers(path: Path, checkpoint: Checkpoint) -> None:
    """Raises ModelError for weights that are no numbers, of which some engines make colours."""
    # Of those that ship it is known, and half precision takes longest.
    if any(path == model.path for model in CATALOG if model.shipped):
        return
    for name, array in checkpoint.state.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(
                f"{path}: its array {name} holds nan or inf; get the file anew, or train it again "
                "with a lower rate"
            )


def files_beside(path: Path) -> tuple[Path, ...]:
    """The files a checkpoint goes with, for those kinds that have any. Raises ModelError."""
    own = _read_alone(path)
    return () if own is None else own[1].beside


def _read_alone(path: Path) -> tuple[Architecture, Checkpoint] | None:
    """What an architecture that reads files of its own makes of this one, by its suffix."""
    suffix = path.suffix.lower()
    others = [] if suffix in _OURS else plugins.loaded()[0]
    for architecture in (*ARCHITECTURES, *others):
        if architecture.read is not None and suffix in architecture.suffixes:
            return architecture, architecture.read(path)
    return None


def _owner(path: Path, checkpoint: Checkpoint) -> Architecture:
    """The architecture of what was read from ``path``; that of a plugin after all of ours."""
    for architecture in ARCHITECTURES:
        if architecture.detect(checkpoint.state):
            return architecture
    others, broken = plugins.loaded()
    for architecture in others:
        if architecture.detect(checkpoint.state):
            return architecture
    if _is_torch(path) and spandrel_net.installed():
        return _SPANDREL
    known = ", ".join(architecture.name for architecture in (*ARCHITECTURES, *others))
    more = "" if spandrel_net.installed() else "; pip install 'vidcolor[spandrel]' knows more"
    raise ModelError(
        "; ".join([f"{path}: its arrays belong to no known architecture ({known}){more}", *broken])
    )


def load_net(path: Path) -> tuple[ColorNet, Checkpoint]:
    """Build a checkpoint's network for PyTorch, strictly.

    Raises ModelError when anything does not fit.
    """
    architecture, checkpoint = read_model(path)
    if architecture.load is None:
        raise ModelError(f"{path}: {architecture.name} has no network for PyTorch")
    with fitting(path, architecture):
        return architecture.load(checkpoint.state, checkpoint.config), checkpoint


@contextmanager
def fitting(path: Path, architecture: Architecture) -> Iterator[None]:
    """Raises ModelError for what building raises when state and config do not fit."""
    try:
        yield
    except (RuntimeError, TypeError, LookupError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{path}: does not fit {architecture.name}: {reason}") from error
