"""Sound, subtitles, attachments and cover art: which track became which, and packet by packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction

from vidcolor.frames import VideoInfo, name_stream
from vidcolor.media.contents import Contents, Track, has_place
from vidcolor.media.packets import hear, parcels
from vidcolor.media.probe import UNKNOWN
from vidcolor.settings import RangeSettings
from vidcolor.verify.checks import Check, milliseconds
from vidcolor.verify.lanes import Lane, in_step
from vidcolor.verify.times import Times

_IN_STEP = Fraction(45, 1000)
"""How far sound that was encoded anew may be off: the lead that viewers begin to notice
(ITU-R BT.1359-1)."""
_AHEAD = Fraction(1)
"""Seconds before a film's first frame within which its sound may begin."""
_TIMED = frozenset({"audio", "subtitle", "video", "data"})

Pair = tuple[Track, Track]


def match(
    before: Sequence[Track], after: Sequence[Track]
) -> tuple[list[Pair], list[Track], list[Track]]:
    """Which track of the target stands for which of the source; what is lost; what is added.

    Tracks of one kind are matched in their order: first those that agree in what they say or hold,
    then what is left.
    """
    pairs: list[Pair] = []
    lost, added = list(before), list(after)
    likenesses: tuple[Callable[[Track], object], ...] = (
        lambda track: (track.about.codec, track.about.language, track.about.title, track.digest),
        lambda track: (track.about.codec, track.about.language),
        lambda track: track.about.language,
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
            same = old.digest == new.digest
            says = "the same bytes" if same else "other bytes than in the source"
            yield Check(name_stream(old.about), "same" if same else "changed", says)
        elif _encoded_anew(pair):
            yield _sound(source, target, pair, times.origin, span)
        else:
            yield lanes[old.about.index].check(old.about, new.about)
    for old in lost:
        yield _lost(old, source, target, held)
    for new in added:
        says = "is in the target only"
        yield Check(name_stream(new.about), "note" if new.kind == "data" else "changed", says)


def _encoded_anew(pair: Pair) -> bool:
    old, new = pair
    anew = not _same_codec(pair) or (old.lacks_setup and not new.lacks_setup)
    return old.kind == "audio" and anew


def _same_codec(pair: Pair) -> bool:
    # MP4 has one name for MPEG audio of all layers.
    old, new = ("mp3" if t.about.codec in ("mp1", "mp2") else t.about.codec for t in pair)
    return old == new


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
    if abs(late) <= _IN_STEP and abs(longer) <= _IN_STEP:
        return Check(name, "note", f"{how}: as long as before, and in step", numbers)
    begins = f"begins {milliseconds(abs(late))} {'late' if late > 0 else 'early'}"
    length = f"{milliseconds(abs(longer))} {'longer' if longer > 0 else 'shorter'}"
    says = f"{how}: {begins}, is {length}"
    return Check(name, "changed", says, numbers)


def _compare(
    source: VideoInfo,
    target: VideoInfo,
    pairs: Sequence[Pair],
    times: Times,
    span: tuple[Fraction, Fraction] | None,
) -> dict[int, Lane]:
    """Walk the packets of both files once, for all pairs; lanes by the source's stream index."""
    lanes, twins = {}, {}
    for old, new in pairs:
        tick = max(old.tick or Fraction(0), new.tick or Fraction(0))
        lane = Lane(times.origin, tick, _same_codec((old, new)))
        lane.carries_on = old.kind == "audio"
        if old.kind in ("audio", "subtitle"):
            lane.resets = times.resets
        lane.lengths = old.kind == "subtitle" and lane.by_bytes and span is None
        if span is not None:
            # The range ends where its last frame does, which not every file tells.
            start, end = span[0] - times.start, span[1] - times.start
            lane.forgiven = ((start - tick, tick), (end - times.step - tick, None))
        lanes[old.about.index] = twins[new.about.index] = lane
    with (
        closing(parcels(source.others_path, lanes.keys(), span)) as before,
        closing(parcels(target.path, twins.keys())) as after,
    ):
        for side, parcel in in_step(before, after, times.origin):
            (twins if side else lanes)[parcel.index].add(side, parcel)
    for lane in lanes.values():
        lane.settle(final=True)
    return lanes
