"""Pictures of devices in the film's own format: the same samples, wherever they lie."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from vidcolor.frames import ColorSpec, ColorTags, FieldOrder, Fields, VideoInfo
from vidcolor.media.fields import FieldMarker, FieldReader, shape_of
from vidcolor.media.fitting import fits
from vidcolor.media.picture import picture_of, read_chroma, read_luma
from vidcolor.media.surface import Downloads, UnfitError, surface_of

PAIRS = [
    ("nv12", "yuv420p", 8),
    ("nv12", "yuvj420p", 8),
    ("nv16", "yuv422p", 8),
    ("nv16", "yuvj422p", 8),
    ("nv24", "yuv444p", 8),
    ("p010le", "yuv420p10le", 10),
    ("p012le", "yuv420p12le", 12),
    ("p016le", "yuv420p12le", 12),
    ("p016le", "yuv420p16le", 16),
    ("p210le", "yuv422p10le", 10),
    ("p212le", "yuv422p12le", 12),
    ("p216le", "yuv422p16le", 16),
    ("p410le", "yuv444p10le", 10),
    ("p412le", "yuv444p12le", 12),
    ("p416le", "yuv444p12le", 12),
    ("yuv444p16le", "yuv444p10le", 10),
    ("yuv444p10msble", "yuv444p10le", 10),
    ("yuv444p12msble", "yuv444p12le", 12),
]
SIZES = [(64, 48), (65, 47), (33, 31), (642, 360), (2, 2), (1, 1)]


def film(name: str, size: tuple[int, int], fields: Fields | None = None) -> VideoInfo:
    """A film of pixel format ``name``."""
    depth = picture_of(name).depth
    return VideoInfo(
        path=Path("film.mp4"),
        container="mp4",
        stream_index=0,
        codec="h264",
        width=size[0],
        height=size[1],
        pixel_format=name,
        time_base=Fraction(1, 90000),
        average_rate=Fraction(25),
        start_pts=0,
        duration=None,
        frame_count=None,
        frame_count_is_exact=False,
        sample_aspect_ratio=Fraction(1),
        rotation=0,
        turning=None,
        field_order=0,
        color=ColorSpec("bt709", full_range=name.startswith("yuvj"), depth=depth),
        tags=ColorTags(),
        fields=fields,
    )


def stored(frame: av.VideoFrame, bits: int, seed: int = 0) -> list[NDArray[Any]]:
    """Random codes of ``bits`` bits for luma, Cb and Cr, put into ``frame`` by hand."""
    random = np.random.default_rng(seed)
    kind = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
    shift = 8 * np.dtype(kind).itemsize - bits
    small = frame.format.chroma_height(frame.height), frame.format.chroma_width(frame.width)
    sizes = ((frame.height, frame.width), small, small)
    codes = [random.integers(0, 1 << bits, size).astype(kind) for size in sizes]
    apart = len(frame.planes) == 3
    planes = codes if apart else [codes[0], np.stack(codes[1:], -1).reshape(small[0], -1)]
    for plane, samples in zip(frame.planes, planes, strict=True):
        room = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
        room[:] = random.integers(0, 1 << bits, room.shape)  # What is beyond the width, too.
        strides = (plane.line_size, samples.itemsize)
        np.ndarray(samples.shape, kind, memoryview(plane), 0, strides)[:] = samples << shift
    return codes


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("left", "name", "bits"), PAIRS)
def test_every_sample_is_that_of_the_film(
    left: str, name: str, bits: int, size: tuple[int, int]
) -> None:
    info = film(name, size)
    surface = av.VideoFrame(*size, left)
    codes = stored(surface, bits)
    surface.pts, surface.time_base, surface.duration = 77, info.time_base, 3600
    surface.color_range = 2 if info.color.full_range else 1
    plain = Downloads(info, surface_of(surface, "cuda")).plain(surface)
    assert plain.format.name == name and fits(plain, info)
    luma, chroma = read_luma(plain, info.color)[0], read_chroma(plain, info.color)
    assert chroma is not None
    for found, true in zip((luma, *chroma), codes, strict=True):
        assert found.dtype == (np.uint8 if info.color.depth == 8 else np.uint16)
        assert np.array_equal(found, true)
    assert (plain.pts, plain.time_base, plain.duration) == (77, info.time_base, 3600)
    assert plain.color_range == surface.color_range


@pytest.mark.parametrize(("left", "bits"), [("nv12", 8), ("nv16", 8), ("p010le", 10)])
def test_luma_is_read_from_surfaces_themselves_too(left: str, bits: int) -> None:
    surface = av.VideoFrame(65, 47, left)
    codes = stored(surface, bits)
    found, owner = read_luma(surface, ColorSpec("bt709", full_range=False, depth=bits))
    assert owner is surface
    assert np.array_equal(found, codes[0])


def test_lines_may_be_longer_than_the_picture() -> None:
    info, surface = film("yuv420p10le", (65, 47)), av.VideoFrame(65, 47, "p010le")
    assert surface.planes[0].line_size > 2 * 65 and surface.planes[1].line_size > 2 * 66
    codes = stored(surface, 10)
    plain = Downloads(info, surface_of(surface, "cuda")).plain(surface)
    assert np.array_equal(read_luma(plain, info.color)[0], codes[0])


def test_what_has_the_films_format_is_taken_as_it_is() -> None:
    info, picture = film("yuv444p", (64, 48)), av.VideoFrame(64, 48, "yuv444p")
    assert Downloads(info, surface_of(picture, "cuda")).plain(picture) is picture


@pytest.mark.parametrize(
    ("left", "name"),
    [
        ("nv12", "yuv420p10le"),
        ("p010le", "yuv420p"),
        ("p010le", "yuv420p12le"),
        ("p012le", "yuv420p10le"),
        ("nv12", "yuv422p"),
        ("nv16", "yuv420p"),
        ("nv12", "gray"),
        ("nv12", "yuva420p"),
        ("bgra", "yuv420p"),
        ("xv30le", "yuv444p10le"),
    ],
)
def test_what_cannot_be_moved_exactly_is_refused(left: str, name: str) -> None:
    picture = av.VideoFrame(64, 48, left)
    with pytest.raises(UnfitError, match=f"it gives {left}, which is no {name}"):
        Downloads(film(name, (64, 48)), surface_of(picture, "cuda")).plain(picture)


@pytest.mark.parametrize("change", ["size", "format", "range"])
def test_a_picture_that_is_unlike_the_first_is_refused(change: str) -> None:
    info, first = film("yuv420p", (64, 48)), av.VideoFrame(64, 48, "nv12")
    first.color_range = 1
    downloads = Downloads(info, surface_of(first, "cuda"))
    downloads.plain(first)
    other = av.VideoFrame(
        64, 50 if change == "size" else 48, "p010le" if change == "format" else "nv12"
    )
    other.color_range = 2 if change == "range" else 1
    with pytest.raises(UnfitError, match="the picture changes"):
        downloads.plain(other)


@pytest.mark.parametrize("order", ["top", "bottom", None])
@pytest.mark.parametrize(
    ("left", "name", "bits"), [("nv12", "yuv420p", 8), ("p010le", "yuv420p10le", 10)]
)
def test_the_order_of_fields_goes_along(
    left: str, name: str, bits: int, order: FieldOrder | None
) -> None:
    info = film(name, (64, 48), Fields("top"))
    made = av.VideoFrame(64, 48, left)
    made.pts, made.time_base, made.duration = 77, info.time_base, 3600
    codes = stored(made, bits)
    surface = FieldMarker(shape_of(made)).mark(made, order)
    downloads = Downloads(info, surface_of(surface, "cuda"))
    for _ in range(2):
        plain = downloads.plain(surface)
        assert FieldReader().first(plain) == order
        assert (plain.pts, plain.time_base, plain.duration) == (77, info.time_base, 3600)
        assert np.array_equal(read_luma(plain, info.color)[0], codes[0])
    unasked = Downloads(replace(info, fields=None), surface_of(surface, "cuda"))
    assert not unasked.plain(surface).interlaced_frame
