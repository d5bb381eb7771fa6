"""One film shared among processes: found chunks, lost workers, and the same frames in the end."""

from __future__ import annotations

import os
import pickle
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Clip, make
from networks import tiny_checkpoint

from vidcolor import Progress, Settings, colorize_video, job
from vidcolor.chunks import ChunkLength
from vidcolor.chunkwork import ChunkJob, colorize_chunk, tasks
from vidcolor.errors import EncodeError, UsageError, VidcolorError
from vidcolor.jobs import processes as processes_module
from vidcolor.jobs.pool import RETRIES, Pool, Retries
from vidcolor.models.colorizer import Colorizer
from vidcolor.plan import examine
from vidcolor.records import DoneChunk
from vidcolor.references import Reference
from vidcolor.workfolder import WorkFolder

LENGTH = ChunkLength(10, 60)


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "LENGTH", LENGTH)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    net = tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors")
    color = {"model": str(net), "device": "cpu", "short_side": 64, "keyframes": 4}
    return Settings().replace("color", **color).replace("encoder", codec="ffv1")


@pytest.fixture(scope="module")
def colorizer(settings: Settings) -> Colorizer:
    return Colorizer(settings.color.model, "cpu")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shot of 150 frames at a variable rate, which is split at 60 and at 120."""
    pts = tuple(n * 40 + (n % 3) * 7 for n in range(150))
    clip = Clip("film.mkv", frames=150, time_base=Fraction(1, 1000), pts=pts, audio=("eng",))
    return make(clip, tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def whole(
    film: Path, settings: Settings, colorizer: Colorizer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The film, coloured in one go."""
    target = tmp_path_factory.mktemp("whole") / "out.mkv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "LENGTH", LENGTH)
        colorize_video(film, target, settings, colorizer=colorizer)
    return target


def planes(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as source:
        for frame in source.decode(video=0):
            yield frame.to_ndarray()


def same(one: Path, other: Path) -> None:
    for first, second in zip(planes(one), planes(other), strict=True):
        assert np.array_equal(first, second)


class Here:
    """Does the chunks in this process, the last one first, each from a pickled task."""

    def __init__(self, colorizer: Colorizer, stop_after: int = 99) -> None:
        self._colorizer, self._left = colorizer, stop_after
        self.done: list[int] = []

    def model(self, settings: Settings) -> dict[str, str]:
        return self._colorizer.description

    def chunks(self, tasks: object, told: object) -> Generator[DoneChunk]:
        for task in reversed(list(tasks)):  # type: ignore[call-overload]
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            self.done.append(task.start.index)
            yield colorize_chunk(pickle.loads(pickle.dumps(task)), self._colorizer, told)  # type: ignore[arg-type]


def a_job(film: Path, settings: Settings, colorizer: Colorizer, work: Path) -> ChunkJob:
    from vidcolor.plan import open_writer

    info = examine(film, settings)
    writer = open_writer(work.with_name("x.mkv"), info, settings)
    try:
        return ChunkJob(
            info, settings, writer.choice, writer.container, LENGTH, colorizer.description, work
        )
    finally:
        writer.abandon()


@pytest.mark.parametrize("name", ["one shot", "many shots"])
def test_the_planner_finds_what_a_plain_run_finds(
    film: Path, settings: Settings, colorizer: Colorizer, tmp_path: Path, name: str
) -> None:
    if name == "many shots":
        settings = settings.replace(shots=(0, 12, 17, 40, 71, 149))
    found = [task.start for task in tasks(a_job(film, settings, colorizer, tmp_path), {})]
    plain: list[DoneChunk] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkFolder, "add", lambda self, chunk: _keep(self, chunk, plain))
        colorize_video(film, tmp_path / "out.mkv", settings, colorizer=colorizer)
    assert found == [chunk.start for chunk in plain]
    assert len(found) > 2


def _keep(work: WorkFolder, chunk: DoneChunk, kept: list[DoneChunk]) -> None:
    kept.append(chunk)
    work.chunks.append(chunk)


def test_what_is_done_is_not_planned(
    film: Path, settings: Settings, colorizer: Colorizer, tmp_path: Path
) -> None:
    work = a_job(film, settings, colorizer, tmp_path)
    every = list(tasks(work, {}))
    done = colorize_chunk(every[1], colorizer)
    assert [task.start.index for task in tasks(work, {60: done})] == [0, 120]


def test_chunks_in_any_order_make_the_same_film(
    film: Path, whole: Path, settings: Settings, colorizer: Colorizer, tmp_path: Path
) -> None:
    target, seen = tmp_path / "out.mkv", list[Progress]()
    hands = Here(colorizer)
    report = colorize_video(film, target, settings, progress=seen.append, hands=hands)
    assert hands.done == [120, 60, 0]
    assert (report.frames, report.resumed, report.cuts) == (150, 0, 0)
    assert [at.done for at in seen] == list(range(1, 151))
    same(target, whole)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("goes_on", ["shared", "plain"])
def test_what_was_done_out_of_order_is_kept(
    film: Path,
    whole: Path,
    settings: Settings,
    colorizer: Colorizer,
    tmp_path: Path,
    goes_on: str,
) -> None:
    target = tmp_path / "out.mkv"
    with pytest.raises(KeyboardInterrupt):
        colorize_video(film, target, settings, hands=Here(colorizer, 2))
    if goes_on == "shared":
        hands = Here(colorizer)
        report = colorize_video(film, target, settings, hands=hands)
        assert hands.done == [0] and report.resumed == 90
    else:
        colorize_video(film, target, settings, colorizer=colorizer)
    same(target, whole)


def test_only_what_changed_on_disk_is_done_again(
    film: Path,
    whole: Path,
    settings: Settings,
    colorizer: Colorizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # Workers name files by whole paths, the job goes by its target's.
    target = Path("out.mkv")
    with pytest.raises(KeyboardInterrupt):
        colorize_video(film, target, settings, hands=Here(colorizer, 2))
    stored = Path(".out.mkv.vidcolor/000000120.packets")
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    with pytest.raises(EncodeError, match="changed on disk"):
        colorize_video(film, target, settings, hands=Here(colorizer))
    hands = Here(colorizer)
    assert colorize_video(film, target, settings, hands=hands).resumed == 120
    assert hands.done == [120]
    same(target, whole)


def test_a_plain_run_goes_on_among_workers(
    film: Path, whole: Path, settings: Settings, colorizer: Colorizer, tmp_path: Path
) -> None:
    target = tmp_path / "out.mkv"

    def stop(at: Progress) -> None:
        if at.done == 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        colorize_video(film, target, settings, progress=stop, colorizer=colorizer)
    hands = Here(colorizer)
    assert colorize_video(film, target, settings, hands=hands).resumed == 60
    assert hands.done == [120, 60]
    same(target, whole)


def test_processes_share_a_film(
    film: Path, whole: Path, settings: Settings, tmp_path: Path
) -> None:
    target, seen = tmp_path / "out.mkv", list[Progress]()
    with Pool(2) as pool:
        report = colorize_video(film, target, settings, progress=seen.append, hands=pool)
    assert report.frames == 150 and seen[-1].done == 150
    same(target, whole)
    assert list(tmp_path.iterdir()) == [target]


_serve = processes_module.serve


def _die_once(connection: object, make: object, number: int) -> None:
    """Dies at the first task of all."""
    mark = Path(os.environ["VIDCOLOR_TEST_MARK"])
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        _serve(connection, make, number)  # type: ignore[arg-type]
    os._exit(9)


def test_a_chunk_whose_worker_dies_is_done_again(
    film: Path, whole: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDCOLOR_TEST_MARK", str(tmp_path / "died"))
    monkeypatch.setattr(processes_module, "serve", _die_once)
    target = tmp_path / "out.mkv"
    with Pool(2) as pool:
        colorize_video(film, target, settings, hands=pool)
    assert (tmp_path / "died").exists()
    same(target, whole)


def test_a_chunk_that_kills_every_worker_fails_the_film(
    film: Path, settings: Settings, colorizer: Colorizer, tmp_path: Path
) -> None:
    told: list[int] = []
    tally = Retries(told.append)
    task = next(tasks(a_job(film, settings, colorizer, tmp_path), {}))
    for _ in range(RETRIES):
        tally.told(task, 5)
        tally.lost(task, "code 9")
    with pytest.raises(VidcolorError, match="frame 0 was tried 3 times: code 9"):
        tally.lost(task, "code 9")
    assert sum(told) == 0


def test_a_stopped_film_stops_its_workers_and_keeps_what_is_done(
    film: Path, whole: Path, settings: Settings, tmp_path: Path
) -> None:
    target = tmp_path / "out.mkv"

    def stop(at: Progress) -> None:
        if at.done > 120:  # Frames of the third chunk, and so one of the two before is finished.
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Pool(2) as pool:
        colorize_video(film, target, settings, progress=stop, hands=pool)
    left = sorted(path.name for path in (tmp_path / ".out.mkv.vidcolor").iterdir())
    assert not [name for name in left if name.endswith(".part")]
    assert [name for name in left if name.endswith(".packets")]
    with Pool(2) as pool:
        assert colorize_video(film, target, settings, hands=pool).resumed > 0
    same(target, whole)


def test_what_cannot_be_shared_is_refused(
    film: Path, settings: Settings, colorizer: Colorizer, tmp_path: Path
) -> None:
    known = settings.replace(references=(Reference(tmp_path / "still.png", "0"),))
    later = settings.replace("color", remember=True)
    for asked, why in (
        (settings.replace(resume=False), "no-resume"),
        (known, "known colours"),
        (later, "--remember"),
    ):
        with pytest.raises(UsageError, match=why):
            colorize_video(film, tmp_path / "o.mkv", asked, hands=Here(colorizer))
    assert not list(tmp_path.iterdir())
