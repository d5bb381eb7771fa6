"""Which encoder writes the picture, and in which pixel format: pure choices, no file touched."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

import av

from vidcolor.errors import EncodeError
from vidcolor.frames import ColorSpec, VideoInfo
from vidcolor.media.codecs import (
    DEFAULTS,
    LOSSLESS,
    NAMES,
    REFUSED,
    TUNINGS,
    FieldMarks,
    Tuning,
)
from vidcolor.media.hardware import needs, usable
from vidcolor.media.hdr import light_options
from vidcolor.media.picture import picture_of, planar
from vidcolor.settings import EncoderSettings

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
    color: ColorSpec
    """How the codes are to be read as encoded; the source's own as a rule."""
    options: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    fields: FieldMarks | None = None
    """How it marks an interlaced film's frames; None for a progressive film."""
    captions: bool = False
    """Whether it writes the captions that come with frames."""


def choose(info: VideoInfo, settings: EncoderSettings, container: str) -> Choice:
    """Decide how to write a film like ``info`` into ``container`` (FFmpeg's muxer name).

    The rules, in this order:

    - the encoder is the first of those asked for, else of the container's defaults, that can be
      used here, takes the depth and the range and can write an interlaced film as such;
    - the depth is the source's; where the encoder only has deeper formats, studio-range codes are
      shifted up, which is exact, and full-range ones are refused; if the settings limit the depth,
      what cannot be kept exactly is rounded instead;
    - the chroma grid is the settings', else the source's, 4:2:0 for grey, RGB and palette sources;
      4:4:4 for odd sizes with encoders that refuse those; else the nearest the encoder has; alpha
      is dropped.

    Raises EncodeError for an unknown encoder, or one that cannot take the depth or an interlaced
    film (the message names some that can).
    """
    candidates, lacking = _candidates(settings, container)
    for name in candidates:
        written = _written(name, info.color, settings)
        if written is not None and _takes_frames(name, info):
            choice = _with(name, written, info, settings, instead_of=candidates[0])
            told = [f"{lack}, which is not here: {name} is used" for lack in lacking]
            return replace(choice, warnings=(*told, *choice.warnings))
    able = [name for name in TUNINGS if usable(name) and _written(name, info.color, settings)]
    if info.interlaced and set(able) & set(candidates):
        lines = f" of {info.height} lines" if any(map(_marks, candidates)) else ""
        able = [name for name in able if _takes_frames(name, info) and _formats(name)]
        raise EncodeError(
            f"{' and '.join(candidates)} cannot write interlaced video{lines}, which {info.path} "
            f"is; give --codec one that can ({', '.join(able)}), or --deinterlace"
        )
    raise EncodeError(
        f"{' and '.join(candidates)} cannot keep {_codes(info.color)}; name an .mkv file, or give "
        f"--codec one that can: {', '.join(able) or 'none'}"
    )


def with_all_greys(info: VideoInfo, settings: EncoderSettings, container: str) -> VideoInfo:
    """``info``, with luma of the full range where that is made of R'G'B' and FFV1 keeps it.

    Studio range, as everywhere else, would leave 219 of 255 steps between greys.
    """
    if picture_of(info.pixel_format).coded:
        return info
    full = replace(info, color=replace(info.color, full_range=True))
    with suppress(EncodeError):
        if choose(full, settings, container).encoder == "ffv1":
            return full
    return info


def _candidates(settings: EncoderSettings, container: str) -> tuple[list[str], list[str]]:
    """The encoders to choose from that can be used here, best first, and what those need that
    cannot. Raises EncodeError if there is none to choose."""
    if settings.codec is None:
        names = DEFAULTS.get(container, ("libx264",))
        missing = f"no encoder for {container} in this build of FFmpeg; give --codec"
    else:
        names = tuple(name.strip() for name in settings.codec.split(","))
        missing = (
            f"no video encoder {settings.codec!r} in this build of FFmpeg; "
            f"try one of {', '.join(sorted(NAMES))}"
        )
    known, found = [], []
    for name in names:
        built = [coder for coder in NAMES.get(name.lower(), (name,)) if _formats(coder)]
        known += built
        found += [coder for coder in built if usable(coder)][:1]
    lacking = [f"{coder} needs {needs(coder)}" for coder in known if not usable(coder)]
    if lacking and not found:
        raise EncodeError(
            f"{lacking[0]}, which is not here; leave --codec out, or name another to take in its "
            f"place: --codec {settings.codec},h264"
        )
    if not found:
        raise EncodeError(missing)
    # One asked for alone is tried all the same: the container itself knows best.
    allowed = [coder for coder in found if coder not in REFUSED.get(container, ())] or found
    return allowed, lacking


@cache
def _formats(encoder: str) -> frozenset[str]:
    try:
        codec = av.Codec(encoder, "w")
    except ValueError:
        return frozenset()
    if codec.type != "video":
        return frozenset()
    formats = frozenset(pixels.name for pixels in codec.video_formats or ())
    return formats & (TUNINGS.get(encoder, Tuning()).formats or formats)


def _marks(encoder: str) -> FieldMarks | None:
    return TUNINGS.get(encoder, Tuning()).fields


def _takes_frames(encoder: str, info: VideoInfo) -> bool:
    """Whether it can write the film's frames: interlaced ones as two fields each, of any height."""
    if not info.interlaced:
        return True
    return _marks(encoder) is not None and (info.height % 2 == 0 or TUNINGS[encoder].odd_sizes)


def _depths(encoder: str) -> list[int]:
    """The depths it has planar Y'CbCr formats for, rising."""
    formats = _formats(encoder)
    depths = {picture_of(name).depth for name in formats if name.startswith("yuv")}
    return sorted(
        bits for bits in depths if any(planar(grid, bits) in formats for grid in _NEAREST)
    )


def _written(encoder: str, color: ColorSpec, settings: EncoderSettings) -> ColorSpec | None:
    """The codes in which it keeps those of ``color``; None if it cannot.

    They are moved without loss, unless the settings limit the depth: that allows rounding.
    """
    exact = settings.depth is None
    depth = min(color.depth, settings.depth or color.depth)
    full_range = color.full_range and TUNINGS.get(encoder, Tuning()).full_range
    fitting = [bits for bits in _depths(encoder) if bits >= depth]
    if not fitting:
        return None
    if exact and color.full_range and not (full_range and fitting[0] == depth):
        return None
    return replace(color, depth=fitting[0], full_range=full_range)


def _codes(color: ColorSpec) -> str:
    return f"{color.depth} bits of {'full' if color.full_range else 'studio'} range"


def _with(
    encoder: str, color: ColorSpec, info: VideoInfo, settings: EncoderSettings, *, instead_of: str
) -> Choice:
    picture, tuning = picture_of(info.pixel_format), TUNINGS.get(encoder, Tuning())
    own, depth = info.color, color.depth
    warnings = []
    if instead_of != encoder:
        taken = _written(instead_of, own, settings) is not None
        lack = "writes no interlaced video" if taken else f"does not take {_codes(own)}"
        warnings.append(f"{instead_of} {lack}, {encoder} is used")
    if picture.alpha:
        warnings.append("the picture's transparency is dropped")
    if color != own:
        exact = depth > own.depth and not own.full_range
        kept = "exactly" if exact else "rounded: luma is not kept exactly"
        warnings.append(f"{_codes(own)} are written in {_codes(color)}, {kept}")
    if tuning.matrix not in (None, own.matrix):
        warnings.append(
            f"{encoder} always says {tuning.matrix}, the colours are of {own.matrix}: they will "
            "look a little off"
        )
    grid = settings.chroma or picture.subsampling
    odd = bool(info.width % 2 and grid in ("420", "422", "411", "410")) or bool(
        info.height % 2 and grid in ("420", "440", "410")
    )
    # Then each field has an odd number of lines.
    halves = info.interlaced and info.height % 4 == 2 and grid == "420" and not odd
    if odd and not tuning.odd_sizes:
        warnings.append(
            f"{encoder} takes no odd sizes such as {info.width}x{info.height} with 4:2:0 or 4:2:2 "
            "chroma: written as 4:4:4, which some players do not show"
        )
        grid = "444"
    elif halves and not tuning.odd_sizes:
        warnings.append(
            f"{encoder} takes no interlaced 4:2:0 of {info.height} lines: written as 4:2:2"
        )
        grid = "422"
    formats = _formats(encoder)
    fitting = [near for near in _NEAREST[grid] if planar(near, depth) in formats]
    if not fitting or (odd and not tuning.odd_sizes and fitting[0] != "444"):
        raise EncodeError(
            f"{encoder} cannot write a {info.width}x{info.height} picture of {depth} bits; "
            "use ffv1, or scale the film to an even size"
        )
    if _FINENESS[fitting[0]] < _FINENESS[grid]:
        have, lack = (":".join(chroma) for chroma in (fitting[0], grid))
        warnings.append(f"{encoder} has no {lack}: colour is written as {have}")
    pixel_format = planar(fitting[0], depth)
    light, lost = light_options(encoder, info.light)
    warnings += lost
    if info.captions and not tuning.captions:
        warnings.append(f"closed captions in the picture are left out, {encoder} cannot take them")
    return Choice(
        encoder=encoder,
        pixel_format=pixel_format,
        color=color,
        options=_options(encoder, tuning, settings, pixel_format, light),
        warnings=tuple(warnings),
        fields=tuning.fields if info.interlaced else None,
        captions=tuning.captions,
    )


def _options(
    encoder: str,
    tuning: Tuning,
    settings: EncoderSettings,
    pixel_format: str,
    light: Mapping[str, str],
) -> dict[str, str]:
    options = {**tuning.options, **tuning.efforts.get(settings.effort, {})}
    if pixel_format in tuning.profiles:
        options["profile"] = tuning.profiles[pixel_format]
    if settings.crf is not None and tuning.crf is None and encoder in TUNINGS:
        raise EncodeError(f"{encoder} has no constant rate factor; leave --crf out")
    crf = settings.crf
    if crf is None and tuning.crf is not None and not _OTHER_RATES & settings.options.keys():
        crf = tuning.crf + settings.crf_shift
    if crf is not None:
        # Rate factor 0 means lossless to users; to the encoders it does so in 8-bit x264 alone.
        exact = LOSSLESS.get(encoder) if crf == 0 else None
        if crf == 0 and exact is None and tuning.crf_option == "cq":
            # There 0 stands for the encoder's own choice.
            raise EncodeError(f"{encoder} cannot be lossless; give a --crf above 0")
        options.update(exact or {tuning.crf_option: f"{crf:g}"})
    # Lists of parameters add up; of a parameter given twice the last counts.
    for key, value in (*light.items(), *settings.options.items()):
        joined = key.endswith("-params") and key in options
        options[key] = f"{options[key]}:{value}" if joined else value
    return options
