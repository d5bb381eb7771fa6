"""Dense motion between neighbouring small lightness images, and how far to trust it.

Old film changes its exposure from frame to frame, so the images are matched by their local
structure: mean and contrast of each neighbourhood are taken out first.

The flow is DIS (Kroeger, Timofte, Dai, Van Gool: Fast Optical Flow using Dense Inverse Search,
ECCV 2016) as OpenCV has it. It is found, and its confidence with it, at a quarter of the size of
the small images, which is ample for colour, and then brought to the half of it, at which colours
are carried. A flow is (h, w, 2) float32, x first, in its own pixels, and belongs to the picture
that is to be filled: ``source[y + v, x + u]`` is where its pixel (x, y) is taken from.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.aside import Aside
from vidcolor.frames import SmallFrame

Float32: TypeAlias = NDArray[np.float32]
Image = TypeVar("Image", bound=NDArray[Any])

_MOST = 96
"""Pixels of the short side of a motion: more show nothing of colour that these do not."""
_ENOUGH = 32
"""Pixels of the short side of what is matched that are not halved once more."""
_NOISE = 2.0
"""L*: contrast below this is taken for grain and not amplified to full strength."""
_BORDER = cv2.BORDER_REPLICATE
_LEAST = 24
"""Pixels of the short side under which the search has no room and everything counts as still."""
_PATCH = 8
"""Pixels of the side of the patches that DIS matches."""
_ROUND_TRIP = 0.3
"""Pixels of what is matched by which there and back may miss each other before doubt begins to
count."""
_MISMATCH = 14.0
"""Levels of structure by which a pixel and its origin may differ, likewise."""
_HOPELESS = 60.0
"""Doubt that leaves no confidence at all; beyond it exp is slow, its results being too small."""
_FREE_DOUBT = 0.5
"""Doubt that costs no confidence: a memory fades fast if every step takes a little of it."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What is matched of a small lightness image, see `structure`.

    ``pixels`` (h, w) are uint8, ``size`` (h, w) is that of the image.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Motion:
    """Where the pixels of one picture come from in another.

    ``flow`` is (h, w, 2) float32 in pixels, see the module; ``confidence`` (h, w) float32 in 0 … 1,
    near 0 where the pixel is hidden in the other picture, lies outside it, or looks different. h
    and w are those of `motion_size`.
    """

    flow: Float32
    confidence: Float32


@dataclass(frozen=True, slots=True)
class Link:
    """The motion between two neighbouring frames, both ways.

    ``onward`` fills the later frame from the earlier one, ``backward`` the earlier from the later.
    """

    onward: Motion
    backward: Motion


def half_size(image: NDArray[Any]) -> tuple[int, int]:
    """Half the size of an image (h, w), as (w, h) for OpenCV."""
    return max(1, image.shape[1] // 2), max(1, image.shape[0] // 2)


def motion_size(size: tuple[int, ...]) -> tuple[int, int]:
    """(w, h), as OpenCV wants it, of the motions of images of ``size`` (h, w): half of that, or
    less where the short side would pass 96 pixels, but no less than a quarter."""
    share = max(2.0, min(min(size[:2]) / _MOST, 4.0))
    return max(1, int(size[1] / share)), max(1, int(size[0] / share))


def structure(lightness: Float32) -> Structure:
    """What is matched of ``lightness`` (h, w): each pixel against the mean of its neighbourhood (an
    eighth or so of the short side), in units of its contrast; 128 is the mean.
    """
    height, width = lightness.shape
    motion = motion_size(lightness.shape)
    share = max(1.0, min(2.0, min(motion) / _ENOUGH))
    columns, rows = (max(1, int(side / share)) for side in motion)
    # By halves, as in `vidcolor.shrink`: a mean over uneven parts of pixels takes ten times longer.
    image = cv2.resize(lightness, half_size(lightness), interpolation=cv2.INTER_AREA)
    image = cv2.resize(image, (2 * columns, 2 * rows))
    image = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    # The statistics are smooth: half the size again serves.
    small = (max(1, columns // 2), max(1, rows // 2))
    mean = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    square = cv2.resize(image * image, small, interpolation=cv2.INTER_AREA)
    side = 2 * (min(small) // 16) + 1
    mean = cv2.boxFilter(mean, -1, (side, side))
    spread = cv2.boxFilter(square, -1, (side, side)) - mean * mean
    gain = np.float32(48) / np.sqrt(np.maximum(spread, 0) + np.float32(_NOISE**2))
    detail = image * cv2.resize(gain, (columns, rows))
    detail -= cv2.resize(mean * gain - np.float32(128), (columns, rows))
    return Structure(np.clip(detail, 0, 255, out=detail).astype(np.uint8), (height, width))


def match(previous: Float32, current: Float32) -> Motion:
    """The motion that fills ``current`` from ``previous``, both (h, w) float32 L*.

    Safe to call from many threads at once; the work is in OpenCV, which lets go of the GIL.
    Raises ValueError if the sizes differ.
    """
    return link(structure(previous), structure(current)).onward


def link(previous: Structure, current: Structure) -> Link:
    """The motion both ways between two images that went through `structure`.

    Raises ValueError if their sizes differ.
    """
    if previous.size != current.size:
        raise ValueError(f"cannot match {previous.size} with {current.size}")
    onward, backward = search(previous, current), search(current, previous)
    return Link(
        _motion(current, previous, onward, backward),
        _motion(previous, current, backward, onward),
    )


def search(previous: Structure, current: Structure) -> Float32:
    """The flow alone that fills ``current`` from ``previous``, of the size of their pixels and in
    them, at less than half the cost of `link`."""
    here, there = current.pixels, previous.pixels
    # A repeated frame has not moved, and need not be searched for that.
    if min(here.shape) < _LEAST or np.array_equal(here, there):
        return np.zeros((*here.shape, 2), np.float32)
    return np.asarray(_matcher(here.shape).calc(here, there, None))  # type: ignore[call-overload]


def _motion(here: Structure, there: Structure, flow: Float32, back: Float32) -> Motion:
    """The flow at the size of motions, with its confidence.

    The latter is exp(-doubt), doubt being the squared round trip error plus the squared mismatch.
    As in Sundaram, Brox, Keutzer (ECCV 2010) the round trip may miss by more where the motion is
    large. What the whole picture has in common, its grain, is no doubt.
    """
    height, width = here.pixels.shape
    levels = there.pixels.astype(np.float32)
    # All that lies there in one turn; four channels are the fastest, see `warp`.
    found = np.asarray(cv2.merge([*_planes(back), levels, levels]), np.float32)
    places = _grid(height, width) + flow
    missed_u, missed_v, origin, _ = _planes(_taken(found, places))
    u, v = _planes(flow)
    missed_u += u
    missed_v += v
    doubt = missed_u * missed_u + missed_v * missed_v
    doubt /= _ROUND_TRIP**2 + 0.02 * (u * u + v * v)
    differs = cv2.absdiff(origin, here.pixels.astype(np.float32))
    unlike = np.asarray(cv2.boxFilter(differs, -1, (3, 3)), np.float32)
    some = unlike[::2, ::2].ravel()
    grain = float(np.partition(some, some.size // 2)[some.size // 2])
    unlike /= min(max(_MISMATCH, 3 * grain), 2 * _MISMATCH)
    unlike *= unlike
    doubt += unlike
    doubt -= np.float32(_FREE_DOUBT)
    confidence = cv2.exp(-np.clip(doubt, 0, _HOPELESS, out=doubt))
    inside = cv2.inRange(places, (-0.5, -0.5), (width - 0.5, height - 0.5))
    confidence = cv2.copyTo(confidence, inside)
    columns, rows = size = motion_size(here.size)
    flow = flow * np.array((columns / width, rows / height), np.float32)
    return Motion(
        np.asarray(cv2.resize(flow, size), np.float32),
        np.asarray(cv2.resize(confidence, size), np.float32),
    )


def warp(image: Image, flow: Float32) -> Image:
    """``image`` (h, w) or (h, w, c) moved along ``flow`` (h, w, 2) into the picture it belongs to.

    Linear interpolation; what comes from outside the picture repeats its border. Where the flow is
    zero the values come back exactly. OpenCV is by far fastest with four channels.
    """
    return _taken(image, _grid(*flow.shape[:2]) + flow)


def _taken(image: Image, places: Float32) -> Image:
    """What lies in ``image`` at ``places`` (h, w, 2)."""
    return cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=_BORDER)  # type: ignore[call-overload, no-any-return]


def _planes(image: NDArray[Any]) -> list[Float32]:
    return [np.asarray(plane, np.float32) for plane in cv2.split(image)]


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> Float32:
    """Each pixel's own x and y, (h, w, 2)."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    places = np.dstack((x, y))
    places.flags.writeable = False
    return places


def _one_thread() -> int:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    return before


_threads = Aside(_one_thread, cv2.setNumThreads)


def single_threaded_cv2() -> AbstractContextManager[None]:
    """OpenCV without threads of its own: the flow depends on their number, see `motions`, and where
    stages run beside each other they would get in the way."""
    return _threads.held()


class _Local(threading.local):
    def __init__(self) -> None:
        self.matchers: dict[tuple[int, ...], cv2.DISOpticalFlow] = {}


_local = _Local()


def _matcher(shape: tuple[int, ...]) -> cv2.DISOpticalFlow:
    """One matcher per thread, as it holds buffers, and per size, as small images change its scales
    for good."""
    matchers = _local.matchers
    if shape not in matchers:
        # FAST is meant for images of full size and stops two scales below; these are small. Half as
        # many turns of its search find as much. Of its polish, one round instead of five gives
        # colours as steady as two rounds did at twice this size; without any, which would take 0.6
        # of the time, the ways there and back agree less, and colours waver by a twentieth more.
        matcher = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        matcher.setFinestScale(0)
        matcher.setPatchStride(_stride(shape))
        matcher.setGradientDescentIterations(8)
        matcher.setVariationalRefinementIterations(1)
        matchers[shape] = matcher
    return matchers[shape]


def _stride(shape: tuple[int, ...]) -> int:
    """Pixels from one patch of the search to the next: sparse, but so that the last ones come
    within two pixels of the border. What lies beyond them has their flow."""
    strides = (stride for stride in (6, 5, 4, 3) if all((n - _PATCH) % stride < 3 for n in shape))
    return next(strides)


def motions(
    frames: Iterable[SmallFrame], pool: Executor | None = None, ahead: int = 4
) -> Iterator[tuple[SmallFrame, Link | None]]:
    """Each frame with its link to the one before; None at the first frame and at cuts.

    With a ``pool`` of threads up to ``ahead`` pairs are matched at once, while the stage before
    is already asked for later frames. The results do not depend on it, provided OpenCV's own
    threads are off (``cv2.setNumThreads(1)``): DIS passes flow on inside each thread's strip of
    the image.
    """
    waiting: deque[tuple[SmallFrame, Future[Link] | None]] = deque()
    last: Structure | None = None
    try:
        for frame in frames:
            now = structure(frame.lightness)
            before = None if frame.cut else last
            last = now
            if pool is None:
                yield frame, None if before is None else link(before, now)
                continue
            waiting.append((frame, None if before is None else pool.submit(link, before, now)))
            if len(waiting) > ahead:
                done, pending = waiting.popleft()
                yield done, pending.result() if pending else None
        while waiting:
            done, pending = waiting.popleft()
            yield done, pending.result() if pending else None
    finally:
        for _, pending in waiting:
            if pending:
                pending.cancel()
