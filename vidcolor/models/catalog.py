"""The models known by name: what each is, who may use it, where it comes from, where it lies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from platformdirs import user_cache_path

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

CATALOG = (
    Model(
        "default",
        "ChromaNet, trained for vidcolor",
        "default.safetensors",
        9,
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
)


def models_folder() -> Path:
    """Where models that are not shipped lie: ``VIDCOLOR_MODELS``, or in the user's cache."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else user_cache_path("vidcolor", appauthor=False) / "models"


def to_text() -> str:
    """The catalogue as a table, for people."""
    rows = [("model", "state", "size", "licence", "source")]
    for model in CATALOG:
        size = f"{model.megabytes} MB"
        rows.append((model.name, model.state, size, model.licence, model.source))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, f"folder: {models_folder()}"])
