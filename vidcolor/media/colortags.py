"""What a film's codes mean: the tags of its colour, and what is taken for granted without them."""

from __future__ import annotations

import av

from vidcolor.frames import ColorSpec, ColorTags, Matrix, Primaries, Transfer, VideoInfo
from vidcolor.media.picture import Picture

MATRIX_TAGS: dict[int, Matrix] = {
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
    14: "bt2020",
}
"""FFmpeg's matrix tags that tell how luma is weighted; anything else counts as untagged."""
_OTHER_CHROMA = frozenset({10, 14})
"""Those of them whose luma, where there is colour, and chroma are made in other ways (constant
luminance, ICtCp): grey pictures are the same."""
_TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
_BT2020_PRIMARIES = 9
_RGB, _UNTAGGED = 0, 2
_HD_HEIGHT = 720
# Codecs whose bit streams say "studio range" by saying nothing, grey pictures included.
_STUDIO_BY_DEFAULT = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "mpeg1video", "mpeg2video"})


def keeps_chroma(info: VideoInfo) -> bool:
    """Whether the film's chroma means in the target, as we tag it, what it means in the source."""
    tag = info.tags.matrix
    return tag in (_RGB, _UNTAGGED) or (tag in MATRIX_TAGS and tag not in _OTHER_CHROMA)


def color_tags(frame: av.VideoFrame, picture: Picture) -> ColorTags:
    """The tags of a film, as its first picture has them."""
    untagged = not picture.coded
    return ColorTags(
        range=0 if untagged else int(frame.color_range),
        matrix=2 if untagged else int(frame.colorspace),
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
    )


def grey_is_full(codec: str) -> bool:
    """Whether grey pictures of a ``codec`` span the full range where nothing is said of it."""
    return codec not in _STUDIO_BY_DEFAULT


def color_spec(frame: av.VideoFrame, picture: Picture, codec: str) -> ColorSpec:
    """What the codes of a film mean, by its first picture and its ``codec``'s habits."""
    full = picture.full_range_by_name or (picture.grey and grey_is_full(codec))
    if frame.color_range in (1, 2):
        full = frame.color_range == 2
    matrix = MATRIX_TAGS.get(int(frame.colorspace)) if picture.coded else None
    transfer: Transfer = _TRANSFERS.get(int(frame.color_trc), "sdr")
    # BT.2100 knows no other primaries for HDR, and BT.2020's matrix is of no use without them.
    tag = int(frame.color_primaries)
    wide = (
        tag == _BT2020_PRIMARIES or transfer != "sdr" or (tag == _UNTAGGED and matrix == "bt2020")
    )
    primaries: Primaries = "bt2020" if wide else "bt709"
    if matrix is None:
        by_size: Matrix = "bt709" if frame.height >= _HD_HEIGHT else "bt601"
        matrix = "bt2020" if wide else by_size
    # Where the picture holds no Y'CbCr we choose the codes ourselves, see ``picture``.
    return ColorSpec(matrix, full and picture.coded, picture.depth, transfer, primaries)
