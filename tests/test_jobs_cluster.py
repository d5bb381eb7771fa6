"""Films on a Ray cluster of two nodes, one of which is lost; `make clustertest` has Ray for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import Clip, make
from networks import tiny_checkpoint

from vidcolor import Progress, Settings, assembly, colorize_video, job
from vidcolor.chunks import ChunkLength
from vidcolor.errors import DeviceError, UsageError, VidcolorError
from vidcolor.jobs.cluster import Cluster
from vidcolor.jobs.connection import load_ray
from vidcolor.jobs.found import Batch
from vidcolor.jobs.run import run_batch

ray = pytest.importorskip("ray", reason="Ray is not installed; make clustertest")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own, of many kinds.


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "LENGTH", ChunkLength(10, 60))


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster whose head does no work, with two nodes of one CPU."""
    load_ray()
    from ray.cluster_utils import Cluster as Nodes

    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    yield nodes
    nodes.shutdown()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    net = tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors")
    color = {"model": str(net), "device": "cpu", "short_side": 64}
    return Settings().replace("color", **color).replace("encoder", codec="ffv1")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight chunks."""
    return make(Clip("film.mkv", frames=480), tmp_path_factory.mktemp("film"))


def same(one: Path, other: Path) -> None:
    with av.open(str(one)) as first, av.open(str(other)) as second:
        for a, b in zip(first.decode(video=0), second.decode(video=0), strict=True):
            assert np.array_equal(a.to_ndarray(), b.to_ndarray())


def test_a_node_that_is_lost_costs_only_its_chunk(
    nodes: Any, film: Path, settings: Settings, tmp_path: Path
) -> None:
    plain, target, seen = tmp_path / "plain.mkv", tmp_path / "out.mkv", list[int]()
    colorize_video(film, plain, settings)

    def lose(at: Progress) -> None:
        if not seen:
            nodes.remove_node(list(nodes.worker_nodes)[-1], allow_graceful=False)
        seen.append(at.done)

    try:
        with Cluster(nodes.address, "cpu") as cluster:
            report = colorize_video(film, target, settings, progress=lose, hands=cluster)
    finally:
        nodes.add_node(num_cpus=1)
    assert report.frames == seen[-1] == 480
    same(target, plain)
    assert sorted(tmp_path.iterdir()) == [target, plain]


def test_a_driver_that_is_stopped_goes_on(
    nodes: Any, film: Path, settings: Settings, tmp_path: Path
) -> None:
    def stop(at: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Cluster(nodes.address, "cpu") as cluster:
        colorize_video(film, tmp_path / "out.mkv", settings, progress=stop, hands=cluster)
    with Cluster(nodes.address, "cpu") as cluster:
        report = colorize_video(film, tmp_path / "out.mkv", settings, hands=cluster)
    assert report.resumed >= 60 and report.frames == 480


def test_a_batch_on_the_cluster(nodes: Any, film: Path, settings: Settings, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.mkv", "b.mkv"):
        shutil.copy(film, source / name)
    (source / "broken.mkv").write_bytes(b"no film" * 99)
    summary = run_batch(Batch(source, target, settings), cluster=nodes.address)
    states = {found.name: found.state for found in summary.films}
    assert states == {"a.mkv": "done", "b.mkv": "done", "broken.mkv": "failed"}


def test_what_a_node_cannot_see_is_told(
    nodes: Any, film: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone.mkv"
    shutil.copy(film, gone)
    plan = assembly.tasks

    def hidden(*given: Any) -> Any:
        for task in plan(*given):
            gone.unlink(missing_ok=True)
            yield task

    monkeypatch.setattr(assembly, "tasks", hidden)
    with (
        Cluster(nodes.address, "cpu") as cluster,
        pytest.raises(VidcolorError, match="not to be seen on node"),
    ):
        colorize_video(gone, tmp_path / "out.mkv", settings, hands=cluster)


def test_no_cluster_is_ever_started() -> None:
    with pytest.raises(UsageError, match="no cluster is started"):
        Cluster("local")
    with pytest.raises(DeviceError, match="no Ray cluster"), Cluster("127.0.0.1:1"):
        pass
