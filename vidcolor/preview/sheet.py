"""A contact sheet of a film, before and after, in seconds: ``make_sheet``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from vidcolor.colorize import colorize
from vidcolor.errors import SourceError, TargetError, UsageError
from vidcolor.flow import single_threaded_cv2
from vidcolor.frames import ColoredFrame, Frame, SmallFrame, VideoInfo
from vidcolor.keyframes import all_keys
from vidcolor.look import Grading
from vidcolor.media.glimpse import Glimpser
from vidcolor.media.target import check_target
from vidcolor.models.colorizer import Colorizer
from vidcolor.paint import Painter
from vidcolor.photos.kinds import kind_of
from vidcolor.photos.read import Photo, read_photo
from vidcolor.plan import examine, small_size
from vidcolor.preview.columns import Column, open_colorizers
from vidcolor.preview.grid import arrange
from vidcolor.preview.places import (
    MOST_SHOTS,
    Place,
    found_shots,
    listed_shots,
    spread,
    telling_frame,
    thinned,
    whole_line,
)
from vidcolor.report import Progress
from vidcolor.settings import Settings
from vidcolor.shots import clock
from vidcolor.shrink import shrink
from vidcolor.stills import Pixels, jpeg, panel_size, png, reduced, upright
from vidcolor.textfile import TextFile

COUNT = 24
"""Places in a film of which no shots are known."""
WIDTH = 1920
_QUALITY = 90
_BATCH = 4
"""Frames held at full size at once."""
_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class SheetOptions:
    """``count`` is how many places are shown at most, None for what suits; ``width`` that of the
    sheet in pixels, at most. ``every_shot`` finds the shots first, and shows one frame of each."""

    count: int | None = None
    width: int = WIDTH
    every_shot: bool = False

    def __post_init__(self) -> None:
        if self.count is not None and not 1 <= self.count <= 1000:
            raise UsageError(f"a sheet has 1 to 1000 places, not {self.count}")
        if not 320 <= self.width <= 16000:
            raise UsageError(f"a sheet is 320 to 16000 pixels wide, not {self.width}")


def make_sheet(
    source: Path | str,
    target: Path | str,
    columns: Sequence[Column],
    options: SheetOptions = SheetOptions(),
    *,
    progress: Callable[[Progress], None] | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> int:
    """Write a sheet of stills of the film ``source``, as it is and as each of ``columns`` has it.

    A photo is shown alone. Of a film one frame of every shot that the settings of the first column
    list, else places evenly spread over it. Frames are sought, not read up to, and taken where
    there is something to see. ``target`` is a PNG or a JPEG. Returns how many places are shown.

    Raises the errors of `vidcolor.errors`.
    """
    settings, target = columns[0].settings, Path(target)
    photo = None
    if kind_of(Path(source)) is not None:
        photo = read_photo(Path(source), settings.limits, warn)
        if settings.shots is not None or options.count is not None or options.every_shot:
            raise UsageError(f"{source}: a photo has one place and no shots; leave them out")
    info = examine(source, settings) if photo is None else photo.info
    _check_name(target)
    check_target(target, info.path, settings.overwrite)
    with TextFile(target, "sheet", fresh=not settings.overwrite) as file, single_threaded_cv2():
        colorizers = open_colorizers(columns, warn)
        places, seeks = [Place(Fraction(0), Fraction(1))], True
        if photo is None:
            places, seeks = _places(info, columns[0], options, progress, warn)
        turned = info.quarter_turns % 2
        whole = panel_size(info)
        grid = arrange(
            len(places), 1 + len(columns), whole[::-1] if turned else whole, options.width
        )
        size = grid.picture[::-1] if turned else grid.picture
        stills = Stills(info, columns, colorizers, size)
        sheet, shown = grid.blank(), 0
        labels = [column.label for column in columns] if len(columns) > 1 else [""]
        with closing(_frames(info, settings, places, photo, seeks=seeks)) as there:
            for place, frame, pictures in stills.colored(there):
                told = "as it is" if photo is not None else _caption(info, place, frame)
                if photo is not None and photo.mirrored:
                    pictures = [np.fliplr(picture) for picture in pictures]
                grid.draw(sheet, shown, pictures, [told, *labels])
                shown += 1
                if progress is not None:
                    progress(Progress(shown, len(places)))
        if shown == 0:
            raise SourceError(f"{info.path}: not one picture of it can be decoded")
        if shown < len(places):
            warn(f"{info.path}: nothing can be decoded at {len(places) - shown} of the places")
        data = png(sheet) if target.suffix.lower() == ".png" else jpeg(sheet, _QUALITY)
        file.write_bytes([data])
    return shown


class Stills:
    """Frames of a film, each by itself, as it is and as each column has it; ``size`` (h, w) is that
    of the pictures, not yet upright."""

    def __init__(
        self,
        info: VideoInfo,
        columns: Sequence[Column],
        colorizers: Sequence[Colorizer],
        size: tuple[int, int],
    ) -> None:
        self._info = info
        self._size = size
        self._painter = Painter(size)
        self._ways = [
            (column.settings, colorizer, Grading(column.settings))
            for column, colorizer in zip(columns, colorizers, strict=True)
        ]

    def colored(
        self, frames: Iterable[tuple[Place, Frame]]
    ) -> Iterator[tuple[Place, Frame, list[Pixels]]]:
        """Each frame with its pictures, upright R'G'B'."""
        frames = iter(frames)
        while batch := list(islice(frames, _BATCH)):
            # The look is that of the shot.
            own = [replace(frame, index=place.first_frame) for place, frame in batch]
            small = [reduced(frame, self._info, self._size) for frame in own]
            pictures = [[upright(one, self._info)] for one in small]
            for settings, colorizer, grading in self._ways:
                size = small_size(self._info, settings)
                seen = [
                    SmallFrame(one.frame, shrink(frame, size), True)
                    for frame, one in zip(own, small, strict=True)
                ]
                guessed = colorize(
                    all_keys(seen), colorizer, settings.color.batch_size, self._info.quarter_turns
                )
                graded = grading.apply(
                    ColoredFrame(item.small.frame, item.small.lightness, ab, True)
                    for item, ab in guessed
                    if ab is not None
                )
                for item, done in zip(graded, pictures, strict=True):
                    done.append(upright(self._painter.paint(item), self._info))
            for (place, frame), done in zip(batch, pictures, strict=True):
                yield place, frame, done


def _frames(
    info: VideoInfo,
    settings: Settings,
    places: Sequence[Place],
    photo: Photo | None,
    *,
    seeks: bool,
) -> Generator[tuple[Place, Frame]]:
    """A frame of each place where one can be decoded; of a photo, itself."""
    if photo is not None:
        yield places[0], photo.frame
        return
    with Glimpser(info, settings.limits, seeks=seeks) as glimpser:
        for place in places:
            frame = telling_frame(glimpser, place)
            if frame is not None:
                yield place, frame


def _places(
    info: VideoInfo,
    first: Column,
    options: SheetOptions,
    progress: Callable[[Progress], None] | None,
    warn: Callable[[str], None],
) -> tuple[list[Place], bool]:
    """The places to show, and whether they can be sought."""
    limits = first.settings.limits
    listed = first.settings.shots
    if listed is not None and options.every_shot:
        raise UsageError("give either a shot list or --every-shot, which finds the shots anew")
    if listed is None and not options.every_shot:
        told = None if info.duration else whole_line(info, limits)
        return spread(info, options.count or COUNT, told), told is None or told.sought
    line = whole_line(info, limits)
    if listed is not None:
        shots = listed_shots(info, line, listed)
    else:
        shots = found_shots(info, first.settings, progress)
    places = thinned(shots, options.count or MOST_SHOTS)
    if len(places) < len(shots):
        warn(f"{info.path}: {len(places)} of its {len(shots)} shots are shown; --count has more")
    return places, line.sought


def _caption(info: VideoInfo, place: Place, frame: Frame) -> str:
    time = clock(max(Fraction(0), (frame.pts - (info.start_pts or 0)) * info.time_base))
    shot = "" if place.shot is None else f"   shot {place.shot}"
    # Tenths where frames may lie closer than seconds.
    return time[: -2 if (info.duration or 0) < 120 else -4] + shot


def _check_name(target: Path) -> None:
    if target.suffix.lower() not in _SUFFIXES:
        known = ", ".join(_SUFFIXES)
        raise TargetError(
            f"{target}: a sheet is a picture; give it a name that ends in {known}, or a range of "
            "frames or of time, which makes a clip"
        )
