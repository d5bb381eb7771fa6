"""The motion by which colours are judged: another party's, read from a file, or our own."""

from __future__ import annotations

import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SourceError, SourceNotFoundError, UsageError
from vidcolor.flow import link, structure

Float32 = NDArray[np.float32]

_UNFIT = (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises over files that are damaged, or hold something else."""
_TRUST = 0.5
"""Confidence of our own flow above which a point counts as visible in both frames."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the points of one frame were in an earlier one.

    ``flow`` (h, w, 2) float32, x first, in pixels: what is at (x, y) now was at (x + u, y + v).
    ``valid`` (h, w) is True where the point is visible in both.
    """

    flow: Float32
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class JudgeFlow:
    """The motion in a film's first frames, by which colours are judged.

    ``flow`` (T, h, w, 2) float32 maps pixels of frame t + 1 to frame t, in pixels of its own size;
    ``valid`` (T, h, w) is True where the point is visible in both.
    """

    flow: Float32
    valid: NDArray[np.bool_]

    def traces(self) -> list[Trace]:
        """From each frame to the one before, the second frame's first."""
        return [Trace(flow, valid) for flow, valid in zip(self.flow, self.valid, strict=True)]


def load_judge(path: Path) -> JudgeFlow:
    """Read an ``.npz``: ``flow`` (T, 2, h, w) int16 in 1/16 pixel, and ``valid``, packed bits.

    Raises SourceError when it is not such a file.
    """
    try:
        # Of anything else NumPy says how it could be loaded without safety.
        if not zipfile.is_zipfile(path):
            raise ValueError("no .npz")
        with np.load(path) as data:
            flow = data["flow"].astype(np.float32) / 16
            count, _, height, width = flow.shape
            bits = np.unpackbits(data["valid"].reshape(count, -1), axis=1)[:, : height * width]
            valid = bits.reshape(count, height, width).astype(bool)
    except _UNFIT as error:
        raise SourceError(f"{path}: not a flow file: {error}") from error
    return JudgeFlow(np.ascontiguousarray(flow.transpose(0, 2, 3, 1)), valid)


def find_flow(
    flow: Path | None, clip: Path, clips: int, warn: Callable[[str], None]
) -> Path | None:
    """The flow file for one of ``clips`` clips: ``flow`` itself, or in that folder the file of the
    clip's name that ends in ``.npz``.

    ``warn`` is told when the folder holds none for this clip. Raises SourceNotFoundError when
    there is no such file or folder, UsageError for one file and several clips.
    """
    if flow is None:
        return None
    if flow.is_dir():
        path = flow / f"{clip.stem}.npz"
        if path.is_file():
            return path
        warn(f"{clip.name}: there is no {path}; judged by our own flow alone")
        return None
    if not flow.is_file():
        raise SourceNotFoundError(f"{flow}: no such flow file or folder")
    if clips > 1:
        raise UsageError(f"--flow {flow}: one file judges one clip; name a folder for {clips}")
    return flow


def own_trace(previous: Float32, current: Float32) -> Trace:
    """The trace that `vidcolor.flow` finds between two L* images (h, w), at the size of motions.

    The film pipeline steadies along this very flow, so it judges itself mildly; another party's
    flow is the better judge where there is one.
    """
    motion = link(structure(previous), structure(current)).onward
    return Trace(motion.flow, motion.confidence > _TRUST)


def own_judge(lights: Sequence[Float32]) -> JudgeFlow:
    """Our own flow through the L* images (h, w) of one shot, two at least; see `own_trace`."""
    traces = [own_trace(one, two) for one, two in pairwise(lights)]
    return JudgeFlow(
        np.stack([trace.flow for trace in traces]), np.stack([trace.valid for trace in traces])
    )


def join(traces: Sequence[Trace]) -> Trace:
    """One trace over several frames, from those of its steps, the latest first.

    A point is followed from frame to frame; it is valid if it was in every step.
    """
    height, width = traces[0].valid.shape
    x, y = _grid(height, width)
    to_x, to_y, valid = x, y, np.ones((height, width), bool)
    for trace in traces:
        u, v = cv2.split(_sample(trace.flow, to_x, to_y))
        seen = cv2.remap(
            trace.valid.astype(np.uint8),
            to_x,
            to_y,
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=0,
        )
        valid &= seen > 0
        to_x, to_y = to_x + u, to_y + v
    return Trace(np.dstack((to_x - x, to_y - y)), valid)


class Trail:
    """The traces of the last ``span`` steps of a film, joined to one."""

    def __init__(self, span: int) -> None:
        self._latest: deque[Trace] = deque(maxlen=span)

    def add(self, trace: Trace | None) -> Trace | None:
        """Take the next frame's trace to the one before; None begins anew, as at a cut.

        Returns the trace over ``span`` frames, None where it would begin before the film.
        """
        if trace is None:
            self._latest.clear()
            return None
        self._latest.appendleft(trace)
        return join(list(self._latest)) if len(self._latest) == self._latest.maxlen else None


def _grid(height: int, width: int) -> tuple[Float32, Float32]:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x, y


def _sample(picture: Float32, x: Float32, y: Float32) -> Float32:
    found = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)
