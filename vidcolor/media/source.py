"""The film, and nothing it may name, opened for reading; and which of its streams is what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from vidcolor.errors import NoVideoError, SourceError
from vidcolor.media.faults import reading
from vidcolor.media.safety import check_source, opening_options, picture_options
from vidcolor.media.series import series_at
from vidcolor.settings import LimitSettings

if TYPE_CHECKING:  # It exists in the stubs only.
    from av.container.core import Chapter

_TEXT_DEMUXERS = frozenset({"tty", "lavfi", "ffmetadata"})


@contextmanager
def open_source(
    path: Path, limits: LimitSettings = LimitSettings(), hardware: HWAccel | None = None
) -> Iterator[InputContainer]:
    """Open ``path``, and no file that it may name, for reading; closed at the end of the block.
    Numbered pictures are a film of `USUAL_RATE`.

    ``hardware`` decodes its pictures where it can. Faults as in ``probe``.
    """
    with reading(path, "cannot be opened"):
        series = series_at(path)
        if series is None:
            check_source(path)
    with reading(path, "not a film that can be read"):
        # An absolute path cannot be taken for a protocol such as ``concat:``; lenient decoding,
        # because old files carry titles in any encoding, see `_readable`.
        source = av.open(
            str(path.absolute()) if series is None else series.address,
            "r",
            format=None if series is None else "image2",
            metadata_errors="surrogateescape",
            container_options=opening_options() if series is None else series.options,
            # FFmpeg decodes pictures already while it opens a file.
            options=picture_options(limits),
            hwaccel=hardware,
        )
    with source:
        for told in (source.metadata, *(stream.metadata for stream in source.streams)):
            told.update(_readable(told))
        if source.format.name in _TEXT_DEMUXERS:
            raise SourceError(f"{path}: not a film that can be read: it is a text file")
        yield source


def chapters_of(source: InputContainer) -> list[Chapter]:
    """Its chapters, their titles as `open_source` has all texts."""
    chapters = source.chapters()
    for chapter in chapters:
        chapter["metadata"].update(_readable(chapter["metadata"]))
    return chapters


def _readable(told: Mapping[str, str]) -> dict[str, str]:
    """Those of the texts that are not in UTF-8, as the old files' Western European."""
    spoilt = ((key, text) for key, text in told.items() if not text.isascii())
    raw = ((key, text.encode("utf-8", "surrogateescape")) for key, text in spoilt)
    return {key: data.decode("cp1252", "replace") for key, data in raw if not _is_utf8(data)}


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def main_video(source: InputContainer, path: Path) -> VideoStream:
    """The picture to colour: the stream marked default, else the largest, never cover art.

    Raises NoVideoError if there is none, SourceError if this build cannot decode it.
    """
    pictures = [stream for stream in source.streams.video if not is_cover(stream)]
    if not pictures:
        held = sorted({stream.type for stream in source.streams})
        found = f"only {' and '.join(held)}" if held else "no stream"
        if source.streams.video:
            found = "only cover art" if held == ["video"] else "only sound and cover art"
        raise NoVideoError(f"{path}: no video in this file, {found}")
    able = [stream for stream in pictures if has_decoder(stream)]
    if not able:
        raise SourceError(f"{path}: no decoder for its video codec in this build of FFmpeg")
    return max(able, key=_rank)


def has_decoder(stream: Stream) -> bool:
    """False where this build of FFmpeg knows no decoder; PyAV then leaves out the codec context."""
    context: object = stream.codec_context
    return context is not None


def is_cover(stream: Stream) -> bool:
    """True for a still that illustrates the film: cover art, thumbnails."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def companions(source: InputContainer, main: int) -> Iterator[Stream]:
    """All streams but the picture, and but the text tracks that only carry chapter names."""
    for stream in source.streams:
        chapter_track = stream.type == "data" and stream.discard == Discard.all
        if stream.index != main and not chapter_track:
            yield stream


def _rank(stream: VideoStream) -> tuple[bool, int, int]:
    area = stream.codec_context.width * stream.codec_context.height
    return bool(stream.disposition & Disposition.default), area, -stream.index
