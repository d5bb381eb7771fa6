"""How steady the colours of a film are, and what steadiness cost.

Always read the three together: warp error falls when colours fade, which colourfulness shows, and
when they are smeared, which PSNR against a truth shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SourceError

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class JudgeFlow:
    """Another party's flow for the first frames of a film.

    ``flow`` (T, h, w, 2) float32 maps pixels of frame t + 1 to frame t, in pixels of its own size;
    ``valid`` (T, h, w) is True where the point is visible in both.
    """

    flow: Float32
    valid: NDArray[np.bool_]


def load_judge(path: Path) -> JudgeFlow:
    """Read an ``.npz``: ``flow`` (T, 2, h, w) int16 in 1/16 pixel, and ``valid``, packed bits.

    Raises SourceError when it is not such a file.
    """
    try:
        with np.load(path) as data:
            flow = data["flow"].astype(np.float32) / 16
            count, _, height, width = flow.shape
            bits = np.unpackbits(data["valid"].reshape(count, -1), axis=1)[:, : height * width]
            valid = bits.reshape(count, height, width).astype(bool)
    except (OSError, KeyError, ValueError) as error:
        raise SourceError(f"{path}: not a flow file: {error}") from error
    return JudgeFlow(np.ascontiguousarray(flow.transpose(0, 2, 3, 1)), valid)


def warp_error(ab: list[Float32], judge: JudgeFlow) -> float:
    """Mean distance, in a*b* units, between each frame's ab and the last one's moved onto it.

    ``ab`` are (h, w, 2) pictures of the judge's size. After Lai et al., "Learning Blind Video
    Temporal Consistency" (ECCV 2018), on ab instead of RGB, over non-occluded pixels.
    """
    errors = []
    for before, now, flow, valid in zip(ab, ab[1:], judge.flow, judge.valid, strict=False):
        height, width = now.shape[:2]
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        to_x = (x + flow[..., 0]).astype(np.float32)
        to_y = (y + flow[..., 1]).astype(np.float32)
        moved = cv2.remap(before, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        errors.append(float(np.linalg.norm(moved - now, axis=2)[valid].mean()))
    return float(np.mean(errors))
