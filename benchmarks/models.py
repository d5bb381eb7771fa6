"""How long each kind of network takes for a picture on the CPU, against the default one.

    python benchmarks/models.py [--side 256] [--rounds 5] [--spandrel]

Weights are random, which changes no times; shapes are those of the published files. Each round asks
every network once, so that whatever else the machine does strikes them all alike; the table has the
median of the rounds' ratios. ``--spandrel`` adds DDColor (its smallest and largest), where
spandrel_extra_arches is installed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from vidcolor.models.colorizer import Colorizer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from deoldified import ARTISTIC, VIDEO  # noqa: E402
from deoldified import shapes as deoldify_shapes  # noqa: E402
from onnx_files import Onnx  # noqa: E402
from published import random_state  # noqa: E402


def save(path: Path, state: dict[str, np.ndarray]) -> str:
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, path)
    return str(path)


def deoldify(path: Path, kind: object) -> str:
    """Small random arrays: what they are does not matter, but that sums stay finite."""
    rng = np.random.default_rng(0)
    state = {}
    for name, shape in deoldify_shapes(kind).items():  # type: ignore[arg-type]
        state[name] = rng.uniform(0.01, 0.02, shape).astype(np.float32)
        if name.endswith("num_batches_tracked"):
            state[name] = np.array(1)
        elif name.endswith("running_var"):
            state[name] += 1
    return save(path, state)


def eccv16_onnx(path: Path) -> str:
    """ECCV16 as it is released for Caffe, with its layers, batch norms folded."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    nodes: list[tuple] = []
    last, channels = "data_l", 1
    stages = ((2, 64, 1), (2, 128, 1), (3, 256, 1), (3, 512, 1), (3, 512, 2), (3, 512, 2))
    plan = [
        (width, 2 if number == count and place < 3 else 1, dilation)
        for place, (count, width, dilation) in enumerate((*stages, (3, 512, 1)))
        for number in range(1, count + 1)
    ]
    for number, (width, stride, dilation) in enumerate(plan):
        arrays[f"w{number}"] = rng.normal(0, 0.02, (width, channels, 3, 3))
        options = {"kernel_shape": [3, 3], "strides": [stride] * 2, "pads": [dilation] * 4}
        nodes.append(
            (
                "Conv",
                (last, f"w{number}"),
                (f"c{number}",),
                {**options, "dilations": [dilation] * 2},
            )
        )
        nodes.append(("Relu", (f"c{number}",), (f"r{number}",), {}))
        last, channels = f"r{number}", width
    arrays |= {"up": rng.normal(0, 0.02, (512, 256, 4, 4)), "ab": rng.normal(0, 1, (2, 313, 1, 1))}
    arrays |= {f"v{n}": rng.normal(0, 0.02, (256, 256, 3, 3)) for n in range(2)}
    arrays["classes"] = rng.normal(0, 0.1, (313, 256, 1, 1))
    large = {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [1] * 4}
    nodes += [
        ("ConvTranspose", (last, "up"), ("u",), large),
        ("Relu", ("u",), ("u0",), {}),
        ("Conv", ("u0", "v0"), ("u1",), {"kernel_shape": [3, 3], "pads": [1] * 4}),
        ("Relu", ("u1",), ("u2",), {}),
        ("Conv", ("u2", "v1"), ("u3",), {"kernel_shape": [3, 3], "pads": [1] * 4}),
        ("Relu", ("u3",), ("u4",), {}),
        ("Conv", ("u4", "classes"), ("scores",), {}),
        ("Softmax", ("scores",), ("odds",), {"axis": 1}),
        ("Conv", ("odds", "ab"), ("class8_ab",), {}),
    ]
    net = Onnx(("data_l", (1, 1, 224, 224)), ("class8_ab", (1, 2, 56, 56)), nodes, arrays)
    return str(net.write(path))


def ddcolor(path: Path, encoder: str) -> str:
    from spandrel_extra_arches.architectures.DDColor import DDColor

    queries, norm = 100, "Spectral"
    net = DDColor(encoder_name=encoder, num_output_channels=2, last_norm=norm, num_queries=queries)
    torch.save({"params": net.state_dict()}, path)
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--spandrel", action="store_true")
    given = parser.parse_args()
    light = np.random.default_rng(0).uniform(5, 95, (1, given.side, given.side)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = {
            "default": "default",
            "eccv16": save(folder / "eccv16.pth", random_state("eccv16")),
            "eccv16 as ONNX (always 224 × 224)": eccv16_onnx(folder / "eccv16.onnx"),
            "siggraph17": save(folder / "siggraph17.pth", random_state("siggraph17")),
            "DeOldify Artistic": deoldify(folder / "artistic.pth", ARTISTIC),
            "DeOldify Stable, Video": deoldify(folder / "video.pth", VIDEO),
        }
        if given.spandrel:
            for encoder in ("convnext-t", "convnext-l"):
                label = f"DDColor by spandrel, {encoder} (always 256 × 256)"
                models[label] = ddcolor(folder / f"{encoder}.pth", encoder)
        nets = {label: Colorizer(model, "cpu") for label, model in models.items()}
        engines = {label: net.description["engine"] for label, net in nets.items()}
        for net in nets.values():
            net.colors(light)
        ratios: dict[str, list[float]] = {label: [] for label in nets}
        for _ in range(given.rounds):
            seconds = {}
            for label, net in nets.items():
                begun = time.perf_counter()
                net.colors(light)
                seconds[label] = time.perf_counter() - begun
            for label in nets:
                ratios[label].append(seconds[label] / seconds["default"])
    print(f"| network, one picture of {given.side} × {given.side} | engine | time / default's |")
    print("|---|---|---|")
    for label, found in ratios.items():
        print(f"| {label} | {engines[label]} | {statistics.median(found):.3g} |")


if __name__ == "__main__":
    main()
