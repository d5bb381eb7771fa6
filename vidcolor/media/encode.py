"""The picture's way into packets: luma as it was decoded, chroma as it was painted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vidcolor.errors import SettingsError
from vidcolor.frames import Matrix, PaintedFrame, VideoInfo
from vidcolor.media.clock import plausible_rate
from vidcolor.media.encoders import Choice
from vidcolor.media.probe import MATRIX_TAGS

# Nanoseconds are too many for the 32 bits that encoders and MP4 have for a duration.
_FINEST_TICK = Fraction(1, 1_000_000)
_CANONICAL_TAG: dict[Matrix, int] = {
    "bt709": 1,
    "fcc": 4,
    "bt601": 6,
    "smpte240m": 7,
    "bt2020": 9,
}


class PictureEncoder:
    """Adds the picture's stream to a container and turns painted frames into its packets.

    ``matrix`` is a display matrix of nine numbers for players to turn the picture by, None for
    ``info.rotation``; ``field_order`` is FFmpeg's number for interlaced films. ``base`` is the time
    base of the packets: that of ``info``, or a microsecond where that is finer.
    """

    def __init__(
        self,
        output: OutputContainer,
        info: VideoInfo,
        choice: Choice,
        matrix: tuple[int, ...] | None = None,
        field_order: int = 0,
    ) -> None:
        self._choice = choice
        self._shift = choice.depth - info.color.depth
        rate = plausible_rate(info.average_rate)
        options = dict(choice.options)
        stream = cast(VideoStream, output.add_stream(choice.encoder, rate=rate, options=options))
        context = stream.codec_context
        context.width, context.height = info.width, info.height
        context.pix_fmt = choice.pixel_format
        # Both, or variable rates are rounded to the frame rate.
        self._source_base = info.time_base
        self.base = max(info.time_base, _FINEST_TICK)
        context.time_base = stream.time_base = self.base
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.color_range = info.tags.range or (2 if info.color.full_range else 0)
        context.colorspace = _matrix_tag(info)
        context.color_primaries = info.tags.primaries
        context.color_trc = info.tags.transfer
        context.field_order = field_order
        # As in the ffmpeg program, whole frames at a time; PyAV's default cuts each into slices.
        context.thread_type = "AUTO"
        # Packets that know how long they last: else MP4 is too short where the rate varies.
        context.flags |= Flags.frame_duration
        if matrix is not None:
            stream.set_display_matrix(matrix)
        elif info.rotation:
            stream.set_display_rotation(info.rotation)
        with _quiet_svt():
            context.open()
        if context.options:  # What it did not take.
            names = ", ".join(sorted(context.options))
            raise SettingsError(f"the encoder {choice.encoder} knows no option {names}")
        self.stream = stream
        self._held: Packet[VideoStream] | None = None
        self._first_dts: int | None = None
        self._first_pts: int | None = None
        self._end = -(2**63)

    @property
    def chroma_shape(self) -> tuple[int, int]:
        """(height, width) of the two chroma planes, in samples."""
        pixels = self.stream.codec_context.format
        assert pixels is not None
        return pixels.chroma_height(), pixels.chroma_width()

    def check(self, painted: PaintedFrame) -> None:
        """Raise ValueError if a plane has another shape or type than the target's."""
        context, frame = self.stream.codec_context, painted.frame
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

    def encode(self, painted: PaintedFrame, pts: int, duration: int) -> list[Packet[VideoStream]]:
        """Encode one frame at ``pts`` for ``duration`` ticks of the source's time base."""
        context = self.stream.codec_context
        if self.base != self._source_base:
            end = self._ticks(pts + duration)
            pts = max(self._ticks(pts), self._end)
            duration = max(1, end - pts)
        # A new frame each time: the decoded one carries its picture type, which would steer the
        # encoder, and its memory, which the decoder still predicts from.
        picture = av.VideoFrame(context.width, context.height, self._choice.pixel_format)
        self._fill(picture.planes[0], painted.frame.luma)
        self._fill(picture.planes[1], painted.cb)
        self._fill(picture.planes[2], painted.cr)
        picture.pts, picture.time_base, picture.duration = pts, self.base, duration
        self._end = pts + duration
        if self._first_pts is None:
            self._first_pts = pts
        return self._ready(self.stream.encode(picture))

    def finish(self) -> list[Packet[VideoStream]]:
        """The packets the encoder still held back."""
        packets = self._ready(self.stream.encode(None))
        if self._held is not None:
            self._reach_end(self._held)
            packets.append(self._held)
            self._held = None
        return packets

    def _ready(self, packets: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
        """All but the very last packet so far, which waits for ``_reach_end``."""
        if packets and self._first_dts is None:
            self._first_dts = packets[0].dts
        if self._held is not None:
            packets = [self._held, *packets]
        self._held = packets.pop() if packets else None
        return packets

    def _reach_end(self, packet: Packet[VideoStream]) -> None:
        """Let the decoding times add up to the film's length.

        FFmpeg takes an MP4's length from them. Where the rate varies and frames are reordered
        they span less than the pictures do; the last one is free to move up to its pts.
        """
        if packet.dts is None or packet.pts is None or self._first_dts is None:
            return
        span = packet.dts + (packet.duration or 0) - self._first_dts
        missing = self._end - (self._first_pts or 0) - span
        if missing > 0:
            packet.dts = max(packet.dts, min(packet.pts, packet.dts + missing))

    def _ticks(self, source_ticks: int) -> int:
        return round(source_ticks * self._source_base / self.base)

    def _fill(self, plane: av.video.plane.VideoPlane, samples: NDArray[Any]) -> None:
        wide = self._choice.depth > 8
        room: NDArray[Any] = np.ndarray(
            samples.shape,
            "<u2" if wide else "u1",
            buffer=memoryview(plane),
            strides=(plane.line_size, 2 if wide else 1),
        )
        if self._shift:
            np.left_shift(samples, self._shift, out=room, dtype=room.dtype)
        else:
            room[:] = samples


def _matrix_tag(info: VideoInfo) -> int:
    """The source's tag where it says what we painted with; else our own, so that it is said."""
    if MATRIX_TAGS.get(info.tags.matrix) == info.color.matrix and info.tags.matrix not in (10, 14):
        return info.tags.matrix
    return _CANONICAL_TAG[info.color.matrix]


@contextmanager
def _quiet_svt() -> Iterator[None]:
    """SVT-AV1 logs to stderr by itself, and listens to nothing but this variable."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = before or "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]
