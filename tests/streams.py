"""Small films whose sound and subtitles are what a test is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from clips import FAST, Clip, picture
from numpy.typing import NDArray

_ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True)
class Sound:
    """Silence with a click of 1 ms at each of ``clicks``, in seconds of the film's clock."""

    codec: str = "pcm_s16le"
    layout: str = "stereo"
    rate: int = 48000
    seconds: Fraction = Fraction(2)
    delay: Fraction = Fraction(0)
    clicks: tuple[Fraction, ...] = (Fraction(1, 2), Fraction(5, 4))
    gap: tuple[Fraction, Fraction] | None = None
    """From where to where there is no sound at all."""
    metadata: dict[str, str] = field(default_factory=dict)
    disposition: int = 0
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Text:
    """Subtitles: (start, end, payload as the codec stores it), in milliseconds."""

    codec: str
    cues: Sequence[tuple[int, int, bytes]]


def film(path: Path, streams: Sequence[Sound | Text], seconds: int = 2, **extra: Any) -> Path:
    """Write 25 frames per second of picture, and ``streams``, each packet at its time."""
    clip = Clip(path.name, frames=25 * seconds, **extra)
    codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
    with av.open(str(path), "w") as output:
        video: Any = output.add_stream(codec, rate=25, options=FAST[codec])
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        made = [_add(output, stream) for stream in streams]
        packets: list[Any] = []
        for number in range(clip.frames):
            frame = picture(clip, number)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for stream, target in zip(streams, made, strict=True):
            fill = _sound if isinstance(stream, Sound) else _text
            packets += fill(stream, target)  # type: ignore[operator]
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        output.mux(packets)
    return path


def _add(output: OutputContainer, stream: Sound | Text) -> Any:
    target: Any
    if isinstance(stream, Text) and stream.codec in ("ass", "mov_text"):
        target = output.add_stream(stream.codec)
        target.codec_context.subtitle_header = _ASS_HEADER
        target.codec_context.time_base = target.time_base = Fraction(1, 1000)
    elif isinstance(stream, Text):
        target = output.add_mux_stream(stream.codec)
        target.time_base = Fraction(1, 1000)
    else:
        options = {"strict": "experimental", **stream.options}
        target = output.add_stream(stream.codec, rate=stream.rate, options=options)
        target.codec_context.layout = stream.layout
        if stream.codec == "wavpack":  # Left alone, it takes 8 bits.
            target.codec_context.format = "s16p"
        target.metadata.update(stream.metadata)
        target.disposition = stream.disposition
    return target


def _sound(stream: Sound, target: Any) -> Iterator[Any]:
    rate, form = stream.rate, target.codec_context.format
    channels = target.codec_context.layout.nb_channels
    wave = np.zeros(int(stream.seconds * rate))
    for click in stream.clicks:
        start = int((click - stream.delay) * rate)
        wave[start : start + rate // 1000] = 0.9
    size = rate // 50
    for first in range(0, len(wave), size):
        at = stream.delay + Fraction(first, rate)
        if stream.gap is not None and stream.gap[0] <= at < stream.gap[1]:
            continue
        part = wave[first : first + size]
        frame = av.AudioFrame.from_ndarray(_samples(part, form, channels), form.name, stream.layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = int(stream.delay * rate) + first
        yield from target.encode(frame)
    yield from target.encode(None)


def _samples(wave: NDArray[Any], form: Any, channels: int) -> NDArray[Any]:
    if form.name.startswith("flt"):
        values = wave.astype(np.float32)
    elif form.name == "u8":
        values = (128 + wave * 127).astype(np.uint8)
    else:
        bits = 8 * form.bytes
        values = (wave * (2 ** (bits - 1) - 1)).astype(f"<i{form.bytes}")
    if form.is_planar:
        return np.tile(values, (channels, 1))
    return np.repeat(values, channels)[None]


def _text(stream: Text, target: Any) -> Iterator[Any]:
    for start, end, payload in stream.cues:
        packet: Any = av.Packet(payload)
        packet.pts = packet.dts = start
        packet.duration, packet.time_base, packet.stream = end - start, Fraction(1, 1000), target
        yield packet


def clicks(path: Path, number: int = 0) -> list[float]:
    """When the clicks of sound track ``number`` are heard, in seconds of the film's clock."""
    found: list[float] = []
    for at, rate, sample in heard(path, number):
        loud = np.flatnonzero(np.abs(sample).max(axis=0) > 0.4)
        for index in loud:
            time = float(at + Fraction(int(index), rate))
            if not found or time - found[-1] > 0.05:
                found.append(time)
    return found


def heard(path: Path, number: int = 0) -> Iterator[tuple[Fraction, int, NDArray[np.float32]]]:
    """(time, rate, samples of shape (channels, n)) of sound track ``number``, frame by frame."""
    with av.open(str(path)) as source:
        track = source.streams.audio[number]
        for frame in source.decode(track):
            assert frame.pts is not None and frame.time_base is not None
            samples = frame.to_ndarray()
            channels = frame.layout.nb_channels
            if not frame.format.is_planar:
                samples = samples.reshape(-1, channels).T
            if samples.dtype.kind == "u":
                samples = samples / 128.0 - 1
            elif samples.dtype.kind == "i":
                samples = samples / float(np.iinfo(samples.dtype).max)
            yield frame.pts * frame.time_base, frame.sample_rate, samples.astype(np.float32)


def cues(path: Path, number: int = 0) -> list[tuple[Fraction, Fraction, bytes]]:
    """(start, end, payload) of every packet of subtitle track ``number``."""
    with av.open(str(path)) as source:
        track = source.streams.subtitles[number]
        return [
            (p.pts * p.time_base, (p.pts + (p.duration or 0)) * p.time_base, bytes(p))
            for p in source.demux(track)
            if p.size and p.pts is not None
        ]
