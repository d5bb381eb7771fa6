"""A short clip of a film, before and after, with its sound: ``make_clip``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from vidcolor.errors import TargetError, UsageError
from vidcolor.flow import single_threaded_cv2
from vidcolor.media.pictures import PictureWriter
from vidcolor.paint import Painter
from vidcolor.photos.kinds import SUFFIXES
from vidcolor.pipeline import Pipeline
from vidcolor.plan import examine, expected_frames
from vidcolor.preview.columns import Column, open_colorizers
from vidcolor.preview.grid import write
from vidcolor.report import Progress
from vidcolor.stills import Pixels, panel_size, reduced, upright

WIDTH = 1920
TALLEST = 540
"""Greatest height of the clip, in pixels."""
_LINE = 2
"""Width of the line between the halves of a split picture, in pixels."""


def make_clip(
    source: Path | str,
    target: Path | str,
    columns: Sequence[Column],
    *,
    split: bool = False,
    width: int = WIDTH,
    progress: Callable[[Progress], None] | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> int:
    """Write the range that the settings of the first column name, as the film has it and, to the
    right of that, as each of ``columns`` has it; with the sound of that range.

    With ``split`` there is one picture, its left half as in the film. Pictures are upright, with
    square pixels, and coloured as they will be in the target, but painted at the size they have
    here, ``width`` for all at most. Returns the number of frames.

    Raises the errors of `vidcolor.errors`.
    """
    if split and len(columns) > 1:
        raise UsageError("a split picture shows one model; leave out --split or --compare")
    if Path(target).suffix.lower() in SUFFIXES:
        raise TargetError(
            f"{target}: a range makes a clip, whose name ends in .mp4, .mov or .mkv; leave the "
            "range out for a sheet"
        )
    settings = columns[0].settings
    info = examine(source, settings)
    panels = 1 if split else 1 + len(columns)
    size = panel_size(info, TALLEST, max(2, width // panels))
    tall, wide = size[::-1] if info.quarter_turns % 2 else size
    labels = [column.label for column in columns] if len(columns) > 1 else [""]
    total, done = expected_frames(info, settings), 0
    with ExitStack() as stack:
        shape = (tall, wide * panels)
        writer = stack.enter_context(
            PictureWriter(Path(target), info, shape, sound=True, overwrite=settings.overwrite)
        )
        for line in writer.notes:
            warn(line)
        colorizers = open_colorizers(columns, warn)
        stack.enter_context(single_threaded_cv2())
        films = [
            Pipeline(info, column.settings, colorizer, warn=warn).colored(stack)
            for column, colorizer in zip(columns, colorizers, strict=True)
        ]
        painter = Painter(size)
        for frames in zip(*films, strict=True):
            frame = frames[0].frame
            before = reduced(frame, info, size)
            painted = (painter.paint(replace(colored, frame=before.frame)) for colored in frames)
            pictures = [upright(before, info), *(upright(item, info) for item in painted)]
            picture = _split(*pictures) if split else np.hstack(pictures)
            for number, label in enumerate(labels, 1):
                write(picture, label, (number * wide + 8, tall - 8), wide - 16, 230)
            writer.write(picture, frame.pts, frame.duration)
            done += 1
            if progress is not None:
                progress(Progress(done, total))
    return done


def _split(before: Pixels, after: Pixels) -> Pixels:
    """The left half of one, the right half of the other, and a line between."""
    middle = before.shape[1] // 2
    picture = np.array(after)
    picture[:, :middle] = before[:, :middle]
    picture[:, middle - _LINE // 2 : middle + _LINE // 2] = 255
    return picture
