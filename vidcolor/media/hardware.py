"""Encoders that are part of a device: what each needs, and whether that is here.

FFmpeg lists them wherever they were built in. Whether there is a device to run them shows only when
one is opened, and what it says then (``operation not permitted``) sounds like a fault of the file.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import cast

import av
from av.video.codeccontext import VideoCodecContext

from vidcolor.media.faults import FAULTS

_NEEDS = {
    # Those made for computing, A100 and H100 among them, have none.
    "_nvenc": "an NVIDIA GPU with a video encoder and its driver",
    "_amf": "an AMD GPU and its driver",
    "_qsv": "an Intel GPU and its driver",
    "_vaapi": "a GPU with a VA-API driver",
    "_vulkan": "a GPU with Vulkan's video extensions",
    "_videotoolbox": "a Mac",
    "_mf": "Windows' Media Foundation",
    "_v4l2m2m": "a chip that encodes video, and its driver",
}
_TRIED = 256
"""Width and height of the picture an encoder is opened for; every one of them takes that size."""


def needs(encoder: str) -> str | None:
    """What ``encoder`` needs besides FFmpeg, in words; None if it is software."""
    found = (what for end, what in _NEEDS.items() if encoder.endswith(end))
    return next(found, None)


@cache
def usable(encoder: str) -> bool:
    """Whether ``encoder`` can be used here: software always, a device's if it can be opened."""
    if needs(encoder) is None:
        return True
    try:
        context = cast(VideoCodecContext, av.CodecContext.create(encoder, "w"))
        context.width = context.height = _TRIED
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, 25)
        context.open()
    except FAULTS:
        return False
    return True
