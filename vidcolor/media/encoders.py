"""Which encoder writes the picture, and in which pixel format: pure choices, no file touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

import av

from vidcolor.errors import EncodeError
from vidcolor.frames import VideoInfo
from vidcolor.media.hdr import light_options
from vidcolor.media.picture import picture_of, planar
from vidcolor.settings import EncoderSettings

# Common names, each with the encoders that can stand for it, best first.
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
    }
)

# What a container gets if nothing is asked for: the first that takes the source's depth.
DEFAULTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mp4": ("libx264", "libx265"),
        "mov": ("libx264", "libx265"),
        "matroska": ("libx264", "libx265", "ffv1"),
        "webm": ("libvpx-vp9", "libsvtav1"),
    }
)


@dataclass(frozen=True, slots=True)
class Tuning:
    """The options an encoder gets unless the settings say otherwise."""

    crf: float | None = None
    """None where the encoder has no constant rate factor."""
    options: Mapping[str, str] = field(default_factory=dict)
    odd_sizes: bool = True
    """Whether it takes odd widths and heights with halved chroma."""


_QUIET_X265 = "log-level=none"

TUNINGS: Mapping[str, Tuning] = MappingProxyType(
    {
        "libx264": Tuning(18, {"preset": "medium"}, odd_sizes=False),
        # Its own log would go straight to stderr, past FFmpeg's.
        "libx265": Tuning(20, {"preset": "medium", "x265-params": _QUIET_X265}, False),
        "libsvtav1": Tuning(24, {"preset": "8"}),
        # ``b=0`` makes the rate factor the only aim; row-mt lets one picture use several cores.
        "libvpx-vp9": Tuning(24, {"b": "0", "row-mt": "1", "deadline": "good", "cpu-used": "4"}),
        "libvpx": Tuning(10, {"b": "8M", "deadline": "good", "cpu-used": "4"}),
        "ffv1": Tuning(None, {"level": "3", "slicecrc": "1"}),
        "prores_ks": Tuning(None, {"profile": "hq"}),
        "dnxhd": Tuning(None, {"profile": "dnxhr_hq"}),
        # The ffmpeg program's ``-qscale 2``, in FFmpeg's unit of 1/118.
        "mpeg4": Tuning(None, {"flags": "+qscale", "global_quality": "236"}),
    }
)

_LOSSLESS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "libx264": {"qp": "0"},
        "libx265": {"x265-params": f"{_QUIET_X265}:lossless=1"},
        "libvpx-vp9": {"crf": "0", "lossless": "1"},
        "libsvtav1": {"svtav1-params": "lossless=1"},
    }
)

# Asked for by hand, these replace the default rate factor, which would win over them.
_OTHER_RATES = frozenset({"b", "qp"})

# Finer first, then coarser: our chroma is made for the target, so a finer grid loses nothing.
_NEAREST = {
    "420": ("420", "422", "444"),
    "422": ("422", "444", "420"),
    "444": ("444", "422", "420"),
    "440": ("440", "444", "422", "420"),
    "411": ("411", "422", "444", "420"),
    "410": ("410", "420", "422", "444"),
}
_FINENESS = {"444": 4, "422": 2, "440": 2, "420": 1, "411": 1, "410": 0}


@dataclass(frozen=True, slots=True)
class Choice:
    """An encoder, its pixel format and options, and what the user should know about them."""

    encoder: str
    pixel_format: str
    depth: int
    """Bits per sample as encoded; more than the source's where the encoder takes no fewer."""
    options: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def choose(info: VideoInfo, settings: EncoderSettings, container: str) -> Choice:
    """Decide how to write a film like ``info`` into ``container`` (FFmpeg's muxer name).

    The rules, in this order:

    - the encoder is the one asked for, else the container's first default that takes the depth;
    - the depth is the source's; where the encoder only has deeper formats, studio-range codes are
      shifted up, which is exact, and full-range ones are refused;
    - the chroma grid is the source's, 4:2:0 for grey, RGB and palette sources; 4:4:4 for odd sizes
      with encoders that refuse those; else the nearest the encoder has; alpha is dropped.

    Raises EncodeError for an unknown encoder, or one that cannot take the depth (the message names
    some that can).
    """
    if settings.codec is not None:
        return _with(find_encoder(settings.codec), info, settings)
    candidates = [name for name in DEFAULTS.get(container, ("libx264",)) if _formats(name)]
    if not candidates:
        raise EncodeError(f"no encoder for {container} in this build of FFmpeg; give --codec")
    for name in candidates:
        if _exact(name, info.color.depth):
            return _with(name, info, settings, instead_of=candidates[0])
    return _with(candidates[0], info, settings)


def find_encoder(name: str) -> str:
    """The encoder that ``name`` (common or FFmpeg's own) stands for. Raises EncodeError."""
    for encoder in NAMES.get(name.lower(), (name,)):
        if _formats(encoder):
            return encoder
    raise EncodeError(
        f"no video encoder {name!r} in this build of FFmpeg; try one of {', '.join(sorted(NAMES))}"
        ", ffv1"
    )


@cache
def _formats(encoder: str) -> frozenset[str]:
    try:
        codec = av.Codec(encoder, "w")
    except ValueError:
        return frozenset()
    if codec.type != "video":
        return frozenset()
    return frozenset(pixels.name for pixels in codec.video_formats or ())


def _exact(encoder: str, depth: int) -> bool:
    return any(planar(grid, depth) in _formats(encoder) for grid in _NEAREST)


def _with(
    encoder: str, info: VideoInfo, settings: EncoderSettings, instead_of: str | None = None
) -> Choice:
    picture, tuning = picture_of(info.pixel_format), TUNINGS.get(encoder, Tuning())
    warnings = []
    if instead_of not in (None, encoder):
        warnings.append(f"{instead_of} does not take {info.color.depth} bits, {encoder} is used")
    if picture.alpha:
        warnings.append("the picture's transparency is dropped")
    depth = _depth(encoder, info)
    if depth != info.color.depth:
        warnings.append(f"{encoder} takes no {info.color.depth} bits: written exactly in {depth}")
    grid = picture.subsampling
    odd = bool(info.width % 2 and grid in ("420", "422", "411", "410")) or bool(
        info.height % 2 and grid in ("420", "440", "410")
    )
    if odd and not tuning.odd_sizes:
        warnings.append(
            f"{encoder} takes no odd sizes such as {info.width}x{info.height} with 4:2:0 or 4:2:2 "
            "chroma: written as 4:4:4"
        )
        grid = "444"
    formats = _formats(encoder)
    fitting = [near for near in _NEAREST[grid] if planar(near, depth) in formats]
    if not fitting or (odd and not tuning.odd_sizes and fitting[0] != "444"):
        raise EncodeError(
            f"{encoder} cannot write a {info.width}x{info.height} picture of {depth} bits; "
            "use ffv1, or scale the film to an even size"
        )
    if _FINENESS[fitting[0]] < _FINENESS[grid]:
        warnings.append(f"{encoder} has no 4:{grid[1]}:{grid[2]}: colour is written as 4:2:0")
    light, lost = light_options(encoder, info.light)
    warnings += lost
    return Choice(
        encoder=encoder,
        pixel_format=planar(fitting[0], depth),
        depth=depth,
        options=_options(encoder, tuning, settings, light),
        warnings=tuple(warnings),
    )


def _depth(encoder: str, info: VideoInfo) -> int:
    depth = info.color.depth
    known = sorted({picture_of(name).depth for name in _formats(encoder) if name.startswith("yuv")})
    known = [bits for bits in known if _exact(encoder, bits)]
    if depth in known:
        return depth
    deeper = [bits for bits in known if bits > depth]
    if deeper and not info.color.full_range:
        return deeper[0]
    able = [name for name in TUNINGS if _formats(name) and _exact(name, depth)]
    raise EncodeError(
        f"{encoder} takes {' or '.join(map(str, known)) or 'no usable'} bits per sample, the film "
        f"has {depth}; encoders that can: {', '.join(able) or 'none'}"
    )


def _options(
    encoder: str, tuning: Tuning, settings: EncoderSettings, light: Mapping[str, str]
) -> dict[str, str]:
    options = dict(tuning.options)
    crf = None if _OTHER_RATES & settings.options.keys() else tuning.crf
    crf = crf if settings.crf is None else settings.crf
    if settings.crf is not None and tuning.crf is None and encoder in TUNINGS:
        raise EncodeError(f"{encoder} has no constant rate factor; leave --crf out")
    if crf is not None:
        # Rate factor 0 means lossless to users; to the encoders it does so in 8-bit x264 alone.
        exact = _LOSSLESS.get(encoder) if crf == 0 else None
        options.update(exact or {"crf": f"{crf:g}"})
    # Lists of parameters add up; of a parameter given twice the last counts.
    for key, value in (*light.items(), *settings.options.items()):
        joined = key.endswith("-params") and key in options
        options[key] = f"{options[key]}:{value}" if joined else value
    return options
