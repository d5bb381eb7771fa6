"""Dense motion between neighbouring small lightness images, and how far to trust it.

Old film changes its exposure from frame to frame, so the images are matched by their local
structure: mean and contrast of each neighbourhood are taken out first.

The flow is DIS (Kroeger, Timofte, Dai, Van Gool: Fast Optical Flow using Dense Inverse Search,
ECCV 2016) as OpenCV has it. Flow is in pixels of the small image, (h, w, 2) float32 with x first,
and points *backward*: ``previous[y + v, x + u]`` is where the pixel (x, y) of ``current`` was.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.frames import ColoredFrame, SmallFrame

Float32 = NDArray[np.float32]
Structure = NDArray[np.uint8]
AnyFrame = TypeVar("AnyFrame", SmallFrame, ColoredFrame)

_NOISE = 2.0
"""L*: contrast below this is taken for grain and not amplified to full strength."""
_ROUND_TRIP = 0.75
"""Pixels by which forward and backward flow may miss each other at e**-1 of the confidence."""
_MISMATCH = 28.0
"""Levels of structure by which a pixel and its origin may differ at e**-1 of the confidence."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How ``current`` moved since ``previous``.

    ``flow`` is (h, w, 2) float32 in pixels, see the module; ``confidence`` (h, w) float32 in 0 … 1,
    near 0 where the pixel was hidden, out of the picture, or is not found again.
    """

    flow: Float32
    confidence: Float32


_local = threading.local()


def _matcher() -> cv2.DISOpticalFlow:
    """One matcher per thread: it holds buffers and must not be shared."""
    if not hasattr(_local, "matcher"):
        _local.matcher = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    matcher: cv2.DISOpticalFlow = _local.matcher
    return matcher


def structure(lightness: Float32) -> Structure:
    """What is matched: (h, w) uint8, each pixel's lightness against its neighbourhood's mean, in
    units of its contrast; 128 is the mean."""
    side = 2 * (min(lightness.shape) // 16) + 1
    mean = cv2.boxFilter(lightness, -1, (side, side))
    square = cv2.sqrBoxFilter(lightness, cv2.CV_32F, (side, side))
    contrast = square - mean * mean
    np.maximum(contrast, 0, out=contrast)
    contrast += _NOISE**2
    np.sqrt(contrast, out=contrast)
    detail = lightness - mean
    detail /= contrast
    detail *= 48
    detail += 128
    np.clip(detail, 0, 255, out=detail)
    return detail.astype(np.uint8)


def match(previous: Float32, current: Float32) -> Motion:
    """The motion from ``previous`` to ``current``, both (h, w) float32 L*.

    Safe to call from many threads at once; the work is in OpenCV, which lets go of the GIL.
    """
    if previous.shape != current.shape:
        raise ValueError(f"cannot match {previous.shape} with {current.shape}")
    return match_structures(structure(previous), structure(current))


def match_structures(previous: Structure, current: Structure) -> Motion:
    """`match` for images that went through `structure` already."""
    matcher = _matcher()
    flow = np.asarray(matcher.calc(current, previous, None), np.float32)
    back = np.asarray(matcher.calc(previous, current, None), np.float32)
    return Motion(flow, _confidence(previous, current, flow, back))


def _confidence(previous: Structure, current: Structure, flow: Float32, back: Float32) -> Float32:
    """exp(-(round trip error)² - (photometric error)²), computed at half size and smoothed."""
    height, width = current.shape
    half = (max(1, width // 2), max(1, height // 2))
    there = cv2.resize(flow, half, interpolation=cv2.INTER_AREA)
    again = cv2.resize(back, half, interpolation=cv2.INTER_AREA)
    x, y = _grid(half[1], half[0])
    # Half-size positions; the flow itself stays in pixels of the full image.
    to_x = x + there[..., 0] * (half[0] / width)
    to_y = y + there[..., 1] * (half[1] / height)
    again = cv2.remap(again, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    again += there
    again *= again
    size = there[..., 0] ** 2 + there[..., 1] ** 2
    missed = (again[..., 0] + again[..., 1]) / (_ROUND_TRIP**2 + 0.01 * size)
    moved = warp(previous, flow)
    unlike = cv2.resize(cv2.absdiff(moved, current), half, interpolation=cv2.INTER_AREA)
    doubt = unlike.astype(np.float32)
    doubt *= doubt
    doubt /= _MISMATCH**2
    doubt += missed
    confidence = cv2.exp(-doubt)
    outside = (to_x < -0.5) | (to_x > half[0] - 0.5) | (to_y < -0.5) | (to_y > half[1] - 0.5)
    confidence[outside] = 0
    confidence = cv2.boxFilter(confidence, -1, (3, 3))
    return np.asarray(cv2.resize(confidence, (width, height)), np.float32)


def warp(image: NDArray[np.generic], flow: Float32) -> NDArray[np.generic]:
    """``image`` (h, w) or (h, w, c) of the previous moment, moved to where ``flow`` says it is now.

    Linear interpolation; what comes from outside the picture repeats its border. Where the flow is
    zero the values come back exactly.
    """
    height, width = flow.shape[:2]
    x, y = _grid(height, width)
    return cv2.remap(
        image,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> tuple[Float32, Float32]:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x.flags.writeable = y.flags.writeable = False
    return x, y


def motions(
    frames: Iterable[AnyFrame], pool: Executor | None = None, ahead: int = 8
) -> Iterator[tuple[AnyFrame, Motion | None]]:
    """Each frame with its motion since the one before; None at the first frame and at cuts.

    With a ``pool`` of threads up to ``ahead`` pairs are matched at once, while the stage before
    is already asked for later frames. The results do not depend on it.
    """
    waiting: deque[tuple[AnyFrame, Future[Motion] | None]] = deque()
    last: Structure | None = None
    try:
        for frame in frames:
            now = structure(frame.lightness)
            crossing = last is None or frame.cut
            if pool is None:
                yield frame, None if crossing else match_structures(last, now)  # type: ignore[arg-type]
            else:
                future = None if crossing else pool.submit(match_structures, last, now)
                waiting.append((frame, future))
                if len(waiting) > ahead:
                    done, pending = waiting.popleft()
                    yield done, pending.result() if pending else None
            last = now
        while waiting:
            done, pending = waiting.popleft()
            yield done, pending.result() if pending else None
    finally:
        for _, pending in waiting:
            if pending:
                pending.cancel()
