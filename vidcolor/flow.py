"""Dense motion between neighbouring small lightness images, and how far to trust it.

Old film changes its exposure from frame to frame, so the images are matched by their local
structure: mean and contrast of each neighbourhood are taken out first.

The flow is DIS (Kroeger, Timofte, Dai, Van Gool: Fast Optical Flow using Dense Inverse Search,
ECCV 2016) as OpenCV has it. It is found at half the size of the small images, which is ample for
colour and makes all that follows four times cheaper. A flow is (h, w, 2) float32, x
first, in its own pixels, and belongs to the picture that is to be filled: ``source[y + v, x + u]``
is where its pixel (x, y) is taken from.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import SmallFrame

Float32: TypeAlias = NDArray[np.float32]
Structure: TypeAlias = NDArray[np.uint8]
Image = TypeVar("Image", bound=NDArray[Any])

_NOISE = 2.0
"""L*: contrast below this is taken for grain and not amplified to full strength."""
_BORDER = cv2.BORDER_REPLICATE
_LEAST = 24
"""Pixels of the short side under which the search has no room and everything counts as still."""
_ROUND_TRIP = 0.45
"""Half-size pixels by which there and back may miss each other before doubt begins to count."""
_MISMATCH = 16.0
"""Levels of structure by which a pixel and its origin may differ, likewise."""
_FREE_DOUBT = 0.5
"""Doubt that costs no confidence: a memory fades fast if every step takes a little of it."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where the pixels of one picture come from in another.

    ``flow`` is (h, w, 2) float32 in pixels, see the module; ``confidence`` (h, w) float32 in 0 … 1,
    near 0 where the pixel is hidden in the other picture, lies outside it, or looks different. h
    and w are half those of the images that were matched.
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


def structure(lightness: Float32) -> Structure:
    """What is matched, at half the size of ``lightness``: (h, w) uint8, each pixel against the mean
    of its neighbourhood (an eighth of the short side), in units of its contrast; 128 is the mean.
    """
    half = cv2.resize(lightness, half_size(lightness), interpolation=cv2.INTER_AREA)
    height, width = half.shape
    small = (max(1, width // 2), max(1, height // 2))
    # The statistics are smooth: half the size again serves, at a fifth of the cost.
    mean = cv2.resize(half, small, interpolation=cv2.INTER_AREA)
    square = cv2.resize(half * half, small, interpolation=cv2.INTER_AREA)
    side = 2 * (min(small) // 16) + 1
    mean = cv2.boxFilter(mean, -1, (side, side))
    spread = cv2.boxFilter(square, -1, (side, side)) - mean * mean
    gain = (48 / np.sqrt(np.maximum(spread, 0) + _NOISE**2)).astype(np.float32)
    detail = half * cv2.resize(gain, (width, height))
    detail -= cv2.resize(mean * gain - 128, (width, height))
    return np.clip(detail, 0, 255, out=detail).astype(np.uint8)


def match(previous: Float32, current: Float32) -> Motion:
    """The motion that fills ``current`` from ``previous``, both (h, w) float32 L*.

    Safe to call from many threads at once; the work is in OpenCV, which lets go of the GIL.
    Raises ValueError if the sizes differ.
    """
    return link(structure(previous), structure(current)).onward


def link(previous: Structure, current: Structure) -> Link:
    """The motion both ways between two images that went through `structure`."""
    if previous.shape != current.shape:
        raise ValueError(f"cannot match {previous.shape} with {current.shape}")
    onward, backward = search(previous, current), search(current, previous)
    return Link(
        Motion(onward, _confidence(current, previous, onward, backward)),
        Motion(backward, _confidence(previous, current, backward, onward)),
    )


def search(previous: Structure, current: Structure) -> Float32:
    """The flow alone that fills ``current`` from ``previous``, at a third of the cost of `link`."""
    if min(current.shape) < _LEAST:
        return np.zeros((*current.shape, 2), np.float32)
    return np.asarray(_matcher(current.shape).calc(current, previous, None))  # type: ignore[call-overload]


def half_size(image: NDArray[Any]) -> tuple[int, int]:
    """(w, h), as OpenCV wants it, of the motions of an image (h, w)."""
    return max(1, image.shape[1] // 2), max(1, image.shape[0] // 2)


def _confidence(here: Structure, there: Structure, flow: Float32, back: Float32) -> Float32:
    """exp(-doubt), doubt being the squared round trip error plus the squared mismatch.

    As in Sundaram, Brox, Keutzer (ECCV 2010) the round trip may miss by more where the motion is
    large. What the whole picture has in common, its grain, is no doubt.
    """
    height, width = here.shape
    u, v = cv2.split(flow)
    x, y = _grid(height, width)
    to_x, to_y = x + u, y + v
    again = cv2.split(cv2.remap(back, to_x, to_y, cv2.INTER_LINEAR, borderMode=_BORDER))
    missed = (again[0] + u) ** 2 + (again[1] + v) ** 2
    missed /= _ROUND_TRIP**2 + 0.02 * (u * u + v * v)
    origin = cv2.remap(there, to_x, to_y, cv2.INTER_LINEAR, borderMode=_BORDER)
    unlike = cv2.absdiff(origin, here).astype(np.float32)
    unlike = np.asarray(cv2.boxFilter(unlike, -1, (3, 3)), np.float32)
    grain = float(np.median(unlike[::4, ::4]))
    unlike /= min(max(_MISMATCH, 3 * grain), 2 * _MISMATCH)
    unlike *= unlike
    unlike += missed
    unlike -= _FREE_DOUBT
    confidence = cv2.exp(-np.maximum(unlike, 0, out=unlike))
    confidence[(to_x < -0.5) | (to_x > width - 0.5) | (to_y < -0.5) | (to_y > height - 0.5)] = 0
    return np.asarray(cv2.boxFilter(confidence, -1, (3, 3)), np.float32)


def warp(image: Image, flow: Float32) -> Image:
    """``image`` (h, w) or (h, w, c) moved along ``flow`` (h, w, 2) into the picture it belongs to.

    Linear interpolation; what comes from outside the picture repeats its border. Where the flow is
    zero the values come back exactly. OpenCV is by far fastest with four channels.
    """
    u, v = cv2.split(flow)
    x, y = _grid(*flow.shape[:2])
    return cv2.remap(image, x + u, y + v, cv2.INTER_LINEAR, borderMode=_BORDER)  # type: ignore[return-value]


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> tuple[Float32, Float32]:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x.flags.writeable = y.flags.writeable = False
    return x, y


@contextmanager
def single_threaded_cv2() -> Iterator[None]:
    """OpenCV without threads of its own: the flow depends on their number, see `motions`, and where
    stages run beside each other they would get in the way."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


class _Local(threading.local):
    def __init__(self) -> None:
        self.matchers: dict[tuple[int, ...], cv2.DISOpticalFlow] = {}


_local = _Local()


def _matcher(shape: tuple[int, ...]) -> cv2.DISOpticalFlow:
    """One matcher per thread, as it holds buffers, and per size, as small images change its scales
    for good."""
    matchers = _local.matchers
    if shape not in matchers:
        # FAST with a sparser grid of patches and less polish takes two thirds of the time, with a
        # mean endpoint error of 0.26 px for 0.23, which colour does not notice. FAST is meant for
        # images of full size and stops two scales below; these have been halved once already.
        matcher = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        matcher.setFinestScale(1)
        matcher.setPatchStride(5)
        matcher.setVariationalRefinementIterations(2)
        matchers[shape] = matcher
    return matchers[shape]


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
