"""One track in both files, packet by packet, as far as both have been read."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from vidcolor.frames import StreamInfo, name_stream
from vidcolor.media.clock import Resets
from vidcolor.media.packets import Parcel
from vidcolor.media.track import may_be_set, was_set
from vidcolor.report import plural
from vidcolor.verify.checks import Check, Outcome, milliseconds

_WINDOW = 16
"""Packets to look ahead for where two tracks agree again."""

_LONGEST_PACKET = Fraction(1)
"""Seconds of sound."""


@dataclass(slots=True)
class Lane:
    """One track in both files: packets are paired in order, and by digest behind a difference.

    Of each file the packets are kept that the other has not reached yet, as times and digests.
    """

    origin: Fraction
    tick: Fraction
    by_bytes: bool
    """False where what a packet holds cannot be compared: then only their times tell."""
    converted: bool = False
    """True for texts of another kind than in the source, told by their words."""
    forgiven: tuple[tuple[Fraction, Fraction], ...] = ()
    """Times of the target where packets may be missing or too many: the ends of a range."""
    carries_on: bool = False
    """True for sound: where its clock is set anew in the source, the target's runs on."""
    resets: Resets = field(default_factory=Resets)
    """The picture's, by which it is."""
    lengths: bool = False
    """Whether it matters how long each is shown."""
    paired: int = 0
    changed: int = 0
    moved: int = 0
    stretched: int = 0
    """Texts that are shown for another time."""
    lost: int = 0
    added: int = 0
    spoilt: int = 0
    """Packets that are damaged in the source, and missing."""
    overlapping: int = 0
    """Packets left out because the sound of the part before goes on."""
    deviation: Fraction = Fraction(0)
    first: Fraction | None = None
    """Where the first difference is, in seconds of the target."""
    _shift: Fraction = Fraction(0)
    _end: Fraction = Fraction(0)
    """Of the source's packet before, in the clock that its picture is carried on in."""
    _behind: int = 0
    """How many of the resets are."""
    _last: tuple[Fraction, Fraction] | None = None
    """The times of the pair before."""
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
            if self._overlaps(old[0]):
                old.popleft()
                self.overlapping += 1
            elif self._alike(old[0], new[0]):
                self._pair(old.popleft(), new.popleft())
            elif not final and min(len(old), len(new)) < _WINDOW:
                return
            else:
                self._skip()
        if final:
            self._drop(0, len(old))
            self._drop(1, len(new))

    def check(self, old: StreamInfo, new: StreamInfo) -> Check:
        """What was found, in words."""
        numbers = {
            "packets": self.paired + self.changed,
            "changed": self.changed,
            "moved": self.moved,
            "stretched": self.stretched,
            "lost": self.lost,
            "added": self.added,
            "spoilt": self.spoilt,
            "overlapping": self.overlapping,
            "largest_deviation": float(self.deviation),
        }
        name, noun = name_stream(old), "text" if old.kind == "subtitle" else "packet"
        held = "words" if self.converted else "bytes"
        faults = [
            f"{plural(self.lost, noun)} lost" if self.lost else "",
            f"{self.added} added" if self.added else "",
            f"{self.changed} with other {held}" if self.changed else "",
            f"{self.moved} moved by up to {milliseconds(self.deviation)}" if self.moved else "",
            f"{self.stretched} shown for another time" if self.stretched else "",
        ]
        said = ", ".join(filter(None, faults))
        if old.kind == "video" and self.changed and not (self.paired or self.lost or self.added):
            return Check(name, "note", "packed in another way, not compared", numbers)
        if said:
            at = "" if self.first is None else f", from {float(self.first):.3f} s on"
            only = self.lost and not (self.added or self.changed or self.moved or self.stretched)
            outcome: Outcome = "lost" if only else "changed"
            return Check(name, "note" if old.kind == "data" else outcome, said + at, numbers)
        says = (
            f"{plural(self.paired, noun)}, at most {milliseconds(self.deviation)} from their time"
        )
        if self.overlapping:
            says += f"; without {plural(self.overlapping, noun)} where joined parts overlap"
        if self.spoilt:
            says += f"; without {plural(self.spoilt, noun)} that the source has damaged"
        if self.spoilt or self.overlapping:
            return Check(name, "note", says, numbers)
        if self.converted:
            says = f"converted to {new.codec}: {says}, with the same words"
            return Check(name, "note", says, numbers)
        if self.by_bytes:
            return Check(name, "same", says, numbers)
        return Check(name, "note", f"converted to {new.codec}: {says}", numbers)

    def _alike(self, old: Parcel, new: Parcel) -> bool:
        return not self.by_bytes or old.digest == new.digest

    def _pair(self, old: Parcel, new: Parcel) -> None:
        self.paired += 1
        if old.at is None or new.at is None:
            return
        found = self._reset(old.at)
        if found is not None:
            due, self._behind = found
            self._shift = due - old.at
        elif self.carries_on and self._last is not None and was_set(self._last[0] - old.at):
            # From where it was, or as long after as one packet may last.
            last = self._last[1]
            runs_on = min(max(new.at, last), last + _LONGEST_PACKET)
            self._shift = runs_on - (old.at - self.origin)
        self._last, self._end = (old.at, new.at), old.at + self._shift + old.lasts
        distance = abs(new.at - (old.at - self.origin + self._shift))
        self.deviation = max(self.deviation, distance)
        if distance > self.tick:
            self.moved += 1
            self._mark(new.at)
        # Start and end are rounded each by itself.
        if self.lengths and old.lasts and new.lasts and abs(new.lasts - old.lasts) > 2 * self.tick:
            self.stretched += 1
            self._mark(new.at)

    def _reset(self, told: Fraction) -> tuple[Fraction, int] | None:
        """As `Resets.place`, of a packet of the source; None where its clock was not set anew."""
        back = Fraction(0) if self._last is None else self._last[0] - told
        if not may_be_set(back):
            return None
        return self.resets.place(told, self._end, self._behind, sparse=not self.carries_on)

    def _overlaps(self, parcel: Parcel) -> bool:
        """Whether a packet of the source lies where the sound of the part before goes on."""
        if not self.carries_on or parcel.at is None:
            return False
        found = self._reset(parcel.at)
        return found is not None and found[0] + parcel.lasts / 2 < self._end

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
            if at is not None and any(low <= at <= high for low, high in self.forgiven):
                continue
            if side == 0 and self._overlaps(parcel):
                self.overlapping += 1
                continue
            if side == 0 and parcel.damaged:
                self.spoilt += 1
                continue
            self.lost += side == 0
            self.added += side == 1
            self._mark(at)

    def _mark(self, at: Fraction | None) -> None:
        self.first = at if self.first is None else self.first


def in_step(
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
