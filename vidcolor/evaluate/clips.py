"""Colour clips as a truth: each frame turned to grey, as the film pipeline would see it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from vidcolor.evaluate.photos import SHORT_SIDE, Case, make_case
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.settings import RangeSettings, Settings
from vidcolor.shrink import shrink, working_size
from vidcolor.stills import still
from vidcolor.train.photos import SUFFIXES, TARS

_PHOTO_SOURCES = (*SUFFIXES, *TARS, ".txt")


def is_clip(path: Path) -> bool:
    """True for a file that is no photo, no tar and no list: it is taken for a film."""
    try:
        return path.is_file() and not path.name.lower().endswith(_PHOTO_SOURCES)
    except OSError:  # A name too long for the system, for one.
        return False


def load_frames(
    path: Path, limit: int | None = None, short_side: int = Settings().color.short_side
) -> Generator[Case]:
    """The frames of a colour clip, upright, one after the other; at most ``limit``.

    The network's lightness is what the film pipeline makes of the luma. The truth is the frame as
    displayed, its short side 256 pixels. Raises SourceError when it is no film.
    """
    info = probe(path)
    turns = info.quarter_turns
    small = working_size(info.width, info.height, info.sample_aspect_ratio, short_side)
    with closing(decode(info, RangeSettings(end_frame=limit))) as frames:
        for frame in frames:
            picture = still(frame, info, SHORT_SIDE)
            lightness = np.ascontiguousarray(np.rot90(shrink(frame, small), turns))
            case = make_case(f"{path.name}:{frame.index}", picture, lightness.shape)
            yield replace(case, lightness=lightness)
