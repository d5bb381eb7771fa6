"""Colour that stays with the thing it belongs to.

A network that sees one frame at a time guesses anew each time. Here its guesses are averaged along
the motion, from both sides: what earlier frames and what the next few frames say of this point.
Each side carries its running mean from frame to frame, along with the number of guesses in it, so
that the first guess weighs no more than the next. The number is cut down where the motion is in
doubt and never passes a limit, so that old guesses fade and the colour is drawn back to what the
network says now. Nothing passes a cut.

The network need not have spoken of every frame: one without a guess of its own takes the mean of
what its neighbours remember.

All of this happens at the size of the motions, which is finer than the network's own grid.
Frames with and without a guess of their own are brought to full size alike, so that none of them
stands out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.flow import Link, Motion, half_size, motion_size, warp
from vidcolor.frames import ColoredFrame, SmallFrame
from vidcolor.keyframes import LinkedFrame

Float32: TypeAlias = NDArray[np.float32]

LONGEST_MEMORY = 50.0
"""Guesses a memory may weigh even at strength 1, lest it never learn again."""
LOOK_AHEAD = 8
"""Frames that every frame may learn from at least, where its shot has them: as many as may go by
without a guess, so that the next one is always in sight."""
_HINTED = 4.0
"""What a guess weighs against a full memory where someone put colours on the frame: what they see
there is what they said."""
_NOTHING = 1e-6
"""A count that stands for none and may be divided by."""


@dataclass(slots=True)
class _Mean:
    """A running mean of guesses, seen from one frame, *without* that frame's own guess.

    ``count`` (h, w) is how many guesses it weighs; ``pull`` (a and b) is ``count`` times its
    distance from the frame's own guess, so that where the two agree it is exactly zero; None where
    they agree everywhere.
    """

    count: Float32
    pull: list[Float32] | None


@dataclass(slots=True)
class _Carried:
    """A memory that has come to a frame: its colours (a* and b*) and ``count``, as in `_Mean`."""

    colors: list[Float32]
    count: Float32

    def against(self, guess: list[Float32]) -> _Mean:
        """As seen from the frame's own ``guess``. The colours are used up."""
        for color, own in zip(self.colors, guess, strict=True):
            color -= own
            color *= self.count
        return _Mean(self.count, self.colors)


@dataclass(slots=True)
class _Waiting:
    small: SmallFrame
    guess: list[Float32]
    weight: float
    link: Link | None
    past: _Mean | None


def memory_length(strength: float) -> float:
    """How many guesses the memory of both sides weighs together, for a share ``strength``."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be 0 to 1, not {strength}")
    return LONGEST_MEMORY if strength == 1 else min(LONGEST_MEMORY, strength / (1 - strength))


def stabilize(
    frames: Iterable[tuple[LinkedFrame, Float32 | None]],
    strength: float,
    look_ahead: int = LOOK_AHEAD,
) -> Iterator[ColoredFrame]:
    """Frames with their colour steadied along the motion inside each shot, in the same order.

    Each frame comes with the network's ab (2, h, w), or None where it was not asked; a shot's first
    frame has one. ``strength`` is the greatest share other frames may have in the colour of a frame
    with an ab: 0 passes the network's colours on untouched, 1 remembers longest.

    Works in blocks of ``look_ahead`` frames that begin at the start of each shot, so up to twice as
    many wait here. With 0 only the past counts and no frame waits. The result depends on the shot
    alone, not on what comes before or after. Raises ValueError for a strength outside 0 … 1.
    """
    limit = memory_length(strength)
    side = limit / 2 if look_ahead else limit
    block = max(1, look_ahead)
    waiting: list[_Waiting] = []
    memory: Float32 | None = None
    for item, ab in frames:
        small, link = item.small, item.link
        if strength == 0 and ab is not None:
            yield _colored(small, ab)
            continue
        if small.cut or link is None:
            yield from _settled(waiting, len(waiting), side)
            waiting, memory, link = [], None, None
        past = None
        if ab is not None:
            size = motion_size(small.lightness.shape)
            guess = [_shrunk(plane, size) for plane in ab]
            if memory is not None and link is not None:
                past = _carried(memory, link.onward, side).against(guess)
        elif memory is not None and link is not None:
            # A stand-in that weighs nothing: what the past says, from which the future may differ.
            carried = _carried(memory, link.onward, side)
            guess, past = carried.colors, _Mean(carried.count, None)
        else:
            raise ValueError("the first frame of a shot needs a colour of its own")
        weight = 0.0 if ab is None else _HINTED * limit if item.hinted else 1.0
        waiting.append(_Waiting(small, guess, weight, link, past))
        memory = _remembered(guess, past, weight)
        if len(waiting) == block + look_ahead:
            yield from _settled(waiting, block, side)
            del waiting[:block]
    yield from _settled(waiting, len(waiting), side)


def _settled(waiting: list[_Waiting], count: int, side: float) -> Iterator[ColoredFrame]:
    """The first ``count`` waiting frames, after all of them had their say from the future."""
    future: _Mean | None = None
    colors: list[Float32] = []
    for index in range(len(waiting) - 1, -1, -1):
        item = waiting[index]
        if index < count:
            colors.append(_corrected(item, future))
        if index and item.link is not None:
            memory = _remembered(item.guess, future, item.weight)
            carried = _carried(memory, item.link.backward, side)
            future = carried.against(waiting[index - 1].guess)
    for item, ab in zip(waiting, reversed(colors), strict=False):
        yield _colored(item.small, ab)


def _colored(small: SmallFrame, ab: Float32) -> ColoredFrame:
    return ColoredFrame(small.frame, small.lightness, ab, small.cut)


def _remembered(guess: list[Float32], mean: _Mean | None, weight: float) -> Float32:
    """The memory with this frame's guess taken in: (h, w, 4) float32 of a*, b*, count, nothing."""
    a, b = guess
    if mean is None:
        count = np.full_like(a, weight)
    else:
        count = mean.count + np.float32(weight)
        if mean.pull is not None:
            least = np.maximum(count, np.float32(_NOTHING))
            a, b = (_moved(own, pull, least) for own, pull in zip(guess, mean.pull, strict=True))
    return np.asarray(cv2.merge([a, b, count, count]), np.float32)


def _moved(own: Float32, pull: Float32, count: Float32) -> Float32:
    step = pull / count
    step += own
    return step


def _carried(memory: Float32, motion: Motion, longest: float) -> _Carried:
    """The memory moved along ``motion``, which it does not survive where that is in doubt."""
    a, b, count, _ = (
        np.asarray(plane, np.float32) for plane in cv2.split(warp(memory, motion.flow))
    )
    count *= motion.confidence
    np.minimum(count, np.float32(longest), out=count)
    return _Carried([a, b], count)


def _corrected(item: _Waiting, future: _Mean | None) -> Float32:
    """The mean of the frame's own guess, of those before and of those after."""
    height, width = item.small.lightness.shape
    sides = [side for side in (item.past, future) if side is not None]
    pulls = [side.pull for side in sides if side.pull is not None]
    planes = item.guess
    if pulls:
        count = sum((side.count for side in sides), np.float32(item.weight))
        count = np.maximum(count, np.float32(_NOTHING))
        steps = pulls[0] if len(pulls) == 1 else [a + b for a, b in zip(*pulls, strict=True)]
        planes = [_moved(own, step, count) for own, step in zip(planes, steps, strict=True)]
    full = np.empty((2, height, width), np.float32)
    for plane, out in zip(planes, full, strict=True):
        cv2.resize(plane, (width, height), dst=out)
    return full


def _shrunk(plane: Float32, size: tuple[int, int]) -> Float32:
    half = cv2.resize(plane, half_size(plane), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(half, size), np.float32)
