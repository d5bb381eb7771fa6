"""What is never opened, however it is named: files that are there to name other files.

A film comes from anywhere, and opening it must read that one file and nothing else. FFmpeg knows
playlists and scripts, which it would go on to fetch from the disk or the network. They are kept
from its choice of formats, and only plain files may be opened.
"""

from __future__ import annotations

import re
import stat
from functools import cache
from pathlib import Path

import av

from vidcolor.errors import SourceError
from vidcolor.settings import LimitSettings

_NAMING_OTHERS = frozenset(
    {
        "alias_pix",
        "avisynth",
        "brender_pix",
        "concat",
        "dash",
        "hls",
        "imf",
        "rtp",
        "rtsp",
        "sap",
        "sdp",
        "vapoursynth",
        "webm_dash_manifest",
    }
)
_HEADS = (
    (re.compile(rb"#EXTM3U"), "a playlist"),
    (re.compile(rb"ffconcat version"), "a list of files to join"),
    (re.compile(rb"v=0\r?\n"), "a description of a network stream"),
    (re.compile(rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<MPD\b", re.DOTALL), "a playlist"),
)
_HEAD = 4096


def check_source(path: Path) -> None:
    """Raise SourceError for what is no plain file, or is one that only names other files.

    Raises OSError as the file system does.
    """
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise SourceError(f"{path}: this is a folder; name a film file, or see vidcolor batch")
    # Reading from a pipe would wait for ever, and a film is read more than once.
    if not stat.S_ISREG(kind):
        raise SourceError(f"{path}: a pipe or device; copy the film into a file first")
    # Asked beforehand, because FFmpeg's own words for an empty file mislead.
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for pattern, what in _HEADS:
        if pattern.match(head):
            raise SourceError(f"{path}: {what}, not a film; name the film itself")


@cache
def opening_options() -> dict[str, str]:
    """Options for FFmpeg under which it opens the file it is given, and no other."""
    inputs = (name for name in av.formats_available if av.ContainerFormat(name).is_input)
    allowed = sorted(name for name in inputs if name not in _NAMING_OTHERS)
    return {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(allowed),
        # QuickTime files may keep their pictures in others; off by default, but not by accident.
        "enable_drefs": "0",
        # ``shot%03d.png`` is the name of one picture here, not of a series.
        "pattern_type": "none",
    }


def check_pixels(path: Path, width: int, height: int, limits: LimitSettings) -> None:
    """Raise SourceError for a picture larger than the limit."""
    if width * height > limits.pixels:
        raise SourceError(
            f"{path}: pictures of {width}x{height} are over the limit of {limits.pixels} pixels; "
            f"if they are meant to be, give --limits pixels={width * height}"
        )


def picture_options(limits: LimitSettings) -> dict[str, str]:
    """Options for a decoder that keep it from larger pictures, and have it cut off on the left what
    the stream says, however many columns that are: by itself FFmpeg keeps to addresses that suit
    processors."""
    return {"max_pixels": str(limits.pixels), "flags": "+unaligned"}
