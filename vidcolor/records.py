"""Finished chunks as they lie on disk, in a job's folder: two files each.

One holds the packets, the other is the record, which is written only when those are safe. The
records are the ledger: a chunk without one never happened.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidcolor.frames import ChunkStart, Place
from vidcolor.media.segments import Segment
from vidcolor.textfile import write_text

KIND = "finished work"
"""What messages call all that is written in the folder."""


@dataclass(frozen=True, slots=True)
class DoneChunk:
    """A finished chunk: where it began, its packets, where the next one begins (None at the end of
    the film), and what was noticed in it, in values that JSON keeps."""

    start: ChunkStart
    segment: Segment
    following: ChunkStart | None
    notes: Mapping[str, Any]


def packets_of(folder: Path, start: ChunkStart) -> Path:
    """The file in ``folder`` for the packets of the chunk that begins at ``start``."""
    return folder / f"{start.index:09d}.packets"


def record_of(packets: Path) -> Path:
    """The file for the record of a chunk, beside its ``packets``."""
    return packets.with_suffix(".json")


def any_packets(folder: Path) -> bool:
    """Whether ``folder`` holds a chunk's packets, with or without a record. Raises OSError."""
    return any(folder.glob("*.packets"))


def enter(folder: Path, chunk: DoneChunk) -> None:
    """Write the record of a chunk whose packets are safe on disk. Raises TargetError."""
    text = json.dumps(dataclasses.asdict(chunk), default=str)
    write_text(record_of(packets_of(folder, chunk.start)), text, KIND)


def entered(folder: Path) -> Iterator[DoneChunk]:
    """The chunks whose record is in ``folder``, and their packets as long as they were, in the
    order of the film. Raises OSError."""
    for record in sorted(folder.glob("[0-9]*.json")):
        chunk = _chunk(folder, read_values(record))
        if (
            chunk is not None
            and record == record_of(chunk.segment.path)
            and chunk.segment.in_place()
        ):
            yield chunk


def read_values(path: Path) -> dict[str, Any]:
    """What a file of JSON holds; empty where there is no such file, or it is none of ours.

    Raises OSError where there is one that cannot be read.
    """
    with suppress(FileNotFoundError, ValueError):
        values = json.loads(path.read_text(encoding="utf-8"))
        return values if isinstance(values, dict) else {}
    return {}


def _chunk(folder: Path, values: Mapping[str, Any]) -> DoneChunk | None:
    """None where there is no record, or it is not one of this version's."""
    try:
        start, following = _start(values["start"]), values["following"]
        stored = values["segment"]
        segment = Segment(
            packets_of(folder, start),
            stored["start"],
            tuple(stored["pts"]),
            stored["duration"],
            stored["depth"],
            stored["size"],
            tuple((pts, moved) for pts, moved in stored["moved"]),
        )
        after = None if following is None else _start(following)
        return DoneChunk(start, segment, after, values["notes"])
    except (KeyError, TypeError):
        return None


def _start(found: Mapping[str, Any]) -> ChunkStart:
    return ChunkStart(found["index"], found["split"], Place(**found["warm_up"]))
