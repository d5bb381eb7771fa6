"""Decoded pictures let go of as early as can be: what waits between the stages is luma alone.

Some thirty frames are on their way at a time. Of a film of 4:2:0 in 8 bits that is little; of a
scan in R'G'B' of 4096 x 3112 pixels it was two gigabytes that nobody looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import av
import numpy as np

from vidcolor.frames import Frame, SmallFrame
from vidcolor.media.captions import CaptionReader

_LARGE = 4 << 20
"""Bytes of luma from which copying it is worth while; below, the decoder's memory is kept."""


def released(frames: Iterable[SmallFrame]) -> Iterator[SmallFrame]:
    """The frames, without their ``owner`` where it is of no more use and larger than their luma.

    It is of use for the film's own colour and for captions; and to luma that lies in it, which is
    copied where both are large.
    """
    captions = CaptionReader()
    for small in frames:
        frame = small.frame
        if frame.keeps_color or not _worth(frame) or captions.has(frame.owner):
            yield small
        else:
            luma = frame.luma if _own(frame.luma) else frame.luma.copy()
            yield replace(small, frame=replace(frame, luma=luma, owner=None))


def _worth(frame: Frame) -> bool:
    if not isinstance(frame.owner, av.VideoFrame):
        return False
    if _own(frame.luma):
        return True
    held = sum(plane.buffer_size for plane in frame.owner.planes)
    return frame.luma.nbytes >= _LARGE and held >= 2 * frame.luma.nbytes


def _own(samples: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
    """Whether their memory is numpy's, not the decoder's."""
    at: object = samples
    while isinstance(at, np.ndarray):
        if at.base is None:
            return True
        at = at.base
    return False
