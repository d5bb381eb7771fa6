"""What runs on a cluster's nodes: a worker with the network in it, one chunk after the other."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from vidcolor.chunkwork import ChunkTask
from vidcolor.device import share_cores
from vidcolor.errors import SourceError, VidcolorError
from vidcolor.jobs.film import Loaded
from vidcolor.jobs.pool import do_chunk
from vidcolor.media.series import series_at
from vidcolor.records import DoneChunk
from vidcolor.settings import Settings
from vidcolor.workfolder import is_kept

_SHOWN = 10
"""Seconds that a new folder may take to show on all nodes."""


class ChunkActor:
    """``number`` of ``count`` on its node, with its part of the cores there.

    What goes wrong with a chunk is given back, not raised.
    """

    def __init__(self, number: int, count: int) -> None:
        share_cores(number, count)
        self._loaded = Loaded()

    def ready(self) -> str:
        """The version of vidcolor here, once all is imported."""
        return version("vidcolor")

    def model(self, settings: Settings) -> dict[str, str] | VidcolorError:
        """The description of the colorizer for ``settings``."""
        try:
            return self._loaded.colorizer(settings).description
        except VidcolorError as error:
            return error

    def do(self, task: ChunkTask) -> DoneChunk | VidcolorError:
        """Do a chunk, if all that it takes is here."""
        job = task.job
        for path, there in ((job.info.path, _is_film), (job.folder, is_kept)):
            if not _shows(path, there):
                return VidcolorError(
                    f"{path}: not to be seen on node {socket.gethostname()}; the film and the "
                    "target, or --work-dir, must be in folders that all nodes share"
                )
        own = self.model(job.settings)
        if isinstance(own, VidcolorError):
            return own
        differs = [key for key in own if key != "device" and own[key] != job.model.get(key)]
        if differs:
            return VidcolorError(
                f"node {socket.gethostname()}: another {' and '.join(differs)} than elsewhere; "
                "all nodes need the same model and the same installation"
            )
        return do_chunk(task, self._loaded)


def _is_film(path: Path) -> bool:
    if "%" in path.name:
        with suppress(SourceError, OSError):
            return series_at(path) is not None
    return path.is_file()


def _shows(path: Path, there: Callable[[Path], bool]) -> bool:
    for _ in range(_SHOWN):
        if there(path):
            return True
        time.sleep(1)
    return False
