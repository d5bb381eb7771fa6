"""By what finished work is known again: all that its chunks depend on, and a film by a sample."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vidcolor.chunks import RUN_OUT, WARM_UP, ChunkLength
from vidcolor.frames import VideoInfo
from vidcolor.look import lut_paths
from vidcolor.media.mux import Writer
from vidcolor.media.series import series_at
from vidcolor.models.checkpoint import digest
from vidcolor.settings import Settings

_SAMPLE = 1 << 20
"""Bytes."""


def identity(
    info: VideoInfo,
    settings: Settings,
    model: Mapping[str, str],
    writer: Writer,
    length: ChunkLength,
) -> dict[str, Any]:
    """All that a chunk depends on, by words that say what has changed, in values for JSON.

    ``model`` is the colorizer's description. Raises OSError for a film or a LUT that cannot be
    read.
    """
    # Imported here, while the network is being compiled: it is slow for what it does.
    from importlib.metadata import version

    luts = lut_paths(settings)
    chosen = by_content(settings, luts.index)
    # Whatever decodes the film, whatever is heard and how large it may be, its frames are the same.
    for key in ("overwrite", "resume", "work_dir", "decoder", "sound", "limits"):
        del chosen[key]
    del chosen["encoder"]["audio"]
    # By its description instead, wherever its file lies.
    del chosen["color"]["model"]
    return {
        "source": source_digest(info.path),
        "settings": repr(chosen),
        "luts": [digest(Path(lut)) for lut in luts],
        "model": dict(model),
        "encoder": [writer.choice.encoder, writer.choice.pixel_format, dict(writer.choice.options)],
        "target": writer.path.suffix,
        "version": [
            version("vidcolor"),
            version("av"),
            *dataclasses.astuple(length),
            WARM_UP,
            RUN_OUT,
        ],
    }


def by_content(settings: Settings, lut: Callable[[str], object]) -> dict[str, Any]:
    """All values of the settings, the same wherever the files lie that they name: of stills their
    digests alone, of each LUT what ``lut`` makes of its path."""
    values = dataclasses.asdict(settings)
    for look in (values["look"], *(values["looks"] or {}).values()):
        if look.get("lut") is not None:
            look["lut"] = lut(look["lut"])
    for still in values["references"]:
        del still["path"]
    return values


def source_digest(path: Path) -> str:
    """The `stamped_digest` of a film; of numbered pictures the `sample_digest` of the first, and
    how large all are and when each was last written."""
    series = series_at(path)
    if series is None:
        return stamped_digest(path)
    found = hashlib.sha256(sample_digest(next(series.files())).encode())
    for picture in series.files():
        stat = picture.stat()
        found.update(os.fsencode(picture.name))
        found.update(f" {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return found.hexdigest()


def stamped_digest(path: Path) -> str:
    """The `sample_digest`, which alone would not tell what was mended elsewhere, and when the file
    was last written."""
    return f"{sample_digest(path)} {path.stat().st_mtime_ns}"


def sample_digest(path: Path) -> str:
    """SHA-256, in hex, of a file's length, its first, middle and last MiB: the whole of a film
    takes too long to read just to know whether it is the same."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        found.update(str(size).encode())
        for at in (0, max(0, size // 2 - _SAMPLE // 2), max(0, size - _SAMPLE)):
            file.seek(at)
            found.update(file.read(_SAMPLE))
    return found.hexdigest()
