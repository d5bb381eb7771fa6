"""Colour that stays with the thing it belongs to.

A network that sees one frame at a time guesses anew each time. Here its guesses are averaged along
the motion, from both sides: what earlier frames and what the next few frames say of this point.
Each side carries its running mean from frame to frame, along with the number of guesses in it, so
that the first guess weighs no more than the next. The number is cut down where the motion is in
doubt and never passes a limit, so that old guesses fade and the colour is drawn back to what the
network says now. Nothing passes a cut.

All of this happens at the half size of the motions; what is scaled up is the *correction* of each
frame's own colour, so that its fine detail stays and a frame that needs none keeps every bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.flow import Link, Motion, half_size, motions, warp
from vidcolor.frames import ColoredFrame

Float32: TypeAlias = NDArray[np.float32]

LONGEST_MEMORY = 50.0
"""Guesses a memory may weigh even at strength 1, lest it never learn again."""
LOOK_AHEAD = 6
"""Frames that every frame may learn from at least, where its shot has them."""


@dataclass(slots=True)
class _Mean:
    """A running mean of guesses, seen from one frame, *without* that frame's own guess.

    ``count`` (h, w) is how many guesses it weighs; ``pull`` (a and b) is ``count`` times its
    distance from the frame's own guess, so that where the two agree it is exactly zero.
    """

    count: Float32
    pull: list[Float32]


@dataclass(slots=True)
class _Waiting:
    frame: ColoredFrame
    guess: list[Float32]
    link: Link | None
    past: _Mean | None


def memory_length(strength: float) -> float:
    """How many guesses the memory of both sides weighs together, for a share ``strength``."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be 0 to 1, not {strength}")
    return LONGEST_MEMORY if strength == 1 else min(LONGEST_MEMORY, strength / (1 - strength))


def steady_colors(
    frames: Iterable[tuple[ColoredFrame, Link | None]],
    strength: float,
    look_ahead: int = LOOK_AHEAD,
) -> Iterator[ColoredFrame]:
    """The sequential half of `stabilize`: frames that already come with their motion.

    Works in blocks of ``look_ahead`` frames that begin at the start of each shot, so up to twice as
    many wait here. With 0 only the past counts and no frame waits.
    """
    limit = memory_length(strength)
    side = limit / 2 if look_ahead else limit
    block = max(1, look_ahead)
    waiting: list[_Waiting] = []
    memory: Float32 | None = None
    for frame, link in frames:
        if frame.cut or link is None:
            yield from _settled(waiting, len(waiting), side)
            waiting, memory, link = [], None, None
        half = half_size(frame.lightness)
        guess = [_area(plane, half) for plane in frame.ab]
        past = None
        if memory is not None and link is not None:
            past = _carried(memory, link.onward, guess, side)
        waiting.append(_Waiting(frame, guess, link, past))
        memory = _remembered(guess, past)
        if len(waiting) == block + look_ahead:
            yield from _settled(waiting, block, side)
            del waiting[:block]
    yield from _settled(waiting, len(waiting), side)


def stabilize(
    frames: Iterable[ColoredFrame],
    strength: float,
    pool: Executor | None = None,
    look_ahead: int = LOOK_AHEAD,
) -> Iterator[ColoredFrame]:
    """Frames with their colour steadied along the motion inside each shot, in the same order.

    ``strength`` is the greatest share other frames may have in a frame's colour: 0 passes the
    frames on untouched, 1 remembers longest. Flows are matched in ``pool`` where one is given. The
    result depends on the shot alone, not on ``pool`` nor on what comes before or after.
    """
    if strength == 0:
        yield from frames
        return
    yield from steady_colors(motions(frames, pool), strength, look_ahead)


def _settled(waiting: list[_Waiting], count: int, side: float) -> Iterator[ColoredFrame]:
    """The first ``count`` waiting frames, after all of them had their say from the future."""
    future: _Mean | None = None
    colors: list[Float32] = []
    for index in range(len(waiting) - 1, -1, -1):
        item = waiting[index]
        if index < count:
            colors.append(_corrected(item.frame.ab, item.past, future))
        if index and item.link is not None:
            memory = _remembered(item.guess, future)
            future = _carried(memory, item.link.backward, waiting[index - 1].guess, side)
    for item, ab in zip(waiting, reversed(colors), strict=False):
        yield replace(item.frame, ab=ab)


def _remembered(guess: list[Float32], mean: _Mean | None) -> Float32:
    """The memory with this frame's guess taken in: (h, w, 4) float32 of a*, b*, count, nothing."""
    a, b = guess
    if mean is None:
        count = np.ones_like(a)
    else:
        count = mean.count + 1
        a, b = (own + pull / count for own, pull in zip(guess, mean.pull, strict=True))
    return np.asarray(cv2.merge([a, b, count, count]), np.float32)


def _carried(memory: Float32, motion: Motion, guess: list[Float32], longest: float) -> _Mean:
    """The memory moved along ``motion`` to the frame whose own guess is ``guess``."""
    a, b, count, _ = cv2.split(warp(memory, motion.flow))
    count *= motion.confidence
    np.minimum(count, longest, out=count)
    pull = [(plane - own) * count for plane, own in zip((a, b), guess, strict=True)]
    return _Mean(np.asarray(count, np.float32), pull)


def _corrected(ab: Float32, past: _Mean | None, future: _Mean | None) -> Float32:
    """The mean of the frame's own guess, of those before and of those after."""
    sides = [side for side in (past, future) if side is not None]
    if not sides:
        return ab
    count = sides[0].count + 1 if len(sides) == 1 else sides[0].count + sides[1].count + 1
    steady = np.empty_like(ab)
    size = ab.shape[:0:-1]
    for plane in range(2):
        pull = sides[0].pull[plane]
        if len(sides) == 2:
            pull = pull + sides[1].pull[plane]
        np.add(ab[plane], cv2.resize(pull / count, size), out=steady[plane])
    return steady


def _area(plane: Float32, size: tuple[int, int]) -> Float32:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
