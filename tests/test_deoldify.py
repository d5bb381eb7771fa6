"""DeOldify's generators: the official names and shapes load, and give the published colours."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contents import times
from deoldified import ARTISTIC, TINY_DEEP, TINY_WIDE, VIDEO, Deoldified, Kind, random_state, shapes
from published import Arrays

from vidcolor.errors import ModelError
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.deoldify.net import Generator, Shape
from vidcolor.models.deoldify.norms import folded
from vidcolor.models.lab import lab_from_rgb
from vidcolor.models.registry import ARCHITECTURES, load_net
from vidcolor_cli.main import run


def _save(path: Path, state: Arrays, **more: Any) -> Path:
    """As fastai saves: the state beside that of its optimiser."""
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    torch.save({"model": tensors, "opt": {"state": {}, **more}}, path)
    return path


def _light(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(5, 95, (height, width)).astype(np.float32)


@pytest.mark.parametrize(("kind", "size"), [(ARTISTIC, 255_144_681), (VIDEO, 874_066_230)])
def test_the_table_is_as_large_as_the_official_file(kind: Kind, size: int) -> None:
    """Its older format adds some 190 bytes to each array for its name and its place."""
    arrays = shapes(kind)
    content = sum(int(np.prod(shape)) * 4 if shape else 8 for shape in arrays.values())
    assert (size - content) / len(arrays) == pytest.approx(195, abs=5)


@pytest.mark.parametrize("kind", [ARTISTIC, VIDEO])
def test_names_and_shapes_are_the_official_ones(kind: Kind) -> None:
    table = shapes(kind)
    plain = {
        key.removesuffix("_orig").replace("weight_g", "weight"): shape
        for key, shape in table.items()
        if not key.endswith(("_u", "_v"))
    }
    plain["layers.8.conv.0.weight"] = table["layers.8.conv.0.weight_v"]
    hollow = {key: np.broadcast_to(np.float32(0), shape) for key, shape in plain.items()}
    with torch.device("meta"):
        state = Generator(Shape.of(hollow)).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == plain


@pytest.mark.parametrize("kind", [TINY_DEEP, TINY_WIDE])
def test_they_compute_the_published_equations(kind: Kind, tmp_path: Path) -> None:
    state = random_state(kind)
    path = _save(tmp_path / "gen.pth", state)
    light = _light(64, 64)
    expected = Deoldified(state, kind).colors(light.astype(np.float64))
    found = Colorizer(str(path), "cpu", dtype=torch.float32).colors(light[None])[0]
    assert expected.std() > 3
    assert np.abs(found - expected).max() < 1e-4 * 110
    net, _ = load_net(path)
    assert type(net) is Generator


def test_every_array_matters() -> None:
    """A random network in which one did not would hide that it is used wrongly."""
    for kind in (TINY_DEEP, TINY_WIDE):
        plain = folded(random_state(kind))
        light = torch.from_numpy(_light(64, 64))[None, None]
        shape = Shape.of(plain)
        net = Generator(shape).eval()
        net.load_state_dict({name: torch.from_numpy(value) for name, value in plain.items()})
        for parameter in net.parameters():
            parameter.requires_grad_(True)
        net.decode(net(light)).square().mean().backward()
        idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
        assert idle == []


def test_the_picture_is_shown_as_a_square(tmp_path: Path) -> None:
    path = _save(tmp_path / "gen.pth", random_state(TINY_DEEP))
    net, _ = load_net(path)
    assert net(torch.full((2, 1, 64, 96), 50.0)).shape == (2, 4, 64, 64)
    assert Colorizer(str(path), "cpu").colors(_light(64, 96)[None]).shape == (1, 2, 64, 96)


def test_a_film_is_coloured(clip: Callable[[str], Path], tmp_path: Path) -> None:
    model = _save(tmp_path / "gen.pth", random_state(TINY_WIDE))
    source, target = clip("plain.mp4"), tmp_path / "out.mp4"
    words = [str(source), str(target), "--short-side", "64", "--model", str(model), "--verify"]
    assert run([*words, "--device", "cpu"]) == 0
    assert times(target) == times(source)


class _Code:
    """Runs something when unpickled by a reader that lets it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pickled code ran",)


@pytest.mark.parametrize(
    ("kind", "mention"),
    [
        ("code", "holds code"),
        ("truncated", "broken checkpoint|damaged"),
        ("wrong shape", "does not fit deoldify.*layers.3.0.0.weight"),
        ("wrong vector", "does not fit deoldify.*layers.11.0.weight_u"),
        ("no vector", "does not fit deoldify.*missing array layers.11.0.weight_v"),
        ("missing array", "does not fit deoldify.*layers.1.bias"),
        ("missing stage", "does not fit deoldify.*missing array layers.0.7.0.conv1"),
        ("extra array", "does not fit deoldify.*more"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(
    kind: str, mention: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state, more = random_state(TINY_DEEP), {}
    match kind:
        case "code":
            more["param_groups"] = _Code()
        case "wrong shape":
            state["layers.3.0.0.weight_orig"] = np.ones((32, 16, 5, 5), np.float32)
            state["layers.3.0.0.weight_v"] = np.ones(16 * 25, np.float32)
        case "wrong vector":
            state["layers.11.0.weight_u"] = np.ones(4, np.float32)
        case "no vector":
            del state["layers.11.0.weight_v"]
        case "missing array":
            del state["layers.1.bias"]
        case "missing stage":
            state = {key: value for key, value in state.items() if ".0.7." not in key}
        case "extra array":
            state["more"] = np.zeros(1, np.float32)
    path = _save(tmp_path / "bad.pth", state, **more)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ModelError, match=mention) as caught:
        Colorizer(str(path), "cpu")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert [item.name for item in tmp_path.iterdir()] == ["bad.pth"]


def test_it_is_told_from_the_others_and_takes_no_hints(tmp_path: Path) -> None:
    state = random_state(TINY_DEEP)
    assert [item.name for item in ARCHITECTURES if item.detect(state)] == ["deoldify"]
    colorizer = Colorizer(str(_save(tmp_path / "gen.pth", state)), "cpu")
    with pytest.raises(ModelError, match="cannot be told colours"):
        colorizer.colors(_light(32, 32)[None], np.zeros((1, 3, 32, 32), np.float32))


def test_a_picture_that_came_back_lighter_keeps_its_hue() -> None:
    from vidcolor.models.lab import picture_ab

    rgb = torch.tensor([0.5, 0.3, 0.2]).view(1, 3, 1, 1)
    luma = 0.299 * 0.5 + 0.587 * 0.3 + 0.114 * 0.2
    grey = torch.full((1, 1, 1, 1), luma)
    expected = lab_from_rgb(rgb)[:, 1:]
    for more in (0.0, 0.1):
        found = picture_ab(torch.cat((rgb + more, grey), 1))
        assert torch.allclose(found, expected, atol=1e-3)
