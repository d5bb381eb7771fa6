"""Networks that spandrel knows; a package of the same interface stands in where it is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from contents import times
from skimage.color import lab2rgb, rgb2lab

from vidcolor.errors import ModelError
from vidcolor.models.colorizer import Colorizer
from vidcolor_cli.main import run

FAKE = '''
"""The part of spandrel's public interface that is documented for those who load models."""
import torch
from torch import nn

class UnsupportedModelError(Exception):
    pass

class _Architecture:
    name = "Tinter"

class ImageModelDescriptor:
    def __init__(self, model, purpose, channels, scale):
        self.model, self.purpose, self.scale = model, purpose, scale
        self.input_channels, self.output_channels = channels
        self.architecture, self.busy = _Architecture(), False

    def eval(self):
        self.model.eval()
        return self

    def float(self):
        self.model.float()
        return self

    @torch.inference_mode()
    def __call__(self, image):
        assert not self.busy and not self.model.training
        self.busy = True
        assert image.shape[:2] == (1, self.input_channels) and image.dtype == torch.float32
        assert 0 <= image.min() and image.max() <= 1
        shown = self.model(image).clamp(0, 1)
        self.busy = False
        return shown

class MaskedImageModelDescriptor(ImageModelDescriptor):
    pass

class ModelLoader:
    def load_from_state_dict(self, state):
        if set(state) != {"weight", "bias", "kind"}:
            raise UnsupportedModelError()
        kind = int(state.pop("kind"))
        model = nn.Conv2d(1, 3, 1)
        model.load_state_dict(state)
        purpose = ("Restoration", "SR", "Restoration")[kind]
        return ImageModelDescriptor(model, purpose, ((1, 3), (3, 3), (3, 3))[kind], 1)
'''
WEIGHT, BIAS = np.array([0.9, 0.8, 0.7], np.float32), np.array([0.1, 0.05, 0], np.float32)


@pytest.fixture
def spandrel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    site = tmp_path / "site"
    (site / "spandrel").mkdir(parents=True)
    (site / "spandrel" / "__init__.py").write_text(FAKE)
    for name in [name for name in sys.modules if name.partition(".")[0] == "spandrel"]:
        monkeypatch.delitem(sys.modules, name)
    # Python's way to say: not installed.
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches", None)
    monkeypatch.syspath_prepend(site)
    yield
    sys.modules.pop("spandrel", None)


def _checkpoint(path: Path, kind: int = 0) -> Path:
    """As DDColor's are: the state under ``params``."""
    weight = torch.from_numpy(WEIGHT).view(3, 1, 1, 1)
    state = {"weight": weight, "bias": torch.from_numpy(BIAS), "kind": torch.tensor(kind)}
    torch.save({"params": state}, path)
    return path


@pytest.mark.usefixtures("spandrel")
def test_a_network_for_colour_gives_its_chroma(tmp_path: Path) -> None:
    light = np.random.default_rng(0).uniform(5, 80, (4, 32, 64)).astype(np.float32)
    found = Colorizer(str(_checkpoint(tmp_path / "net.pth")), "cpu").colors(light)
    for number, picture in enumerate(light.astype(np.float64)):
        grey = lab2rgb(np.stack((picture, *np.zeros((2, 32, 64))), -1))
        rgb = np.clip(grey * WEIGHT + BIAS, 0, 1)
        luma = rgb @ np.array([0.299, 0.587, 0.114])
        expected = rgb2lab(np.clip(rgb + grey - luma[..., None], 0, 1))[..., 1:]
        assert expected.std() > 2
        assert np.abs(found[number].transpose(1, 2, 0) - expected).max() < 0.05


@pytest.mark.usefixtures("spandrel")
def test_a_film_is_coloured(clip: Callable[[str], Path], tmp_path: Path) -> None:
    source, target = clip("plain.mp4"), tmp_path / "out.mp4"
    words = [str(source), str(target), "--short-side", "64", "--verify", "--device", "cpu"]
    assert run([*words, "--model", str(_checkpoint(tmp_path / "net.pth"))]) == 0
    assert times(target) == times(source)


@pytest.mark.usefixtures("spandrel")
@pytest.mark.parametrize(
    ("kind", "mention"),
    [
        (1, "Tinter is for SR, not for colour"),
        (2, "Tinter makes 3 channels of 3, no colour of grey"),
        (None, "no architecture that spandrel knows"),
    ],
)
def test_others_are_refused_in_one_line(kind: int | None, mention: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    if kind is None:
        torch.save({"features.0.weight": torch.zeros(3)}, path)
    else:
        _checkpoint(path, kind)
    with pytest.raises(ModelError, match=mention) as caught:
        Colorizer(str(path), "cpu")
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.usefixtures("spandrel")
def test_what_the_package_misses_is_told(tmp_path: Path) -> None:
    (tmp_path / "site" / "spandrel" / "__init__.py").write_text("import no_such_torchvision")
    path = _checkpoint(tmp_path / "net.pth")
    with pytest.raises(ModelError, match="cannot be imported: No module named 'no_such_tor"):
        Colorizer(str(path), "cpu")


def test_without_the_package_its_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidcolor.models.spandrel_net.installed", lambda: False)
    with pytest.raises(ModelError, match=r"no known architecture.*vidcolor\[spandrel\]"):
        Colorizer(str(_checkpoint(tmp_path / "net.pth")), "cpu")


def test_ddcolor_runs_where_it_is_installed(tmp_path: Path) -> None:
    """The smallest of its published sizes, with random weights."""
    arches = pytest.importorskip("spandrel_extra_arches.architectures.DDColor")
    torch.manual_seed(0)
    net = arches.DDColor(
        encoder_name="convnext-t",
        input_size=(256, 256),
        num_output_channels=2,
        last_norm="Spectral",
        num_queries=100,
    )
    torch.save({"params": net.state_dict()}, tmp_path / "ddcolor.pth")
    light = np.random.default_rng(0).uniform(5, 95, (2, 64, 96)).astype(np.float32)
    colorizer = Colorizer(str(tmp_path / "ddcolor.pth"), "cpu")
    found = colorizer.colors(light)
    assert found.shape == (2, 2, 64, 96) and np.isfinite(found).all() and found.std() > 0
    assert np.abs(colorizer.colors(light[1:]) - found[1:]).max() < 0.5
