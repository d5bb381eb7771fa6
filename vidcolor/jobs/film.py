"""One film of many: a function of plain data that gives back plain data, in whichever process."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from vidcolor.chunkwork import Hands
from vidcolor.disk import unreadable
from vidcolor.errors import DeviceError, ModelError, SourceError, VidcolorError
from vidcolor.job import colorize_video
from vidcolor.jobs.files import note
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.models.blend import members, open_colorizer
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.registry import files_beside
from vidcolor.photos.job import colorize_photo
from vidcolor.photos.kinds import is_photo_job, kind_of
from vidcolor.report import Progress
from vidcolor.settings import RangeSettings, Settings
from vidcolor.stills import jpeg, still

_STILLS = 5
_SHORT_SIDE = 90
_QUALITY = 70


@dataclass(frozen=True, slots=True)
class Work:
    """One film to colour: ``source`` and ``target`` are whole paths."""

    name: str
    source: str
    target: str
    settings: Settings
    strip: bool = False
    """Whether a strip of stills is wanted."""
    mark: str = ""
    """Where it is written down which file takes the target's place, just before it does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a film. ``error`` is one line, or None when all went well."""

    error: str | None = None
    frames: int = 0
    seconds: float = 0.0
    """Wall time spent."""
    length: float | None = None
    """Seconds of film, as far as the target tells."""
    warnings: tuple[str, ...] = ()
    strip: bytes = b""
    """Stills from begin to end, side by side, as JPEG."""
    passing: bool = False
    """The fault is not the film's: a full disk, a target that is being written, a device."""

    @property
    def frames_per_second(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0


NOTHING = Outcome()
"""Of a film that was begun and no more."""


class Loaded:
    """Keeps a network between two films that want the same."""

    def __init__(self) -> None:
        self._wanted: tuple[object, ...] | None = None
        self._colorizer: Colorizer | None = None
        self._warn: Callable[[str], None] = lambda line: None

    def colorizer(
        self, settings: Settings, warn: Callable[[str], None] = lambda line: None
    ) -> Colorizer:
        """The one for ``settings``, which tells ``warn`` from now on."""
        self._warn = warn
        color = settings.color
        names = (color.model, color.device, color.tiles)
        # A file may be another by the next film: a batch that watches runs for weeks.
        wanted = (*names, *map(_stamp, members(color.model)))
        if self._colorizer is None or wanted != self._wanted:
            self._colorizer = None  # Never two in memory.
            self._colorizer = open_colorizer(*names, warn=lambda line: self._warn(line))
            self._wanted = wanted
        return self._colorizer


def _stamp(model: str) -> tuple[tuple[int, int], ...]:
    """When a model's file, and those it goes with, were written, and their sizes; nothing for what
    is no file."""
    path = Path(model)
    try:
        files = [path.stat(), *(file.stat() for file in files_beside(path))]
    except (OSError, ModelError):
        return ()
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in files)


class Colorist:
    """Colours one film after the other, and keeps the network between two that want the same; or
    has ``hands`` do the chunks of each."""

    def __init__(self, hands: Hands | None = None) -> None:
        self._hands = hands
        self._loaded = Loaded()

    def color(self, work: Work, tell: Callable[[Progress], None]) -> Outcome:
        """Colour a film. Whatever goes wrong with it is in the outcome; only what ends the
        program, such as Ctrl-C, is raised."""
        begun = time.monotonic()
        warnings: list[str] = []
        passing = False
        try:
            hands = self._hands
            photo = is_photo_job(Path(work.source), Path(work.target))
            alone = photo or hands is None
            colorizer = self._loaded.colorizer(work.settings, warnings.append) if alone else None
            names = (work.source, work.target, work.settings)

            def sign(file: Path) -> None:
                if work.mark:
                    note(Path(work.mark), file)

            if photo:
                report = colorize_photo(
                    *names, warn=warnings.append, colorizer=colorizer, sign=sign
                )
            else:
                report = colorize_video(
                    *names,
                    progress=tell,
                    warn=warnings.append,
                    colorizer=colorizer,
                    hands=hands,
                    sign=sign,
                )
            length, strip = _look(Path(work.target), report.frames, stills=work.strip)
        except VidcolorError as error:
            told, passing = str(error), error.passing or isinstance(error, DeviceError)
            if isinstance(error, SourceError):
                # It was there when the batch looked.
                passing = passing or _is_away(Path(work.source))
        except Exception as error:  # A mistake of ours must not cost the films that follow.
            told = f"{work.source}: went wrong unexpectedly: {type(error).__name__}: {error}"
        else:
            lines = tuple(dict.fromkeys([*warnings, *report.warnings]))
            return Outcome(None, report.frames, report.seconds, length, lines, strip)
        line = " ".join(told.split())
        seconds = time.monotonic() - begun
        return Outcome(line, 0, seconds, None, tuple(warnings), passing=passing)


def _is_away(source: Path) -> bool:
    """Whether it cannot be opened at all: a drive that was taken off, a share that is gone."""
    try:
        return not source.exists() or (source.is_file() and unreadable(source) is not None)
    except OSError:
        return True


def _look(target: Path, count: int, *, stills: bool) -> tuple[float | None, bytes]:
    """The finished film's length in seconds, and its strip; it has ``count`` frames."""
    try:
        info, photo = probe(target), kind_of(target) is not None
        length = None if photo else info.duration
        if length is not None and info.average_rate:
            # Sound may go on after the last picture.
            length = min(length, count / info.average_rate)
        if not stills:
            return (None if length is None else float(length)), b""
        pictures = []
        for number in range(1 if photo else _STILLS):
            start = (length or Fraction(0)) * number / _STILLS
            with closing(decode(info, RangeSettings(start=start))) as frames:
                pictures += [still(frame, info, _SHORT_SIDE) for frame in islice(frames, 1)]
        strip = jpeg(np.hstack(pictures), _QUALITY) if pictures else b""
        return (None if length is None else float(length)), strip
    except VidcolorError:
        return None, b""  # The film is there; only its picture for the report is not.
