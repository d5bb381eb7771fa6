"""How much faster several do it: processes of one machine, nodes of a Ray cluster; and what the
bookkeeping of a large batch costs.

    python benchmarks/sharing.py workers FILM [--workers 2] [--runs 2]
    python benchmarks/sharing.py cluster FILM
    python benchmarks/sharing.py scale [--films 250,500,1000,2000]

``workers`` runs the same job by itself and with ``--workers``, alternately; start-up is included.
``cluster`` wants vidcolor[cluster], and Linux: it starts a head without CPUs and nodes that keep to
one core each, first one and then two, and colours the film on either. ``scale`` plans, claims and
writes down films that 64 workers finish at once, so that what is left is our own cost.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from speed import ours, run

from vidcolor import Settings, colorize_video
from vidcolor.jobs.film import Outcome, Work
from vidcolor.jobs.found import Batch
from vidcolor.jobs.run import run_batch
from vidcolor.jobs.workers import Tell
from vidcolor.report import Progress

WORKERS = 64
SETTINGS = Settings().replace("encoder", options={"preset": "veryfast"})


def workers(film: Path, folder: Path, count: int, runs: int) -> None:
    """One process against ``count``, alternately."""
    alone = ours(film, folder / "alone.mp4", "default", "veryfast")
    shared = ours(film, folder / "shared.mp4", "default", "veryfast", "--workers", str(count))
    pairs = [(run(alone)[0], run(shared)[0]) for _ in range(runs)]
    one, several = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"one process {one:.1f} s, {count} workers {several:.1f} s: {ratio:.2f} times as fast")


def cluster(film: Path, folder: Path) -> None:
    """One node of one CPU against two."""
    from ray.cluster_utils import Cluster as Nodes

    from vidcolor.jobs.cluster import Cluster

    seconds = []
    for count in (1, 2):
        nodes: Any = Nodes(initialize_head=True, head_node_args={"num_cpus": 0})
        for number in range(count):
            with on_core(number):
                nodes.add_node(num_cpus=1)
        try:
            with Cluster(nodes.address, "cpu") as hands:
                begun = time.perf_counter()
                colorize_video(film, folder / f"{count}.mp4", SETTINGS, hands=hands)
                seconds.append(time.perf_counter() - begun)
        finally:
            nodes.shutdown()
        print(f"{count} nodes of one CPU: {seconds[-1]:.1f} s", flush=True)
    print(f"two nodes: {seconds[0] / seconds[1]:.2f} times as fast")


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """What is started within keeps to one core, as if its machine had no other."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def scale(films: int, folder: Path) -> None:
    """Seconds of bookkeeping for so many films, at first and when all is done."""
    source, target = folder / f"{films}", folder / f"{films}-out"
    source.mkdir()
    for number in range(films):
        (source / f"{number:06}.mkv").write_bytes(b"film")
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        crew = nullcontext(SimpleNamespace(color=_color))
        with mock.patch("vidcolor.jobs.run.make_crew", return_value=crew):
            run_batch(Batch(source, target), report=folder / "report")
        seconds.append(time.perf_counter() - begun)
    first, again = (1000 * spent / films for spent in seconds)
    print(f"{films} films: {first:.2f} ms each, {again:.2f} ms once all are done", flush=True)


def _color(works: Iterator[Work], tell: Tell) -> Iterator[tuple[Work, Outcome]]:
    """Sixty-four films under way at a time, each told of ten times."""
    busy: deque[Work] = deque()
    for work in works:
        for done in range(10):
            tell(work, Progress(done, 10, 0))
        busy.append(work)
        if len(busy) == WORKERS:
            yield _done(busy.popleft())
    while busy:
        yield _done(busy.popleft())


def _done(work: Work) -> tuple[Work, Outcome]:
    Path(work.target).write_bytes(b"coloured")
    return work, Outcome(None, 10, 1.0, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("workers", "cluster", "scale"))
    parser.add_argument("film", type=Path, nargs="?")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--films", default="250,500,1000,2000")
    chosen = parser.parse_args()
    if chosen.what != "scale" and chosen.film is None:
        parser.error("name a film, of some minutes")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.what == "workers":
            workers(chosen.film, folder, chosen.workers, chosen.runs)
        elif chosen.what == "cluster":
            cluster(chosen.film, folder)
        else:
            for films in map(int, chosen.films.split(",")):
                scale(films, folder)


if __name__ == "__main__":
    main()
