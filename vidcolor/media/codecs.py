"""What is known of each encoder: its names, where it goes, the options that suit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from vidcolor.frames import Matrix

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "h264": ("libx264",),
        "avc": ("libx264",),
        "h265": ("libx265",),
        "hevc": ("libx265",),
        "av1": ("libsvtav1", "libaom-av1", "librav1e"),
        "vp9": ("libvpx-vp9",),
        "vp8": ("libvpx",),
        "prores": ("prores_ks", "prores"),
        "dnxhd": ("dnxhd",),
        "dnxhr": ("dnxhd",),
        "ffv1": ("ffv1",),
    }
)
"""Common names, each with the encoders that can stand for it, best first."""

DEFAULTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mp4": ("libx264", "libx265"),
        "mov": ("libx264", "libx265"),
        "matroska": ("libx264", "libx265", "ffv1"),
        "webm": ("libvpx-vp9", "libsvtav1"),
    }
)
"""What a container gets if nothing is asked for: the first that takes the source's depth."""


FieldMarks = Literal["film", "frame"]
"""How an encoder of interlaced video says so: once for all frames, or of each alone."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The options an encoder gets unless the settings say otherwise, and what it cannot do."""

    crf: float | None = None
    """None where the encoder has no constant rate factor."""
    crf_option: str = "crf"
    """What the encoder calls that factor."""
    options: Mapping[str, str] = field(default_factory=dict)
    efforts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What differs in ``options`` with ``fast`` and with ``slow`` effort."""
    profiles: Mapping[str, str] = field(default_factory=dict)
    """The profile for each pixel format, where the encoder does not find it by itself."""
    odd_sizes: bool = True
    """Whether it takes odd widths and heights with halved chroma."""
    full_range: bool = True
    """Whether its files can say that the codes span the full range."""
    matrix: Matrix | None = None
    """The only one that its files say, whichever is meant; None where they say any."""
    fields: FieldMarks | None = None
    """None where it writes no interlaced video."""
    captions: bool = False
    """Whether it writes closed captions into the picture's stream."""
    formats: frozenset[str] | None = None
    """The only pixel formats to use of those it takes; None for all."""


_QUIET_X265 = "log-level=none"
_X26X_EFFORTS = {"fast": {"preset": "veryfast"}, "slow": {"preset": "slow"}}


def _nvenc(quality: float) -> Tuning:
    """NVIDIA's, by its constant quality: without ``b=0`` that would give way to a bit rate.

    Of more than 8 bits it takes no format with Cb and Cr in planes of their own.
    """
    return Tuning(
        quality,
        "cq",
        {"preset": "p5", "tune": "hq", "rc": "vbr", "b": "0"},
        {"fast": {"preset": "p3"}, "slow": {"preset": "p7"}},
        odd_sizes=False,
        formats=frozenset({"yuv420p", "yuv444p"}),
    )


TUNINGS: Mapping[str, Tuning] = MappingProxyType(
    {
        "libx264": Tuning(
            18,
            "crf",
            {"preset": "medium"},
            _X26X_EFFORTS,
            odd_sizes=False,
            fields="film",
            captions=True,
        ),
        "libx265": Tuning(
            20,
            "crf",
            # Its own log would go straight to stderr, past FFmpeg's. Others write captions unasked.
            {"preset": "medium", "x265-params": _QUIET_X265, "a53cc": "1"},
            _X26X_EFFORTS,
            odd_sizes=False,
            captions=True,
        ),
        "libsvtav1": Tuning(
            24, "crf", {"preset": "8"}, {"fast": {"preset": "10"}, "slow": {"preset": "5"}}
        ),
        # ``b=0`` makes the rate factor the only aim; row-mt lets one picture use several cores.
        "libvpx-vp9": Tuning(
            24,
            "crf",
            {"b": "0", "row-mt": "1", "deadline": "good", "cpu-used": "4"},
            {"fast": {"deadline": "realtime", "cpu-used": "7"}, "slow": {"cpu-used": "2"}},
        ),
        # VP8 says nothing of colours but that they are these.
        "libvpx": Tuning(
            10,
            "crf",
            {"b": "8M", "deadline": "good", "cpu-used": "4"},
            {"fast": {"deadline": "realtime", "cpu-used": "7"}, "slow": {"cpu-used": "1"}},
            full_range=False,
            matrix="bt601",
        ),
        "ffv1": Tuning(options={"level": "3", "slicecrc": "1"}, fields="frame"),
        "prores_ks": Tuning(
            profiles={"yuv422p10le": "hq", "yuv444p10le": "4444"},
            full_range=False,
            fields="frame",
        ),
        "dnxhd": Tuning(
            profiles={
                "yuv422p": "dnxhr_hq",
                "yuv422p10le": "dnxhr_hqx",
                "yuv444p10le": "dnxhr_444",
            },
            # FFmpeg's encoder has no place for another.
            matrix="bt709",
        ),
        # The ffmpeg program's ``-qscale 2``, in FFmpeg's unit of 1/118.
        "mpeg4": Tuning(options={"flags": "+qscale", "global_quality": "236"}, fields="frame"),
        "h264_nvenc": _nvenc(20),
        "hevc_nvenc": _nvenc(22),
        "av1_nvenc": _nvenc(28),
    }
)

LOSSLESS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "libx264": {"qp": "0"},
        "libx265": {"x265-params": f"{_QUIET_X265}:lossless=1"},
        "libvpx-vp9": {"crf": "0", "lossless": "1"},
        "libsvtav1": {"svtav1-params": "lossless=1"},
        "h264_nvenc": {"tune": "lossless", "rc": "constqp", "qp": "0"},
        "hevc_nvenc": {"tune": "lossless", "rc": "constqp", "qp": "0"},
    }
)

REFUSED: Mapping[str, frozenset[str]] = MappingProxyType(
    {"mov": frozenset({"libsvtav1", "libaom-av1", "librav1e", "av1_nvenc"})}
)
"""Encoders that a container refuses, of those between which presets leave the choice."""
