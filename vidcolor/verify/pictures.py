"""The pictures of both films side by side: their times, their luma, whether there is colour."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from vidcolor.frames import Frame, VideoInfo
from vidcolor.media.captions import CaptionReader
from vidcolor.media.clock import plausible_rate
from vidcolor.media.damage import DecodeReport
from vidcolor.media.decode import decode
from vidcolor.media.encode import moved_codes
from vidcolor.media.picture import read_chroma
from vidcolor.report import Progress
from vidcolor.settings import LimitSettings, RangeSettings
from vidcolor.verify.luma import LumaErrors
from vidcolor.verify.times import Tally, Timed, Times, timed


@dataclass(slots=True)
class Pictures:
    """What the two decoders gave out."""

    times: Times
    luma: LumaErrors = field(default_factory=LumaErrors)
    chroma: float = 0.0
    """Mean distance of the target's chroma from grey, in 8-bit codes."""
    captions: int = 0
    """Pairs of frames of which either has closed captions."""
    recaptioned: Tally = field(default_factory=Tally)
    """Those of which the target's has others than the source's, or none."""
    source_damage: DecodeReport = field(default_factory=DecodeReport)
    target_damage: DecodeReport = field(default_factory=DecodeReport)


def compare_pictures(
    source: VideoInfo,
    target: VideoInfo,
    crop: RangeSettings = RangeSettings(),
    origin: Fraction = Fraction(0),
    progress: Callable[[Progress], None] | None = None,
    total: int | None = None,
    limits: LimitSettings = LimitSettings(),
) -> Pictures:
    """Decode both films, pair their frames by time and measure how the pairs differ.

    ``origin`` is the time of the source that is 0 in the target of a whole film; a range begins at
    its first frame. Luma is compared where the sizes are equal; a target of more bits than the
    source must hold its codes shifted up, one of fewer its codes rounded. Three frames of the
    source and one of the target are held at a time.

    Raises SourceError when either cannot be decoded, UsageError when the range holds no frame.
    """
    times = Times(origin, step=1 / plausible_rate(source.average_rate))
    found = Pictures(times)
    shift = target.color.depth - source.color.depth
    comparable = (source.width, source.height) == (target.width, target.height)
    if shift < 0:
        rounded, _ = moved_codes(source.color, target.color)
        assert rounded is not None
        found.luma.rounded = rounded.astype(np.uint8 if target.color.depth == 8 else np.uint16)
    chroma = 0.0
    seen = 0
    captions = CaptionReader(), CaptionReader()
    with (
        closing(decode(source, crop, found.source_damage, limits)) as before,
        closing(decode(target, RangeSettings(), found.target_damage, limits)) as after,
    ):
        films = timed(before, source), timed(after, target)
        for trio, other in times.pairs(*films, target.time_base, whole=crop.whole):
            if other is not None:
                chroma, seen = chroma + _chroma_spread(other.frame), seen + 1
            if trio is not None:
                times.resets.add(trio[1].at, trio[1].frame.moved * source.time_base)
            if trio is None or other is None:
                continue
            # What stands for a damaged frame is up to the decoder, and to its threads.
            if comparable and not trio[1].frame.damaged:
                found.luma.add(trio, other.frame, shift)
            _compare_captions(found, captions, trio[1], other.frame)
            if progress is not None:
                progress(Progress(times.paired, total))
    found.chroma = chroma / max(1, seen)
    return found


def _compare_captions(
    found: Pictures, readers: tuple[CaptionReader, CaptionReader], now: Timed, other: Frame
) -> None:
    was, got = readers[0].read(now.frame.owner), readers[1].read(other.owner)
    # Damage may have taken them from the source, or not, as with its pictures.
    if (was or got) and not now.frame.damaged:
        found.captions += 1
        if was != got:
            found.recaptioned.add(now.at)


def _chroma_spread(frame: Frame) -> float:
    """How far chroma lies from grey: the mean distance in 8-bit codes, 0 where there is none.

    Every fourth sample of every fourth row is looked at.
    """
    planes = read_chroma(frame.owner, frame.color)
    if planes is None:
        return 0.0
    neutral = float(1 << (frame.color.depth - 1))
    found = [np.abs(plane[::4, ::4] - neutral).mean() for plane in planes]
    return float(np.mean(found)) / (1 << (frame.color.depth - 8))
