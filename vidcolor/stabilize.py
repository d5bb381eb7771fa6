"""Colour that stays with the thing it belongs to.

A network that sees one frame at a time guesses anew each time. Here its guesses are averaged along
the motion: the colour remembered so far is carried to where the pixel is now, and the new guess
moves it a little. As each pixel knows how many guesses it is made of, the first one has no more
weight than the next (a running mean), and later the memory fades at a fixed rate, which is also
what draws it back to the network when the network changes its mind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidcolor.flow import Motion, motions, warp
from vidcolor.frames import ColoredFrame

Float32 = NDArray[np.float32]

LONGEST_MEMORY = 50.0
"""Frames a memory may hold even at strength 1, lest it never learn again."""


class Memory:
    """The colour remembered along the motion, of one film, in order.

    ``strength`` (0 … 1) is the greatest share the past may have in a frame's colour.
    """

    def __init__(self, strength: float) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be 0 to 1, not {strength}")
        self._longest = LONGEST_MEMORY
        if strength < 1:
            self._longest = min(LONGEST_MEMORY, strength / (1 - strength))
        self._state: Float32 | None = None

    def update(self, ab: Float32, motion: Motion | None) -> Float32:
        """Take in the network's ``ab`` (2, h, w) and return the steadied one.

        ``motion`` leads from the last frame to this one; None forgets everything before.
        """
        height, width = ab.shape[1:]
        state = np.empty((height, width, 3), np.float32)
        if motion is None or self._state is None or self._state.shape != state.shape:
            state[..., 0], state[..., 1], state[..., 2] = ab[0], ab[1], 1
            self._state = state
            return ab
        past = np.asarray(warp(self._state, motion.flow), np.float32)
        count = past[..., 2] * motion.confidence
        np.minimum(count, self._longest, out=count)
        share = count / (count + 1)
        steady = np.empty_like(ab)
        for plane in range(2):
            # new + share * (past - new) rather than a weighted sum: equal colours stay equal bits.
            kept = past[..., plane] - ab[plane]
            kept *= share
            kept += ab[plane]
            steady[plane] = kept
            state[..., plane] = kept
        np.add(count, 1, out=state[..., 2])
        self._state = state
        return steady


def steady_colors(
    frames: Iterable[tuple[ColoredFrame, Motion | None]], strength: float
) -> Iterator[ColoredFrame]:
    """The sequential half of `stabilize`: frames that already come with their motion."""
    memory = Memory(strength)
    for frame, motion in frames:
        yield replace(frame, ab=memory.update(frame.ab, None if frame.cut else motion))


def stabilize(
    frames: Iterable[ColoredFrame], strength: float, pool: Executor | None = None, ahead: int = 8
) -> Iterator[ColoredFrame]:
    """Frames with their colour steadied along the motion inside each shot.

    ``strength`` 0 passes the frames on untouched, 1 remembers longest. Flows are matched in
    ``pool`` where one is given, up to ``ahead`` frames in advance.
    """
    if strength == 0:
        yield from frames
        return
    yield from steady_colors(motions(frames, pool, ahead), strength)
