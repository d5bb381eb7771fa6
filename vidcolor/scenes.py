"""Where shots begin.

Made for black-and-white film, where exposure flickers, the gate weaves and single frames flash. Two
pictures are compared by the structure of their thumbnails after the best small shift, with
brightness and contrast taken out. A cut is where *no* frame just before resembles *any* frame just
after: a flash is bridged by the frames around it, a dissolve and a pan by their small steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import Frame, SmallFrame
from vidcolor.shrink import shrink

Float32 = NDArray[np.float32]

LOOK_AHEAD = 2
"""Frames after a cut that must be seen before it is called."""
_THUMBNAIL = (64, 40)
_SHIFT = (6, 4)
_THRESHOLD = 0.55


class CutDetector:
    """Feed it thumbnails in order; see `find_cuts` for the stream."""

    def __init__(self, threshold: float = _THRESHOLD) -> None:
        self.threshold = threshold


def thumbnail(lightness: Float32) -> Float32:
    return np.asarray(cv2.resize(lightness, _THUMBNAIL, interpolation=cv2.INTER_AREA), np.float32)


def unlikeness(one: Float32, other: Float32) -> float:
    """0 for pictures alike but for exposure and a small shift, about 1 for unrelated ones."""
    x, y = _SHIFT
    inner = one[y:-y, x:-x]
    if float(inner.std()) < 0.5 and float(other.std()) < 0.5:
        return 0.0
    return 1.0 - float(cv2.matchTemplate(other, inner, cv2.TM_CCOEFF_NORMED).max())


def find_cuts(
    frames: Iterable[Frame], size: tuple[int, int], threshold: float = _THRESHOLD
) -> Iterator[SmallFrame]:
    """Each frame with its small lightness of ``size`` (h, w), marked where a shot begins.

    The first frame begins a shot. A frame leaves two frames after it came in.
    """
    before: deque[Float32] = deque(maxlen=2)
    waiting: deque[tuple[Frame, Float32, Float32]] = deque()

    def judged() -> SmallFrame:
        frame, light, small = waiting[0]
        after = [item[2] for item in waiting]
        cut = not before or min(unlikeness(p, q) for p in before for q in after) > threshold
        if cut:
            before.clear()
        before.append(small)
        waiting.popleft()
        return SmallFrame(frame, light, cut)

    for frame in frames:
        light = shrink(frame, size)
        waiting.append((frame, light, thumbnail(light)))
        if len(waiting) > LOOK_AHEAD:
            yield judged()
    while waiting:
        yield judged()
