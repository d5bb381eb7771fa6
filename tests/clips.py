"""Small films for the tests, made on the spot with PyAV: known luma, known times, known sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from vidcolor.media.priority import usual_priority

SAMPLE_RATE = 16000
FAST = {
    "libx264": {"preset": "ultrafast", "qp": "0", "threads": "1"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "threads": "1"},
}


@dataclass(frozen=True)
class Clip:
    """What to make. ``pts`` counts ``time_base`` ticks; None is one tick of ``rate`` per frame."""

    name: str
    frames: int = 10
    width: int = 64
    height: int = 48
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    rate: Fraction = Fraction(25)
    time_base: Fraction | None = None
    pts: Sequence[int] | None = None
    options: dict[str, str] = field(default_factory=dict)
    aspect: Fraction | None = None
    rotation: int = 0
    mirrored: bool = False
    tags: tuple[int, int, int, int] | None = None
    """Range, matrix, primaries, transfer, in FFmpeg's numbers."""
    audio: tuple[str, ...] = ()
    """One AAC track (Opus in WebM) for every language."""
    audio_delay: Fraction = Fraction(0)
    subtitles: tuple[str, ...] = ()
    """One SubRip track for every language, one line every 0.1 s."""
    attachment: bytes | None = None
    cover: bool = False
    chapters: tuple[tuple[Fraction, Fraction, str], ...] = ()
    title: str | None = None
    field_order: int = 0

    @property
    def ticks(self) -> tuple[Fraction, list[int]]:
        """The time base and the pts of every frame."""
        base = self.time_base or 1 / self.rate
        return base, list(self.pts if self.pts is not None else range(self.frames))


def luma(number: int, width: int, height: int, depth: int = 8) -> NDArray[Any]:
    """The luma of frame ``number``: a gradient that moves, under noise; studio-range codes."""
    rows, columns = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(number).integers(0, 1 << (depth - 4), (height, width))
    wave = (rows * 3 + columns * 2 + number * 7) % 200
    codes = (16 << (depth - 8)) + (wave << (depth - 8)) + noise
    return codes.astype(np.uint8 if depth == 8 else np.uint16)


def fill(frame: av.VideoFrame, index: int, samples: NDArray[Any]) -> None:
    """Copy ``samples`` into a plane of ``frame``, row by row."""
    plane = frame.planes[index]
    strides = (plane.line_size, samples.itemsize)
    np.ndarray(samples.shape, samples.dtype, memoryview(plane), 0, strides)[:] = samples


def _packed(pixels: av.VideoFormat) -> bool:
    """Whether one plane holds samples of several kinds, or none of them is luma."""
    planes = {part.plane for part in pixels.components}
    return pixels.is_rgb or pixels.has_palette or len(planes) < len(pixels.components)


def picture(clip: Clip, number: int) -> av.VideoFrame:
    """Frame ``number`` of ``clip``: its luma, and neutral chroma where there is any."""
    frame = av.VideoFrame(clip.width, clip.height, clip.pixel_format)
    if _packed(frame.format):
        # Samples of several kinds in one plane, or none that are luma: swscale sorts them.
        return picture(replace(clip, pixel_format="yuv420p"), number).reformat(
            format=clip.pixel_format
        )
    depth = frame.format.components[0].bits
    fill(frame, 0, luma(number, clip.width, clip.height, depth))
    for index, plane in enumerate(frame.planes[1:], 1):
        neutral = np.full((plane.height, plane.width), 1 << (depth - 1))
        fill(frame, index, neutral.astype(np.uint8 if depth == 8 else np.uint16))
    return frame


def make(clip: Clip, folder: Path) -> Path:
    """Write ``clip`` into ``folder`` and return its path."""
    path = folder / clip.name
    base, ticks = clip.ticks
    with usual_priority(), av.open(str(path), "w") as output:
        if clip.title is not None:
            output.metadata["title"] = clip.title
        options = {**FAST.get(clip.codec, {}), **clip.options}
        stream: Any = output.add_stream(clip.codec, rate=clip.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, clip.pixel_format
        context = stream.codec_context
        context.time_base = stream.time_base = base
        context.flags |= Flags.frame_duration
        context.field_order = clip.field_order
        if clip.aspect is not None:
            context.sample_aspect_ratio = clip.aspect
        if clip.rotation or clip.mirrored:
            stream.set_display_rotation(clip.rotation, hflip=clip.mirrored)
        if clip.tags is not None:
            context.color_range, context.colorspace = clip.tags[:2]
            context.color_primaries, context.color_trc = clip.tags[2:]
        sounds = [_add_sound(output, language) for language in clip.audio]
        texts: list[Any] = []
        for language in clip.subtitles:
            text = output.add_mux_stream("subrip")
            text.metadata["language"] = language
            text.time_base = Fraction(1, 1000)
            texts.append(text)
        if clip.attachment is not None:
            output.add_attachment("font.ttf", "application/x-truetype-font", clip.attachment)
        cover = _add_cover(output) if clip.cover else None
        output.set_chapters(
            [
                {
                    "id": number,
                    "start": int(start * 1000),
                    "end": int(end * 1000),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": name},
                }
                for number, (start, end, name) in enumerate(clip.chapters)
            ]
        )
        if cover is not None:
            still = av.VideoFrame(16, 16, "yuvj420p")
            for plane in still.planes:
                plane.update(bytes(plane.buffer_size))
            output.mux([*cover.encode(still), *cover.encode(None)])
        ends = [*ticks[1:], ticks[-1] + (ticks[-1] - ticks[-2] if len(ticks) > 1 else 1)]
        for number, (pts, end) in enumerate(zip(ticks, ends, strict=True)):
            frame = picture(clip, number)
            frame.pts, frame.time_base, frame.duration = pts, base, end - pts
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        seconds = ends[-1] * base
        for number, sound in enumerate(sounds):
            _fill_sound(output, sound, number, clip.audio_delay, seconds)
        for number, text in enumerate(texts):
            _fill_text(output, text, number, seconds)
    return path


def _add_sound(output: OutputContainer, language: str) -> Any:
    codec = "libopus" if output.format.name == "webm" else "aac"
    sound: Any = output.add_stream(codec, rate=SAMPLE_RATE)
    sound.codec_context.layout = "mono"
    sound.metadata["language"] = language
    return sound


def _fill_sound(
    output: OutputContainer, sound: Any, number: int, delay: Fraction, seconds: Fraction
) -> None:
    size = 1024 if sound.codec_context.name == "aac" else 320
    start = int(delay * SAMPLE_RATE)
    for position in range(0, int(seconds * SAMPLE_RATE), size):
        tone = np.sin(np.arange(position, position + size) * 0.05 * (number + 1)) * 0.3
        kind = sound.codec_context.format.name
        wave = tone.astype(np.float32) if kind.startswith("flt") else (tone * 32767).astype("<i2")
        frame = av.AudioFrame.from_ndarray(wave[None], format=kind, layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, start + position
        frame.time_base = Fraction(1, SAMPLE_RATE)
        output.mux(sound.encode(frame))
    output.mux(sound.encode(None))


def _fill_text(output: OutputContainer, text: Any, number: int, seconds: Fraction) -> None:
    for line in range(max(1, int(seconds * 10))):
        packet = av.Packet(f"track {number}, line {line}".encode())
        packet.pts = packet.dts = line * 100
        packet.duration, packet.time_base, packet.stream = 90, Fraction(1, 1000), text
        output.mux(packet)


def _add_cover(output: OutputContainer) -> Any:
    cover: Any = output.add_stream("mjpeg", rate=1)
    cover.width = cover.height = 16
    cover.pix_fmt = "yuvj420p"
    cover.disposition = Disposition.attached_pic
    return cover


VARIABLE = (0, 40, 80, 200, 230, 300, 310, 400, 640, 700, 733, 900)

CLIPS = {
    clip.name: clip
    for clip in (
        Clip("plain.mp4"),
        Clip("plain.mkv", rate=Fraction(20)),
        Clip("plain.webm", codec="libvpx-vp9", rate=Fraction(20), audio=("eng",)),
        Clip("variable.mkv", time_base=Fraction(1, 1000), pts=VARIABLE),
        Clip("variable.mp4", time_base=Fraction(1, 1000), pts=VARIABLE, options={"bf": "0"}),
        Clip("late.mp4", time_base=Fraction(1, 1000), pts=[2000 + 40 * n for n in range(10)]),
        Clip("ten.mkv", pixel_format="yuv420p10le", rate=Fraction(20)),
        Clip("444.mp4", pixel_format="yuv444p"),
        Clip("odd.mkv", codec="ffv1", width=65, height=49, rate=Fraction(20)),
        Clip("grey.mkv", codec="ffv1", pixel_format="gray", rate=Fraction(20)),
        Clip("wide.mp4", aspect=Fraction(16, 11), tags=(1, 1, 1, 1)),
        Clip("full.mp4", tags=(2, 5, 5, 6)),
        Clip("turned.mp4", rotation=90),
        Clip("mirrored.mp4", rotation=90, mirrored=True),
        Clip("sound.mp4", audio=("eng", "deu"), title="A film"),
        Clip("covered.mp4", audio=("eng",), cover=True),
        Clip(
            "rich.mkv",
            frames=20,
            rate=Fraction(20),
            audio=("eng", "deu"),
            subtitles=("fra", "eng"),
            attachment=b"not really a font" * 20,
            chapters=(
                (Fraction(0), Fraction(1, 2), "First"),
                (Fraction(1, 2), Fraction(1), "Second"),
            ),
            title="A rich film",
        ),
    )
}
"""Everything the conformance tests go through, by file name."""
