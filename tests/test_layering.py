"""Imports go one way, and each heavy library has a home: both read from the source, not run."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

API = "vidcolor/__init__"
LAYERS = (
    (
        "aside",
        "errors",
        "frames",
        "hintlist",
        "listfile",
        "overrides",
        "references",
        "scaling",
        "settings",
        "tiling",
        "tomlfile",
    ),
    ("transfer",),
    ("gamut",),
    (
        "batching",
        "color",
        "cube",
        "device",
        "disk",
        "flow",
        "media",
        "memory",
        "models",
        "prefetch",
        "report",
        "shots",
        "stopwatch",
        "textfile",
        "webpage",
    ),
    (
        "chunks",
        "colorize",
        "fields",
        "hints",
        "keyframes",
        "look",
        "paint",
        "scenes",
        "shrink",
        "stabilize",
        "stills",
        "tint",
    ),
    ("guide", "identity", "plan", "records", "workfolder"),
    ("loading", "noticed", "photos", "pipeline", "survey", "verify", "watching"),
    ("assembly", "chunkwork", "job"),
    ("evaluate", "jobs", "preview", "train"),
    ("studio",),
    (API,),
    ("cli",),
)
"""The parts of vidcolor (a module, or a folder taken as one), lowest first.

A part may import from the layers below its own and from its own, never in a circle.
"""

HOMES = {
    "av": {"media"},
    "cv2": {
        "color",
        "cube",
        "evaluate",
        "fields",
        "flow",
        "guide",
        "hints",
        "look",
        "models",  # only to enlarge what a network answers
        "paint",
        "photos",
        "preview",
        "scaling",
        "scenes",
        "shrink",
        "stabilize",
        "tint",
        "stills",
        "train",
        "verify",
    },
    "PIL": {"photos"},
    "ffmpeg": {"media"},
    "filelock": {"jobs", "models", "workfolder"},
    "imageio_ffmpeg": {"media"},
    "openvino": {"models"},
    "platformdirs": {"models"},
    "ray": {"jobs"},
    "safetensors": {"models"},
    "skimage": {"evaluate"},
    "spandrel": {"models"},
    "spandrel_extra_arches": {"models"},
    "sqlite3": {"jobs"},
    "starlette": {"cli", "studio"},  # in cli only to say that it is missing
    "torch": {"device", "evaluate", "models", "train"},
    "typer": {"cli"},
    "uvicorn": {"cli", "studio"},
    "urllib": {"models"},  # only to pull a model
}
"""Which parts may import which library."""

RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """(dotted name, file) of every module of the two packages in the checkout ``root``."""
    for folder, package in (("vidcolor", "vidcolor"), ("cli", "vidcolor_cli")):
        for file in sorted((root / folder).rglob("*.py")):
            parts = file.relative_to(root / folder).with_suffix("").parts
            yield ".".join((package, *(part for part in parts if part != "__init__"))), file


def part_of(name: str) -> str:
    """``vidcolor.media.mux`` is ``media``; ``vidcolor`` itself, with its names, is the API."""
    package, _, rest = name.partition(".")
    if package == "vidcolor_cli":
        return "cli"
    return rest.split(".")[0] if rest else API


def imports(name: str, file: Path, known: set[str]) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of every import in a file; relative ones are resolved."""
    package = name.split(".") if file.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            source = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*source, *([node.module] if node.module else [])])
            for alias in node.names:
                # `from vidcolor import color` is a module, `from vidcolor import Settings` a name.
                inner = f"{base}.{alias.name}"
                yield node.lineno, inner if inner in known else base


def violations(root: Path) -> list[str]:
    """One line for each import that breaks a rule; empty when all is well."""
    found = []
    names = dict(modules(root))
    graph: dict[str, set[str]] = {}
    for name, file in names.items():
        part = part_of(name)
        place = file.relative_to(root)
        if part not in RANK:
            found.append(f"{place}: {part!r} has no layer; add it to LAYERS in tests/")
            continue
        for line, target in imports(name, file, set(names)):
            library = target.partition(".")[0]
            if library in ("vidcolor", "vidcolor_cli"):
                other = part_of(target)
                if RANK.get(other, len(LAYERS)) > RANK[part]:
                    found.append(f"{place}:{line}: {part} is below {other} and must not import it")
                if other != part:
                    graph.setdefault(part, set()).add(other)
            elif part not in HOMES.get(library, {part}):
                homes = ", ".join(sorted(HOMES[library]))
                found.append(f"{place}:{line}: {library} belongs in {homes}, not in {part}")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append(f"imports in a circle: {' -> '.join(error.args[1])}")
    return found


def test_imports_go_one_way_and_libraries_stay_home() -> None:
    assert len(list(modules(ROOT))) > 10
    found = violations(ROOT)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("file", "code", "complaint"),
    [
        ("vidcolor/color.py", "from vidcolor.pipeline import run", "color is below pipeline"),
        ("vidcolor/color.py", "from vidcolor import pipeline", "color is below pipeline"),
        ("vidcolor/color.py", "from . import pipeline", "color is below pipeline"),
        ("vidcolor/color.py", "import vidcolor.pipeline", "color is below pipeline"),
        ("vidcolor/media/mux.py", "from ..pipeline import run", "media is below pipeline"),
        ("vidcolor/media/__init__.py", "from .. import pipeline", "media is below pipeline"),
        ("vidcolor/color.py", "def f():\n    import vidcolor.chunks", "color is below chunks"),
        ("vidcolor/pipeline.py", "from vidcolor import Settings", "below vidcolor/__init__"),
        ("vidcolor/jobs/pool.py", "from vidcolor_cli.main import app", "jobs is below cli"),
        ("vidcolor/chunks.py", "import torch.nn", "torch belongs in"),
        ("vidcolor/pipeline.py", "from av.container import Container", "av belongs in media"),
        ("vidcolor/media/mux.py", "import cv2", "cv2 belongs in"),
        ("cli/main.py", "import skimage", "skimage belongs in evaluate"),
        ("vidcolor/novelty.py", "", "'novelty' has no layer"),
        ("vidcolor/color.py", "from vidcolor import flow", "in a circle"),
    ],
)
def test_a_broken_rule_is_noticed(tmp_path: Path, file: str, code: str, complaint: str) -> None:
    legal = {
        "vidcolor/__init__.py": "from vidcolor.pipeline import run",
        "vidcolor/color.py": "from vidcolor.errors import VidcolorError\nimport numpy, cv2",
        "vidcolor/errors.py": "",
        "vidcolor/flow.py": "from vidcolor import color",
        "vidcolor/media/__init__.py": "from .mux import join",
        "vidcolor/media/mux.py": "import av\nfrom ..errors import VidcolorError",
        "vidcolor/models/net.py": "import torch\nfrom torch import nn",
        "vidcolor/pipeline.py": "from . import color, media",
        "vidcolor/job.py": "from .pipeline import run",
        "cli/main.py": "import typer\nimport vidcolor\nfrom .probe import probe",
        "cli/probe.py": "from vidcolor import media",
    }
    for name, text in legal.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert violations(tmp_path) == []

    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(code)
    assert any(complaint in violation for violation in violations(tmp_path))


def test_every_package_is_installed() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {
        ".".join(file.parent.relative_to(ROOT).parts)
        for file in (ROOT / "vidcolor").rglob("__init__.py")
    }
    assert set(setup["tool"]["setuptools"]["packages"]) == folders | {
        "vidcolor_cli",
        "vidcolor_configs",
    }
