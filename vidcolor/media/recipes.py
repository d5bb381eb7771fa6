"""How sound is encoded: where the target's container refuses it as it is, or on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import av
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.codec.codec import Codec
from av.container import OutputContainer

_LOSSLESS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"mp4": ("flac", "alac"), "mov": ("alac",), "matroska": ("flac",)}
)
"""What takes lossless sound without loss, by container, best first."""

_LOSSY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"mp4": ("aac",), "mov": ("aac",), "matroska": ("aac",), "webm": ("libopus",)}
)
"""What takes any sound, by container, best first."""

_NAMES = {"libopus": "opus", "libmp3lame": "mp3"}
_ENCODERS = {name: encoder for encoder, name in _NAMES.items()}
_FOR_AAC: Mapping[str, str] = MappingProxyType({"5.0(side)": "5.0", "5.1(side)": "5.1"})
"""What has a number of its own there; described in words instead, many players do not know it."""
_RATE_PER_CHANNEL = 96_000
_HIGHEST_RATE_PER_CHANNEL = 256_000
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}


def named_layout(layout: AudioLayout) -> str | None:
    """The name of ``layout`` or, where that only counts its channels, of what so many usually are;
    None if nobody knows."""
    if layout.name.endswith(" channels"):
        return _USUAL_LAYOUTS.get(layout.nb_channels)
    return layout.name


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a track is encoded, by FFmpeg's names; ``format`` is that of the samples.

    ``rate`` is in samples per second, ``bit_rate`` in bits per second, None for one without loss.
    """

    encoder: str
    rate: int
    layout: str
    format: str
    bit_rate: int | None

    def __str__(self) -> str:
        name = _NAMES.get(self.encoder, self.encoder)
        return name if self.bit_rate is None else f"{name}, {self.bit_rate // 1000} kbit/s"

    def add(self, output: OutputContainer) -> AudioStream:
        """Make the stream in ``output``; raises what PyAV does where the container refuses."""
        stream = output.add_stream(self.encoder, rate=self.rate)
        assert isinstance(stream, AudioStream)
        context = stream.codec_context
        context.layout, context.format = self.layout, self.format
        stream.time_base = context.time_base = Fraction(1, self.rate)
        if self.bit_rate is not None:
            context.bit_rate = self.bit_rate
        return stream


def recipes(stream: AudioStream, container: str, wanted: str | None = None) -> Iterator[Recipe]:
    """Ways to encode ``stream`` for ``container``, best first: lossless sound without loss, or as
    ``wanted`` by one of `vidcolor.settings.AUDIO_CODECS`."""
    context = stream.codec_context
    if not context.sample_rate or not context.layout.nb_channels:
        return
    lossless = _lossless(context.codec)
    wide = context.format is None or context.format.bytes > 2
    names = (*(_LOSSLESS.get(container, ()) if lossless else ()), *_LOSSY.get(container, ()))
    for name in names if wanted is None else (_ENCODERS.get(wanted, wanted),):
        try:
            codec = Codec(name, "w")
        except av.FFmpegError:
            continue  # This build of FFmpeg lacks it.
        exact = _lossless(codec)
        source_rate = 0 if lossless else context.bit_rate or 0
        channels = context.layout.nb_channels
        asked = max(_RATE_PER_CHANNEL * channels, source_rate)
        bit_rate = None if exact else min(asked, _HIGHEST_RATE_PER_CHANNEL * channels)
        own = named_layout(context.layout) or ""
        own = _FOR_AAC.get(own, own) if name == "aac" else own
        for layout in dict.fromkeys((own, _USUAL_LAYOUTS.get(channels))):
            if layout:
                rate = _rate(codec, context.sample_rate)
                yield Recipe(name, rate, layout, _format(codec, exact, wide), bit_rate)


def _lossless(codec: Codec) -> bool:
    # Some can be either; WavPack seldom is anything but lossless, DTS seldom is.
    return codec.lossless and (not codec.lossy or codec.canonical_name == "wavpack")


def _rate(codec: Codec, wanted: int) -> int:
    """The lowest rate the encoder takes that loses nothing, else its highest."""
    rates = sorted(codec.audio_rates or [wanted])
    return next((rate for rate in rates if rate >= wanted), rates[-1])


def _format(codec: Codec, exact: bool, wide: bool) -> str:
    names = [form.name for form in codec.audio_formats or []]
    if exact:
        return next(name for name in names if name.startswith("s32" if wide else "s16"))
    return next((name for name in names if name.startswith("flt")), names[0])
