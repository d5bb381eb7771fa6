"""A small film made of pictures: for showing, not for keeping."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vidcolor.errors import EncodeError, TargetError
from vidcolor.frames import VideoInfo
from vidcolor.media.clock import plausible_rate
from vidcolor.media.companions import Companions
from vidcolor.media.faults import writing
from vidcolor.media.target import Target

# Without B-frames packets come in the order of the pictures, which any timing survives.
_OPTIONS = {"preset": "fast", "crf": "18", "bf": "0"}
_BT709 = 1
_STUDIO_RANGE = 1


class PictureWriter:
    """Writes R'G'B' pictures as H.264 (4:2:0, BT.709), with the timing of the film ``info``.

    ``size`` is (height, width) of the pictures, both even. Used as a context manager like `Writer`:
    the file appears under its name when it is whole; an existing one is replaced if ``overwrite``.
    The first picture is shown at 0; with ``sound`` the film's own goes along. Raises TargetError
    before any work, EncodeError when the encoder refuses.
    """

    def __init__(
        self,
        target: Path,
        info: VideoInfo,
        size: tuple[int, int],
        *,
        sound: bool = False,
        overwrite: bool = True,
    ) -> None:
        if size[0] % 2 or size[1] % 2:
            raise ValueError(f"pictures in 4:2:0 have even sides, not {size[1]}x{size[0]}")
        self._size, self._base = size, info.time_base
        self._held: tuple[NDArray[np.uint8], int] | None = None
        self._first: int | None = None
        self._usual = 1
        self._target = Target(target, info.path, overwrite=overwrite)
        self._output: OutputContainer | None = None
        self._sound = sound
        self._companions: Companions | None = None
        try:
            if self._target.container == "webm":
                raise TargetError(f"{target}: this video is H.264; name an .mp4, .mov or .mkv file")
            self._open(info)
        except BaseException:
            self._abandon()
            raise

    def write(self, picture: NDArray[np.uint8], pts: int, duration: int = 0) -> None:
        """Take the next picture, (h, w, 3) uint8; ``pts`` is in ticks of the film, and rises.

        ``duration``, in the same ticks, counts for the last picture alone.
        """
        if picture.shape != (*self._size, 3) or picture.dtype != np.uint8:
            raise ValueError(f"picture must be {(*self._size, 3)} uint8, not {picture.shape}")
        if self._first is None:
            self._first = pts
            if self._companions is not None:
                self._companions.set_span(pts * self._base)
        if self._held is not None:
            self._usual = pts - self._held[1]
            self._encode(*self._held, self._usual)
        self._held = (picture, pts)
        self._last = duration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            # After a finished file there is nothing left to discard.
            self._abandon()

    def _open(self, info: VideoInfo) -> None:
        height, width = self._size
        rate = plausible_rate(info.average_rate)
        with writing(self._target.path, "cannot write this video"):
            part = str(self._target.part.absolute())
            self._output = av.open(part, "w", format=self._target.container)
            self._stream = self._output.add_stream("libx264", rate=rate, options=dict(_OPTIONS))
            context = self._stream.codec_context
            context.width, context.height, context.pix_fmt = width, height, "yuv420p"
            context.time_base = self._stream.time_base = self._base
            context.color_range, context.colorspace = _STUDIO_RANGE, _BT709
            context.color_primaries = context.color_trc = _BT709
            # Packets that know how long they last, as the rate may vary.
            context.flags |= Flags.frame_duration
            context.open()
            if self._sound:
                self._companions = Companions(info)
                self._companions.output = self._output
                for other in info.others:
                    if other.kind == "audio":
                        self._companions.add(other.index)

    @property
    def notes(self) -> list[str]:
        """One line for all of the sound that is not as in the film."""
        return [] if self._companions is None else list(self._companions.notes())

    def _encode(self, picture: NDArray[np.uint8], pts: int, duration: int) -> None:
        assert self._output is not None and self._first is not None
        if duration <= 0:
            raise ValueError(f"the picture at {pts} is not before the one after it")
        with writing(self._target.path, "cannot write this video"):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            frame.pts, frame.time_base, frame.duration = pts - self._first, self._base, duration
            self._mux(self._stream.encode(frame))

    def _mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        assert self._output is not None and self._first is not None
        for packet in packets:
            if self._companions is not None:
                # Sound up to this packet first: neither side piles up in memory.
                self._companions.pull(((packet.pts or 0) + self._first) * self._base)
            self._output.mux_one(packet)

    def _finish(self) -> None:
        if self._held is None:
            raise EncodeError(f"{self._target.path}: not one picture was written")
        lasts = self._last or self._usual
        self._encode(*self._held, lasts)
        assert self._output is not None
        with writing(self._target.path, "cannot finish the file"):
            self._mux(self._stream.encode(None))
            if self._companions is not None:
                self._companions.finish((self._held[1] + lasts) * self._base)
            self._output.close()
        self._output = None
        self._target.commit()

    def _abandon(self) -> None:
        output, self._output = self._output, None
        try:
            if self._companions is not None:
                self._companions.close()
            if output is not None:
                with suppress(Exception):
                    output.close()
        finally:
            self._target.discard()
