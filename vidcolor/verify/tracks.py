"""Sound, subtitles, attachments and cover art: which track became which, and packet by packet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction

from vidcolor.frames import VideoInfo
from vidcolor.media.contents import Contents, Track
from vidcolor.media.packets import Parcel, hear, parcels
from vidcolor.plan import name_stream
from vidcolor.verify.checks import Check, Outcome, milliseconds, plural
from vidcolor.verify.pictures import Pictures

_WINDOW = 16
"""Packets to look ahead for where two tracks agree again."""
_IN_STEP = Fraction(45, 1000)
"""How far sound that was encoded anew may be off: the lead that viewers begin to notice
(ITU-R BT.1359-1)."""
_TIMED = frozenset({"audio", "subtitle", "video", "data"})
_STORED_APART = Fraction(10)
"""Seconds by which packets of one moment may lie apart in a file."""

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
    pictures: Pictures,
    whole: bool,
) -> Iterator[Check]:
    """One check for every track of the source, and for every one that only the target has."""
    pairs, lost, added = match(before.tracks, after.tracks)
    span = None if whole else (pictures.start, pictures.end)
    timed = [pair for pair in pairs if pair[0].kind in _TIMED and not _encoded_anew(pair)]
    lanes = _compare(source, target, timed, pictures, span)
    for pair in pairs:
        old, new = pair
        if old.kind not in _TIMED:
            same = old.digest == new.digest
            says = "the same bytes" if same else "other bytes than in the source"
            yield Check(name_stream(old.about), "same" if same else "changed", says)
        elif _encoded_anew(pair):
            yield _sound(source, target, pair, pictures.origin, span)
        else:
            yield lanes[old.about.index].check(pair)
    for old in lost:
        yield _lost(old, target)
    for new in added:
        says = "is in the target only"
        yield Check(name_stream(new.about), "note" if new.kind == "data" else "changed", says)


def _encoded_anew(pair: Pair) -> bool:
    return pair[0].kind == "audio" and not _same_codec(pair)


def _same_codec(pair: Pair) -> bool:
    # MP4 has one name for MPEG audio of all layers.
    old, new = ("mp3" if t.about.codec in ("mp1", "mp2") else t.about.codec for t in pair)
    return old == new


def _lost(track: Track, target: VideoInfo) -> Check:
    # Only Matroska has room for these; without sound or a subtitle the film is another.
    roomy = "matroska" in target.container and target.path.suffix.lower() != ".webm"
    excused = track.kind == "data" or (track.kind in ("attachment", "cover", "video") and not roomy)
    says = "is not in the target"
    if excused and track.kind != "data":
        says += ", whose container has no place for it"
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
    was, now = hear(source.path, old.index, span), hear(target.path, new.index)
    if was is None or now is None:
        lost = was is not None
        says = f"{how}, and cannot be decoded" if lost else f"{how} from what cannot be decoded"
        return Check(name, "lost" if lost else "note", says)
    late, longer = now.start - (was.start - origin), now.length - was.length
    numbers = {"late": float(late), "longer": float(longer)}
    if abs(late) <= _IN_STEP and abs(longer) <= _IN_STEP:
        return Check(name, "note", f"{how}: as long as before, and in step", numbers)
    says = f"{how}: begins {milliseconds(late)} late, is {milliseconds(longer)} longer"
    return Check(name, "changed", says, numbers)


def _compare(
    source: VideoInfo,
    target: VideoInfo,
    pairs: Sequence[Pair],
    pictures: Pictures,
    span: tuple[Fraction, Fraction] | None,
) -> dict[int, Lane]:
    """Walk the packets of both files once, for all pairs; lanes by the source's stream index."""
    lanes, twins = {}, {}
    for old, new in pairs:
        tick = max(old.tick or Fraction(0), new.tick or Fraction(0))
        lane = Lane(pictures.origin, tick, _same_codec((old, new)))
        if span is not None:
            # The range ends where its last frame does, which not every file tells.
            lane.forgiven = ((-tick, tick), (span[1] - span[0] - pictures.step - tick, None))
        lanes[old.about.index] = twins[new.about.index] = lane
    reach = None if span is None else (span[0], span[1])
    with (
        closing(parcels(source.path, lanes.keys(), reach)) as before,
        closing(parcels(target.path, twins.keys())) as after,
    ):
        for side, parcel in _in_step(before, after, pictures.origin):
            (twins if side else lanes)[parcel.index].add(side, parcel)
    for lane in lanes.values():
        lane.settle(final=True)
    return lanes


def _in_step(
    before: Generator[Parcel], after: Generator[Parcel], origin: Fraction
) -> Iterator[tuple[int, Parcel]]:
    """Packets of both files, always from the one whose clock is behind."""
    sides: dict[int, Generator[Parcel]] = {0: before, 1: after}
    clocks: dict[int, Fraction | None] = {0: None, 1: None}
    while sides:
        side = min(sides, key=lambda side: (clocks[side] is not None, clocks[side] or 0))
        parcel = next(sides[side], None)
        if parcel is None:
            del sides[side]
            continue
        if parcel.at is not None:
            clocks[side] = parcel.at - (0 if side else origin)
        elif clocks[side] is None:
            clocks[side] = Fraction(0)
        yield side, parcel


@dataclass(slots=True)
class Lane:
    """One track in both files: packets are paired in order, and by digest behind a difference.

    Of each file the packets are kept that the other has not reached yet, as times and digests.
    """

    origin: Fraction
    tick: Fraction
    by_bytes: bool
    """False for texts in another format: then only their times tell."""
    forgiven: tuple[tuple[Fraction, Fraction | None], ...] = ()
    """Times of the target where packets may be missing or too many: the ends of a range."""
    paired: int = 0
    changed: int = 0
    moved: int = 0
    lost: int = 0
    added: int = 0
    deviation: Fraction = Fraction(0)
    first: Fraction | None = None
    """Where the first difference is, in seconds of the target."""
    _waiting: tuple[deque[Parcel], deque[Parcel]] = field(
        default_factory=lambda: (deque(), deque())
    )

    def add(self, side: int, parcel: Parcel) -> None:
        """Take the next packet of the source (0) or of the target (1)."""
        self._waiting[side].append(parcel)
        self.settle()

    def settle(self, *, final: bool = False) -> None:
        """Pair what can be paired; at the end, count what is left."""
        old, new = self._waiting
        while old and new:
            if self._alike(old[0], new[0]):
                self._pair(old.popleft(), new.popleft())
            elif not final and min(len(old), len(new)) < _WINDOW:
                return
            else:
                self._skip()
        if final:
            self._drop(0, len(old))
            self._drop(1, len(new))

    def check(self, pair: Pair) -> Check:
        """What was found, in words."""
        old, new = (track.about for track in pair)
        numbers = {
            "packets": self.paired + self.changed,
            "changed": self.changed,
            "moved": self.moved,
            "lost": self.lost,
            "added": self.added,
            "largest_deviation": float(self.deviation),
        }
        name, noun = name_stream(old), "text" if old.kind == "subtitle" else "packet"
        faults = [
            f"{plural(self.lost, noun)} lost" if self.lost else "",
            f"{self.added} added" if self.added else "",
            f"{self.changed} with other bytes" if self.changed else "",
            f"{self.moved} moved by up to {milliseconds(self.deviation)}" if self.moved else "",
        ]
        said = ", ".join(filter(None, faults))
        if old.kind == "video" and self.changed and not (self.paired or self.lost or self.added):
            return Check(name, "note", "packed in another way, not compared", numbers)
        if said:
            at = "" if self.first is None else f", from {float(self.first):.3f} s on"
            only = self.lost and not (self.added or self.changed or self.moved)
            outcome: Outcome = "lost" if only else "changed"
            return Check(name, "note" if old.kind == "data" else outcome, said + at, numbers)
        says = (
            f"{plural(self.paired, noun)}, at most {milliseconds(self.deviation)} from their time"
        )
        if self.by_bytes:
            return Check(name, "same", says, numbers)
        return Check(name, "note", f"converted to {new.codec}: {says}", numbers)

    def _alike(self, old: Parcel, new: Parcel) -> bool:
        return not self.by_bytes or old.digest == new.digest

    def _pair(self, old: Parcel, new: Parcel) -> None:
        self.paired += 1
        if old.at is None or new.at is None:
            return
        distance = abs(new.at - (old.at - self.origin))
        self.deviation = max(self.deviation, distance)
        if distance > self.tick:
            self.moved += 1
            self._mark(new.at)

    def _skip(self) -> None:
        """Go on where both agree again, as near as may be; else leave one packet of each."""
        old, new = self._waiting
        near = sorted(
            ((i, j) for i in range(min(len(old), _WINDOW)) for j in range(min(len(new), _WINDOW))),
            key=sum,
        )
        i, j = next(((i, j) for i, j in near if self._alike(old[i], new[j])), (1, 1))
        both = min(i, j)
        for _ in range(both):
            self.changed += 1
            self._mark(new[0].at)
            old.popleft()
            new.popleft()
        self._drop(0, i - both)
        self._drop(1, j - both)

    def _drop(self, side: int, count: int) -> None:
        for _ in range(count):
            parcel = self._waiting[side].popleft()
            at = None if parcel.at is None else parcel.at - (0 if side else self.origin)
            if at is not None and any(
                low <= at and (high is None or at <= high) for low, high in self.forgiven
            ):
                continue
            self.lost += side == 0
            self.added += side == 1
            self._mark(at)

    def _mark(self, at: Fraction | None) -> None:
        self.first = at if self.first is None else self.first
