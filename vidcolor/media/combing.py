"""Whether a film is interlaced: by what its frames say, and where they say nothing by looking.

Captures are often interlaced without saying so. Where something moves, the lines of such a frame
fit their neighbours in the frame before or after better than those beside them; FFmpeg's ``idet``
measures that. A few frames are looked at in several places, as films begin with stills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vidcolor.frames import FieldOrder, Fields
from vidcolor.media.damage import demuxed
from vidcolor.media.faults import FAULTS
from vidcolor.media.fields import FieldReader, chain, pull, shape_of

_PLACES = (2, 4, 1, 3, 0)
"""Fifths of the film, in the order they are looked at: what begins a film tells least of it."""
_FRAMES = 8
"""Looked at in each place, one after the other."""
_WINDOW = 640, 400
"""Width and height of the middle of the picture, which is all that is looked at."""
_LINES = ((400, 600), (1080, 1088))
"""Heights of interlaced video, whole or cropped; a scaled film keeps no fields to speak of."""
_FASTEST = 31
"""Frames per second: more are no pairs of fields."""
_LEAST = 4
_SHARE = 0.25
"""Combed frames at least, and their share of those that show either: of film made into 60 fields a
second, two in five are combed. In 40 progressive films one frame was taken for combed."""
_STRAY = 0.1
"""Combed frames may claim the other order; in progressive films such claims are by chance."""
_CLEAR = 5, 2
"""So many progressive frames and none combed in so many places: the rest need not be looked at."""
_MARKED = frozenset(
    {"h264", "hevc", "mpeg2video", "mpeg1video", "mpeg4", "vc1", "dvvideo", "prores", "dnxhd"}
)
"""Codecs whose pictures say for themselves whether they are interlaced."""
_ORDERS: dict[str, FieldOrder] = {"tff": "top", "bff": "bottom"}


def find_fields(
    source: InputContainer,
    stream: VideoStream,
    first: av.VideoFrame,
    duration: Fraction | None,
    rate: Fraction | None,
) -> Fields | None:
    """How the film is interlaced, None if it is not. ``first`` is its first picture.

    The first picture decides where it is marked; else some are looked at throughout the film, which
    moves ``source``.
    """
    reader = FieldReader()
    order = reader.first(first)
    if order is not None:
        return Fields(order)
    likely = any(low <= first.height <= high for low, high in _LINES)
    if not likely or (rate or 0) > _FASTEST:
        return None
    marked: Counter[FieldOrder] = Counter()
    seen: Counter[str] = Counter()
    begun: set[int | None] = set()
    window = _middle(first)
    clear, (frames, places) = 0, _CLEAR
    for place in _PLACES if duration else (0,):
        after = place * (duration or Fraction(0)) / len(_PLACES)
        pictures = _pictures(source, stream, after, begun)
        if not pictures:
            continue
        marked.update(order for picture in pictures if (order := reader.first(picture)))
        here = _looks(pictures, window)
        seen.update(here)
        clear += here["progressive"] >= frames
        if clear >= places and not marked and not any(seen[name] for name in _ORDERS):
            return None
    if marked:
        return Fields(marked.most_common(1)[0][0])
    return _combed(seen)


def by_container(stream: VideoStream, order: int) -> Fields | None:
    """How the container says the film is interlaced, by FFmpeg's number for it; None where it does
    not, or where the pictures themselves could have said so and do not: those of broadcasts are
    marked one by one."""
    if stream.codec_context.codec.canonical_name in _MARKED:
        return None
    first: FieldOrder | None = {2: "top", 4: "top", 3: "bottom", 5: "bottom"}.get(order)  # type: ignore[assignment]
    return None if first is None else Fields(first, flagged=False)


def _looks(pictures: Sequence[av.VideoFrame], window: str) -> Counter[str]:
    """How many of them idet holds for ``tff``, ``bff``, ``progressive`` or ``undetermined``."""
    graph = chain(shape_of(pictures[0]), ("crop", window), ("idet", None))
    seen: Counter[str] = Counter()
    for picture in (*pictures, None):
        graph.push(picture)
        seen.update(item.metadata["lavfi.idet.single.current_frame"] for item in pull(graph))
    return seen


def _middle(picture: av.VideoFrame) -> str:
    """The window for FFmpeg's crop filter; it begins on a line of the top field."""
    sizes = zip((picture.width, picture.height), _WINDOW, strict=True)
    width, height = (min(whole, part) for whole, part in sizes)
    left, top = (
        (whole - part) // 8 * 4
        for whole, part in ((picture.width, width), (picture.height, height))
    )
    return f"{width}:{height}:{left}:{top}:exact=1"


def _combed(seen: Counter[str]) -> Fields | None:
    (name, most), (_, other) = sorted(
        ((name, seen[name]) for name in _ORDERS), key=lambda item: -item[1]
    )
    enough = most >= max(_LEAST, _SHARE * (most + other + seen["progressive"]))
    return Fields(_ORDERS[name], flagged=False) if enough and other <= _STRAY * most else None


def _pictures(
    source: InputContainer, stream: VideoStream, after: Fraction, begun: set[int | None]
) -> list[av.VideoFrame]:
    """Some undamaged pictures in a row, all of one shape, ``after`` seconds into the film.

    None from a key frame in ``begun``, where pictures have been read before: films with few of them
    are entered at the same one again and again.
    """
    found: list[av.VideoFrame] = []
    assert stream.time_base is not None
    try:
        source.seek((stream.start_time or 0) + int(after / stream.time_base), stream=stream)
        for number, packet in enumerate(demuxed(source, [stream])):
            if number == 0 and packet.dts in begun:
                break
            if number == 0:
                begun.add(packet.dts)
            for picture in packet.decode():
                if picture.is_corrupt or (found and shape_of(picture) != shape_of(found[0])):
                    continue
                found.append(picture)
            if len(found) >= _FRAMES:
                break
    except FAULTS:
        pass
    return found[:_FRAMES]
