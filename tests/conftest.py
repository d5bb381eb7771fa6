"""Fixtures that several test modules share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
import torch
from clips import CLIPS, make
from networks import tiny_checkpoint

from vidcolor.models.colorizer import Colorizer

Clips = Callable[[str], Path]


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What torch draws is the same in every run: a test fails always or never."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """``clip("sound.mp4")``: the path of a clip of the factory, made once a session."""
    folder = tmp_path_factory.mktemp("clips")

    def find(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make(CLIPS[name], folder)

    return find


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a tiny network with random weights."""
    return tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors")


@pytest.fixture(scope="module")
def colorizer(net: Path) -> Colorizer:
    """That network, on the CPU."""
    return Colorizer(str(net), "cpu")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the pipeline: OpenCV's own threads would split DIS differently from call to call."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)
