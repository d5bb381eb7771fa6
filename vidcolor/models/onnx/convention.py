"""A film's lightness in the terms of a network, and the network's answer as a* and b*."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidcolor.color import lab_from_rgb
from vidcolor.errors import ModelError
from vidcolor.gamut import luminance_of, rgb_from_signed
from vidcolor.models.onnx.description import INPUTS, OUTPUTS, Description, Side
from vidcolor.scaling import scaled
from vidcolor.transfer import encoded

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_BT601 = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Convention:
    """A description, with the colours of its bins (n, 2) where it has any."""

    description: Description
    bins: Float64 | None = None

    @classmethod
    def beside(cls, path: Path, description: Description) -> Convention:
        """That of the network in ``path``. Raises ModelError when its bins cannot be read."""
        bins = description.output.kind == "bins"
        return cls(description, _read_bins(path, description.bins) if bins else None)

    @property
    def channels(self) -> int:
        """Those of the output."""
        return OUTPUTS[self.description.output.kind] if self.bins is None else len(self.bins)

    def picture(self, lightness: Float32, size: tuple[int, int]) -> Float32:
        """``lightness`` (h, w) as the network wants it: one picture of ``size``, in its layout."""
        side = self.description.input
        light = _resized(lightness, size)
        value = light if side.kind == "lightness" else _grey(light)
        planes = np.repeat(value[..., None], INPUTS[side.kind], axis=-1)
        told = ((planes * side.scale - np.array(side.mean)) / np.array(side.std))[None]
        if side.layout == "NCHW":
            told = told.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(told, np.float32)

    def ab(self, answer: Float32, lightness: Float32) -> Float32:
        """The network's ``answer``, (C, h, w) or (h, w, C), to ab (2, h, w) float32.

        ``lightness`` is that of the picture it answers to, of any size: a colour picture's chroma
        is put under its luma, as DeOldify's author does.
        """
        side, value = self.description.output, self._value(answer)
        if side.kind == "ab":
            ab = value
        elif side.kind == "bins":
            ab = self._mean(value)
        else:
            ab = _under(_grey(_resized(lightness, value.shape[:2])), value, side)
        return np.ascontiguousarray(ab.transpose(2, 0, 1), np.float32)

    def off(self, answer: Float32, lightness: Float32) -> float:
        """How far the luma of an answered picture is from that of the grey one, on average.

        In shares of white, for R'G'B'; infinite where the network answered no numbers.
        """
        value = self._value(answer)
        far = np.abs(value @ _BT601 - _grey(_resized(lightness, value.shape[:2]))).mean()
        return float(far) if np.isfinite(far) else np.inf

    def _value(self, answer: Float32) -> Float64:
        """(h, w, C), in a* and b*, shares of white, or scores."""
        side = self.description.output
        planes = answer.transpose(1, 2, 0) if side.layout == "NCHW" else answer
        value = (planes * np.array(side.std) + np.array(side.mean)) / side.scale
        return np.asarray(value, np.float64)

    def _mean(self, scores: Float64) -> Float64:
        assert self.bins is not None
        if not self.description.probabilities:
            scores = scores / self.description.temperature
            scores = np.exp(scores - scores.max(-1, keepdims=True))
        return np.asarray(scores / scores.sum(-1, keepdims=True) @ self.bins, np.float64)


def _under(grey: Float64, value: Float64, side: Side) -> Float64:
    if side.kind == "yuv":
        shown = rgb_from_signed(grey, value[..., 1], value[..., 2], "bt601")
    else:
        rgb = np.clip(value if side.kind == "rgb" else value[..., ::-1], 0, 1)
        shown = rgb + (grey - rgb @ _BT601)[..., None]
    return lab_from_rgb(np.clip(shown, 0, 1))[..., 1:]


def _grey(lightness: Float64) -> Float64:
    """The code of a grey in sRGB, 0 … 1."""
    return encoded(luminance_of(np.clip(lightness, 0, 100)), "sdr")


def _resized(lightness: Float32, size: tuple[int, ...]) -> Float64:
    return scaled(lightness, size).astype(np.float64)


def _read_bins(path: Path, name: str) -> Float64:
    file = path.parent / name
    try:
        bins = np.load(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise ModelError(
            f"{path}: its answer is scores of colours, which {name} lists; put that file beside it"
        ) from error
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(f"{file}: cannot be read as colours: {error}") from error
    if not isinstance(bins, np.ndarray) or bins.ndim != 2 or bins.shape[1] != 2:
        raise ModelError(f"{file}: must be an array of (n, 2) a* and b*")
    if not np.issubdtype(bins.dtype, np.number) or not np.isfinite(bins).all():
        raise ModelError(f"{file}: must hold numbers, all of them finite")
    return bins.astype(np.float64)
