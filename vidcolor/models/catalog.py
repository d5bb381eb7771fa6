"""The models known by name: what each is, who may use it, where it comes from, where it lies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from platformdirs import user_cache_path

from vidcolor.errors import ModelError
from vidcolor.models.plugins import plugins

FOLDER_VARIABLE = "VIDCOLOR_MODELS"
"""Names a folder that holds the files of models, instead of the one in the user's cache."""


@dataclass(frozen=True, slots=True)
class Model:
    """One that can be named instead of a file. Without ``mirrors`` it is part of the package."""

    name: str
    title: str
    file: str
    megabytes: int
    licence: str
    source: str
    mirrors: tuple[str, ...] = ()
    """Addresses of the same file, tried in this order."""
    sha256: str = ""

    @property
    def shipped(self) -> bool:
        return not self.mirrors

    @property
    def path(self) -> Path:
        """Where its file lies once it is installed."""
        if self.shipped:
            return Path(str(files("vidcolor.models") / "weights" / self.file))
        return models_folder() / self.file

    @property
    def state(self) -> str:
        """``shipped``, ``installed`` or ``not installed``."""
        if self.shipped:
            return "shipped"
        return "installed" if self.path.is_file() else "not installed"


_ZHANG = "https://github.com/richzhang/colorization"
_RELEASE = "https://colorizers.s3.us-east-2.amazonaws.com"
_FORK = "https://github.com/clibdev/colorization/releases/latest/download"
_ANTIC = "https://github.com/jantic/DeOldify"
_DEOLDIFY = (
    "https://data.deepai.org/deoldify",
    "https://huggingface.co/spensercai/DeOldify/resolve/main",
)

CATALOG = (
    Model(
        "default",
        "ChromaNet, trained for vidcolor",
        "default.safetensors",
        13,
        "Apache-2.0",
        "part of vidcolor",
    ),
    Model(
        "fast",
        "A smaller ChromaNet, trained for vidcolor",
        "fast.safetensors",
        7,
        "Apache-2.0",
        "part of vidcolor",
    ),
    Model(
        "eccv16",
        "Zhang, Isola, Efros: Colorful Image Colorization, 2016",
        "colorization_release_v2-9b330a0b.pth",
        129,
        "BSD-2-Clause",
        _ZHANG,
        (
            f"{_RELEASE}/colorization_release_v2-9b330a0b.pth",
            f"{_FORK}/colorization-eccv-16.pth",
        ),
        "9b330a0bae53f4ded77b1e23defbf78beaa09c10ebc4c4999e8e4f4a160b93f9",
    ),
    Model(
        "siggraph17",
        "Zhang et al.: Real-Time User-Guided Image Colorization, 2017",
        "siggraph17-df00044c.pth",
        137,
        "BSD-2-Clause",
        _ZHANG,
        (
            f"{_RELEASE}/siggraph17-df00044c.pth",
            f"{_FORK}/colorization-siggraph-17.pth",
        ),
        "df00044c0a4d7c3edcecf6f75437ce346a66e7a42612d9b968e1a7e17dbc6f66",
    ),
    Model(
        "eccv16-onnx",
        "ECCV16 as above, exported to ONNX",
        "colorization-eccv-16.onnx",
        129,
        "BSD-2-Clause",
        "https://github.com/clibdev/colorization",
        (f"{_FORK}/colorization-eccv-16.onnx",),
        "b4a4cecae9e84e776d665e85774815b0bb43de382813b02fb13144f8fd5d6c83",
    ),
    Model(
        "siggraph17-onnx",
        "SIGGRAPH17 as above, exported to ONNX, without hints",
        "colorization-siggraph-17.onnx",
        136,
        "BSD-2-Clause",
        "https://github.com/clibdev/colorization",
        (f"{_FORK}/colorization-siggraph-17.onnx",),
        "7db825910668ee321327d2e6b446e57cbc9c066e196e8be0e152bf76e1206eb7",
    ),
    Model(
        "deoldify-artistic",
        "Antic: DeOldify, Artistic, 2019",
        "ColorizeArtistic_gen.pth",
        255,
        "MIT",
        _ANTIC,
        tuple(f"{place}/ColorizeArtistic_gen.pth" for place in _DEOLDIFY),
        "3f750246fa220529323b85a8905f9b49c0e5d427099185334d048fb5b5e22477",
    ),
    Model(
        "deoldify-stable",
        "Antic: DeOldify, Stable, 2019",
        "ColorizeStable_gen.pth",
        874,
        "MIT",
        _ANTIC,
        (
            "https://www.dropbox.com/s/axsd2g85uyixaho/ColorizeStable_gen.pth?dl=1",
            f"{_DEOLDIFY[1]}/ColorizeStable_gen.pth",
        ),
        "ca9cd7f43fb8b222c9a70f7b292e305a000694b0ff9d2ae4a6747b1a2e1ee5af",
    ),
    Model(
        "deoldify-video",
        "Antic: DeOldify, Video, 2019",
        "ColorizeVideo_gen.pth",
        874,
        "MIT",
        _ANTIC,
        tuple(f"{place}/ColorizeVideo_gen.pth" for place in _DEOLDIFY),
        "e3d98bb6a222354c79f95485c2f078a89dc724e9183662506d9e0f5aafac83ad",
    ),
    Model(
        "ddcolor",
        "Kang et al.: DDColor, 2023; needs vidcolor[spandrel]",
        "ddcolor_modelscope.pth",
        912,
        "Apache-2.0",
        "https://github.com/piddnad/DDColor",
        ("https://huggingface.co/piddnad/ddcolor_modelscope/resolve/main/pytorch_model.bin",),
        "d81711971ec59200da26d5e8a1afae8dd3778d495ea8ad7a7dadc769f403f7e7",
    ),
)


def models_folder() -> Path:
    """Where models that are not shipped lie: ``VIDCOLOR_MODELS``, or in the user's cache."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else user_cache_path("vidcolor", appauthor=False) / "models"


def to_text() -> str:
    """The catalogue and the plugins as a table, for people; broken plugins in a line each."""
    rows = [("model", "state", "size", "licence", "source")]
    for model in CATALOG:
        size = f"{model.megabytes} MB"
        rows.append((model.name, model.state, size, model.licence, model.source))
    broken = []
    for plugin in plugins():
        try:
            weights = plugin.load().weights
        except ModelError as error:
            broken.append(str(error))
            continue
        size = "-"
        if weights is not None and weights.is_file():
            size = f"{weights.stat().st_size / 1e6:.0f} MB"
        rows.append((plugin.name, "plugin", size, plugin.licence, plugin.package))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, *broken, f"folder: {models_folder()}"])
