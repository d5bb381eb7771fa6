"""From packets to pictures, over damage; the film opened for that: ``open_picture``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, cast

import av
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from vidcolor.disk import unreadable
from vidcolor.errors import SourceError
from vidcolor.frames import VideoInfo
from vidcolor.media.damage import packets_of
from vidcolor.media.devices import accelerator
from vidcolor.media.faults import FAULTS, reading, reason
from vidcolor.media.safety import picture_options
from vidcolor.media.source import open_source
from vidcolor.media.surface import UnfitError
from vidcolor.settings import SOFTWARE, LimitSettings

Opened: TypeAlias = tuple[InputContainer, VideoStream]

_IN_THE_DECODER = 64
"""Packets remembered, more than a decoder holds back by its threads and by reordering."""


@contextmanager
def open_picture(
    info: VideoInfo, limits: LimitSettings, device: str = SOFTWARE
) -> Iterator[Opened]:
    """The film, its picture ready to be decoded by ``device``, all else passed over.

    Faults as in ``probe``; SourceError, too, where there is no such device.
    """
    hardware = None if device == SOFTWARE else accelerator(device)
    with open_source(info.path, limits, hardware) as source:
        with reading(info.path):
            stream = cast(VideoStream, source.streams[info.stream_index])
            for other in source.streams:
                if other.index != stream.index:
                    other.discard = Discard.all
            if hardware is None:
                # Whole frames in parallel where the codec can: twice as fast, and unlike slice
                # threads they let FFmpeg mark the frames it patched as corrupt.
                stream.codec_context.thread_type = "AUTO"
            else:
                # The device does the work, and would only be handed from thread to thread.
                stream.codec_context.thread_count = 1
            stream.codec_context.options = picture_options(limits)
        yield source, stream


def undamaged(source: InputContainer, stream: VideoStream) -> Generator[av.VideoFrame]:
    """All pictures from where ``source`` stands.

    Raises the first fault, and UnfitError instead of giving out a picture that was patched.
    """

    def fail(fault: Exception) -> None:
        try:
            raise fault
        finally:
            del fault  # Else it would hold what holds it, and the film with it.

    for packet in packets_of(source, [stream], fail):
        try:
            pictures = packet.decode()
        except EOFError:
            return
        for picture in pictures:
            if picture.is_corrupt:
                raise UnfitError("a picture is damaged")
            yield picture


class Decoder:
    """Decodes the picture of the film at ``path``, over damaged packets and unreadable stretches.

    ``lost`` is told of each, with the pts that the picture lost of it was to have, if that is
    known.
    """

    def __init__(self, path: Path, lost: Callable[[int | None], None]) -> None:
        self._path = path
        self._lost = lost
        self._sent: deque[int] = deque(maxlen=_IN_THE_DECODER)

    def pictures(self, source: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
        """All pictures from where ``source`` stands. Raises SourceError if it cannot be read and
        none came before, or if it ends where the system cannot read the file: its drive may be
        away, and what follows is no damage of the film's."""
        any_picture = faulty = False
        place = 0
        self._sent.clear()
        packets = packets_of(source, [stream], lambda fault: self._skipped())
        while True:
            try:
                packet = next(packets, None)
            except FAULTS:
                if any_picture:
                    packet, faulty = None, True
                else:
                    with reading(self._path, "cannot be read"):
                        raise
            if packet is None:
                self._must_be_there(place, faulty=faulty)
                return
            place = packet.pos or place
            claimed = packet.dts if packet.pts is None else packet.pts
            if packet.size and claimed is not None:
                self._sent.append(claimed)
            try:
                pictures = packet.decode()
            except EOFError:
                return
            except FAULTS:
                self._skipped()
                continue
            for picture in pictures:
                any_picture = True
                self._arrived(picture.pts)
                yield picture

    def _must_be_there(self, place: int, *, faulty: bool) -> None:
        # FFmpeg calls damage by the same name as a drive that is gone, or takes that for the end.
        fault = unreadable(self._path, max(0, place))
        # A file that was moved or deleted meanwhile is read to its end all the same.
        if fault is not None and (faulty or not isinstance(fault, FileNotFoundError)):
            error = SourceError(
                f"{self._path}: cannot be read any further: {reason(fault)}; give the same command "
                "again when it can"
            )
            error.passing = True
            raise error from fault

    def _skipped(self) -> None:
        """Tell of a packet lost: the first of those that no picture has come of.

        The decoder works on several at once, and fails at one when it is given a later one.
        """
        self._lost(self._sent.popleft() if self._sent else None)

    def _arrived(self, pts: int | None) -> None:
        """A picture has come, and no earlier one will."""
        if pts is not None:
            waiting = [claimed for claimed in self._sent if claimed > pts]
            self._sent.clear()
            self._sent.extend(waiting)
