"""Every kind of pixel: in, coloured, out; luma, range, depth and tags as they were."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vidcolor.color import chroma_scale, luma_scale
from vidcolor.errors import UsageError
from vidcolor.frames import ColorSpec, VideoInfo
from vidcolor.job import colorize_video
from vidcolor.media.decode import decode
from vidcolor.media.picture import as_frame, picture_of, read_chroma, read_luma
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.plan import as_written
from vidcolor.settings import Settings

FRAMES = 3
LOSSLESS = Settings().replace("color", short_side=64).replace("encoder", codec="ffv1")


def _film(
    path: Path,
    codec: str,
    pixels: str,
    tags: tuple[int, int, int, int] = (0, 2, 2, 2),
    size: tuple[int, int] = (64, 48),
) -> Path:
    """A film of a moving gradient in colour, stored as ``pixels``."""
    width, height = size
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream(codec, rate=Fraction(20))
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        context = stream.codec_context
        context.color_range, context.colorspace = tags[:2]
        context.color_primaries, context.color_trc = tags[2:]
        for number in range(FRAMES):
            rows, columns = np.mgrid[0:height, 0:width]
            rgb = np.stack([rows * 5 + number * 9, columns * 3 + 30, 255 - rows * 4], axis=-1)
            frame = av.VideoFrame.from_ndarray(rgb.clip(0, 255).astype(np.uint8), format="rgb24")
            frame = frame.reformat(format=pixels)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _planes(info: VideoInfo) -> list[tuple[np.ndarray, Any]]:
    found = []
    for frame in decode(info):
        chroma = read_chroma(frame.owner, frame.color)
        chroma = None if chroma is None else tuple(plane.copy() for plane in chroma)
        found.append((frame.luma.copy(), chroma))
    return found


DEPTHS = ("", "9le", "10le", "12le", "14le", "16le")
STORED = [
    *[("ffv1", f"yuv{grid}p{depth}") for grid in ("420", "422", "444") for depth in DEPTHS],
    *[("ffv1", f"yuv{grid}p") for grid in ("410", "411", "440")],
    *[("ffv1", f"gray{depth}") for depth in ("", "10le", "12le", "16le")],
    *[("ffv1", pixels) for pixels in ("yuva420p", "yuva444p10le", "bgr0", "bgra", "rgb48le")],
    *[("ffv1", f"gbrp{depth}") for depth in ("9le", "10le", "12le", "14le", "16le")],
    *[("rawvideo", pixels) for pixels in ("nv12", "p010le", "yuyv422", "uyvy422")],
    *[("rawvideo", pixels) for pixels in ("y210le", "rgb24", "bgr24", "rgb565le", "monob", "ya8")],
    *[("png", pixels) for pixels in ("rgb24", "rgba", "rgb48be", "gray", "gray16be", "ya8")],
    ("gif", "rgb8"),
]
WITH_ALPHA = {"yuva420p", "yuva444p10le", "bgra", "rgba", "ya8", "pal8"}


@pytest.mark.parametrize(("codec", "pixels"), STORED, ids=["-".join(pair) for pair in STORED])
def test_luma_depth_range_and_kept_colour_survive(
    codec: str, pixels: str, colorizer: Colorizer, tmp_path: Path
) -> None:
    suffix = {"rawvideo": "nut", "gif": "gif", "png": "mov"}.get(codec, "mkv")
    source = _film(tmp_path / f"film.{suffix}", codec, pixels)
    target = tmp_path / "out.mkv"
    report = colorize_video(
        source, target, LOSSLESS.replace(keep_color=((1, 2),)), colorizer=colorizer
    )
    info, result = as_written(probe(source), target, LOSSLESS), probe(target)
    assert result.color == info.color
    assert info.color.full_range or picture_of(info.pixel_format).coded
    told = any("transparency" in line for line in report.warnings)
    assert told == (info.pixel_format in WITH_ALPHA)
    before, after = _planes(info), _planes(result)
    assert len(before) == len(after) == FRAMES and report.kept_color == 1
    for (luma, _), (found, _) in zip(before, after, strict=True):
        np.testing.assert_array_equal(found, luma)
    neutral, _ = chroma_scale(info.color)
    for number, (own, found) in enumerate(
        (own, found) for (_, own), (_, found) in zip(before, after, strict=True)
    ):
        if own is None:
            continue
        alike = own[0].shape == found[0].shape
        assert alike == picture_of(info.pixel_format).coded
        if number == 1 and alike:
            np.testing.assert_array_equal(found, own)
        elif number == 1:  # RGB has colour at each pixel, the target at every second.
            blocks = own[0].reshape(24, 2, 32, 2).mean(axis=(1, 3))
            assert np.abs(found[0] - blocks).max() <= 1
        else:
            assert np.abs(found[0].astype(int) - neutral).max() > 0
            assert not alike or not np.array_equal(found, own)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p10le"])
@pytest.mark.parametrize(
    ("tag", "matrix", "written"),
    [
        (1, "bt709", 1),
        (2, "bt601", 6),  # Untagged and small: said aloud in the target.
        (4, "fcc", 4),
        (5, "bt601", 5),
        (6, "bt601", 6),
        (7, "smpte240m", 7),
        (8, "bt601", 6),  # YCgCo is the same for grey, and its chroma is ours now.
        (9, "bt2020", 9),
        (10, "bt2020", 9),
    ],
)
def test_matrices_and_ranges(
    tag: int,
    matrix: str,
    written: int,
    pixels: str,
    full: bool,
    colorizer: Colorizer,
    tmp_path: Path,
) -> None:
    tags = (2 if full else 1, tag, 9 if matrix == "bt2020" else 6, 6)
    source = _film(tmp_path / "film.mkv", "ffv1", pixels, tags)
    colorize_video(source, tmp_path / "out.mkv", LOSSLESS, colorizer=colorizer)
    info, result = probe(source), probe(tmp_path / "out.mkv")
    assert (info.color.matrix, info.color.full_range) == (matrix, full)
    assert result.color == info.color
    assert result.tags == replace(info.tags, matrix=written)
    for (luma, _), (found, _) in zip(_planes(info), _planes(result), strict=True):
        np.testing.assert_array_equal(found, luma)


def test_colour_that_would_not_mean_the_same_is_not_kept(
    colorizer: Colorizer, tmp_path: Path
) -> None:
    source = _film(tmp_path / "film.mkv", "ffv1", "yuv420p10le", (1, 10, 9, 14))
    settings = LOSSLESS.replace(keep_color="auto")
    with pytest.raises(UsageError, match=r"matrix 10 .* leave --keep-colour out"):
        colorize_video(source, tmp_path / "out.mkv", settings, colorizer=colorizer)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "rgb24"])
@pytest.mark.parametrize(("codec", "finer"), [("ffv1", False), ("libx264", True)])
def test_odd_sizes_stay_odd(
    pixels: str, codec: str, finer: bool, colorizer: Colorizer, tmp_path: Path
) -> None:
    """Never cut, padded or scaled: chroma gets finer where the encoder takes no odd size."""
    carrier = "rawvideo" if pixels == "rgb24" else "ffv1"
    source = _film(tmp_path / "film.nut", carrier, pixels, size=(65, 49))
    options = {"qp": "0", "preset": "ultrafast"} if finer else {}
    settings = LOSSLESS.replace("encoder", codec=codec, options=options)
    report = colorize_video(source, tmp_path / "out.mkv", settings, colorizer=colorizer)
    target = tmp_path / "out.mkv"
    info, result = as_written(probe(source), target, settings), probe(target)
    assert (result.width, result.height) == (65, 49)
    grid = "420" if pixels == "rgb24" else pixels[3:6]
    assert report.pixel_format == f"yuv{'444' if finer else grid}p"
    assert any("4:4:4" in line for line in report.warnings) == (finer and grid != "444")
    for (luma, _), (found, _) in zip(_planes(info), _planes(result), strict=True):
        np.testing.assert_array_equal(found, luma)


@pytest.mark.parametrize(
    ("codec", "pixels", "depth"),
    [
        ("libx265", "yuv420p12le", 12),
        ("libx265", "yuv444p12le", 12),
        ("libx265", "yuv420p9le", 10),
        ("ffv1", "yuv422p14le", 14),
        ("ffv1", "yuv420p16le", 16),
    ],
)
def test_depths_are_written_exactly(
    codec: str, pixels: str, depth: int, colorizer: Colorizer, tmp_path: Path
) -> None:
    source = _film(tmp_path / "film.mkv", "ffv1", pixels)
    options = {"x265-params": "lossless=1", "preset": "ultrafast"} if codec == "libx265" else {}
    settings = LOSSLESS.replace("encoder", codec=codec, options=options)
    settings = settings.replace(keep_color=((1, 2),))
    colorize_video(source, tmp_path / "out.mkv", settings, colorizer=colorizer)
    info, result = probe(source), probe(tmp_path / "out.mkv")
    assert result.color.depth == depth
    up = depth - info.color.depth
    before, after = _planes(info), _planes(result)
    for (luma, _), (found, _) in zip(before, after, strict=True):
        np.testing.assert_array_equal(found, luma << up)
    for own, found in zip(before[1][1], after[1][1], strict=True):
        np.testing.assert_array_equal(found, own << up)
    colored = after[0][1][1].astype(float) - (1 << (depth - 1))
    # Codes in between: not the eight bits of a coarser painter.
    assert colored.std() > 0 and (after[0][1][1] % (1 << (depth - 8))).any()


DEEP_RGB = [f"{planes}{depth}" for planes in ("gbrp", "gbrap") for depth in ("", "10le", "16be")]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pixels", [*DEEP_RGB, "gbrp9le", "gbrp12le", "gbrp14le"])
def test_codes_made_of_rgb_are_the_nearest(pixels: str, full: bool) -> None:
    depth = picture_of(pixels).depth
    color, most = ColorSpec("bt709", full, depth), (1 << depth) - 1
    kind = "u1" if depth == 8 else (">u2" if pixels.endswith("be") else "<u2")
    rng = np.random.default_rng(5)
    planes = [rng.integers(0, most, (48, 64), endpoint=True).astype(kind) for _ in range(3)]
    for plane in planes:
        plane[0, :3] = 0, most, most // 3
    # Blue and red at their strongest.
    planes[0][0, 3:5], planes[1][0, 3:5], planes[2][0, 3:5] = 0, (most, 0), (0, most)
    shown = [*planes, np.zeros_like(planes[0])] if "a" in pixels else planes
    luma, owner = read_luma(as_frame(shown, pixels), color)
    chroma = read_chroma(owner, color)
    assert chroma is not None
    green, blue, red = (plane / most for plane in planes)
    lit = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    signed = (lit, (blue - lit) / 1.8556, (red - lit) / 1.5748)
    scales = (luma_scale(color), *[chroma_scale(color)] * 2)
    for found, wanted, (zero, span) in zip((luma, *chroma), signed, scales, strict=True):
        assert found.dtype == (np.uint8 if depth == 8 else np.uint16)
        assert np.abs(found - np.clip(zero + span * wanted, 0, most)).max() <= 0.52
    black, span = scales[0]
    assert luma[0, :2].tolist() == [black, black + span]
    if full:
        assert luma[0, 2] == most // 3
    assert [plane[0, :3].tolist() for plane in chroma] == [[1 << (depth - 1)] * 3] * 2
