"""The whole promise, part by part: ``verify(source, target)``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import isfinite
from pathlib import Path

from vidcolor.errors import UsageError
from vidcolor.frames import VideoInfo
from vidcolor.media.contents import contents
from vidcolor.media.picture import picture_of
from vidcolor.media.probe import probe
from vidcolor.photos.kinds import is_photo_job
from vidcolor.plan import examine, expected_frames
from vidcolor.report import Progress, plural
from vidcolor.settings import FieldSettings, LimitSettings, RangeSettings, Settings
from vidcolor.verify.checks import Check, Outcome, Verification, milliseconds
from vidcolor.verify.labels import chapter_check, picture_labels, text_labels, timecode_check
from vidcolor.verify.levels import Levels
from vidcolor.verify.luma import LumaErrors
from vidcolor.verify.pictures import Pictures, compare_pictures
from vidcolor.verify.times import Tally, Times
from vidcolor.verify.tracks import track_checks

_LEAST_PSNR = 16.0
"""dB of a single frame of a lossy film. Measured on five films with x264, the worst frame had 37 at
rate factor 18, 24 at 40 and 20 at 51, its last; frames paired with those of a second later had 13
to 17 in median, and 25 in a still shot."""
_MOST_OFFSET = 4.5
"""8-bit codes that a lossy film may be lighter or darker than its source. This and the following
were measured on 36 frames each of eight films, and of some of them made dark, grainy or fading,
with x264 at rate factors 40 and 51 (at 18 and 28 films are nearer still), with VP9 and AV1 at 63.
At most 1.0 was found at factor 40, 2.2 in a fade in VP9, and 3.9 at 51, in grain; with 6 codes
added, at least 5.7 at 40."""
_GAINS = (0.92, 1.06)
"""Of the contrast, if that is below or above for certain, see `Levels.gains`: at least 0.98 but at
51, where blur lowers it to 0.93, and at most 1.03; in films scaled by 0.9, at most 0.91, and by
1.1, at least 1.08 at 40. In a dark film's grain it cannot be told."""
_LEAST_CONTRAST = 4.0
"""Codes of standard deviation, below which rounding to whole codes shows in the gain."""
_MOST_RESIDUE = 12.0
"""Codes of error in the means of areas, apart from these two: at most 8.1, at 51. Between frames a
second apart there were 14 to 39, but 9 in a still shot and 3 in a dark film."""
_GREY = 0.5
"""Mean chroma, in 8-bit codes, that is no colour to anybody's eye."""

_CAPTIONED = frozenset({"h264", "hevc", "mpeg2video"})
"""Codecs of the picture that have closed captions in them."""


def verify(
    source: Path | str,
    target: Path | str,
    crop: RangeSettings = RangeSettings(),
    *,
    rate: Fraction | None = None,
    sound: Path | None = None,
    limits: LimitSettings = LimitSettings(),
    fields: FieldSettings = FieldSettings(),
    lossless: bool | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Verification:
    """Whether ``target`` is ``source``, or the range ``crop`` of it, in all but its colour.

    Both films are read through, side by side; memory does not grow with their length. With
    ``lossless`` every difference in luma counts; None goes by the target's codec, or by what x264
    and x265 write into their streams about themselves. ``rate`` and ``sound`` are those of a
    ``source`` of numbered pictures, as in `Settings`; ``limits`` are for both films. ``source`` is
    held for what ``fields`` say, and its frames made whole where they say so.

    Raises SourceError when either film cannot be read, UsageError when the range holds no frame
    and when they are photographs, whose samples of R'G'B' are rounded otherwise than a film's.
    """
    if is_photo_job(Path(source), Path(target)):
        raise UsageError(f"{target}: only films are compared, and this is a photo")
    limits = replace(limits, strict=False)
    old = examine(source, Settings(rate=rate, sound=sound, limits=limits, fields=fields))
    new = probe(Path(target), limits)
    if not picture_of(old.pixel_format).coded:
        # Its codes are made by us, in either range.
        color = replace(old.color, full_range=new.color.full_range)
        old = replace(old, color=color)
    before, after = contents(old), contents(new)
    total = expected_frames(old, Settings(range=crop))
    pictures = compare_pictures(old, new, crop, before.origin, progress, total, limits)
    exact = after.lossless if lossless is None else lossless
    whole = crop.whole
    checks = (
        *_frame_checks(old, new, pictures, whole),
        *_luma_checks(old, new, pictures, exact),
        *_caption_check(new, pictures),
        *picture_labels(old, new, by_wish=fields != FieldSettings()),
        *track_checks(old, new, before, after, pictures.times, crop),
        *timecode_check(old, before, after, pictures.times, whole),
        *text_labels(old, new, before, after),
        *chapter_check(before, after, pictures.times, whole),
    )
    return Verification(str(source), str(target), checks)


def _frame_checks(
    source: VideoInfo, target: VideoInfo, found: Pictures, whole: bool
) -> Iterator[Check]:
    times = found.times
    yield from _damage(found)
    frames = plural(times.paired + times.missing.count, "frame")
    faults = (_told("missing", times.missing), _told("added", times.added))
    said = "; ".join(filter(None, faults))
    outcome: Outcome = "same" if not said else ("changed" if times.added.count else "lost")
    numbers = {
        "source": times.paired + times.missing.count,
        "target": times.paired + times.added.count,
    }
    yield Check("frames", outcome, f"{frames}; {said}" if said else frames, numbers)
    moved = times.moved
    most = f"at most {milliseconds(times.deviation)} off" if times.deviation else "exact"
    says = _told(f"moved by up to {milliseconds(times.deviation)}", moved) or most
    yield Check(
        "timestamps",
        "changed" if moved.count else "same",
        says,
        {"moved": moved.count, "largest_deviation": float(times.deviation)},
    )
    yield _length(source, target, times, whole)


def _damage(found: Pictures) -> Iterator[Check]:
    rows: tuple[tuple[str, Outcome], ...] = (("source", "note"), ("target", "changed"))
    for (name, outcome), report in zip(
        rows, (found.source_damage, found.target_damage), strict=True
    ):
        counts = {
            "damaged": report.damaged,
            "skipped": report.skipped,
            "retimed": report.retimed,
        }
        said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        if said:
            yield Check(f"decoding the {name}", outcome, f"frames or packets: {said}", counts)


def _length(source: VideoInfo, target: VideoInfo, times: Times, whole: bool) -> Check:
    length, now = times.end - times.start, times.target_end - times.target_start
    if "mp4" in target.container and target.duration is not None:
        # MP4 knows how far decoding times lie apart, not how long its last picture is shown; but
        # it does know how long the track is.
        now = target.duration
    if whole and "mp4" in source.container and source.duration is not None:
        # The same holds for the source, whose writer may have known it either way.
        length = min(length, source.duration, key=lambda told: abs(told - now))
    numbers = {"source": float(length), "target": float(now)}
    # The last start is rounded to a tick, the length of the last frame cut down to one.
    slack = source.time_base + 2 * target.time_base
    if not whole:
        # What a file tells of the frame that is a part's last may have nothing to do with when the
        # next one came, and not every container tells of it.
        slack += abs(times.before_last - times.step)
    if abs(now - length) > slack:
        says = f"{float(now):.3f} s, was {float(length):.3f} s"
        return Check("length", "changed", says, numbers)
    return Check("length", "same", f"{float(length):.3f} s", numbers)


def _luma_checks(
    source: VideoInfo, target: VideoInfo, found: Pictures, exact: bool
) -> Iterator[Check]:
    luma, depths = found.luma, (source.color.depth, target.color.depth)
    if not luma.samples and 0 < found.times.paired <= found.source_damage.damaged:
        yield Check("luma", "note", "not compared: every frame of the source is damaged")
    elif not luma.samples:
        says = "not compared: no frame of the source is there in its size"
        yield Check("luma", "changed", says)
    else:
        found_luma = _luma(luma, (1 << min(depths)) - 1, exact)
        if depths[1] < depths[0] and found_luma.outcome == "same":
            says = f"rounded to {depths[1]} bits, was {depths[0]}; else {found_luma.says}"
            found_luma = replace(found_luma, outcome="note", says=says)
        yield found_luma
    says = f"chroma is {found.chroma:.1f} codes of 8 bits from grey on average"
    numbers = {"mean_chroma": found.chroma}
    if found.chroma < _GREY:
        yield Check("colour", "note", f"none to speak of: {says}", numbers)
    else:
        yield Check("colour", "same", says, numbers)


def _luma(luma: LumaErrors, peak: int, exact: bool) -> Check:
    numbers = {
        "largest": luma.largest,
        "mean_absolute": luma.absolute / luma.samples,
        "differing_share": luma.differing / luma.samples,
        "psnr": _finite(luma.psnr(peak)),
        "worst_frame_psnr": _finite(luma.worst_psnr),
        "misplaced": luma.misplaced.count,
        "offset": luma.levels.offset,
        "residue": luma.levels.residue,
    }
    if not luma.differing:
        return Check("luma", "same", "every sample is the same", numbers)
    says = (
        f"PSNR {luma.psnr(peak):.1f} dB, worst frame {luma.worst_psnr:.1f} dB"
        f"{_at(luma.worst_at)}; at most {luma.largest:g} codes off"
    )
    if exact:
        count = plural(luma.differing, "sample")
        says = f"{count} changed{_at(luma.first_at)} in a lossless film; {says}"
        return Check("luma", "changed", says, numbers)
    why = ""
    if luma.misplaced.count:
        why = _told("showing a neighbour", luma.misplaced)
    elif luma.worst_psnr < _LEAST_PSNR:
        why = "another picture"
    elif luma.out_of_step:
        why = "frames show their neighbours' pictures"
    else:
        why = _level_change(luma.levels)
    if why:
        return Check("luma", "changed", f"{why}; {says}", numbers)
    return Check("luma", "same", f"as its lossy codec left it: {says}", numbers)


def _level_change(levels: Levels) -> str:
    """What no lossy encoder does to a whole film, nothing if there is no such thing."""
    if levels.residue > _MOST_RESIDUE:
        return "other pictures"
    if abs(levels.offset) > _MOST_OFFSET:
        what = "lighter" if levels.offset > 0 else "darker"
        return f"{abs(levels.offset):.1f} codes of 8 bits {what} on average"
    low, high = levels.gains
    if levels.contrast >= _LEAST_CONTRAST and (high < _GAINS[0] or low > _GAINS[1]):
        return f"contrast is {high if high < 1 else low:.2f} times the source's"
    return ""


def _caption_check(target: VideoInfo, found: Pictures) -> Iterator[Check]:
    """The closed captions in the picture; nothing if neither film has any."""
    other = found.recaptioned
    if not found.captions:
        return
    if not other.count:
        says = f"the same, with {plural(found.captions, 'frame')}"
        yield Check("captions", "same", says, {"frames": found.captions})
        return
    homeless = target.codec not in _CAPTIONED
    says = _told("with others than in the source, or none", other)
    if homeless:
        says += f": {target.codec} has no place for them"
    numbers = {"frames": found.captions, "differing": other.count}
    yield Check("captions", "note" if homeless else "lost", says, numbers)


def _told(what: str, tally: Tally) -> str:
    if not tally.count:
        return ""
    return f"{plural(tally.count, 'frame')} {what}, the first{_at(tally.first)}"


def _at(time: Fraction | None) -> str:
    return "" if time is None else f" at {float(time):.3f} s"


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
