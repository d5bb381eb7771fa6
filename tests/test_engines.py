from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import TINY, tiny_checkpoint

from vidcolor import device
from vidcolor.errors import DeviceError
from vidcolor.models.checkpoint import write_checkpoint
from vidcolor.models.chromanet import load_graph
from vidcolor.models.chromanet.layers import halved
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.models.colorizer import Colorizer, enlarge
from vidcolor.models.openvino_net import OpenVinoNet


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_checkpoint(tmp_path / "tiny.safetensors")


def _random_net(attention: int) -> tuple[dict[str, Any], ChromaNet]:
    """A folded network in which every part matters, those that start as the identity too."""
    decoding = {"temperature": 0.4, "rebalance": 0.3, "chroma_gain": 1.3, "chroma_power": 0.4}
    config = replace(TINY, attention=attention, **decoding)
    torch.manual_seed(attention)
    net = ChromaNet(config).eval().fold().requires_grad_(False)
    for value in net.mixers.parameters():
        value.normal_(0, 0.3)
    net.head.weight.mul_(20)
    net.log_prior.uniform_(-5, 0)
    return config.to_dict(), net


def _pictures(count: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Lightness, and hints that differ from picture to picture, at one point of each."""
    rng = np.random.default_rng(height)
    light = rng.uniform(0, 100, (count, height, width)).astype(np.float32)
    hints = np.zeros((count, 3, height, width), np.float32)
    for number in range(count):
        hints[number, :, 9:14, 20:25] = np.array([40, 20 * number - 30, 1])[:, None, None]
    return light, hints


# Of 32x32, attention sees as many places as it has heads.
@pytest.mark.parametrize("size", [(32, 32), (96, 160)])
@pytest.mark.parametrize("attention", [0, 2])
@pytest.mark.parametrize("hinted", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_openvino_gives_the_colours_that_torch_gives(
    size: tuple[int, int], attention: int, hinted: bool, count: int, tmp_path: Path
) -> None:
    config, net = _random_net(attention)
    path = tmp_path / "net.safetensors"
    write_checkpoint(path, "chromanet", config, net.state_dict())
    light, hints = _pictures(count, *size)
    told = hints if hinted else None
    with torch.inference_mode():
        given = torch.from_numpy(told) if told is not None else None
        ab = net.decode(net(torch.from_numpy(light)[:, None], given))
        expected = F.interpolate(ab, size=size, mode="bilinear", align_corners=False).numpy()
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    exact = OpenVinoNet(
        lambda height, width, hinted: load_graph(
            state, config, height, width, hinted=hinted, exact=True
        )
    )
    assert expected.std() > 1
    assert np.abs(enlarge(exact.run(light, told), *size) - expected).max() < 1e-3
    # With integers in the decoder it is another network by a little.
    found = Colorizer(str(path), "cpu", engine="openvino").colors(light, told)
    assert 0 < (found - expected).std() < 0.1 * expected.std()
    both = Colorizer(str(path), "cpu", engine="torch", dtype=torch.float32).colors(light, told)
    assert np.abs(both - expected).max() < 1e-3


def test_filters_over_a_doubled_map_are_others_over_the_map() -> None:
    filters, small = torch.randn(5, 3, 3, 3), torch.randn(1, 3, 4, 6)
    expected = F.conv2d(small.repeat_interleave(2, 2).repeat_interleave(2, 3), filters, padding=1)
    found = F.conv2d(small, torch.from_numpy(halved(filters.numpy())), padding=1)
    # (row, column, output) within the channels.
    found = found.reshape(2, 2, 5, 5, 7).permute(2, 3, 0, 4, 1).reshape(1, 5, 10, 14)
    assert torch.allclose(found[..., 1:-1, 1:-1], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["default", "fast"])
def test_the_shipped_weights_colour_alike_in_both_engines(name: str) -> None:
    rng = np.random.default_rng(3)
    coarse = torch.from_numpy(rng.uniform(10, 90, (1, 1, 6, 8)).astype(np.float32))
    light = F.interpolate(coarse, (96, 128), mode="bicubic").clamp(0, 100)[:, 0].numpy()
    ours = Colorizer(name, "cpu", engine="openvino").colors(light)
    theirs = Colorizer(name, "cpu", engine="torch", dtype=torch.float32).colors(light)
    assert np.abs(theirs).max() > 2
    # Less than what 8 bits of chroma tell apart, but for the few pixels where the network wavers.
    assert np.abs(ours - theirs).mean() < 0.3
    assert np.abs(ours - theirs).max() < 4


def test_what_was_prepared_for_a_size_is_not_done_again(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []

    def compile_(net: OpenVinoNet, height: int, width: int, hinted: bool) -> Any:
        compiled.append((height, width, hinted))
        return original(net, height, width, hinted)

    original = OpenVinoNet._compile
    monkeypatch.setattr(OpenVinoNet, "_compile", compile_)
    light, hints = _pictures(1, 32, 64)
    colorizer = Colorizer(str(tiny), "cpu", engine="openvino")
    assert compiled == []
    colorizer.prepare(32, 64)
    assert compiled == [(32, 64, False)]
    found = colorizer.colors(light)
    assert compiled == [(32, 64, False)]
    np.testing.assert_array_equal(found, Colorizer(str(tiny), "cpu").colors(light))
    colorizer.colors(light, hints)
    assert compiled[-1] == (32, 64, True)
    # PyTorch has nothing to prepare.
    Colorizer(str(tiny), "cpu", engine="torch").prepare(32, 64)


def test_reports_say_which_precision_a_network_has(tiny: Path) -> None:
    dtypes = {"openvino": "int8 and float32", "torch": "float32"}
    for engine, dtype in dtypes.items():
        chosen = torch.float32 if engine == "torch" else None
        colorizer = Colorizer(str(tiny), "cpu", engine=engine, dtype=chosen)
        assert colorizer.description["dtype"] == dtype


def test_colours_are_enlarged_as_torch_enlarges_them() -> None:
    ab = np.random.default_rng(4).uniform(-80, 80, (2, 2, 8, 24)).astype(np.float32)
    size = (32, 96)
    theirs = F.interpolate(torch.from_numpy(ab), size=size, mode="bilinear", align_corners=False)
    assert np.abs(enlarge(ab, *size) - theirs.numpy()).max() < 1e-3


def test_colouring_imports_no_torch_and_tells_nobody(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from vidcolor.models.colorizer import Colorizer\n"
        "import vidcolor.colorize, vidcolor.pipeline\n"
        "colorizer = Colorizer(device='cpu')\n"
        "colorizer.colors(np.full((1, 32, 64), 50, np.float32))\n"
        "assert colorizer.description['engine'].startswith('openvino 20')\n"
        "found = [name for name in sys.modules if name.startswith(('torch', 'openvino_tel'))]\n"
        "assert not found, found\n"
        "assert 'openvino' in sys.modules\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    system = {"HOME": str(home), "USERPROFILE": str(home)}
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | system
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=environment)
    assert not list(home.iterdir())


def test_the_converter_is_imported_for_those_who_want_it() -> None:
    code = (
        "import sys\n"
        "from vidcolor.models.runtime import load_openvino\n"
        "openvino = load_openvino()\n"
        "assert 'openvino.tools.ovc' not in sys.modules\n"
        "assert not hasattr(openvino, 'no_such')\n"
        "from openvino import convert_model\n"
        "assert convert_model is sys.modules['openvino.tools.ovc'].convert_model\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_without_openvino_torch_colours(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    light, _ = _pictures(2, 32, 64)
    usual = Colorizer(str(tiny), "cpu")
    assert usual.description["engine"].startswith("openvino ")
    expected = usual.colors(light)
    by_torch = Colorizer(str(tiny), "cpu", engine="torch").colors(light)
    monkeypatch.setitem(sys.modules, "openvino", None)  # Python's way to say: not installed.
    other = Colorizer(str(tiny), "cpu")
    assert other.description["engine"] == f"torch {torch.__version__}"
    assert np.array_equal(other.colors(light), by_torch)
    # One multiplies integers, the other does not.
    assert np.abs(by_torch - expected).mean() < 0.05 * expected.std()
    assert np.abs(by_torch - expected).max() < 0.2 * expected.std()
    with pytest.raises(DeviceError, match="pip install openvino"):
        Colorizer(str(tiny), "cpu", engine="openvino")


def test_an_unknown_engine_is_refused(tiny: Path) -> None:
    with pytest.raises(DeviceError, match="auto, openvino, torch"):
        Colorizer(str(tiny), "cpu", engine="abacus")


def test_a_dtype_is_torchs_affair(tiny: Path) -> None:
    chosen = Colorizer(str(tiny), "cpu", dtype=torch.bfloat16).description
    assert chosen["engine"].startswith("torch ")
    assert chosen["dtype"] == "bfloat16"
    with pytest.raises(DeviceError, match="dtype"):
        Colorizer(str(tiny), "cpu", engine="openvino", dtype=torch.float32)


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_hints_must_have_the_size_of_the_picture(tiny: Path, engine: str) -> None:
    colorizer = Colorizer(str(tiny), "cpu", engine=engine)
    with pytest.raises(ValueError, match="hints must be"):
        colorizer.colors(np.zeros((2, 32, 64), np.float32), np.zeros((1, 3, 32, 64), np.float32))


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_threads_may_share_a_network(tiny: Path, engine: str) -> None:
    colorizer = Colorizer(str(tiny), "cpu", engine=engine)
    batches = np.split(_pictures(12, 96, 96)[0], 4)
    alone = [colorizer.colors(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for one, other in zip(alone, pool.map(colorizer.colors, batches), strict=True):
                assert np.array_equal(one, other)


def test_few_compiled_networks_are_kept() -> None:
    config, net = _random_net(0)
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    built = []

    def build(height: int, width: int, hinted: bool) -> Any:
        built.append((height, width))
        return load_graph(state, config, height, width, hinted=hinted)

    engine = OpenVinoNet(build)
    sizes = [(32, 32 * number) for number in range(1, 11)]
    for size in [*sizes, sizes[-1], sizes[0]]:
        assert engine.run(np.zeros((1, *size), np.float32)).shape == (1, 2, 8, size[1] // 4)
    assert built == [*sizes, sizes[0]]
    assert len(engine._compiled) < len(sizes)


def test_a_failed_picture_does_not_block_the_next(tiny: Path) -> None:
    colorizer = Colorizer(str(tiny), "cpu", engine="openvino")
    light, _ = _pictures(5, 32, 64)
    expected = colorizer.colors(light)

    class Mixed(list[Any]):
        shape = light.shape

    with pytest.raises(ValueError, match="could not convert"):
        colorizer._engine.run(Mixed([*light[:3], "no picture", light[4]]))  # type: ignore[arg-type]
    assert np.abs(colorizer.colors(light) - expected).max() < 1e-3


def test_no_driver_means_no_gpu_without_asking_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> int:
        raise AssertionError("torch was asked")

    monkeypatch.setattr(device, "_count", never)
    monkeypatch.setattr(device, "has_driver", lambda: False)
    assert device.pick_name("auto") == "cpu"
    with pytest.raises(DeviceError, match="no CUDA GPU"):
        device.pick_name("cuda")
    monkeypatch.setattr(device, "has_driver", lambda: True)
    with pytest.raises(AssertionError, match="torch was asked"):
        device.pick_name("auto")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA GPU")
def test_a_gpu_has_a_driver() -> None:
    assert device.has_driver()
