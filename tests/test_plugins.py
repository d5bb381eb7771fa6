"""Models of other packages: a tiny one is put where Python looks for packages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from networks import tiny_checkpoint
from safetensors.numpy import save_file

from vidcolor.errors import ModelError
from vidcolor.models.architecture import Architecture
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.registry import find_model
from vidcolor_cli.main import run

TINT = """
from pathlib import Path
import numpy as np
from vidcolor.models.architecture import Architecture
from vidcolor.models.checkpoint import Checkpoint


class Engine:
    description = {"engine": "numpy", "device": "cpu", "dtype": "float32"}

    def __init__(self, ab):
        self.ab = np.array(ab, np.float32)

    def run(self, lightness, hints=None):
        count, height, width = lightness.shape
        return np.broadcast_to(self.ab[None, :, None, None], (count, 2, height, width)).copy()


def read(path):
    return Checkpoint("tint", {"ab": [float(word) for word in path.read_text().split()]}, {}, {})


def open_engine(path, checkpoint, device):
    return Engine(checkpoint.config["ab"])


tint = Architecture(
    "tint", lambda names: False, hinted=False, open=open_engine, suffixes=(".tint",), read=read,
    weights=Path(__file__).with_name("sepia.tint"),
)
"""
NET = """
from torch import nn
from vidcolor.models.architecture import Architecture
from vidcolor.models.torch_state import filled


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.paint = nn.Conv2d(1, 2, 1)

    def forward(self, lightness, hints=None):
        return self.paint(lightness)

    def decode(self, logits):
        return logits.float()


net = Architecture(
    "smallnet", lambda names: {"paint.weight", "paint.bias"} == set(names),
    lambda state, config: filled(Net, state), hinted=False,
)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in ("tintpack", "netpack", "brokenpack"):
        sys.modules.pop(name, None)


def _install(site: Path, package: str, code: str, entry: str) -> None:
    (site / package).mkdir()
    (site / package / "__init__.py").write_text(code)
    info = site / f"{package}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {package}\nVersion: 1.5\nLicense-Expression: MIT\n"
    )
    (info / "entry_points.txt").write_text(f"[vidcolor.models]\n{entry}\n")


@pytest.fixture
def tint(site: Path) -> None:
    _install(site, "tintpack", TINT, "sepia = tintpack:tint")
    (site / "tintpack" / "sepia.tint").write_text("12 24")


@pytest.mark.usefixtures("tint")
def test_a_film_is_coloured_by_a_model_of_another_package(
    clip: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.mp4"
    words = [str(clip("plain.mp4")), str(target), "--short-side", "64", "--model", "sepia"]
    assert run([*words, "--verify", "--verbose"]) == 0
    assert "sepia.tint" in capsys.readouterr().out
    with av.open(str(target)) as film:
        planes = next(film.decode(video=0)).to_ndarray()
    # Brown: less blue, more red.
    blue, red = planes[48:60], planes[60:72]
    assert blue.mean() < 126 and red.mean() > 129


@pytest.mark.usefixtures("tint")
def test_its_files_are_known_by_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "cold.tint").write_text("-5 -9")
    found = Colorizer(str(tmp_path / "cold.tint"), "cpu").colors(np.zeros((1, 32, 32), np.float32))
    assert np.allclose(found[0, :, 0, 0], (-5, -9))


def test_its_checkpoints_are_known_by_their_arrays(site: Path, tmp_path: Path) -> None:
    _install(site, "netpack", NET, "smallnet = netpack:net")
    weight = np.array([0.1, -0.2], np.float32).reshape(2, 1, 1, 1)
    state = {"paint.weight": weight, "paint.bias": np.array([1, 2], np.float32)}
    paths = tmp_path / "a.pth", tmp_path / "a.safetensors"
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, paths[0])
    write_checkpoint(paths[1], "smallnet", {}, state)
    for path in paths:
        colorizer = Colorizer(str(path), "cpu", dtype=torch.float32)
        assert colorizer.architecture == "smallnet"
        found = colorizer.colors(np.full((1, 32, 32), 50, np.float32))
        assert np.allclose(found[0, :, 0, 0], (6, -8), atol=1e-4)
    with pytest.raises(ModelError, match=r"netpack 1\.5 brings no weights"):
        find_model("smallnet")
    state["paint.bias"] = np.zeros(3, np.float32)
    write_checkpoint(paths[1], "smallnet", {}, state)
    with pytest.raises(ModelError, match="does not fit smallnet"):
        Colorizer(str(paths[1]), "cpu")


@pytest.mark.parametrize(
    ("code", "mention"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("net = 5", "is no vidcolor Architecture, but int"),
        (
            "from vidcolor.models.architecture import Architecture\n"
            "net = Architecture('x', lambda names: True)",
            "needs either load or open",
        ),
        (
            "from vidcolor.models.architecture import Architecture\n"
            "net = Architecture('x', lambda names: True, lambda *state: 0, weights='x.pth')",
            "x: weights must be a Path, not 'x.pth'",
        ),
    ],
)
@pytest.mark.usefixtures("tint")
def test_a_broken_package_is_named_and_breaks_no_other(
    code: str,
    mention: str,
    site: Path,
    clip: Callable[[str], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _install(site, "brokenpack", code, "another = brokenpack:net")
    words = [str(clip("plain.mp4")), str(tmp_path / "o.mp4"), "--dry-run", "--model"]
    assert run([*words, "another"]) == 5
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "'another' of the package brokenpack 1.5" in err and mention in err

    tiny = tiny_checkpoint(tmp_path / "tiny.safetensors")
    for model in ("sepia", "default", str(tiny)):
        assert run([*words, model]) == 0
    # Told where it may be the reason: what is nobody's might have been its own.
    save_file({"x": np.zeros(1, np.float32)}, tmp_path / "x.safetensors", {"format": "pt"})
    write_checkpoint(tmp_path / "x.safetensors", "x", {}, {"x": np.zeros(1)})
    capfd.readouterr()
    assert run([*words, str(tmp_path / "x.safetensors")]) == 5
    assert "brokenpack 1.5" in capfd.readouterr().err

    assert run(["models"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith("sepia")] == [
        ["sepia", "plugin", "0", "MB", "MIT", "tintpack", "1.5"]
    ]
    assert len([line for line in lines if "brokenpack 1.5" in line and mention in line]) == 1


def test_an_architecture_must_be_able_to_run() -> None:
    with pytest.raises(TypeError, match="go together"):
        Architecture("x", lambda names: True, open=lambda *a: None, suffixes=(".x",))  # type: ignore[arg-type,return-value]
