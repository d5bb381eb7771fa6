"""The picture's way into packets: luma as it was decoded, chroma as it was painted."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vidcolor.aside import Aside
from vidcolor.color import chroma_scale, luma_scale
from vidcolor.errors import SettingsError
from vidcolor.frames import ColorSpec, Matrix, PaintedFrame, VideoInfo
from vidcolor.media.captions import Captioner
from vidcolor.media.clock import plausible_rate
from vidcolor.media.colortags import MATRIX_TAGS, keeps_chroma
from vidcolor.media.encoders import Choice
from vidcolor.media.fields import FieldMarker, field_order
from vidcolor.media.priority import usual_priority

# Nanoseconds are too many for the 32 bits that encoders and MP4 have for a duration.
_FINEST_TICK = Fraction(1, 1_000_000)
_MPEG4_TICKS = 65535
"""A second has no more of them in MPEG-4."""
_CANONICAL_TAG: dict[Matrix, int] = {
    "bt709": 1,
    "fcc": 4,
    "bt601": 6,
    "smpte240m": 7,
    "bt2020": 9,
}


class PictureEncoder:
    """Adds the picture's stream to a container and turns painted frames into its packets.

    ``base`` is the time base of the packets: that of ``info``, unless that is finer than the
    encoder or the container can write.
    """

    def __init__(self, output: OutputContainer, info: VideoInfo, choice: Choice) -> None:
        self._choice = choice
        self._moved = moved_codes(info.color, choice.color)
        rate = plausible_rate(info.average_rate)
        options = dict(choice.options)
        stream = cast(VideoStream, output.add_stream(choice.encoder, rate=rate, options=options))
        context = stream.codec_context
        context.width, context.height = info.width, info.height
        context.pix_fmt = choice.pixel_format
        # Both, or variable rates are rounded to the frame rate.
        self._source_base = info.time_base
        self.base = _base_for(choice.encoder, info.time_base, rate)
        context.time_base = stream.time_base = self.base
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.color_range = info.tags.range or (2 if info.color.full_range else 0)
        if choice.color.full_range != info.color.full_range:
            context.color_range = 1
        context.colorspace = _matrix_tag(info)
        context.color_primaries = info.tags.primaries
        context.color_trc = info.tags.transfer
        context.field_order = field_order(info)
        self._marker: FieldMarker | None = None
        if choice.fields is not None:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me
            self._marker = FieldMarker((info.width, info.height, choice.pixel_format))
        self._captioner: Captioner | None = None
        if choice.captions:
            self._captioner = Captioner((info.width, info.height, choice.pixel_format))
        self._always = info.fields if choice.fields == "film" else None
        if context.codec.canonical_name == "hevc" and output.format.name in ("mp4", "mov"):
            # Apple's players pass over FFmpeg's own choice, hev1.
            context.codec_tag = "hvc1"
        # As in the ffmpeg program, whole frames at a time; PyAV's default cuts each into slices.
        context.thread_type = "AUTO"
        # Packets that know how long they last: else MP4 is too short where the rate varies.
        context.flags |= Flags.frame_duration
        if info.turning is not None:
            stream.set_display_matrix(info.turning)
        with quiet_svt(), usual_priority():
            context.open()
        if context.options:  # What it did not take.
            names = ", ".join(sorted(context.options))
            raise SettingsError(f"the encoder {choice.encoder} knows no option {names}")
        self.stream = stream
        self.origin = 0
        """The source's time, in ticks, that is 0 in the target; set before the first frame."""
        self.end = -(2**63)
        """Where the frames so far end, in ticks of the target's clock."""
        self._held: PaintedFrame | None = None
        self._duration = max(1, round(1 / (rate * info.time_base)))
        """Of the last frame in ticks of the source, at first of any by the frame rate."""

    @property
    def chroma_shape(self) -> tuple[int, int]:
        """(height, width) of the two chroma planes, in samples."""
        pixels = self.stream.codec_context.format
        assert pixels is not None
        return pixels.chroma_height(), pixels.chroma_width()

    def check(self, painted: PaintedFrame) -> None:
        """Raise ValueError if the frame is not after the one before or a plane has another shape or
        type than the target's."""
        context, frame = self.stream.codec_context, painted.frame
        if self._held is not None and frame.pts <= self._held.frame.pts:
            raise ValueError(f"frame {frame.index} is not after the one before it")
        dtype = np.uint8 if frame.color.depth == 8 else np.uint16
        luma, chroma = (context.height, context.width), self.chroma_shape
        for name, plane, shape in (
            ("luma", frame.luma, luma),
            ("cb", painted.cb, chroma),
            ("cr", painted.cr, chroma),
        ):
            if plane.shape != shape or plane.dtype != dtype:
                wanted = f"{shape} {np.dtype(dtype)}"
                raise ValueError(f"{name} must be {wanted}, not {plane.shape} {plane.dtype}")

    def encode(self, painted: PaintedFrame) -> list[Packet[VideoStream]]:
        """Take the next frame, and encode the one before.

        That lasts for the time between them: frames' own durations are often missing or wrong.
        ``painted`` must have passed ``check``.
        """
        held, self._held = self._held, painted
        return [] if held is None else self._encode(held, painted.frame.pts - held.frame.pts)

    def finish(self, following: int | None = None) -> list[Packet[VideoStream]]:
        """Encode the last frame, and give out all that was held back.

        ``following`` is the pts of the frame that comes after it in the film, if any.
        """
        held, self._held = self._held, None
        if held is None:
            return []
        duration = held.frame.duration or self._duration
        if following is not None:
            duration = following - held.frame.pts
        return [*self._encode(held, duration), *self.stream.encode(None)]

    def _encode(self, painted: PaintedFrame, duration: int) -> list[Packet[VideoStream]]:
        context = self.stream.codec_context
        self._duration = duration
        pts = painted.frame.pts - self.origin
        if self.base != self._source_base:
            end = self.ticks(pts + duration)
            pts = max(self.ticks(pts), self.end)
            duration = max(1, end - pts)
        # A new frame each time: the decoded one carries its picture type, which would steer the
        # encoder, and its memory, which the decoder still predicts from.
        picture = av.VideoFrame(context.width, context.height, self._choice.pixel_format)
        # ProRes takes its tags from the pictures.
        picture.color_range, picture.colorspace = context.color_range, context.colorspace
        picture.color_primaries, picture.color_trc = context.color_primaries, context.color_trc
        luma, chroma = self._moved
        self._fill(picture.planes[0], painted.frame.luma, luma)
        self._fill(picture.planes[1], painted.cb, chroma)
        self._fill(picture.planes[2], painted.cr, chroma)
        picture.pts, picture.time_base, picture.duration = pts, self.base, duration
        if self._captioner is not None:
            picture = self._captioner.caption(picture, painted.frame.owner)
        if self._marker is not None:
            first = painted.frame.first_field
            if first is None and self._always is not None:
                first = self._always.first
            picture = self._marker.mark(picture, first)
        self.end = pts + duration
        return list(self.stream.encode(picture))

    def ticks(self, source_ticks: int) -> int:
        """A time in ticks of the source in those of the packets."""
        if self.base == self._source_base:
            return source_ticks
        return round(source_ticks * self._source_base / self.base)

    def _fill(
        self,
        plane: av.video.plane.VideoPlane,
        samples: NDArray[Any],
        moved: NDArray[np.uint16] | None,
    ) -> None:
        wide = self._choice.color.depth > 8
        room: NDArray[Any] = np.ndarray(
            samples.shape,
            "<u2" if wide else "u1",
            buffer=memoryview(plane),
            strides=(plane.line_size, 2 if wide else 1),
        )
        # Raw films may hold codes beyond their depth.
        room[:] = samples if moved is None else moved.take(samples, mode="clip")


def moved_codes(
    color: ColorSpec, written: ColorSpec
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]] | tuple[None, None]:
    """What each luma code and each chroma code becomes; None where all stay as they are.

    To more bits of studio range this is a shift. Else it is the nearest code, halves upwards, and
    not dithered: a flat area stays flat.
    """
    if written == color:
        return None, None
    codes = np.arange(1 << color.depth)

    def table(old: tuple[float, float], new: tuple[float, float]) -> NDArray[np.uint16]:
        scaled = np.floor((codes - old[0]) * (new[1] / old[1]) + new[0] + 0.5)
        return np.asarray(np.clip(scaled, 0, (1 << written.depth) - 1), np.uint16)

    return (
        table(luma_scale(color), luma_scale(written)),
        table(chroma_scale(color), chroma_scale(written)),
    )


def _base_for(encoder: str, base: Fraction, rate: Fraction) -> Fraction:
    """The time base of the packets: the film's own, unless that is finer than can be written."""
    if encoder == "mpeg4" and base.denominator > _MPEG4_TICKS:
        # A whole number for each frame, if the rate lets it.
        per = rate.numerator if rate.numerator <= _MPEG4_TICKS else 1
        return Fraction(1, _MPEG4_TICKS // per * per)
    return max(base, _FINEST_TICK)


def _matrix_tag(info: VideoInfo) -> int:
    """The source's tag where it says what we painted with; else our own, so that it is said."""
    if MATRIX_TAGS.get(info.tags.matrix) == info.color.matrix and keeps_chroma(info):
        return info.tags.matrix
    return _CANONICAL_TAG[info.color.matrix]


def _no_log() -> str | None:
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = before or "1"
    return before


def _usual_log(before: str | None) -> None:
    if before is None:
        os.environ.pop("SVT_LOG", None)


_svt_log = Aside(_no_log, _usual_log)


def quiet_svt() -> AbstractContextManager[None]:
    """SVT-AV1 logs to stderr by itself, and listens to nothing but this variable."""
    return _svt_log.held()
