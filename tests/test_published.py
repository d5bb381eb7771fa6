"""ECCV16 and SIGGRAPH17: the official names and shapes load, and give the published colours."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from published import Arrays, Reference, random_state, shapes
from safetensors.numpy import save_file

from vidcolor.errors import ModelError
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.registry import ARCHITECTURES, load_net, read_model
from vidcolor_cli.main import run

OFFICIAL = {
    "eccv16": "colorization_release_v2-9b330a0b.pth",
    "siggraph17": "siggraph17-df00044c.pth",
}


def _save(path: Path, state: Arrays, *, new: bool) -> None:
    """As a module's state dict is saved: in order, and with the versions of its parts."""
    tensors = OrderedDict((name, torch.from_numpy(value)) for name, value in state.items())
    tensors._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    torch.save(tensors, path, _use_new_zipfile_serialization=new)


def _hollow(name: str) -> dict[str, torch.Tensor]:
    """Arrays of the official shapes, each with the storage of one number, for small files."""
    return {key: torch.zeros(()).expand(shape) for key, shape in shapes(name).items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with both files, random inside; one in PyTorch's older format."""
    place = tmp_path_factory.mktemp("models")
    for name, file in OFFICIAL.items():
        _save(place / file, random_state(name), new=name == "eccv16")
    return place


def _picture() -> tuple[np.ndarray, np.ndarray]:
    """Lightness (32, 64), and hints with two points."""
    light = np.random.default_rng(5).uniform(0, 100, (32, 64)).astype(np.float32)
    hints = np.zeros((3, 32, 64), np.float32)
    hints[:, 4:9, 10:15] = np.array([60, -30, 1])[:, None, None]
    hints[:, 20:25, 40:45] = np.array([-20, 50, 1])[:, None, None]
    return light, hints


# Sizes of the official files as distributed; besides the arrays they hold some kB of names.
@pytest.mark.parametrize(("name", "mebibytes"), [("eccv16", 123.0), ("siggraph17", 130.5)])
def test_the_table_is_as_large_as_the_official_file(name: str, mebibytes: float) -> None:
    assert sum(int(np.prod(shape)) for shape in shapes(name).values()) * 4 / 2**20 == (
        pytest.approx(mebibytes, abs=0.08)
    )


@pytest.mark.parametrize("name", OFFICIAL)
def test_names_and_shapes_are_the_official_ones(name: str, folder: Path) -> None:
    net, _ = load_net(folder / OFFICIAL[name])
    state = net.state_dict()  # type: ignore[attr-defined]
    assert {key: tuple(value.shape) for key, value in state.items()} == shapes(name)


def test_eccv16_computes_the_published_equations(folder: Path) -> None:
    light, _ = _picture()
    ab = Reference(random_state("eccv16")).eccv16(light.astype(np.float64))
    expected = F.interpolate(torch.from_numpy(ab)[None], scale_factor=4, mode="bilinear").numpy()
    path = str(folder / OFFICIAL["eccv16"])
    found = Colorizer(path, "cpu", dtype=torch.float32).colors(light[None])
    assert ab.std() > 5
    assert np.abs(found - expected).max() < 1e-4 * 110


def test_siggraph17_computes_the_published_equations(folder: Path) -> None:
    light, hints = _picture()
    reference = Reference(random_state("siggraph17"))
    told, classes = reference.siggraph17(light.astype(np.float64), hints.astype(np.float64))
    untold, _ = reference.siggraph17(light.astype(np.float64), np.zeros((3, 32, 64)))
    path = folder / OFFICIAL["siggraph17"]
    colorizer = Colorizer(str(path), "cpu", dtype=torch.float32)
    assert told.std() > 5
    assert np.abs(told - untold).max() > 5
    assert np.abs(colorizer.colors(light[None], hints[None]) - told).max() < 1e-4 * 110
    assert np.abs(colorizer.colors(light[None]) - untold).max() < 1e-4 * 110

    net, _ = load_net(path)
    given = torch.from_numpy(light)[None, None], torch.from_numpy(hints)[None]
    found = net.classify(*given)[0].numpy()  # type: ignore[attr-defined]
    assert found.shape == (529, 8, 16)
    assert np.abs(found - classes).max() < 1e-4 * np.abs(classes).max()


def test_an_installed_model_is_found_by_name_or_path(
    folder: Path,
    clip: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VIDCOLOR_MODELS", str(folder))
    words = [str(clip("plain.mp4")), str(tmp_path / "out.mp4"), "--short-side", "64"]
    assert run([*words, "--frames", "0:1", "--model", "siggraph17", "--verbose"]) == 0
    assert "siggraph17" in capsys.readouterr().out
    path = str(folder / OFFICIAL["eccv16"])
    assert run([*words, "--overwrite", "--model", path, "--dry-run"]) == 0
    assert path in capsys.readouterr().out


def test_eccv16_cannot_be_told_colours(folder: Path) -> None:
    light, hints = _picture()
    colorizer = Colorizer(str(folder / OFFICIAL["eccv16"]), "cpu")
    assert not colorizer.takes_hints
    with pytest.raises(ModelError, match="cannot be told colours"):
        colorizer.colors(light[None], hints[None])


class _Code:
    """Runs something when unpickled by a reader that lets it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pickled code ran",)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    ("kind", "mention"),
    [
        ("code", "holds code"),
        ("truncated", "it is truncated or damaged"),
        ("pickle", "holds code or objects"),
        ("empty", "broken checkpoint, or not one at all: it is truncated or damaged"),
        ("web page", "it is a web page"),
        ("no pickle", "broken checkpoint|damaged"),
        ("no state dict", "not a state dict"),
        ("foreign arrays", "no known architecture"),
        ("wrong shape", "does not fit siggraph17.*model9.1.weight"),
        ("missing array", "does not fit siggraph17.*model9.1.bias"),
        ("extra array", "does not fit siggraph17.*more"),
        ("scalar", "does not fit siggraph17"),
        ("complex numbers", "does not fit siggraph17: model9.1.bias holds torch.complex64"),
        ("truths", "does not fit siggraph17: model9.3.running_var holds torch.bool"),
        ("sparse array", "not a state dict: its values are not all arrays"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(
    kind: str, mention: str, new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pth"
    state = _hollow("siggraph17")
    content: object = state
    match kind:
        case "code":
            content = {**state, "extra": _Code()}
        case "no state dict":
            content = {"generator": state}
        case "foreign arrays":
            content = {"features.0.weight": torch.zeros(3)}
        case "wrong shape":
            state["model9.1.weight"] = torch.zeros(128, 128, 5, 5)
        case "missing array":
            del state["model9.1.bias"]
        case "extra array":
            state["more"] = torch.zeros(1)
        case "scalar":
            state["model1.0.weight"] = torch.zeros(())
        case "complex numbers":
            state["model9.1.bias"] = state["model9.1.bias"].to(torch.complex64)
        case "truths":
            state["model9.3.running_var"] = state["model9.3.running_var"].bool()
        case "sparse array":
            state["model9.1.bias"] = torch.zeros(128).to_sparse()
    torch.save(content, path, _use_new_zipfile_serialization=new)
    match kind:
        case "truncated":
            path.write_bytes(path.read_bytes()[:-500])
        case "empty":
            path.write_bytes(b"")
        case "web page":
            path.write_bytes(b"\n<!DOCTYPE html><p>Sign in" if new else b"<HTML><p>Gone")
        case "pickle":
            # Of which torch warns: it would have written another protocol.
            path.write_bytes(pickle.dumps(_Code(), protocol=4))
        case "no pickle":
            path.write_bytes(b"PK\x03\x04" * 100 if new else b"\x80\x02 no weights")
    with pytest.raises(ModelError, match=mention) as caught:
        Colorizer(str(path), "cpu")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert [item.name for item in tmp_path.iterdir()] == ["bad.pth"]


@pytest.mark.parametrize("shape", [(), (2,)])
def test_an_array_that_has_too_few_sides_to_tell_the_colours_is_refused(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "bad.pth"
    torch.save({**_hollow("eccv16"), "model_out.weight": torch.zeros(shape)}, path)
    with pytest.raises(ModelError, match="does not fit eccv16"):
        Colorizer(str(path), "cpu")


def test_a_state_without_batch_counters_fits_too(tmp_path: Path) -> None:
    """Files from before PyTorch 0.4.1 lack them, and colouring has no use for them."""
    path = tmp_path / "old.pth"
    state = {key: value for key, value in _hollow("eccv16").items() if "num_batches" not in key}
    torch.save(state, path)
    counter = load_net(path)[0].state_dict()["model1.4.num_batches_tracked"]  # type: ignore[attr-defined]
    assert counter == 0


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_the_same_arrays_are_known_in_either_format(
    suffix: str, prefix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"foreign{suffix}"
    small = {prefix + key: np.zeros(1, np.float32) for key in shapes("eccv16")}
    if suffix == ".pth":
        torch.save({name: torch.from_numpy(value) for name, value in small.items()}, path)
    else:
        save_file(small, path, metadata={"format": "pt"})
    architecture, checkpoint = read_model(path)
    assert architecture.name == "eccv16"
    assert set(checkpoint.state) == set(shapes("eccv16"))


def test_a_checkpoint_of_a_later_version_is_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "later.safetensors"
    save_file({"model1.0.weight": np.zeros(1)}, path, metadata={"format": "vidcolor-2"})
    with pytest.raises(ModelError, match="not a vidcolor checkpoint"):
        read_model(path)


def test_the_networks_are_told_apart_in_our_own_format_too(tmp_path: Path) -> None:
    for name in OFFICIAL:
        small = {key: np.zeros(1, np.float32) for key in shapes(name)}
        path = tmp_path / f"{name}.safetensors"
        write_checkpoint(path, name, {}, small)
        assert read_model(path)[0].name == name
        assert [item.name for item in ARCHITECTURES if item.detect(small)] == [name]
