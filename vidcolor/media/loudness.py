"""How loud sound is from moment to moment, so that two tracks of other codecs can be compared."""

from __future__ import annotations

from array import array
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

STEP = Fraction(1, 10)
"""Seconds of a moment."""
_PLANES = 8
"""As many as a frame has room for by itself; behind so many, or more, PyAV reads on."""


class Loudness:
    """Gathers decoded frames; some 80 bytes for each second of sound."""

    def __init__(self) -> None:
        self._squares = array("d")
        self._counts = array("d")

    def add(self, at: Fraction, frame: AudioFrame, first: int, last: int) -> None:
        """The samples from ``first`` to before ``last`` of ``frame``, to be heard ``at`` seconds
        after the track's first one."""
        squares = _squares(frame)[first:last]
        if not len(squares):
            return
        start = int(at * frame.sample_rate)
        # In whole numbers, and exactly: some rates have no whole number of samples in a moment.
        moments = (start + np.arange(len(squares))) * STEP.denominator // frame.sample_rate
        begun = np.flatnonzero(np.diff(moments, prepend=-1))
        missing = int(moments[-1]) + 1 - len(self._squares)
        self._squares.extend([0.0] * missing)
        self._counts.extend([0.0] * missing)
        ends = [*begun[1:].tolist(), len(squares)]
        for begin, end in zip(begun.tolist(), ends, strict=True):
            moment = int(moments[begin])
            self._squares[moment] += float(squares[begin:end].sum())
            self._counts[moment] += end - begin

    def levels(self) -> NDArray[np.float64]:
        """Of each moment the root of the mean square of all channels, 1 for full scale."""
        found: NDArray[np.float64] = np.sqrt(
            np.asarray(self._squares) / np.maximum(np.asarray(self._counts), 1.0)
        )
        return found


def _squares(frame: AudioFrame) -> NDArray[np.float64]:
    """Of each sample the mean of its channels' squares, apart from what all of the frame is off."""
    if frame.format.is_planar and frame.layout.nb_channels >= _PLANES:
        frame.pts = None
        mixer = AudioResampler("flt", frame.layout, frame.sample_rate)
        (frame,) = mixer.resample(frame)
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    signed = values.astype(np.float64)
    if values.dtype == np.uint8:
        signed -= 128.0
    if values.dtype.kind in "iu":
        signed /= 2.0 ** (8 * values.dtype.itemsize - 1)
    # Old captures are off by a constant, which some codecs keep and some do not.
    signed -= signed.mean(axis=1, keepdims=True)
    means: NDArray[np.float64] = np.square(signed, out=signed).mean(axis=0)
    return means
