from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import TINY, tiny_checkpoint, tiny_lively_net
from published import random_state
from safetensors import safe_open
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from vidcolor.device import OutOfMemory, pick_device
from vidcolor.errors import DeviceError, ModelError
from vidcolor.models.checkpoint import read_checkpoint, to_half, write_checkpoint
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.registry import find_model, load_net, read_model
from vidcolor.models.torch_net import TorchNet


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_checkpoint(tmp_path / "tiny.safetensors")


def test_a_checkpoint_comes_back_as_it_was_written(tiny: Path) -> None:
    checkpoint = read_checkpoint(tiny)
    assert checkpoint.architecture == "chromanet"
    net, _ = load_net(tiny)
    light = torch.rand(1, 1, 64, 64) * 100
    assert torch.allclose(net(light), tiny_lively_net()(light))


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_half_precision_weights_load(tiny: Path, tmp_path: Path, engine: str) -> None:
    checkpoint = read_checkpoint(tiny)
    half = tmp_path / "half.safetensors"
    write_checkpoint(half, "chromanet", checkpoint.config, to_half(checkpoint.state))
    assert half.stat().st_size < 0.6 * tiny.stat().st_size
    light = np.full((1, 64, 64), 50, np.float32)
    wide = Colorizer(str(tiny), "cpu", engine=engine).colors(light)
    narrow = Colorizer(str(half), "cpu", engine=engine).colors(light)
    assert np.abs(wide - narrow).max() < 1


def test_bfloat16_weights_load(tiny: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(tiny)
    state = {name: torch.from_numpy(value).bfloat16() for name, value in checkpoint.state.items()}
    with safe_open(tiny, framework="np") as archive:
        header = archive.metadata()
    save_torch_file(state, tmp_path / "half.safetensors", header)
    found = read_checkpoint(tmp_path / "half.safetensors")
    for name, value in checkpoint.state.items():
        assert found.state[name].dtype == np.float32
        np.testing.assert_allclose(found.state[name], value, rtol=2**-7)


@pytest.mark.parametrize("name", ["released.PTH", "pytorch_model.bin", "released"])
def test_pytorchs_files_are_known_by_any_name(name: str, tmp_path: Path) -> None:
    state = {key: torch.from_numpy(value) for key, value in random_state("siggraph17").items()}
    path = tmp_path / name
    torch.save(state, path)
    assert read_model(path)[0].name == "siggraph17"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert read_model(path)[0].name == "siggraph17"


def _broken(kind: str, folder: Path, tiny: Path) -> Path:
    path = folder / "broken.safetensors"
    state = dict(read_checkpoint(tiny).state)
    match kind:
        case "truncated":
            path.write_bytes(tiny.read_bytes()[:-1000])
        case "empty":
            path.write_bytes(b"")
        case "pickle":
            path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
        case "foreign format":
            save_file(state, path)
        case "foreign arrays":
            write_checkpoint(path, "chromanet", {}, {"features.0.weight": np.zeros(3, np.float32)})
        case "wrong shape":
            state["head.weight"] = state["head.weight"][:, :4]
            write_checkpoint(path, "chromanet", TINY.to_dict(), state)
        case "missing array":
            del state["head.bias"]
            write_checkpoint(path, "chromanet", TINY.to_dict(), state)
        case "extra array":
            state["head.extra"] = np.zeros(1, np.float32)
            write_checkpoint(path, "chromanet", TINY.to_dict(), state)
        case "no temperature":
            write_checkpoint(path, "chromanet", TINY.to_dict() | {"temperature": 0}, state)
        case "temperature below 0":
            write_checkpoint(path, "chromanet", TINY.to_dict() | {"temperature": -1}, state)
        case "bad config":
            write_checkpoint(path, "chromanet", TINY.to_dict() | {"colour": 1}, state)
    return path


@pytest.mark.parametrize("engine", ["openvino", "torch"])
@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "empty",
        "pickle",
        "foreign format",
        "foreign arrays",
        "wrong shape",
        "missing array",
        "extra array",
        "bad config",
        "no temperature",
        "temperature below 0",
    ],
)
def test_a_bad_checkpoint_is_refused_by_name(
    kind: str, engine: str, tmp_path: Path, tiny: Path
) -> None:
    path = _broken(kind, tmp_path, tiny)
    with pytest.raises(ModelError, match=r"broken\.safetensors"):
        Colorizer(str(path), "cpu", engine=engine)


def test_a_model_name_too_long_for_a_file_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        find_model("x" * 5000)


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match="default"):
        find_model("no-such-model")


@pytest.mark.parametrize("name", ["default", "fast"])
def test_the_shipped_weights_load_and_are_small(name: str) -> None:
    colorizer = Colorizer(name, "cpu")
    assert colorizer.path.stat().st_size < 25e6
    ab = colorizer.colors(np.full((1, 128, 160), 60, np.float32))
    assert ab.shape == (1, 2, 128, 160)
    assert ab.dtype == np.float32
    assert np.isfinite(ab).all()


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_that_are_no_numbers_are_refused(
    value: float, suffix: str, tiny: Path, tmp_path: Path
) -> None:
    # In the encoder alone: there OpenVINO would make plausible numbers of them.
    state = dict(read_checkpoint(tiny).state)
    state["encoder.stem.conv.weight"] = np.full_like(state["encoder.stem.conv.weight"], value)
    path = tmp_path / f"spoilt{suffix}"
    if suffix == ".pth":
        torch.save({name: torch.from_numpy(array) for name, array in state.items()}, path)
    else:
        write_checkpoint(path, "chromanet", TINY.to_dict(), to_half(state))
    with pytest.raises(ModelError, match=r"spoilt.*encoder\.stem\.conv\.weight holds nan or inf"):
        Colorizer(str(path), "cpu")


def test_an_answer_that_is_no_number_is_no_colour(tiny: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(tiny)
    path = tmp_path / "large.safetensors"
    state = {name: np.full_like(array, 3e38) for name, array in checkpoint.state.items()}
    write_checkpoint(path, "chromanet", checkpoint.config, state)
    colorizer = Colorizer(str(path), "cpu", engine="torch")
    with pytest.raises(ModelError, match=r"large\.safetensors: its network answers with nan"):
        colorizer.colors(np.full((1, 64, 64), 50, np.float32))


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_a_batch_gives_what_its_pictures_give_alone(tiny: Path, engine: str) -> None:
    rng = np.random.default_rng(0)
    light = rng.uniform(0, 100, (5, 64, 96)).astype(np.float32)
    colorizer = Colorizer(str(tiny), "cpu", engine=engine)
    together = colorizer.colors(light)
    alone = np.concatenate([colorizer.colors(light[i : i + 1]) for i in range(5)])
    assert together.std() > 0.1
    assert np.abs(together - alone).max() < 1e-2


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_no_pictures_have_no_colours(tiny: Path, engine: str) -> None:
    colorizer = Colorizer(str(tiny), "cpu", engine=engine)
    assert colorizer.colors(np.zeros((0, 64, 96), np.float32)).shape == (0, 2, 64, 96)


def test_sizes_must_fit(tiny: Path) -> None:
    colorizer = Colorizer(str(tiny), "cpu")
    with pytest.raises(ValueError, match="multiples of 32"):
        colorizer.colors(np.zeros((1, 60, 64), np.float32))


class _Scarce(TorchNet):
    """Has memory for ``room`` pictures at once."""

    room = 0

    def _share(self, lightness: np.ndarray, hints: np.ndarray | None) -> np.ndarray:
        if len(lightness) > self.room:
            raise OutOfMemory("no room")
        return super()._share(lightness, hints)


def test_out_of_memory_halves_the_batch_and_loses_no_colour(tiny: Path) -> None:
    notes: list[str] = []
    light = np.random.default_rng(1).uniform(0, 100, (7, 64, 64)).astype(np.float32)
    net, _ = load_net(tiny)
    scarce = _Scarce(net, "cpu", torch.float32, notes.append)
    scarce.room = 2
    expected = TorchNet(net, "cpu", torch.float32).run(light)
    assert np.abs(scarce.run(light) - expected).max() < 1e-2
    assert len(notes) == 2
    assert "batches of 1" in notes[-1]


def test_no_memory_for_one_picture_is_an_error_and_never_grey(tiny: Path) -> None:
    scarce = _Scarce(load_net(tiny)[0], "cpu")
    with pytest.raises(DeviceError, match="not enough memory"):
        scarce.run(np.zeros((2, 64, 64), np.float32))


@pytest.mark.parametrize("wanted", ["cuda:99", "tpu", "cuda:x"])
def test_an_impossible_device_is_refused(wanted: str) -> None:
    with pytest.raises(DeviceError, match=wanted):
        pick_device(wanted)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_cuda_without_a_gpu_is_refused() -> None:
    with pytest.raises(DeviceError, match="--device cpu"):
        pick_device("cuda")


def test_a_checkpoint_may_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = tiny_checkpoint(tmp_path / "a.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [item.name for item in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_arrays_that_are_read_backwards_or_only_read_are_taken(tiny: Path, engine: str) -> None:
    rng = np.random.default_rng(3)
    light = rng.uniform(0, 100, (2, 64, 96)).astype(np.float32)
    hints = np.zeros((2, 3, 64, 96), np.float32)
    net = Colorizer(str(tiny), "cpu", engine=engine)
    wanted = net.colors(light[::-1].copy(), hints[::-1].copy())
    assert np.array_equal(net.colors(light[::-1], hints[::-1]), wanted)
    single = net.colors(light[:1].copy())
    assert np.array_equal(net.colors(light[:1][::-1]), single)
    light.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(net.colors(light[:1]), single)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are never forked here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_is_told_that_it_has_no_threads(tiny: Path) -> None:
    code = (
        "import os, sys, numpy as np\n"
        "from vidcolor.errors import DeviceError\n"
        "from vidcolor.models.colorizer import Colorizer\n"
        "net = Colorizer(sys.argv[1], 'cpu', engine='torch')\n"
        "light = np.zeros((2, 64, 64), np.float32)\n"
        "net.colors(light)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        net.colors(light)\n"
        "    except DeviceError as error:\n"
        "        os._exit(7 if 'forked' in str(error) else 8)\n"
        "    os._exit(9)\n"
        "_, status = os.waitpid(child, 0)\n"
        "assert os.waitstatus_to_exitcode(status) == 7, status\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tiny)], check=False, timeout=120)
    assert done.returncode == 0
