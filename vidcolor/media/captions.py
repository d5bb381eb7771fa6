"""Closed captions that lie within the picture (CEA-608 and CEA-708, as ATSC A/53 carries them).

They are no stream of their own: the picture's codec has them between its frames, decoders hand them
out with the frames, and encoders take them from there. PyAV can read them but not set them; a
filter's output has them from its first input.
"""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import PictureType

from vidcolor.media.fields import Shape, pull, shape_of
from vidcolor.media.hdr import side_data

_KIND = "A53_CC"
_CLOCK = Fraction(1, 1000)
"""Filters want a time base."""


def captions_of(frame: object) -> bytes:
    """The captions that come with a decoded frame, as the codec carried them; empty if none do."""
    return side_data(frame).get(_KIND, b"") if isinstance(frame, av.VideoFrame) else b""


class Captioner:
    """Gives pictures of one shape the captions of the frames they were made from."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._graphs: dict[Shape, Graph] = {}
        self._number = 0

    def caption(self, picture: av.VideoFrame, decoded: av.VideoFrame) -> av.VideoFrame:
        """The same picture, its samples untouched, with what ``decoded`` carries beside its own."""
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
