"""The finished film: ``Writer`` puts the painted picture and everything else into one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from vidcolor.disk import check_room
from vidcolor.errors import EncodeError
from vidcolor.frames import PaintedFrame, StreamInfo, VideoInfo
from vidcolor.media.clock import origin_of
from vidcolor.media.companions import Companions
from vidcolor.media.container import label, muxer_options
from vidcolor.media.encode import PictureEncoder
from vidcolor.media.encoders import Choice, choose
from vidcolor.media.faults import writing
from vidcolor.media.length import Length
from vidcolor.media.matroska import claim, cropping, settle
from vidcolor.media.metadata import homeless, kept_metadata, named_by_keys
from vidcolor.media.segments import Segment, SegmentWriter, join
from vidcolor.media.source import is_cover
from vidcolor.media.target import Target
from vidcolor.media.timecode import advance
from vidcolor.media.track import QUICKTIME
from vidcolor.settings import EncoderSettings, RangeSettings


class Writer:
    """Writes a film like ``info`` to ``target``: new picture, all else copied if at all possible.

    Use it as a context manager: a clean exit finishes the file and puts it in the target's place
    in one step; an exception, Ctrl-C included, deletes the temporary file and leaves the target as
    it was. Nothing is ever visible under the target's name but a whole film.

    With ``crop`` other than the whole film, the picture starts at 0, all other streams are moved
    by the same amount of time, and what lies outside the written frames is left out. A whole film
    from a broadcast, whose clock began anywhere, starts at 0 with whichever stream is first.

    Raises TargetExistsError and TargetError before any work, EncodeError when encoder or container
    refuse, SettingsError for an encoder option that does not exist.
    """

    def __init__(
        self,
        target: Path | str,
        info: VideoInfo,
        settings: EncoderSettings = EncoderSettings(),
        *,
        overwrite: bool = False,
        crop: RangeSettings = RangeSettings(),
    ) -> None:
        self._info = info
        self._crop = crop
        self._audio = settings.audio
        self._target = Target(target, info.path, overwrite=overwrite)
        self._path = self._target.path
        self._opened = ExitStack()
        self._sign: Callable[[Path], None] | None = None
        self._begun = False
        self._end = 0
        self._length = Length(longer=self._target.container in QUICKTIME)
        self._claim: int | None = None
        self._shaped = True
        self._homeless: list[str] = []
        try:
            self._choice = choose(info, settings, self._target.container)
            self._cut = cropping(info)
            self._open()
        except BaseException:
            self.abandon()
            raise

    @property
    def path(self) -> Path:
        """The target."""
        return self._path

    @property
    def chroma_shape(self) -> tuple[int, int]:
        """(height, width) that ``PaintedFrame.cb`` and ``cr`` must have."""
        return self._encoder.chroma_shape

    @property
    def choice(self) -> Choice:
        """How the picture is encoded."""
        return self._choice

    @property
    def container(self) -> str:
        """FFmpeg's name of the muxer."""
        return self._target.container

    @property
    def copied(self) -> list[StreamInfo]:
        """The other streams that go into the target as they are."""
        return self._companions.copied

    @property
    def converted(self) -> list[tuple[StreamInfo, str]]:
        """The other streams that go into the target converted, each with what it becomes."""
        return self._companions.converted

    @property
    def dropped(self) -> list[tuple[StreamInfo, str]]:
        """The other streams that do not, each with the reason."""
        return self._companions.dropped

    @property
    def warnings(self) -> list[str]:
        """One line for everything that is not as in the source; also after the end."""
        lines = [*self._choice.warnings]
        if self._homeless:
            lost = ", ".join(self._homeless)
            lines.append(f"{self.container} has no place for the film's metadata {lost}")
        if self._cut is not None:
            lines.append(
                "players are told to cut pixels from the film's picture ("
                + ", ".join(f"{count} {side}" for side, count in self._cut.items())
                + "), and cannot be told so of the target: they show all of it"
            )
        # What grows comes last: it is told when the film is done.
        lines += self._companions.notes()
        if not self._shaped:
            aspect = self._info.sample_aspect_ratio
            lines.append(f"the sample aspect ratio {aspect} has no place in this file's header")
        return lines

    def write(self, painted: PaintedFrame) -> None:
        """Take the next frame, in presentation order; its pts must be above the one before.

        Raises EncodeError or TargetError when it cannot be written, ValueError if planes do not
        fit ``chroma_shape`` and the type of the luma.
        """
        self._encoder.check(painted)
        self._moved(painted.frame.pts, painted.frame.moved)
        self._begin(painted.frame.pts)
        with writing(self._path, f"{self._choice.encoder} failed"):
            packets = self._encoder.encode(painted)
        self._mux(packets)

    def segment(self, path: Path) -> SegmentWriter:
        """A writer of part of the picture, in a file of its own, for `join`."""
        return SegmentWriter(path, self._info, self._choice, self._target.container)

    def join(self, segments: Sequence[Segment], sign: Callable[[Path], None] | None = None) -> None:
        """Take the whole picture from finished segments, in their order, instead of ``write``.

        ``sign`` is called with the finished film before that takes the target's place. Raises
        EncodeError or TargetError when it cannot be written.
        """
        self._sign = sign
        check_room(self._path.parent, sum(segment.size for segment in segments), self._path)
        encoder, last = self._encoder, segments[-1]
        for pts, moved in chain.from_iterable(segment.moved for segment in segments):
            self._moved(pts, moved)
        self._begin(segments[0].start)
        origin = encoder.ticks(encoder.origin)
        self._end = last.pts[-1] + last.duration - origin
        with writing(self._path, "cannot join the finished parts"):
            for packet in join(segments):
                assert packet.pts is not None and packet.dts is not None
                packet.pts -= origin
                packet.dts -= origin
                packet.stream, packet.time_base = encoder.stream, encoder.base
                self._mux([packet])

    def abandon(self) -> None:
        """Let go of everything and delete the temporary file, whatever state we are in."""
        try:
            self._opened.close()
        finally:
            # The file goes anyway, also at a second Ctrl-C.
            self._target.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abandon()
            return
        try:
            self._finish()
        except BaseException:
            self.abandon()
            raise

    def _open(self) -> None:
        info, container = self._info, self._target.container
        with writing(self._path, f"{container} or {self._choice.encoder} refuses this film"):
            self._companions = Companions(info, self._audio)
            self._opened.callback(self._companions.close)
            lost = homeless(info.metadata, container)
            # As the film does itself: FFmpeg then writes none of the old atoms, nor a cover.
            covers = any(map(is_cover, self._companions.source.streams))
            by_key = bool(lost) and not covers and named_by_keys(info.path)
            self._homeless = [] if by_key else lost
            self._output = self._companions.output = av.open(
                str(self._target.part.absolute()),
                "w",
                format=container,
                container_options=muxer_options(
                    info, self._companions.source, container, by_key=by_key
                ),
            )
            self._opened.callback(self._close_output)
            self._output.metadata.update(kept_metadata(info.metadata))
            if info.sound is not None:
                self._add_picture(None)
            # In the source's order, so that "the second audio track" stays the second.
            for stream in self._companions.source.streams:
                if info.sound is None and stream.index == info.stream_index:
                    self._add_picture(stream)
                else:
                    self._companions.add(stream.index)
            if self._crop.whole:
                origin = self._encoder.origin = origin_of(self._companions.source, info)
                self._start(origin * info.time_base if origin else None, None)

    def _add_picture(self, like: Stream | None) -> None:
        info = self._info
        self._encoder = PictureEncoder(self._output, info, self._choice)
        if like is not None:
            label(self._output, like, self._encoder.stream)
        self._claim = claim(self._output, self._encoder.stream, info.sample_aspect_ratio)

    def _start(self, start: Fraction | None, end: Fraction | None) -> None:
        """Write the header: early for a whole film, at the first frame for a part of one."""
        self._output.set_chapters(self._companions.chapters(start, end))
        # What an encoder of sound needs ahead of the film's start goes along with that.
        unmoved = not start and self._crop.from_the_first
        self._companions.set_span(None if unmoved else start)
        self._output.start_encoding()

    def _moved(self, pts: int, moved: int) -> None:
        base = self._info.time_base
        self._companions.resets.add(pts * base, moved * base)

    def _begin(self, pts: int) -> None:
        if self._begun:
            return
        self._begun = True
        if self._crop.whole:
            return
        self._encoder.origin = pts
        info = self._info
        start, before = pts * info.time_base, (pts - (info.start_pts or 0)) * info.time_base
        # MXF tells it of the whole film, others of the picture or of every track.
        for tags in (self._output.metadata, *(stream.metadata for stream in self._output.streams)):
            advance(tags, before, info.average_rate)
        with writing(self._path, f"{self._target.container} refuses this film"):
            self._start(start, self._expected_end(start))

    def _expected_end(self, start: Fraction) -> Fraction | None:
        """Where the part ends, as far as can be known now; only chapters are cut by it."""
        if self._crop.duration is not None:
            return start + self._crop.duration
        if self._crop.end_frame is not None and self._info.average_rate:
            frames = self._crop.end_frame - (self._crop.first_frame or 0)
            return start + frames / self._info.average_rate
        return None

    def _mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        for packet in self._length.pass_on(packets):
            self._put(packet)

    def _put(self, packet: Packet[VideoStream]) -> None:
        ticks = packet.dts if packet.dts is not None else packet.pts
        with writing(self._path):
            # Sound and subtitles up to this packet first: neither side piles up in memory.
            start = self._encoder.origin * self._info.time_base
            self._companions.pull((ticks or 0) * self._encoder.base + start)
            self._output.mux_one(packet)

    def _finish(self) -> None:
        if not self._begun:
            raise EncodeError(f"{self._path}: not one frame was written")
        with writing(self._path, f"{self._choice.encoder} failed"):
            packets = self._encoder.finish()
        self._end = max(self._end, self._encoder.end)
        self._mux(packets)
        for packet in self._length.last(self._end):
            self._put(packet)
        with writing(self._path, "cannot finish the file"):
            # The encoder's ticks may be coarser than the film's.
            start = self._encoder.origin * self._info.time_base
            end = None if self._crop.whole else start + self._end * self._encoder.base
            self._companions.finish(end)
            self._companions.close()
            self._output.close()
            if self._claim is not None:
                aspect = self._info.sample_aspect_ratio
                self._shaped = settle(self._target.part, self._claim, aspect)
        self._target.commit(self._sign)

    def _close_output(self) -> None:
        # It may well be the fault that brought us here.
        with suppress(Exception):
            self._output.close()
