"""Closed captions that lie within the picture (CEA-608 and CEA-708, as ATSC A/53 carries them).

They are no stream of their own: the picture's codec has them between its frames, decoders hand them
out with the frames, and encoders take them from there. PyAV can read them but not set them; a
filter's output has them from its first input.
"""

from __future__ import annotations

import gc
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import PictureType

from vidcolor.media.fields import Shape, chain, pull, shape_of
from vidcolor.media.hdr import side_data

_KIND = "A53_CC"
_CLOCK = Fraction(1, 1000)
"""Filters want a time base."""


def captions_of(frame: av.VideoFrame) -> bytes:
    """The captions that come with a decoded frame, as the codec carried them; empty if none do.

    The frame and what it carries then hold each other, until Python looks for such circles: for one
    frame, not for a film's. `CaptionReader` is for these.
    """
    return side_data(frame).get(_KIND, b"")


class CaptionReader:
    """Tells of a film's frames whether captions come with them, and which."""

    def __init__(self) -> None:
        self._sieves: dict[Shape, Graph] = {}

    def has(self, frame: object) -> bool:
        """Whether any come with ``frame``; none with what is no decoded frame."""
        return self._sifted(frame) is not None

    def read(self, frame: object) -> bytes:
        """As `captions_of`."""
        twin = self._sifted(frame)
        if twin is None:
            return b""
        found = captions_of(twin)
        del twin
        # Its circle is young yet, and has the picture's memory.
        gc.collect(0)
        return found

    def _sifted(self, frame: object) -> av.VideoFrame | None:
        """``frame`` once more, sharing its memory, if captions come with it."""
        if not isinstance(frame, av.VideoFrame):
            return None
        shape = shape_of(frame)
        if shape not in self._sieves:
            self._sieves[shape] = chain(shape, ("sidedata", f"mode=select:type={_KIND}"))
        self._sieves[shape].push(frame)
        return next(pull(self._sieves[shape]), None)


class Captioner:
    """Gives pictures of one shape the captions of the frames they were made from."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._reader = CaptionReader()
        self._graphs: dict[Shape, Graph] = {}
        self._number = 0

    def caption(self, picture: av.VideoFrame, decoded: object) -> av.VideoFrame:
        """The same picture, its samples untouched, with what ``decoded`` carries beside its own;
        ``picture`` itself if that is no captions."""
        if not isinstance(decoded, av.VideoFrame) or not self._reader.has(decoded):
            return picture
        shape = shape_of(decoded)
        if shape not in self._graphs:
            self._graphs[shape] = self._graph(shape)
        graph, tags = self._graphs[shape], (picture.color_range, picture.colorspace)
        primaries, transfer = picture.color_primaries, picture.color_trc
        # The two are paired by their times; neither keeps its own for it.
        self._number += 1
        time = picture.pts, picture.time_base, picture.duration
        own = decoded.pts, decoded.time_base
        for frame, place in ((decoded, 0), (picture, 1)):
            frame.pts, frame.time_base = self._number, _CLOCK
            graph.push(frame, place)
        decoded.pts, decoded.time_base = own
        (captioned,) = pull(graph)
        captioned.pts, captioned.time_base, captioned.duration = time
        captioned.color_range, captioned.colorspace = tags
        captioned.color_primaries, captioned.color_trc = primaries, transfer
        # The decoded frame's would steer the encoder.
        captioned.pict_type = PictureType.NONE
        return captioned

    def _graph(self, decoded: Shape) -> Graph:
        """Takes a decoded frame first, then the picture; what comes out is the picture's planes
        with all else of the decoded frame."""
        graph = Graph()
        graph.threads = 1
        sources = []
        for name, (width, height, pixels) in (("decoded", decoded), ("picture", self._shape)):
            layout = av.VideoFormat(pixels, width, height)
            sources.append(
                graph.add_buffer(
                    width=width, height=height, format=layout, time_base=_CLOCK, name=name
                )
            )
        width, height, pixels = self._shape
        # Made alike, or ``blend`` would have the picture converted; how they are made is all one,
        # nothing of these samples is used.
        last = sources[0]
        for step in (
            graph.add("scale", f"{width}:{height}:flags=neighbor"),
            graph.add("format", pixels),
            graph.add("setfield", "prog"),
        ):
            last.link_to(step)
            last = step
        # Opaque to the last bit: the second input's planes are copied.
        blend, sink = graph.add("blend", "all_mode=normal:all_opacity=0"), graph.add("buffersink")
        last.link_to(blend, 0, 0)
        sources[1].link_to(blend, 0, 1)
        blend.link_to(sink)
        graph.configure()
        return graph
