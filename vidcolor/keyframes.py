"""Which frames the network is asked about.

Neighbouring frames show the same things, and a colour that travels along the motion is as good as
one guessed anew, and steadier. So the network sees a frame of every shot's start, then the next one
only when enough has come into view that no asked frame has shown, or after a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidcolor.flow import Link, motion_size, motions, warp
from vidcolor.frames import SmallFrame

Float32 = NDArray[np.float32]

_TRUST = 0.5
"""Confidence, multiplied up since the last asked frame, under which a pixel counts as not shown."""
_HIDDEN = 0.025
"""Share of the picture that may be so, for each frame that may be left out in a row. On six clips
of fast motion 8 such frames asked for a quarter, with the PSNR against the truth of asking for all;
14 asked for a sixth and lost 0.04 dB. A quarter of that share asked for 73 %."""
_MOST_HIDDEN = 0.5
"""The largest such share: more than half unseen is another view."""


@dataclass(frozen=True, slots=True)
class LinkedFrame:
    """A small frame, its motion from and to the one before (None where a shot begins), and whether
    the network is to be asked about it.

    What is known of its colours: ``points`` (N, 5) y, x, a*, b*, share, as for
    `vidcolor.hints.color_frames`; ``hinted`` is whether someone put some on this very frame.
    """

    small: SmallFrame
    link: Link | None
    key: bool
    hinted: bool = False
    points: Float32 | None = None


def choose_keys(
    frames: Iterable[tuple[SmallFrame, Link | None]], longest: int
) -> Iterator[LinkedFrame]:
    """Mark the frames the network is asked about: every shot's first, and each that shows much new.

    No more than ``longest`` - 1 frames in a row are left out, the more of them the more may be new;
    1 asks about all. Damaged frames are not asked about either, up to ``longest`` more in a row:
    they take their neighbours' colour, and hand on none that was guessed from what is broken in
    them.
    """
    trust: Float32 | None = None
    hidden = min(_HIDDEN * longest, _MOST_HIDDEN)
    since = 0
    for small, link in frames:
        since += 1
        broken = small.frame.damaged and since < 2 * longest
        key = link is None or (not broken and (trust is None or since >= longest))
        if not key and link is not None and trust is not None:
            trust = warp(trust, link.onward.flow) * link.onward.confidence
            key = not broken and bool(np.count_nonzero(trust < _TRUST) > hidden * trust.size)
        if key:
            since = 0
            if longest > 1:
                trust = np.ones(motion_size(small.lightness.shape)[::-1], np.float32)
        yield LinkedFrame(small, link, key)


def keyed(
    frames: Iterable[SmallFrame], strength: float, longest: int, pool: Executor | None = None
) -> Iterator[LinkedFrame]:
    """The frames as `stabilize` wants them at ``strength``: linked and with keys chosen, or, at 0,
    all asked about. ``longest`` is as for `choose_keys`, ``pool`` as for `motions`."""
    return choose_keys(motions(frames, pool), longest) if strength > 0 else all_keys(frames)


def all_keys(frames: Iterable[SmallFrame]) -> Iterator[LinkedFrame]:
    """Every frame for itself: asked about, and linked to no other."""
    return (LinkedFrame(small, None, True) for small in frames)
