"""Fields: which of a frame's two comes first, and turning interlaced frames into single moments.

PyAV tells whether a frame is interlaced, but not in which order, and can set neither; FFmpeg's
filters can do all of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import groupby
from typing import cast

import av
from av.filter import Graph

from vidcolor.frames import FieldOrder, Fields

Shape = tuple[int, int, str]
"""Width, height and pixel format."""

_CLOCK = Fraction(1, 1000)
"""Filters want a time base. Ours change no times, or theirs are not used."""
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


def deinterlaced(pictures: Iterable[av.VideoFrame], fields: Fields) -> Iterator[av.VideoFrame]:
    """One picture for each of ``pictures``: of an interlaced one, the moment of its first field.

    By FFmpeg's bwdif (the Bob Weaver filter: motion adaptive as yadif, cubic interpolation as
    w3fdif), which looks one picture ahead and one back. Times, lengths and pictures that are not
    interlaced stay as they are.
    """
    steps = [("bwdif", "mode=send_frame:parity=auto:deint=interlaced")]
    if not fields.flagged:
        steps.insert(0, ("setfield", _MODES[fields.first]))
    for shape, alike in groupby(pictures, key=shape_of):
        graph = chain(shape, *steps)
        # bwdif counts in other ticks; as it drops no picture, the old times fit.
        times: deque[tuple[int | None, int]] = deque()
        for picture in alike:
            times.append((picture.pts, picture.duration))
            graph.push(picture)
            yield from _timed(graph, times)
        graph.push(None)
        yield from _timed(graph, times)


def _timed(graph: Graph, times: deque[tuple[int | None, int]]) -> Iterator[av.VideoFrame]:
    for picture in pull(graph):
        pts, picture.duration = times.popleft()
        picture.pts = cast(int, pts)  # The stubs do not know that it may be None.
        yield picture


def shape_of(picture: av.VideoFrame) -> Shape:
    """What a filter graph must be told beforehand."""
    return picture.width, picture.height, picture.format.name


def chain(shape: Shape, *steps: tuple[str, str | None]) -> Graph:
    """A graph of these filters, each a name with its arguments, in a row."""
    graph = Graph()
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
