"""Fields: which of a frame's two comes first, and turning interlaced frames into single moments.

PyAV tells whether a frame is interlaced, but not in which order, and can set neither; FFmpeg's
filters can do all of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.filter import Graph

from vidcolor.frames import FieldOrder, Frame, VideoInfo
from vidcolor.media.picture import grey, read_luma

Shape = tuple[int, int, str]
"""Width, height and pixel format."""

_CLOCK = Fraction(1, 1000)
"""Filters want a time base; no time of theirs is used."""
_STORED: dict[FieldOrder, tuple[int, int]] = {"top": (2, 4), "bottom": (3, 5)}
"""FFmpeg's numbers by the field shown first: for fields stored apart, and for such in one frame."""
_MODES: dict[FieldOrder | None, str] = {"top": "tff", "bottom": "bff", None: "prog"}


class FieldReader:
    """Tells which field of a decoded picture comes first."""

    def __init__(self) -> None:
        self._shape: Shape | None = None

    def first(self, picture: av.VideoFrame) -> FieldOrder | None:
        """The field that is shown first; None for a picture not marked as interlaced."""
        if not picture.interlaced_frame:
            return None
        if shape_of(picture) != self._shape:
            self._shape = shape_of(picture)
            self._graph = chain(self._shape, ("select", "eq(interlace_type,TOPFIRST)"))
        self._graph.push(picture)
        return "top" if list(pull(self._graph)) else "bottom"


class FieldMarker:
    """Marks pictures of one shape as interlaced, or not, for the encoder to read."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._graphs: dict[FieldOrder | None, Graph] = {}

    def mark(self, picture: av.VideoFrame, first: FieldOrder | None) -> av.VideoFrame:
        """The same picture, marked as having ``first`` as its first field; None: as one moment."""
        if first not in self._graphs:
            self._graphs[first] = chain(self._shape, ("setfield", _MODES[first]))
        self._graphs[first].push(picture)
        (marked,) = pull(self._graphs[first])
        marked.time_base = picture.time_base
        return marked


def deinterlaced(frames: Iterable[Frame]) -> Iterator[Frame]:
    """As many frames, all of one moment: the interlaced ones that of their first field.

    By FFmpeg's bwdif (the Bob Weaver filter: motion adaptive as yadif, cubic interpolation as
    w3fdif), which looks one frame ahead and one back. It is shown luma alone, whatever the film's
    pixel format. The lines of the first field, and frames that are not interlaced, stay as they
    are.
    """
    waiting: deque[Frame] = deque()
    graph: Graph | None = None
    for frame in frames:
        luma: Any = np.ascontiguousarray(frame.luma)
        picture = av.VideoFrame.from_ndarray(luma, format=grey(8 * luma.itemsize))
        picture.time_base = _CLOCK
        if graph is None:
            marker = FieldMarker(shape_of(picture))
            graph = chain(shape_of(picture), ("bwdif", "send_frame:auto:interlaced"), threads=0)
        waiting.append(frame)
        graph.push(marker.mark(picture, frame.first_field))
        yield from _finished(graph, waiting)
    if graph is not None:
        graph.push(None)
        yield from _finished(graph, waiting)


def _finished(graph: Graph, waiting: deque[Frame]) -> Iterator[Frame]:
    for picture in pull(graph):
        frame = waiting.popleft()  # bwdif drops none.
        if frame.first_field is not None:
            luma, _ = read_luma(picture, frame.color)
            # Interpolation overshoots, and the filter does not know of fewer than 16 bits.
            if 8 < frame.color.depth < 16:
                luma = np.minimum(luma, (1 << frame.color.depth) - 1)
            frame = replace(frame, luma=luma, first_field=None, taken_field=frame.first_field)
        yield frame


def field_order(info: VideoInfo) -> int:
    """FFmpeg's number for the order of a film's fields, 0 where it is not interlaced; the source's
    own number where that says the same."""
    if info.fields is None or not info.interlaced:
        return 0
    apart, woven = _STORED[info.fields.first]
    return apart if info.field_order == apart else woven


def shape_of(picture: av.VideoFrame) -> Shape:
    """What a filter graph must be told beforehand."""
    return picture.width, picture.height, picture.format.name


def chain(shape: Shape, *steps: tuple[str, str | None], threads: int = 1) -> Graph:
    """A graph of these filters, each a name with its arguments, in a row.

    ``threads`` 0 is one for every processor.
    """
    graph = Graph()
    graph.threads = threads
    width, height, pixels = shape
    layout = av.VideoFormat(pixels, width, height)
    last = graph.add_buffer(width=width, height=height, format=layout, time_base=_CLOCK)
    for name, arguments in (*steps, ("buffersink", None)):
        step = graph.add(name, arguments)
        last.link_to(step)
        last = step
    graph.configure()
    return graph


def pull(graph: Graph) -> Iterator[av.VideoFrame]:
    """The pictures that a graph has ready."""
    with suppress(av.BlockingIOError, av.EOFError):
        while True:
            yield cast(av.VideoFrame, graph.pull())
