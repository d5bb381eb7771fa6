"""ONNX networks: each by its own conventions, against the same computed here; bad files refused."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from contents import times
from onnx_files import Onnx, part, tensor
from skimage.color import lab2rgb, rgb2lab

from vidcolor.errors import DeviceError, ModelError
from vidcolor.jobs.sidecars import Digests
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import Settings
from vidcolor_cli.main import run

RNG = np.random.default_rng(0)
POOL = {"kernel_shape": [4, 4], "strides": [4, 4]}
SAME = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


def _light(height: int, width: int, count: int = 1) -> np.ndarray:
    light = np.random.default_rng(7).uniform(2, 98, (count, height, width))
    return light.astype(np.float32)


def _caffe(outputs: int, *last: tuple[Any, ...], size: Any = (224, 224)) -> Onnx:
    """ECCV16 as released for Caffe, but for its layers: L* - 50 in, an answer at a quarter."""
    rng = np.random.default_rng(outputs)
    weight = rng.uniform(0.4, 0.8, (outputs, 1, 1, 1)) * rng.choice((-1, 1), (outputs, 1, 1, 1))
    quarter = [side // 4 if isinstance(side, int) else f"{side}4" for side in size]
    nodes = [
        ("AveragePool", ("data_l",), ("pooled",), POOL),
        ("Conv", ("pooled", "weight", "bias"), ("scores" if last else "class8",), {}),
        *last,
    ]
    arrays = {"weight": weight, "bias": rng.normal(0, 2, outputs)}
    return Onnx(("data_l", (1, 1, *size)), ("class8", (1, outputs, *quarter)), nodes, arrays)


def _caffe_answer(net: Onnx, light: np.ndarray) -> np.ndarray:
    """(C, h/4, w/4) before any last node."""
    height, width = light.shape
    pooled = (light.astype(np.float64) - 50).reshape(height // 4, 4, width // 4, 4).mean((1, 3))
    weight, bias = net.arrays["weight"][:, 0, 0, 0], net.arrays["bias"]
    return weight[:, None, None] * pooled + bias[:, None, None]


def _enlarged(ab: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    large = F.interpolate(torch.from_numpy(ab)[None], size=size, mode="bilinear")
    return large[0].numpy()


def _colors(path: Path, light: np.ndarray) -> np.ndarray:
    return Colorizer(str(path), "cpu").colors(light[None])[0]


def test_the_caffe_release_runs_without_a_description(tmp_path: Path) -> None:
    net = _caffe(2)
    path = net.write(tmp_path / "colorization.onnx")
    light = _light(224, 224)[0]
    expected = _enlarged(_caffe_answer(net, light), (224, 224))
    assert expected.std() > 1
    assert np.abs(_colors(path, light) - expected).max() < 1e-3
    # Pictures of other sizes are stretched to what it wants.
    flat = np.full((96, 160), 70, np.float32)
    assert np.allclose(_colors(path, flat), expected_of_flat(net), atol=1e-3)


def expected_of_flat(net: Onnx) -> np.ndarray:
    ab = net.arrays["weight"][:, 0, 0, 0] * 20 + net.arrays["bias"]
    return np.broadcast_to(ab[:, None, None], (2, 96, 160))


@pytest.mark.parametrize("certain", [False, True])
def test_scores_become_the_mean_of_the_colours_listed(certain: bool, tmp_path: Path) -> None:
    """Whether they are probabilities already is seen from the network's last step."""
    bins = RNG.integers(-11, 11, (313, 2)) * 10
    np.save(tmp_path / "pts_in_hull.npy", bins)
    last = [("Softmax", ("scores",), ("class8",), {"axis": 1})] if certain else []
    net = _caffe(313, *last)
    light = _light(224, 224)[0]
    scores = _caffe_answer(net, light) / (1 if certain else 0.38)
    odds = np.exp(scores - scores.max(0))
    expected = _enlarged(np.einsum("qhw,qc->chw", odds / odds.sum(0), bins), (224, 224))
    assert expected.std() > 5
    path = net.write(tmp_path / "net.onnx")
    assert np.abs(_colors(path, light) - expected).max() < 0.01


def test_an_answer_at_full_size_is_to_plain_lightness(tmp_path: Path) -> None:
    """As the release for PyTorch is exported, with its own arithmetic inside; of any size."""
    weight = RNG.normal(0, 0.1, (2, 1, 3, 3))
    nodes = [("Conv", ("input", "w"), ("output",), SAME)]
    net = Onnx(("input", (1, 1, "h", "w")), ("output", (1, 2, "h", "w")), nodes, {"w": weight})
    light = _light(64, 96, 5)
    expected = F.conv2d(torch.from_numpy(light)[:, None].double(), torch.from_numpy(weight), None)
    colorizer = Colorizer(str(net.write(tmp_path / "net.onnx")), "cpu")
    found = colorizer.colors(light)
    assert np.abs(found[:, :, 1:-1, 1:-1] - expected.numpy()).max() < 1e-3
    # A film's last batch is a smaller one.
    assert np.abs(colorizer.colors(light[:2]) - found[:2]).max() < 1e-4
    assert colorizer.description["engine"].startswith("openvino ")
    assert not colorizer.takes_hints


def _grey(light: np.ndarray) -> np.ndarray:
    """(h, w, 3), 0 … 1."""
    return lab2rgb(np.stack((light.astype(np.float64), *np.zeros((2, *light.shape))), -1))


def _under(grey: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """ab of the chroma of ``rgb`` with the luma of ``grey``."""
    luma = np.clip(rgb, 0, 1) @ np.array([0.299, 0.587, 0.114])
    shown = np.clip(np.clip(rgb, 0, 1) + grey - luma[..., None], 0, 1)
    return rgb2lab(shown)[..., 1:].transpose(2, 0, 1)


def test_grey_in_three_channels_to_ab(tmp_path: Path) -> None:
    weight = RNG.normal(0, 30, (2, 3, 1, 1))
    nodes = [("Conv", ("x", "w"), ("y",), {})]
    net = Onnx(("x", (1, 3, 64, 64)), ("y", (1, 2, 64, 64)), nodes, {"w": weight})
    light = _light(64, 64)[0]
    expected = np.einsum("oi,hwi->ohw", weight[:, :, 0, 0], _grey(light))
    assert np.abs(_colors(net.write(tmp_path / "net.onnx"), light) - expected).max() < 0.02


TINT, OFFSET = np.array([0.9, 0.8, 0.7]), np.array([0.1, 0.05, 0.0])
RANGES = {
    "shares": (1, np.zeros(3), np.ones(3)),
    "codes": (255, np.zeros(3), np.ones(3)),
    "signed": (1, np.full(3, 0.5), np.full(3, 0.5)),
    "imagenet": (1, np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])),
}


def _tinting(scale: float, mean: np.ndarray, std: np.ndarray, size: Any = (64, 64)) -> Onnx:
    """A network that answers ``TINT * rgb + OFFSET``, in pictures of that range and no others."""
    weight = np.diag(TINT)[:, :, None, None]
    bias = (scale * OFFSET + TINT * mean - mean) / std
    ends = {"low": np.array((0 - mean) / std), "high": np.array((scale - mean) / std)}
    arrays = {name: end[:, None, None] for name, end in ends.items()}
    nodes = [
        ("Conv", ("x", "w", "b"), ("painted",), {}),
        ("Max", ("painted", "low"), ("above",), {}),
        ("Min", ("above", "high"), ("y",), {}),
    ]
    shape = (1, 3, *size)
    return Onnx(("x", shape), ("y", shape), nodes, {"w": weight, "b": bias, **arrays})


@pytest.mark.parametrize("which", RANGES)
def test_the_range_of_pictures_is_found_by_trying(which: str, tmp_path: Path) -> None:
    path = _tinting(*RANGES[which], size=("h", "w")).write(tmp_path / "net.onnx")
    light = _light(32, 64)[0]
    grey = _grey(light)
    expected = _under(grey, grey * TINT + OFFSET)
    assert expected.std() > 2
    assert np.abs(_colors(path, light) - expected).max() < 0.05


def test_pictures_of_no_known_range_are_not_guessed_at(tmp_path: Path) -> None:
    net = _tinting(*RANGES["shares"])
    net.arrays = {**net.arrays, "w": -np.eye(3)[:, :, None, None], "b": np.ones(3)}
    path = net.write(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match="cannot tell from its shapes"):
        Colorizer(str(path), "cpu")


def test_pictures_of_any_range_can_be_described(tmp_path: Path) -> None:
    path = _tinting(7, np.full(3, 3.0), np.full(3, 2.0)).write(tmp_path / "net.onnx")
    told = "scale = 7\nmean = 3\nstd = [2, 2, 2]"
    path.with_suffix(".toml").write_text(
        f'[input]\nkind = "grey"\n{told}\n[output]\nkind = "rgb"\n{told}\n'
    )
    light = _light(64, 64)[0]
    expected = _under(_grey(light), _grey(light) * TINT + OFFSET)
    assert np.abs(_colors(path, light) - expected).max() < 0.05


def test_a_description_is_followed_to_the_letter(tmp_path: Path) -> None:
    """Channels last on the way in, backwards on the way out, and a size of its own."""
    net = _tinting(*RANGES["shares"], ("h", "w"))
    reverse = np.eye(3)[::-1, :, None, None]
    net.nodes = [
        ("Transpose", ("x",), ("first",), {"perm": [0, 3, 1, 2]}),
        ("Conv", ("first", "w", "b"), ("rgb",), {}),
        ("Conv", ("rgb", "turn"), ("y",), {}),
    ]
    net.arrays = {**net.arrays, "turn": reverse}
    net.input = ("x", (1, "h", "w", 3))
    path = net.write(tmp_path / "net.onnx")
    path.with_suffix(".toml").write_text(
        'input = { kind = "grey", layout = "NHWC", size = [64, 64] }\n'
        'output = { kind = "bgr", name = "y" }\n'
    )
    light = _light(64, 64)[0]
    expected = _under(_grey(light), _grey(light) * TINT + OFFSET)
    assert np.abs(_colors(path, light) - expected).max() < 0.05
    flat = np.full((32, 96), 60, np.float32)
    expected = _under(_grey(flat), _grey(flat) * TINT + OFFSET)
    assert np.abs(_colors(path, flat) - expected).max() < 0.05


def test_luma_and_chroma_as_an_answer(tmp_path: Path) -> None:
    """Of Y'CbCr too the chroma alone is taken: the answered luma is white here."""
    net = _tinting(*RANGES["shares"])
    white = {"w": np.zeros((3, 3, 1, 1)), "b": np.array([1, 0.06, -0.08])}
    net.arrays = {**net.arrays, **white, "low": -np.ones((3, 1, 1))}
    path = net.write(tmp_path / "net.onnx")
    path.with_suffix(".toml").write_text('[input]\nkind = "grey"\n[output]\nkind = "yuv"\n')
    light = np.full((64, 64), 50, np.float32)
    cb, cr = 0.06, -0.08
    grey = _grey(light)
    rgb = grey + np.array([1.402 * cr, -0.344136 * cb - 0.714136 * cr, 1.772 * cb])
    expected = rgb2lab(rgb)[..., 1:].transpose(2, 0, 1)
    assert np.abs(_colors(path, light) - expected).max() < 0.02


def test_sides_are_multiples_of_what_is_asked_for(tmp_path: Path) -> None:
    path = _caffe(2, size=("h", "w")).write(tmp_path / "net.onnx")
    path.with_suffix(".toml").write_text(
        '[input]\nkind = "lightness"\nmean = 50\nmultiple = 64\n[output]\nkind = "ab"\n'
    )
    colorizer = Colorizer(str(path), "cpu")
    assert colorizer._engine.run(_light(96, 160)).shape == (1, 2, 32, 48)


def test_a_film_is_coloured(clip: Callable[[str], Path], tmp_path: Path) -> None:
    model = _caffe(2).write(tmp_path / "colorization.onnx")
    source, target = clip("plain.mp4"), tmp_path / "out.mp4"
    words = [str(source), str(target), "--short-side", "64", "--model", str(model), "--verify"]
    assert run(words) == 0
    assert times(target) == times(source)


def test_what_is_beside_the_file_counts_as_part_of_it(tmp_path: Path) -> None:
    """Kept work of an interrupted job must not be mixed with what another description makes."""
    path = _caffe(2).write(tmp_path / "net.onnx")
    settings = Settings().replace("color", model=str(path))
    before = Colorizer(str(path), "cpu").description["sha256"], Digests().of(settings)
    text = '[input]\nkind = "lightness"\nmean = 40\n[output]\nkind = "ab"\n'
    path.with_suffix(".toml").write_text(text)
    after = Colorizer(str(path), "cpu").description["sha256"], Digests().of(settings)
    assert before[0] != after[0] and before[1] != after[1]


def _outside(name: str) -> Onnx:
    net = _caffe(2)
    net.outside = {"weight": name}
    return net


@pytest.mark.parametrize("name", ["weights.bin", "ai.onnx"])
def test_arrays_in_a_file_beside_it_are_read(name: str, tmp_path: Path) -> None:
    net = _outside(name)
    path = net.write(tmp_path / "net.onnx")
    (tmp_path / name).write_bytes(net.arrays["weight"].astype("<f4").tobytes())
    light = _light(224, 224)[0]
    expected = _enlarged(_caffe_answer(net, light), (224, 224))
    assert np.abs(_colors(path, light) - expected).max() < 1e-3


def _spoil(kind: str, folder: Path) -> Path:
    path = folder / "in" / "bad.onnx"
    path.parent.mkdir()
    (folder / "w.bin").write_bytes(bytes(8))
    net = _caffe(2)
    match kind:
        case "truncated":
            path.write_bytes(net.write(path).read_bytes()[:-30])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("no network at all")
        case "no network":
            path.write_bytes(b"\x08\x08")
        case "custom operator":
            _caffe(2, ("Paint", ("scores",), ("class8",), {}, "my.own")).write(path)
        case "unknown operator":
            _caffe(2, ("Paint", ("scores",), ("class8",), {})).write(path)
        case "unknown opset":
            net.opset = 99
            net.write(path)
        case "above":
            _outside("../w.bin").write(path)
        case "absolute":
            _outside(str(folder / "w.bin")).write(path)
        case "in training":
            hidden = part(20, part(1, part(5, tensor("t", np.zeros(2), "../w.bin"))))
            path.write_bytes(net.write(path).read_bytes() + hidden)
        case "in a function":
            hidden = part(25, part(11, part(5, tensor("t", np.zeros(2), "../w.bin"))))
            path.write_bytes(net.write(path).read_bytes() + hidden)
        case "link":
            _outside("w.bin").write(path)
            (path.parent / "w.bin").symlink_to(folder / "w.bin")
        case "arrays missing":
            _outside("gone.bin").write(path)
        case "no bins":
            _caffe(313).write(path)
        case "bins with code":
            np.save(path.parent / "pts_in_hull.npy", np.array([print], object), allow_pickle=True)
            _caffe(313).write(path)
        case "wrong bins":
            np.save(path.parent / "pts_in_hull.npy", np.zeros((312, 2)))
            _caffe(313).write(path)
        case "unknown shape":
            net = Onnx(("x", (1, 4)), ("y", (1, 4)), [("Relu", ("x",), ("y",), {})])
            net.write(path)
    return path


@pytest.mark.parametrize(
    ("kind", "mention"),
    [
        ("truncated", "ends before"),
        ("empty", "not an ONNX file"),
        ("text", "not an ONNX file"),
        ("no network", "holds no network"),
        ("custom operator", "cannot run it.*my.own.Paint"),
        ("unknown operator", "cannot run it.*Paint"),
        ("unknown opset", "opset 99"),
        ("above", r"outside its folder: '\.\./w\.bin'"),
        ("absolute", "outside its folder"),
        ("in training", "outside its folder"),
        ("in a function", "outside its folder"),
        ("link", "outside its folder: 'w.bin'"),
        ("arrays missing", "gone.bin.*is missing"),
        ("no bins", "pts_in_hull.npy lists; put"),
        ("bins with code", "cannot be read as colours"),
        ("wrong bins", "not 312 channels"),
        ("unknown shape", "cannot tell from its shapes.*bad.toml"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(
    kind: str,
    mention: str,
    clip: Callable[[str], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = _spoil(kind, tmp_path)
    words = [str(clip("plain.mp4")), str(tmp_path / "o.mp4"), "--model", str(path)]
    assert run(words) == 5
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    assert re.search(mention, err)
    assert "bad.onnx" in err or "pts_in_hull.npy" in err
    assert not (tmp_path / "o.mp4").exists()


def test_what_is_shown_to_write_can_be_written(tmp_path: Path) -> None:
    path = _spoil("unknown shape", tmp_path)
    with pytest.raises(ModelError) as caught:
        Colorizer(str(path), "cpu")
    tables = re.findall(r"(?:input|output) = \{.*?\}", str(caught.value))
    assert set(tomllib.loads("\n".join(tables))) == {"input", "output"}
    path = _caffe(2).write(tmp_path / "good.onnx")
    path.with_suffix(".toml").write_text("\n".join(tables))
    assert Colorizer(str(path), "cpu").architecture == "onnx"


GIVEN, ANSWERED = '[input]\nkind = "lightness"\nmean = 50\n', '[output]\nkind = "ab"\n'


@pytest.mark.parametrize(
    ("text", "mention"),
    [
        ("input = ", "not a TOML file"),
        (GIVEN, r"\[output\] is missing"),
        (GIVEN + ANSWERED + "[more]\n", "unknown key 'more'"),
        (GIVEN + ANSWERED + "gain = 2\n", r"\[output\]: unknown key 'gain'"),
        ('[input]\nkind = "L"\n' + ANSWERED, "kind must be one of lightness, grey, not 'L'"),
        (GIVEN + "std = 0\n" + ANSWERED, "must not be 0"),
        (GIVEN + "std = [1, 2, 3]\n" + ANSWERED, "std must be"),
        (GIVEN + "std = true\n" + ANSWERED, "std must be"),
        (GIVEN + "std = nan\n" + ANSWERED, "std must be"),
        (GIVEN + "size = [0, 5]\n" + ANSWERED, "size must be"),
        (GIVEN + "multiple = 1.5\n" + ANSWERED, "multiple must be"),
        (GIVEN + 'layout = "CHW"\n' + ANSWERED, "layout must be"),
        (GIVEN + "name = 3\n" + ANSWERED, "name must be"),
        (GIVEN + ANSWERED + "temperature = -1\n", "temperature must be"),
        (GIVEN + ANSWERED + "probabilities = 1\n", "probabilities must be"),
        (GIVEN + ANSWERED + 'bins = "../pts.npy"\n', "bins must be the name of a file beside it"),
        (GIVEN + ANSWERED + 'name = "ab"\n', "has no output 'ab'.*class8"),
        (GIVEN + '[output]\nkind = "rgb"\n', "not 3 channels in NCHW"),
        ('[input]\nkind = "grey"\n' + ANSWERED, "does not fit its description"),
    ],
)
def test_a_wrong_description_is_named(text: str, mention: str, tmp_path: Path) -> None:
    path = _caffe(2).write(tmp_path / "net.onnx")
    path.with_suffix(".toml").write_text(text)
    with pytest.raises(ModelError, match=mention) as caught:
        Colorizer(str(path), "cpu")
    assert str(caught.value).startswith(str(tmp_path / "net."))
    assert "\n" not in str(caught.value)


def test_it_runs_on_openvino_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(_caffe(2).write(tmp_path / "net.onnx"))
    with pytest.raises(DeviceError, match="--device cpu"):
        Colorizer(path, "cuda")
    for wanted in ({"engine": "torch"}, {"dtype": torch.float32}):
        with pytest.raises(DeviceError, match="engine of its own"):
            Colorizer(path, "cpu", **wanted)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match="pip install openvino"):
        Colorizer(path, "cpu")


def test_colouring_imports_no_torch(tmp_path: Path) -> None:
    path = _caffe(2).write(tmp_path / "net.onnx")
    code = (
        "import sys, numpy as np\n"
        "from vidcolor.models.colorizer import Colorizer\n"
        f"Colorizer({str(path)!r}).colors(np.full((1, 32, 64), 50, np.float32))\n"
        "assert 'openvino' in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
