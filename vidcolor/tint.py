"""Sources that are not plainly grey: a tint over the whole picture, or true colour.

A toned film (sepia, cyanotype, a cast from an old transfer) has chroma that depends on luma alone;
what is left of chroma beside that is colour. Both are measured on blurred pictures of 64x36, where
noise has averaged out.

Kept colour is the film's own chroma, handed on in place of ours. Nothing travels between kept and
coloured frames: where one follows the other, a shot begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.color import Codes, chroma_scale
from vidcolor.frames import Frame, PaintedFrame, Place, SmallFrame
from vidcolor.media.picture import picture_of, read_chroma
from vidcolor.settings import KeepColor

Float64: TypeAlias = NDArray[np.float64]
Look: TypeAlias = Literal["grey", "tinted", "colored"]

LOOK_AHEAD = 3
"""Frames that must look the same as this one before a shot changes from kept to coloured or back,
as in a dissolve or where a shot comes up from black."""

_SIZE = (64, 36)
_BLUR = (5, 5)
_BINS = 13
_FAINT = 0.012
"""Mean chroma, of 0.5: three codes of 8 bits. Less than that is no tint anyone would see."""
_BESIDE = 0.006
"""Chroma beside the tint. Old black-and-white transfers kept under 0.002, 13 clips in colour were
above 0.010; one of overcast sky, at 0.005, passes for tinted."""
_BESIDE_SHARE = 0.15
"""The same as a share of all chroma: strong toning is not even to the last code."""
_STILL = 0.6
"""Factor on both for a picture that follows one in colour."""
_SAMPLE = 12
"""Every so many frames are looked at where nothing depends on it but a warning."""
_EARLY = 8
"""Samples in colour that are enough to say so while the film runs."""


def look(small: SmallFrame, before: Look = "grey") -> Look:
    """Whether a frame's own chroma is nothing, a function of its luma, or colour.

    ``before`` is the look of the frame before: what was in colour stays so until it is clearly not.
    """
    planes = _own(small.frame)
    if planes is None:
        return "grey"
    neutral, span = chroma_scale(small.frame.color)
    light = cv2.resize(small.lightness, _SIZE, interpolation=cv2.INTER_AREA)
    level = np.clip(light * ((_BINS - 1) / 100) + 0.5, 0, _BINS - 1).astype(np.intp)
    count = np.maximum(np.bincount(level.ravel(), minlength=_BINS), 1)
    strength = beside = 0.0
    for plane in planes:
        codes = cv2.resize(plane, _SIZE, interpolation=cv2.INTER_AREA)
        chroma = (codes.astype(np.float64) - neutral) / span
        toned = np.bincount(level.ravel(), chroma.ravel(), _BINS) / count
        strength += _power(chroma)
        beside += _power(chroma - toned[level])
    strength, beside = strength**0.5, beside**0.5
    least = max(_BESIDE, _BESIDE_SHARE * strength) * (_STILL if before == "colored" else 1)
    if beside > least:
        return "colored"
    return "tinted" if strength > _FAINT else "grey"


def _power(chroma: Float64) -> float:
    """Mean square of what is left when noise has been blurred away."""
    return float(np.mean(cv2.blur(chroma, _BLUR) ** 2))


class ColorWatch:
    """Sees a film's frames go by, marks those whose colour is kept, and knows what it saw.

    ``keep`` is as in the settings; ``before`` is how many frames of the film precede that with
    index 0, ``first`` the index of the first that is coloured.
    """

    def __init__(self, keep: KeepColor, before: int = 0, first: int = 0) -> None:
        self._keep = keep
        self._before = before
        self._first = first
        # All three from the start: it is read by one thread while another counts.
        self._looks: dict[Look, int] = {"grey": 0, "tinted": 0, "colored": 0}
        self._recent: deque[tuple[int, Look]] = deque()
        self._told = False

    def take(self, before: int | None = None) -> dict[str, int]:
        """How often which look was seen since the last time, in frames with an index ``before``
        that one."""
        taken = dict.fromkeys(map(str, self._looks), 0)
        while self._recent and (before is None or self._recent[0][0] < before):
            taken[self._recent.popleft()[1]] += 1
        return taken

    def recall(self, taken: Mapping[str, int]) -> None:
        """Add what was taken elsewhere."""
        for name in self._looks:
            self._looks[name] += taken[name]

    def mark(
        self, frames: Iterable[SmallFrame], since: Place | None = None
    ) -> Iterator[SmallFrame]:
        """The frames, ``keeps_color`` set where it applies and a cut wherever that changes. Where
        the first is one from the midst of a film, ``since`` tells how it was judged there."""
        by_look = self._keep == "auto"
        marked = self._by_look(frames, since) if by_look else self._by_number(frames)
        before = False
        for small in marked:
            changed = small.frame.keeps_color != before
            before = small.frame.keeps_color
            within = changed and not small.cut
            yield replace(small, cut=True, within=within) if changed else small

    def notes(self, path: Path, *, ended: bool) -> Iterator[str]:
        """At most one line, once: what the user should know of the film's own colour."""
        seen = sum(self._looks.values())
        if self._told or self._keep is not None or seen == 0:
            return
        share = self._looks["colored"] / seen
        line = None
        if share > 0.5 and (ended or self._looks["colored"] >= _EARLY):
            line = "this film is in colour already, and is coloured anew"
        elif ended and share > 0.02:
            line = f"about {share:.0%} of this film is in colour already, and is coloured anew"
        if line is not None:
            line += "; --keep-colour auto keeps what there is"
        elif ended and self._looks["tinted"] > seen / 2:
            line = "the picture is tinted (sepia or the like); it is coloured as if it were grey"
        if line is not None:
            self._told = True
            yield f"{path}: {line}"

    def _by_number(self, frames: Iterable[SmallFrame]) -> Iterator[SmallFrame]:
        ranges = self._keep if isinstance(self._keep, tuple) else ()
        for small in frames:
            index = small.frame.index
            if self._keep is None and (index - self._first) % _SAMPLE == 0:
                seen = look(small)
                self._looks[seen] += 1
                self._recent.append((index, seen))
            number = index + self._before
            yield _keeping(
                small,
                any(first <= number and (end is None or number < end) for first, end in ranges),
            )

    def _by_look(
        self, frames: Iterable[SmallFrame], since: Place | None = None
    ) -> Iterator[SmallFrame]:
        """By shot: what most of its first frames are, until as many in a row are otherwise."""
        waiting: deque[SmallFrame] = deque()
        before: Look = "colored" if since is not None and since.in_color else "grey"
        keep = since is not None and since.keeps_color
        within = since is not None  # The first goes on from there, a cut or not.

        def judged() -> SmallFrame:
            nonlocal keep, within
            keep, within = _decided(waiting, keep, within=within), False
            return _keeping(waiting.popleft(), keep)

        for number, small in enumerate(frames):
            anew = small.cut and not (number == 0 and within)
            before = look(small, "grey" if anew else before)
            waiting.append(replace(small, in_color=before == "colored"))
            if len(waiting) > LOOK_AHEAD:
                yield judged()
        while waiting:
            yield judged()


def _decided(waiting: Collection[SmallFrame], keep: bool, *, within: bool) -> bool:
    """Whether the first of the frames keeps its colour, if the one before did as ``keep`` tells;
    ``within`` a shot also where it is marked as a cut."""
    first, *others = waiting
    votes = [first.in_color]
    votes += [small.in_color for small in takewhile(lambda small: not small.cut, others)]
    if first.cut and not within:
        return 2 * sum(votes) > len(votes)
    return not keep if all(colored != keep for colored in votes) else keep


def _keeping(small: SmallFrame, keep: bool) -> SmallFrame:
    return replace(small, frame=replace(small.frame, keeps_color=True)) if keep else small


def kept(frame: Frame, shape: tuple[int, int]) -> PaintedFrame:
    """The frame with its own chroma, in its own codes; resampled only to planes of another shape,
    and then the fields of an interlaced one each by itself.

    Grey pictures have none: their planes are neutral.
    """
    planes = _own(frame)
    if planes is None:
        neutral = np.full(shape, 1 << (frame.color.depth - 1), frame.luma.dtype)
        return PaintedFrame(frame, neutral, neutral)
    cb, cr = (_fitted(plane, shape, frame.first_field is not None) for plane in planes)
    return PaintedFrame(frame, cb, cr)


def _own(frame: Frame) -> tuple[Codes, Codes] | None:
    """The film's chroma; of a frame made of one field, that field's lines."""
    if frame.taken_field is None:
        own, size = picture_of(frame.owner.format.name), (frame.owner.height, frame.owner.width)
        # A picture that was fitted into the film's size has no colour in its place, one of
        # another depth has it in other codes.
        if size != frame.luma.shape:
            return None
        if own.depth != frame.color.depth:
            return _redepthed(frame, own.depth)
    planes = read_chroma(frame.owner, frame.color)
    if planes is None or frame.taken_field is None:
        return planes
    cb, cr = (plane[frame.taken_field == "bottom" :: 2] for plane in planes)
    return cb, cr


def _redepthed(frame: Frame, depth: int) -> tuple[Codes, Codes] | None:
    """The chroma of a picture of ``depth`` bits in those of the film."""
    planes = read_chroma(frame.owner, replace(frame.color, depth=depth))
    if planes is None:
        return None
    least, most = 0, (1 << frame.color.depth) - 1
    scale = 2.0 ** (frame.color.depth - depth)
    cb, cr = (
        np.clip(np.floor(plane * scale + 0.5), least, most).astype(frame.luma.dtype)
        for plane in planes
    )
    return cb, cr


def _fitted(plane: Codes, shape: tuple[int, int], fields: bool = False) -> Codes:
    if plane.shape == shape:
        return plane
    if fields:
        fitted: Codes = np.empty(shape, plane.dtype)
        for parity in (0, 1):
            fitted[parity::2] = _fitted(plane[parity::2], fitted[parity::2].shape)
        return fitted
    smaller = plane.shape[0] >= shape[0] and plane.shape[1] >= shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(plane, shape[::-1], interpolation=how)  # type: ignore[return-value]
