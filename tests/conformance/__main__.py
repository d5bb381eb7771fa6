"""``make conformance``: every film through the command line, and the tables of how it went."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from networks import tiny_checkpoint

from conformance.mutations import PER_FILM, kind_of, mutate
from conformance.results import TABLE, Run, load, save, summarise
from conformance.sources import SOURCES, TARGETS, TO_DAMAGE, film
from conformance.watch import COMMAND, color

MOST_FRAMES = 300
"""Of a film from elsewhere."""

Job = tuple[str, str, Path, str]
"""Row (empty: what the source holds), column, source, and the target's suffix."""


def main() -> int:
    """Run the parts that were asked for; 1 if a promise was broken anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=Path, help="a folder of films from elsewhere")
    parser.add_argument("--part", choices=("sources", "mutations", "files"), action="append")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    parser.add_argument("--dry", action="store_true", help="leave docs/ as it is")
    asked = parser.parse_args()
    found, broken = {}, 0
    with tempfile.TemporaryDirectory() as room:
        parts = {
            "sources": _sources,
            "mutations": _mutations,
            "files": lambda _: _files(asked.files) if asked.files else (),
        }
        options = (
            *("--preset", "fast", "--short-side", "64"),
            *("--model", str(tiny_checkpoint(Path(room) / "tiny.safetensors"))),
        )
        for part, jobs_in in parts.items():
            if asked.part and part not in asked.part:
                continue
            folder = Path(room) / part
            folder.mkdir()
            runs = list(_run(list(jobs_in(folder)), options, asked.jobs))
            if runs:
                found[part] = summarise(part, runs)
                broken += sum(bool(run.outcome.faults) for run in runs)
    if not asked.dry:
        # What was not run now stays as it was last time.
        save({**load(), **found})
    print(f"{broken} runs broke a promise" + ("" if asked.dry else f"; see {TABLE}"))
    return int(broken > 0)


def _sources(folder: Path) -> Iterator[Job]:
    for name in SOURCES:
        source = film(name, folder)
        for suffix in TARGETS:
            yield name, suffix, source, suffix


def _mutations(folder: Path) -> Iterator[Job]:
    for name in TO_DAMAGE:
        content = film(name, folder).read_bytes()
        for number in range(PER_FILM):
            damaged = folder / f"{number} {name}"
            damaged.write_bytes(mutate(content, name, number))
            yield name, kind_of(number).__name__, damaged, ".mkv"


def _files(folder: Path) -> Iterator[Job]:
    for source in sorted(path for path in folder.iterdir() if path.is_file()):
        suffix = source.suffix.lower()
        yield "", "", source, suffix if suffix in TARGETS else ".mkv"


def _known(source: Path) -> tuple[str, tuple[str, ...]]:
    """What a film from elsewhere holds, to be named by, and the range to colour if it is long."""
    words = (*COMMAND, "probe", str(source), "--json")
    told = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    if told.returncode:
        return f"{source.suffix.lower()}: cannot be probed", ()
    values = json.loads(told.stdout)
    long = (values["frame_count"] or 0) > MOST_FRAMES
    crop = ("--frames", f"0:{MOST_FRAMES}") if long else ()
    return f"{source.suffix.lower()}: {values['codec']} {values['pixel_format']}", crop


def _run(jobs: list[Job], options: Iterable[str], at_once: int) -> Iterator[Run]:
    options = tuple(options)

    def one(job: Job) -> Run:
        label, column, source, suffix = job
        label, crop = (label, ()) if label else _known(source)
        return Run(label, column, color(source, suffix, options, crop))

    with ThreadPoolExecutor(at_once) as pool:
        for job, run in zip(jobs, pool.map(one, jobs), strict=True):
            said = "; ".join(("FAULT", *run.outcome.faults)) if run.outcome.faults else ""
            print(f"{job[2].name} -> {job[3]}: {said or run.outcome.result}", flush=True)
            yield run


if __name__ == "__main__":
    sys.exit(main())
