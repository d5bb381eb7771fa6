"""Where shots begin.

Made for black-and-white film, where exposure flickers, the gate weaves, scratches run down the
picture and single frames flash. Two pictures are compared by the correlation of their local
structure, brightness, contrast and scratches taken out, at the best small shift. A shot begins
where *no* frame just before resembles *any* frame just after, by a margin over how much neighbours
differ here anyway: a flash or a torn frame is bridged by the frames around it, a dissolve and a pan
by their small steps, wild motion by its own measure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import Frame, Place, SmallFrame
from vidcolor.shrink import shrink

Float32: TypeAlias = NDArray[np.float32]

LOOK_AHEAD = 3
"""Frames after a cut that must be seen before it is called; flashes up to so long are bridged."""
THRESHOLD = 0.42
"""Unlikeness above which two pictures may be of two shots. Neighbours inside a shot keep under 0.34
but in the wildest motion, pictures of unrelated shots are above 0.65."""

_LONG_SIDE = 64
_CONTRAST = 4.0
"""L*: weaker local contrast than this is not amplified to full strength."""
_FLAT = 1.0
"""L*: a picture whose standard deviation, blurred and without what whole columns share, is less
shows nothing: black leader, a white flash."""
_FLAT_STILL = 2.0
"""L*: the same for the picture after such a one, or grain would make leader come and go."""
_RECENT = 8


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """What the detector remembers of a picture: its normalised structure, and if it is empty."""

    structure: Float32
    flat: bool


def thumbnail(lightness: Float32, *, was_flat: bool = False) -> Thumbnail:
    """The thumbnail of an (h, w) float32 L* image; its long side is 64 pixels.

    ``was_flat`` is whether the frame before was empty: what was so stays so until it shows more
    than grain.
    """
    scale = _LONG_SIDE / max(lightness.shape)
    size = tuple(max(16, round(side * scale)) for side in lightness.shape[::-1])
    small = cv2.resize(lightness, size, interpolation=cv2.INTER_AREA)
    # A scratch runs from top to bottom: a column that differs, as a whole, from those beside it.
    columns = cv2.reduce(small, 0, cv2.REDUCE_AVG)
    clean = small - (columns - cv2.GaussianBlur(columns, (0, 0), 2.5))
    detail = clean - cv2.GaussianBlur(clean, (0, 0), 5)
    contrast = cv2.GaussianBlur(detail * detail, (0, 0), 5)
    detail = detail / np.sqrt(np.maximum(contrast, 0) + _CONTRAST**2)
    _, shows = cv2.meanStdDev(cv2.blur(small - columns, (5, 5)))
    flat = shows.item() < (_FLAT_STILL if was_flat else _FLAT)
    return Thumbnail(np.asarray(detail, np.float32), flat)


def unlikeness(one: Thumbnail, other: Thumbnail) -> float:
    """0 for pictures alike but for exposure and a small shift, about 0.9 for unrelated ones.

    The shift may be a tenth of the picture each way. Empty pictures are alike, and unlike any
    other.
    """
    if one.flat or other.flat:
        return 0.0 if one.flat and other.flat else 1.0
    height, width = one.structure.shape
    y, x = max(1, height // 10), max(1, width // 10)
    inner = one.structure[y:-y, x:-x]
    found = cv2.matchTemplate(other.structure, inner, cv2.TM_CCOEFF_NORMED)
    return float(1 - found.max())


class CutDetector:
    """Judges one frame after the other; see `find_cuts` for streams of frames."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be between 0 and 1, not {threshold}")
        self._threshold = threshold
        self._before: deque[Thumbnail] = deque(maxlen=LOOK_AHEAD + 1)
        self._steps: deque[float] = deque(maxlen=_RECENT)

    def starts_shot(self, frames: Sequence[Thumbnail]) -> bool:
        """True if ``frames[0]``, the next frame of the film, begins a shot.

        Up to `LOOK_AHEAD` frames that follow it come along in ``frames``; at the film's end fewer.
        """
        now = frames[0]
        step = unlikeness(self._before[-1], now) if self._before else 1.0
        # Emptiness that closes in on a start just called is the end of a fade, not another shot.
        closing = now.flat and 0 < len(self._before) <= LOOK_AHEAD
        cut = not self._before or (step > self._threshold and not closing and self._parted(frames))
        if cut:
            self._before.clear()
            self._steps.clear()
        else:
            self._steps.append(step)
        self._before.append(now)
        return cut

    def _parted(self, frames: Sequence[Thumbnail]) -> bool:
        """Whether nothing remembered resembles anything in ``frames``, given the usual unrest."""
        following = [unlikeness(p, q) for p, q in pairwise(frames)]
        steps = [*self._steps, *following]
        # Also of the nearest few alone: a crash zoom comes out of a quiet shot.
        unrest = max(median(steps), median([*list(self._steps)[-2:], *following])) if steps else 0.0
        bar = max(self._threshold, min(0.8, 0.15 + 1.5 * unrest))
        return all(unlikeness(p, q) > bar for p in self._before for q in frames)


def find_cuts(
    frames: Iterable[Frame],
    size: tuple[int, int],
    threshold: float = THRESHOLD,
    since: Place | None = None,
) -> Iterator[SmallFrame]:
    """Each frame with its small lightness of ``size`` (h, w), marked where a shot begins.

    The first frame begins a shot; where it is one from the midst of a film, ``since`` tells how it
    was judged there. Frames wait here until `LOOK_AHEAD` more have come in.
    """
    detector = CutDetector(threshold)
    waiting: deque[tuple[Frame, Float32, Thumbnail]] = deque()
    empty = since is not None and since.flat

    def judged() -> SmallFrame:
        cut = detector.starts_shot([small for _, _, small in waiting])
        frame, light, small = waiting.popleft()
        return SmallFrame(frame, light, cut, flat=small.flat)

    for frame in frames:
        light = shrink(frame, size)
        small = thumbnail(light, was_flat=empty)
        empty = small.flat
        waiting.append((frame, light, small))
        if len(waiting) > LOOK_AHEAD:
            yield judged()
    while waiting:
        yield judged()


def given_cuts(
    frames: Iterable[Frame], size: tuple[int, int], starts: Collection[int]
) -> Iterator[SmallFrame]:
    """As `find_cuts`, but a shot begins where a frame's index is among ``starts``.

    The first frame begins a shot in any case. No frame waits.
    """
    for number, frame in enumerate(frames):
        yield SmallFrame(frame, shrink(frame, size), number == 0 or frame.index in starts)
