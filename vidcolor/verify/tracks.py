"""Sound, subtitles, attachments and cover art: which track became which, and packet by packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vidcolor.frames import VideoInfo, name_stream
from vidcolor.media.container import QUICKTIME_LANGUAGES
from vidcolor.media.contents import Contents, Track, has_place
from vidcolor.media.languages import of_three
from vidcolor.media.loudness import STEP
from vidcolor.media.packets import hear, parcels
from vidcolor.media.probe import UNKNOWN
from vidcolor.media.subtitles import TEXT_SOURCES
from vidcolor.settings import RangeSettings
from vidcolor.verify.checks import Check, milliseconds
from vidcolor.verify.lanes import Lane, in_step
from vidcolor.verify.times import Times

_IN_STEP = Fraction(45, 1000)
"""How far sound that was encoded anew may be off: the lead that viewers begin to notice
(ITU-R BT.1359-1)."""
_BLOCK = 1024
"""Samples that AAC encodes at a time."""
_AUDIBLE = 0.01
"""Of full scale, as a root of mean squares: what is to be heard in a cinema for certain."""
_SILENCE = 3e-4
"""Of full scale: less is the noise of a codec."""
_MOST_LOUDER = 30.0
"""Times as loud as before: no codec does that to the loudest tenth of a second in a whole one."""
_MOST_APART = 0.75
"""Share of all loudness that may be missing or too much: 14 tracks as AAC, Opus, MP3 and AC-3 at
16 to 96 kbit/s had up to 0.38, at what is taken here 0.05; single clicks 0.66, silence has 1."""
_COARSE = Fraction(1, 1000)
"""Seconds; longer ticks are not those that a target is written in."""
_AHEAD = Fraction(1)
"""Seconds before a film's first frame within which its sound may begin."""
_TIMED = frozenset({"audio", "subtitle", "video", "data"})

Pair = tuple[Track, Track]


def match(
    before: Sequence[Track], after: Sequence[Track]
) -> tuple[list[Pair], list[Track], list[Track]]:
    """Which track of the target stands for which of the source; what is lost; what is added.

    Tracks of one kind are matched in their order: first those that agree in what they say or hold,
    then what is left. Where a kind has as many as before, but not of the same codecs, some were
    converted, and what they hold now may be what others held: their order alone tells.
    """
    pairs = [pair for kind in _TIMED for pair in _in_order(kind, before, after)]
    lost = [track for track in before if not any(track is old for old, _ in pairs)]
    added = [track for track in after if not any(track is new for _, new in pairs)]
    likenesses: tuple[Callable[[Track], object], ...] = (
        lambda track: (track.about.codec, _said(track), track.about.title, track.digest),
        lambda track: (track.about.codec, _said(track)),
        _said,
        lambda track: None,
    )
    for likeness in likenesses:
        for track in list(lost):
            key = (track.kind, likeness(track))
            twin = next((other for other in added if (other.kind, likeness(other)) == key), None)
            if twin is not None:
                pairs.append((track, twin))
                lost.remove(track)
                added.remove(twin)
    return sorted(pairs, key=lambda pair: pair[0].about.index), lost, added


def _in_order(kind: str, before: Sequence[Track], after: Sequence[Track]) -> list[Pair]:
    olds, news = ([track for track in side if track.kind == kind] for side in (before, after))
    codecs = [sorted(track.about.codec for track in side) for side in (olds, news)]
    if len(olds) != len(news) or codecs[0] == codecs[1]:
        return []
    pairs = list(zip(olds, news, strict=True))
    return pairs if all(_said(old) == _said(new) for old, new in pairs) else []


def _said(track: Track) -> str:
    return language_of(track.about.language)


def language_of(code: str | None) -> str:
    """The usual code of a language, whatever its region; ``und`` where none is told."""
    known = of_three(code or "und") or code or "und"
    return QUICKTIME_LANGUAGES.get(known, known)


def track_checks(
    source: VideoInfo,
    target: VideoInfo,
    before: Contents,
    after: Contents,
    times: Times,
    crop: RangeSettings,
) -> Iterator[Check]:
    """One check for every track of the source, and for every one that only the target has."""
    pairs, lost, added = match(before.tracks, after.tracks)
    span = None if crop.whole else (times.start, times.end)
    timed = [pair for pair in pairs if pair[0].kind in _TIMED and not _encoded_anew(pair)]
    ahead = span is not None and crop.from_the_first and not times.start
    held = (times.start - _AHEAD, times.end) if ahead else span
    lanes = _compare(source, target, timed, times, held)
    for pair in pairs:
        old, new = pair
        if old.kind not in _TIMED:
            yield _held(old, new)
        elif _encoded_anew(pair):
            yield _sound(source, target, pair, times.origin, span)
        else:
            yield lanes[old.about.index].check(old.about, new.about)
            if old.styles and new.styles and old.styles != new.styles:
                says = "others than in the source"
                yield Check(f"styles, {name_stream(old.about)}", "changed", says)
    for old in lost:
        yield _lost(old, source, target, held)
    for new in added:
        says = "is in the target only"
        yield Check(name_stream(new.about), "note" if new.kind == "data" else "changed", says)


def _held(old: Track, new: Track) -> Check:
    """What is in no place in time: attachments and covers."""
    says = "the same bytes"
    if old.digest != new.digest:
        says = "other bytes than in the source"
    elif old.file and old.file != new.file:
        # Styled subtitles name their fonts so.
        says = f"called {new.file}, was {old.file}"
    same = says == "the same bytes"
    return Check(name_stream(old.about), "same" if same else "changed", says)


def _encoded_anew(pair: Pair) -> bool:
    old, new = pair
    anew = not _same_codec(pair) or (old.lacks_setup and not new.lacks_setup)
    return old.kind == "audio" and anew


def _same_codec(pair: Pair) -> bool:
    # MP4 has one name for MPEG audio of all layers.
    old, new = ("mp3" if t.about.codec in ("mp1", "mp2") else t.about.codec for t in pair)
    return old == new


def _in_other_words(pair: Pair) -> bool:
    """Whether it is text of one kind that became text of another."""
    kinds = {track.about.codec for track in pair}
    return pair[0].kind == "subtitle" and len(kinds) == 2 and kinds <= TEXT_SOURCES


def _lost(
    track: Track,
    source: VideoInfo,
    target: VideoInfo,
    span: tuple[Fraction, Fraction] | None,
) -> Check:
    # Few containers have room for these; without sound or a subtitle the film is another.
    homeless = track.kind in ("attachment", "cover", "video") and not has_place(
        source, track.about, target.path
    )
    unknown = track.about.codec == UNKNOWN
    says = "is not in the target"
    if unknown:
        says += ": no container takes what FFmpeg has no name for"
    elif homeless:
        says += ", whose container has no place for it"
    excused = track.kind == "data" or unknown or homeless
    if not excused and track.kind in _TIMED:
        with closing(parcels(source.others_path, [track.about.index], span)) as held:
            excused = next(held, None) is None
        if excused:
            where = "" if span is None else " in this range"
            says += f": the source has nothing of it{where} but its name"
    return Check(name_stream(track.about), "note" if excused else "lost", says)


def _sound(
    source: VideoInfo,
    target: VideoInfo,
    pair: Pair,
    origin: Fraction,
    span: tuple[Fraction, Fraction] | None,
) -> Check:
    old, new = (track.about for track in pair)
    name, how = name_stream(old), f"encoded anew as {new.codec}"
    was, now = hear(source.others_path, old.index, span), hear(target.path, new.index)
    if was is None or now is None:
        lost = was is not None
        says = f"{how}, and cannot be decoded" if lost else f"{how} from what cannot be decoded"
        return Check(name, "lost" if lost else "note", says)
    late, longer = now.start - (was.start - origin), now.length - was.length
    numbers = {"late": float(late), "longer": float(longer)}
    # The last block of an encoder is filled up, which takes longer than that at low rates.
    most = max(_IN_STEP, Fraction(_BLOCK, now.rate))
    if abs(late) <= _IN_STEP and -_IN_STEP <= longer <= most:
        if why := _other_sound(was.levels, now.levels):
            return Check(name, "changed", f"{how}: {why}", numbers)
        says = f"{how}: as long and as loud as before, and in step"
        return Check(name, "note", says, numbers)
    begins = f"begins {milliseconds(abs(late))} {'late' if late > 0 else 'early'}"
    length = f"{milliseconds(abs(longer))} {'longer' if longer > 0 else 'shorter'}"
    says = f"{how}: {begins}, is {length}"
    return Check(name, "changed", says, numbers)


def _other_sound(was: NDArray[np.float64], now: NDArray[np.float64]) -> str:
    """What no encoder makes of sound, by how loud it is from moment to moment; empty for nothing
    of that kind."""
    count = min(len(was), len(now))
    was, now = was[:count], now[:count]
    window = min(int(1 / STEP), count)
    if not window:
        return ""
    for what, here, there in (
        ("silent", was, now),
        ("sound where there was none", now, was),
    ):
        # Of a second the loudest moment, against that of the same second and a moment around it.
        these = sliding_window_view(here, window).max(axis=1)
        those = sliding_window_view(np.pad(there, 1), window + 2).max(axis=1)
        wrong = np.flatnonzero((these > _AUDIBLE) & (those < these / _MOST_LOUDER))
        if len(wrong):
            return f"{what} from {float(wrong[0] * STEP):.1f} s on"
    above = [np.maximum(levels - _SILENCE, 0.0) for levels in (was, now)]
    most = float(np.maximum(*above).sum())
    if most and float(np.abs(above[0] - above[1]).sum()) > _MOST_APART * most:
        return "another sound"
    return ""


def _compare(
    source: VideoInfo,
    target: VideoInfo,
    pairs: Sequence[Pair],
    times: Times,
    span: tuple[Fraction, Fraction] | None,
) -> dict[int, Lane]:
    """Walk the packets of both files once, for all pairs; lanes by the source's stream index."""
    words = {old.about.index: new.about.index for old, new in pairs if _in_other_words((old, new))}
    lanes, twins = {}, {}
    for old, new in pairs:
        tick = max(old.tick or Fraction(0), new.tick or Fraction(0))
        if span is not None and old.kind == "audio" and (old.tick or 0) > _COARSE:
            # AVI counts sound in packets, but a part of it is not cut by them.
            tick = max(_COARSE, new.tick or Fraction(0))
        worded = old.about.index in words
        lane = Lane(times.origin, tick, _same_codec((old, new)) or worded, converted=worded)
        lane.carries_on = old.kind == "audio"
        if old.kind in ("audio", "subtitle"):
            lane.resets = times.resets
        lane.lengths = old.kind == "subtitle" and lane.by_bytes and span is None
        if span is not None:
            # The range ends where its last frame does, which not every file tells.
            start, end = span[0] - times.start, span[1] - times.start
            slack = times.step + tick
            lane.forgiven = ((start - tick, tick), (end - slack, end + slack))
        lanes[old.about.index] = twins[new.about.index] = lane
    quicktime = "mp4" in target.container
    rows = [
        old.about.index
        for old, new in pairs
        if old.about.index in words and new.about.codec == "mov_text"
    ]
    place = source.others_path
    with (
        closing(
            parcels(place, lanes.keys(), span, rows, worded=words, for_quicktime=quicktime)
        ) as before,
        closing(parcels(target.path, twins.keys(), worded=words.values())) as after,
    ):
        for side, parcel in in_step(before, after, times.origin):
            (twins if side else lanes)[parcel.index].add(side, parcel)
    for lane in lanes.values():
        lane.settle(final=True)
    return lanes
