"""A coloured photo as a file's bytes, with the tags it had.

PNG and TIFF are lossless, at 8 and 16 bits; WebP is written lossless, at 8. A JPEG of a JPEG keeps
the tables its luma was quantised with, so that rounding it once more changes next to nothing.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from vidcolor.color import Codes
from vidcolor.photos.tags import (
    IPTC,
    PROFILE,
    RESOLUTION,
    Tags,
    chunks_of,
    jpeg_iptc,
    png_chunks,
    with_resolution,
)

DEEP = frozenset({"PNG", "TIFF"})
"""The kinds that hold 16 bits."""
LONGEST = {"JPEG": 65500, "WEBP": 16383}
"""Most pixels of a side: what libjpeg takes, and what WebP has room for."""
QUALITY = 95
"""Of a JPEG that was none before; its chroma is not subsampled."""
_PNG_EFFORT = 6
_STRIP = 1 << 20
"""Bytes of a TIFF's strip, about, before compression."""
_HEAD = 8 + 25
"""Bytes of a PNG up to the end of its first chunk."""


def write_jpeg(luma: Codes, cb: Codes, cr: Codes, tags: Tags) -> Iterator[bytes]:
    """Y'CbCr planes (h, w) of 8 bits as a JPEG. Raises what Pillow raises, as for all here."""
    options: dict[str, Any] = {"quality": QUALITY, "subsampling": 0, **tags.jpeg}
    if "qtables" in tags.jpeg:
        del options["quality"]
    picture = Image.merge("YCbCr", [Image.fromarray(plane) for plane in (luma, cb, cr)])
    file = io.BytesIO()
    picture.save(file, "JPEG", **options, **_given(tags, dpi=tags.dpi, extra=jpeg_iptc(tags)))
    yield file.getvalue()


def write_webp(pixels: Codes, tags: Tags) -> Iterator[bytes]:
    """R'G'B', or with alpha, (h, w, n) of 8 bits as a lossless WebP."""
    file = io.BytesIO()
    # WebP has no place of its own for the resolution.
    exif = with_resolution(tags)
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True, **_given(tags, exif=exif))
    yield file.getvalue()


def write_png(pixels: Codes, tags: Tags) -> Iterator[bytes | memoryview]:
    """R'G'B', or with alpha, (h, w, n) of 8 or 16 bits as a PNG."""
    swapped = cv2.cvtColor(
        pixels, cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    )
    _, data = cv2.imencode(".png", swapped, (cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT))
    encoded = data.data
    yield encoded[:_HEAD]
    # Pillow writes PNG's tags, but no 16 bits of R'G'B'; OpenCV the reverse.
    yield png_chunks(tags)
    yield from (chunk for kind, chunk in chunks_of(encoded) if kind in (b"IDAT", b"IEND"))


def write_tiff(pixels: Codes, tags: Tags) -> Iterator[bytes]:
    """R'G'B', or with alpha, (h, w, n) of 8 or 16 bits as a TIFF, deflated."""
    height, width, count = pixels.shape
    depth = 8 * pixels.itemsize
    rows = max(1, _STRIP // pixels[0].nbytes)
    strips = [_deflated(pixels[top : top + rows]) for top in range(0, height, rows)]
    directory = ImageFileDirectory_v2()
    for tag, value in tags.directory.items():
        directory[tag] = value
    if tags.dpi and RESOLUTION not in tags.directory:
        directory[RESOLUTION], directory[283], directory[296] = *tags.dpi, 2
    if tags.profile:
        directory[PROFILE] = tags.profile
    if tags.xmp:
        directory[700] = tags.xmp
    if tags.iptc:
        directory[IPTC] = tags.iptc
    lengths = [len(strip) for strip in strips]
    # Size, bits, deflate, R'G'B', strips, samples, rows a strip, lengths, interleaved, differences.
    stored: dict[int, Any] = {
        256: width,
        257: height,
        258: (depth,) * count,
        259: 8,
        262: 2,
        273: tuple(sum(lengths[:number]) for number in range(len(lengths))),
        277: count,
        278: rows,
        279: tuple(lengths),
        284: 1,
        317: 2,
    }
    if count == 4:
        stored[338] = 2  # Alpha, and colours not multiplied by it.
    for tag, value in stored.items():
        directory[tag] = value
    for tag in (273, 279):
        directory.tagtype[tag] = 4  # Whole numbers of 32 bits, however short the first are.
    head = io.BytesIO()
    directory.save(head)
    yield head.getvalue()
    yield from strips


def _deflated(band: Codes) -> bytes:
    """Rows of a TIFF, each sample as the difference from the one to its left."""
    differences: NDArray[Any] = band.copy()
    differences[:, 1:] -= band[:, :-1]
    return zlib.compress(differences.astype(f"<u{band.itemsize}").tobytes())


def _given(tags: Tags, **others: Any) -> dict[str, Any]:
    """The tags as Pillow's arguments, none where there is nothing."""
    found = {"exif": tags.exif, "icc_profile": tags.profile, "xmp": tags.xmp, **others}
    return {name: value for name, value in found.items() if value}
