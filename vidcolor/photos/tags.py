"""What a photo carries beside its pixels: EXIF, its colour profile, XMP, IPTC, its resolution."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image, JpegImagePlugin, TiffImagePlugin

Bytes = TypeVar("Bytes", bytes, memoryview)

ORIENTATION = 0x0112
PROFILE = 34675
_XMP = 700
RESOLUTION = 282
_PICTURE = frozenset(
    {*range(254, 260), 262, 263, 264, 265, 266, *range(277, 282), 273, 284, 290, 291, 301, 317}
    | {*range(320, 326), 330, *range(332, 348), *range(512, 522), *range(529, 533), PROFILE}
    | {37724, 50784}
)
"""TIFF's tags of how pixels are stored, which are the written file's own affair, and of Photoshop's
layers, which hold the picture once more as it was."""
IPTC = 33723
_RESOURCES = 34377
"""Photoshop's: large, and no affair of EXIF's."""
_SUB_DIRECTORIES = (0x8769, 0x8825)
"""The tags of EXIF proper, and of GPS."""
_INTEROPERABILITY = 0xA005
"""Where more tags lie in the file that was read."""
_OWN_CHUNKS = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"hIST", b"sBIT", b"sPLT"}
    | {b"acTL", b"fcTL", b"fdAT"}
)
"""PNG's chunks that go with the pixels as they were stored."""
_OF_ANY_PIXELS = frozenset(
    {b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV", b"cLLI", b"tIME", b"sCAL", b"pCAL"}
)
"""Those that stay true of other pixels, although their names do not say so."""
_IPTC_RESOURCE = 0x0404
_SEGMENT = b"Photoshop 3.0\0"
MOST_IPTC = 0xFFFF - 2 - len(_SEGMENT) - 12 - 1
"""Bytes that a JPEG's segment has room for."""
_METRES = 39.37007874
_MOST_DPI = 0xFFFF
"""What JPEG can hold; more, or none, or 0/0 in a TIFF, is no resolution."""
_EXIF_HEAD = b"Exif\0\0"


@dataclass(frozen=True, slots=True)
class Tags:
    """``exif`` as JPEG has it, b"" if there is none; ``directory`` the same by TIFF's tags, with
    the other tags of a TIFF file. ``chunks`` are those of a PNG, ready to be written again;
    ``jpeg`` is how a JPEG was encoded: luma's quantisation tables, sampling and the like. ``iptc``
    are the captions, keywords and credits of IPTC-IIM, as TIFF's tag 33723 has them.
    """

    exif: bytes = b""
    directory: dict[int, Any] = field(default_factory=dict)
    profile: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    chunks: bytes = b""
    jpeg: dict[str, Any] = field(default_factory=dict)
    iptc: bytes = b""


def read_tags(path: Path, image: Image.Image, orientation: int) -> tuple[Tags, bool]:
    """The tags of an opened photo whose pixels are turned by ``orientation``, and whether a profile
    of grey was left out of them, which no picture in colour can have.

    Raises what Pillow raises.
    """
    info, found = image.info, image.getexif()
    directory = {tag: _as_stored(value) for tag, value in found.items() if tag not in _PICTURE}
    for tag in _SUB_DIRECTORIES:
        directory.pop(tag, None)
        if inner := found.get_ifd(tag):
            directory[tag] = {
                key: _as_stored(value) for key, value in inner.items() if key != _INTEROPERABILITY
            }
    directory[ORIENTATION] = orientation
    if orientation == 1 and ORIENTATION not in found:
        del directory[ORIENTATION]
    xmp = info.get("xmp", directory.pop(_XMP, None))
    exif = info.get("exif", b"")
    iptc = _iptc(image, directory.pop(IPTC, b""))
    if image.format == "TIFF" and directory:
        exif = _as_exif(directory)
    if exif and not exif.startswith(_EXIF_HEAD):
        exif = _EXIF_HEAD + exif  # WebP's has none, and JPEG's needs it.
    profile = info.get("icc_profile") or None
    grey = profile is not None and profile[16:20] == b"GRAY"
    # Of a TIFF that does not tell, Pillow makes one up.
    dpi = info.get("dpi") if image.format != "TIFF" or RESOLUTION in found else None
    if dpi is not None and not all(0 < value <= _MOST_DPI for value in dpi):
        dpi = None
    jpeg: dict[str, Any] = {}
    # One that holds R'G'B' gives nothing that could be used again.
    if isinstance(image, JpegImagePlugin.JpegImageFile) and image.mode in ("L", "YCbCr"):
        sampling = JpegImagePlugin.get_sampling(image) if image.mode != "L" else 0
        jpeg = {
            # The tables of luma and, where there are any, of chroma; else luma's does for both.
            "qtables": [image.quantization[key] for key in sorted(image.quantization)][:2],
            "subsampling": max(0, sampling),
            "progressive": bool(info.get("progressive")),
            "comment": info.get("comment", b""),
        }
    tags = Tags(
        exif,
        directory,
        None if grey else profile,
        xmp.encode() if isinstance(xmp, str) else xmp,
        dpi,
        b"".join(_kept_chunks(path, grey=grey)) if image.format == "PNG" else b"",
        jpeg,
        iptc,
    )
    return tags, grey


def _iptc(image: Image.Image, stored: Any) -> bytes:
    """The IPTC record: ``stored`` in a TIFF's tag, else among Photoshop's resources."""
    if image.format == "TIFF" and stored:
        # By an old custom it is called whole numbers, of which Pillow gives the first alone; but it
        # has the bytes too, for its own reader of IPTC.
        stored = getattr(image, "tag_v2")._tagdata.get(IPTC, stored)  # noqa: B009
    if isinstance(stored, bytes) and stored:
        return stored
    resources = image.info.get("photoshop")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        resources = {key: block.get("data") for key, block in image.get_photoshop_blocks().items()}
    found = resources.get(_IPTC_RESOURCE) if isinstance(resources, dict) else None
    return found if isinstance(found, bytes) else b""


def jpeg_iptc(tags: Tags) -> bytes:
    """The segment of a JPEG that holds the IPTC record; b"" where there is none."""
    if not tags.iptc:
        return b""
    record = struct.pack(">4sH2xI", b"8BIM", _IPTC_RESOURCE, len(tags.iptc)) + tags.iptc
    data = _SEGMENT + record + b"\0" * (len(record) % 2)
    return b"\xff\xed" + struct.pack(">H", 2 + len(data)) + data


def _as_stored(value: Any) -> Any:
    """Text with the bytes it was read from: Pillow reads it as Latin-1, whatever it is, but writes
    a question mark for all that is not ASCII."""
    return value if not isinstance(value, str) or value.isascii() else value.encode("latin-1")


def png_chunks(tags: Tags) -> bytes:
    """The tags as PNG has them: those of a PNG as they were."""
    if tags.chunks:
        return tags.chunks
    found = []
    if tags.profile:
        found.append(_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(tags.profile)))
    if tags.dpi:
        across, down = (round(float(value) * _METRES) for value in tags.dpi)
        found.append(_chunk(b"pHYs", struct.pack(">IIB", across, down, 1)))
    if tags.exif:
        found.append(_chunk(b"eXIf", tags.exif.removeprefix(_EXIF_HEAD)))
    if tags.xmp:
        found.append(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + tags.xmp))
    return b"".join(found)


def chunks_of(data: Bytes) -> Iterator[tuple[bytes, Bytes]]:
    """Each chunk of a PNG up to its end, as far as it is whole: its type, and all of it."""
    at, kind = 8, b""
    while kind != b"IEND" and at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = bytes(data[at + 4 : at + 8]), at + 12 + length
        if end > len(data):
            return
        yield kind, data[at:end]
        at = end


def _kept_chunks(path: Path, *, grey: bool) -> Iterator[bytes]:
    """Those that are true of the coloured pixels too, as far as a PNG's names tell: the fourth
    letter of a kind that nobody here knows is small where it is."""
    for kind, chunk in chunks_of(path.read_bytes()):
        if kind in _OWN_CHUNKS or (grey and kind == b"iCCP"):
            continue
        sound = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big") and kind.isalpha()
        if sound and (kind[3:].islower() or kind in _OF_ANY_PIXELS):
            yield chunk


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def with_resolution(tags: Tags) -> bytes:
    """The EXIF, with the resolution in it where only the photo's format told that."""
    if tags.dpi is None or RESOLUTION in tags.directory:
        return tags.exif
    told = {RESOLUTION: tags.dpi[0], 283: tags.dpi[1], 296: 2}
    exif = _as_exif({**tags.directory, **told})
    return exif if exif.startswith(_EXIF_HEAD) else _EXIF_HEAD + exif


def _as_exif(directory: dict[int, Any]) -> bytes:
    exif = Image.Exif()
    for tag, value in directory.items():
        if tag != _RESOURCES:
            exif[tag] = value
    return exif.tobytes()
