"""Photos and recipes small enough to train on in a test, and a rank of a run of several."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from networks import TINY

from vidcolor.errors import SettingsError
from vidcolor.models.chromanet.config import NetConfig
from vidcolor.models.chromanet.net import ChromaNet
from vidcolor.train import loop, network
from vidcolor.train.recipe import Recipe


def photo(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Soft coloured blobs: yellow where bright, blue where dark."""
    rng = np.random.default_rng(seed)
    tone = cv2.resize(rng.uniform(0, 255, (4, 5)).astype(np.float32), (width, height))
    return np.dstack((tone, 0.5 * tone + 40, 255 - tone)).clip(0, 255).astype(np.uint8)


def photo_folder(folder: Path, count: int = 5) -> Path:
    """``folder`` with ``count`` photos, some of them in a folder inside."""
    (folder / "inner").mkdir(parents=True)
    for seed in range(count):
        place = folder / ("inner" if seed % 2 else ".") / f"{seed}.png"
        cv2.imwrite(str(place), photo(seed))
    return folder


def tiny_config(recipe: Recipe) -> NetConfig:
    """In place of `network.net_config`."""
    return replace(
        TINY,
        attention=recipe.attention,
        temperature=recipe.temperature,
        rebalance=-recipe.rebalance,
        chroma_gain=recipe.chroma_gain,
    )


def tiny_recipe(photos: Path, run: Path, **more: Any) -> Recipe:
    """Six steps, of sizes and batches that change halfway."""
    plain = Recipe(
        photos=(str(photos),),
        run=str(run),
        encoder="none",
        steps=6,
        stages=((0.0, 64, 2), (0.5, 32, 4)),
        warmup=1,
        save_every=3,
        log_every=2,
        sheet_every=0,
        device="cpu",
        threads=1,
    )
    return replace(plain, **more)


def quiet(line: str) -> None:
    """A log that nobody reads."""


class KilledError(Exception):
    """In place of a kill."""


def train_until(step: int, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, and be killed as ``step`` begins."""
    rate = loop.rate_at

    def dying(now: int, progress: float, recipe: Recipe) -> float:
        if now == step:
            raise KilledError
        return rate(now, progress, recipe)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "rate_at", dying)
        with pytest.raises(KilledError):
            loop.train(recipe, quiet)


def metrics(run: str) -> list[dict[str, float]]:
    """The run's figures, without those that tell the time."""
    lines = (Path(run) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    for figures in found:
        figures.pop("images_per_second", None)
    return found


def train_as_rank(
    rank: int, count: int, port: int, recipe: Recipe, out: Path, refused: bool = False
) -> None:
    """What torchrun would start as one of ``count`` processes; writes what its network became, or
    why it was ``refused``."""
    os.environ |= {
        "WORLD_SIZE": str(count),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        # Not by the machine's own name, which need not resolve.
        "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0",
    }
    nets: list[ChromaNet] = []
    build = network.build_net

    def keep(*args: Any) -> ChromaNet:
        # Each begins elsewhere; the first one's weights must win.
        torch.manual_seed(rank)
        nets.append(build(*args))
        return nets[-1]

    # Takes seconds to import, and has a test of its own.
    sys.modules["torch.utils.tensorboard"] = None  # type: ignore[assignment]
    network.net_config = tiny_config
    loop.build_net = keep  # type: ignore[attr-defined]
    lines: list[str] = []
    if refused:
        with pytest.raises(SettingsError) as error:
            loop.train(recipe, lines.append)
        (out / f"rank-{rank}.txt").write_text(str(error.value), encoding="utf-8")
        return
    loop.train(recipe, lines.append)
    digest = hashlib.sha256()
    for value in nets[0].state_dict().values():
        digest.update(value.contiguous().numpy().tobytes())
    (out / f"rank-{rank}.txt").write_text("\n".join([digest.hexdigest(), *lines]), encoding="utf-8")
