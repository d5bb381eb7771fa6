"""Whether a device may decode a film: tried on its first pictures, before any work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice, zip_longest

import av
import numpy as np

from vidcolor.errors import SourceError
from vidcolor.frames import Surface, VideoInfo
from vidcolor.media.decoder import open_picture, undamaged
from vidcolor.media.devices import decodes
from vidcolor.media.faults import FAULTS, reason
from vidcolor.media.picture import read_chroma, read_luma
from vidcolor.media.surface import Downloads, UnfitError, surface_of
from vidcolor.settings import SOFTWARE, LimitSettings

_EXACT = frozenset({"h264", "hevc", "vp8", "vp9", "av1"})
"""Codecs whose decoding is laid down to the last bit. With others, such as MPEG-2, each decoder
rounds in its own way, and luma would depend on which one it was."""
_FAULTS: tuple[type[Exception], ...] = (SourceError, *FAULTS)
_COMPARED = 12
"""Pictures; enough for some of every kind, that are predicted from each other."""


def with_device(
    info: VideoInfo, device: str, limits: LimitSettings = LimitSettings()
) -> tuple[VideoInfo, str | None]:
    """``info`` for a film that is decoded by ``device``, which must be one that
    `vidcolor.media.devices.check_device` lets pass.

    If the device does not decode this film as software does, it is software that decodes it; then
    the second value is a line that says so, and why.
    """
    if device == SOFTWARE:
        return replace(info, surface=None), None
    try:
        return replace(info, surface=_tried(info, device, limits)), None
    except UnfitError as why:
        told = str(why)
    except _FAULTS as fault:
        told = f"{device} fails at it: {reason(fault)}"
    return replace(info, surface=None), f"{info.path}: decoded by software, not {device}: {told}"


def _tried(info: VideoInfo, device: str, limits: LimitSettings) -> Surface:
    """How ``device`` hands the film's pictures over. Raises UnfitError and a decoder's faults."""
    if info.codec not in _EXACT:
        raise UnfitError(f"decoders of {info.codec} differ from each other in the last bit")
    if limits.strict:
        raise UnfitError("devices do not tell of damage, at which --strict is to stop")
    surface: Surface | None = None
    with (
        open_picture(info, limits) as film,
        open_picture(info, limits, device) as same,
        closing(undamaged(*film)) as ours,
        closing(undamaged(*same)) as theirs,
    ):
        pairs: Iterator[tuple[av.VideoFrame | None, av.VideoFrame | None]]
        pairs = zip_longest(ours, theirs)
        for own, other in islice(pairs, _COMPARED):
            if not decodes(device, same[1]):
                raise UnfitError(f"it does not decode {info.codec} in {info.pixel_format} here")
            if own is None or other is None:
                raise UnfitError("it gives another number of pictures")
            if surface is None:
                surface = surface_of(other, device)
                downloads = Downloads(info, surface)
            if not _same(own, downloads.plain(other), info):
                raise UnfitError("its pictures are not those of software")
    if surface is None:
        raise UnfitError("it gives no pictures")
    return surface


def _same(one: av.VideoFrame, other: av.VideoFrame, info: VideoInfo) -> bool:
    """Whether two pictures have the same samples and the same time."""
    if one.pts != other.pts or one.format.name != other.format.name:
        return False
    if info.fields is not None and one.interlaced_frame != other.interlaced_frame:
        return False
    chroma, others = read_chroma(one, info.color), read_chroma(other, info.color)
    return all(
        np.array_equal(first, second)
        for first, second in zip(
            (read_luma(one, info.color)[0], *(chroma or ())),
            (read_luma(other, info.color)[0], *(others or ())),
            strict=True,
        )
    )
