"""Devices that decode: which there are here, and what each needs.

Software's decoders are FFmpeg's own, and most of these devices join in there: the decoder reads the
headers as ever and leaves the making of the picture to the device. Only what works in this way is
known here, not decoders that are wholly a device's (``h264_qsv``, ``h264_cuvid``).
"""

from __future__ import annotations

from functools import cache

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.stream import VideoStream

from vidcolor.errors import DeviceError
from vidcolor.media.faults import FAULTS
from vidcolor.settings import SOFTWARE

_NEEDS = {
    "cuda": "an NVIDIA GPU with a video decoder and its driver",
    "d3d11va": "Windows and a GPU that decodes video",
    "d3d12va": "Windows and a GPU that decodes video",
    "dxva2": "Windows and a GPU that decodes video",
    "vaapi": "a GPU with a VA-API driver",
    "vdpau": "a GPU with a VDPAU driver",
    "videotoolbox": "a Mac",
    "vulkan": "a GPU with Vulkan's video extensions",
}
_COMMON = ("h264", "hevc")
"""Every device decodes one of these at least."""


def known() -> tuple[str, ...]:
    """The devices that this build of FFmpeg decodes with, whether or not they are here."""
    return tuple(name for name in hwdevices_available() if any(_formats(name, c) for c in _COMMON))


def check_device(name: str) -> None:
    """Raise DeviceError unless ``name`` is software or a device that can be opened here."""
    if name == SOFTWARE:
        return
    if name not in known():
        valid = " and ".join((SOFTWARE, *known()))
        raise DeviceError(
            f"decoder {name!r}: this build of FFmpeg does not decode with it; valid are {valid}"
        )
    if not _opens(name):
        what = _NEEDS.get(name, "a device of that kind and its driver")
        raise DeviceError(
            f"decoder {name!r}: it needs {what}, which is not here; use --decoder {SOFTWARE}, "
            "or leave it out"
        )


def accelerator(name: str) -> HWAccel:
    """What `av.open` takes to decode with device ``name``.

    A film that the device does not take is then decoded by software, which `decodes` tells.
    """
    return HWAccel(name, allow_software_fallback=True)


def decodes(name: str, stream: VideoStream) -> bool:
    """Whether the pictures that ``stream`` has given were made by device ``name``, since the last
    change of their size or format."""
    return stream.codec_context.pix_fmt in _formats(name, stream.codec_context.codec.name)


@cache
def _formats(name: str, decoder: str) -> frozenset[str]:
    """The formats in which FFmpeg's ``decoder`` leaves pictures in the memory of device ``name``;
    none where they cannot work together."""
    configs = av.Codec(decoder, "r").hardware_configs
    return frozenset(
        config.format.name
        for config in configs
        if config.is_supported and config.device_type.name == name and config.format is not None
    )


@cache
def _opens(name: str) -> bool:
    for decoder in _COMMON:
        if _formats(name, decoder):
            try:
                HWAccel(name).create(av.Codec(decoder, "r"))
            except FAULTS:
                continue
            return True
    return False
