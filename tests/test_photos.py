"""Photographs: luma, depth and tags kept, in every kind of file, and bad ones refused in a line."""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from networks import tiny_checkpoint
from PIL import Image, ImageCms, ImageOps, IptcImagePlugin
from PIL.TiffImagePlugin import IFDRational

from vidcolor.color import ColorSpec
from vidcolor.errors import (
    BatchError,
    EncodeError,
    SourceError,
    TargetError,
    TargetExistsError,
    UsageError,
)
from vidcolor.hintlist import Hint
from vidcolor.jobs.found import Batch
from vidcolor.jobs.run import run_batch
from vidcolor.media.samples import read_samples
from vidcolor.models.colorizer import Colorizer
from vidcolor.photos.job import colorize_photo
from vidcolor.photos.kinds import is_photo_job, kind_of
from vidcolor.photos.read import read_photo
from vidcolor.photos.rgb import join_rgb, split_rgb
from vidcolor.photos.tags import MOST_IPTC, Tags, chunks_of, jpeg_iptc
from vidcolor.photos.write import write_tiff
from vidcolor.references import find_references
from vidcolor.settings import LimitSettings, RangeSettings, Settings
from vidcolor_cli.main import run

WIDTH, HEIGHT = 97, 70
FULL = {depth: ColorSpec("bt601", full_range=True, depth=depth) for depth in (8, 16)}
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


@pytest.fixture(scope="module")
def settings(net: Path) -> Settings:
    return Settings().replace("color", model=str(net), device="cpu", short_side=64, saturation=2)


@pytest.fixture(scope="module")
def profile() -> bytes:
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def scene(depth: int = 8) -> np.ndarray:
    """A grey picture with soft and sharp parts, black and white among them."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    grey = 0.5 + 0.5 * np.sin(columns / 9) * np.cos(rows / 13)
    grey[10:30, 10:40] = np.random.default_rng(0).uniform(0, 1, (20, 30))
    grey[40:50, :20], grey[40:50, 20:40] = 0, 1
    return np.rint(grey * ((1 << depth) - 1)).astype(np.uint8 if depth == 8 else np.uint16)


def colored() -> np.ndarray:
    """(h, w, 3) of all kinds of colour."""
    rng = np.random.default_rng(1)
    return cv2.resize(rng.integers(0, 256, (7, 10, 3)).astype(np.uint8), (WIDTH, HEIGHT))


def png(planes: np.ndarray, kind: int, extra: bytes = b"") -> bytes:
    """A PNG of planes (h, w, n); ``kind`` is its colour type."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width = planes.shape[:2]
    rows = planes.astype(f">u{planes.itemsize}")
    head = struct.pack(">IIBBBBB", width, height, 8 * planes.itemsize, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def pixels(path: Path) -> np.ndarray:
    """(h, w, n) codes at the file's own depth."""
    image = opened(path)
    deep = path.suffix in (".png", ".tif") and cv2.imread(str(path), -1).dtype == np.uint16
    if not deep:
        return np.asarray(image)
    # Pillow has no 16 bits of R'G'B'; OpenCV would multiply 8 by their alpha.
    found = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    return found[..., [2, 1, 0, *range(3, found.shape[2])]]


def opened(path: Path) -> Image.Image:
    """As Pillow opens it, without a file that would stay open."""
    return Image.open(io.BytesIO(path.read_bytes()))


def luma(codes: np.ndarray) -> np.ndarray:
    return np.rint(codes[..., :3] @ np.array([0.299, 0.587, 0.114]))


def color_of(codes: np.ndarray) -> float:
    return float(np.abs(np.diff(codes[..., :3].astype(float), axis=2)).mean())


def tags() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A maker", 1
    exif.get_ifd(0x8769)[0x9003] = "1931:05:06 07:08:09"
    return exif.tobytes()


def save(path: Path, codes: np.ndarray, **options: Any) -> Path:
    Image.fromarray(codes).save(path, **options)
    return path


@pytest.mark.parametrize("depth", [8, 16])
def test_luma_survives_every_colour_and_back(depth: int) -> None:
    rng = np.random.default_rng(depth)
    kind = np.uint8 if depth == 8 else np.uint16
    y, u, v = (rng.integers(0, 1 << depth, (300, 200)).astype(kind) for _ in range(3))
    y[:10], y[10:20] = 0, (1 << depth) - 1
    picture = join_rgb(y, u, v, FULL[depth])
    np.testing.assert_array_equal(split_rgb(picture, FULL[depth])[0], y)
    rgb = rng.integers(0, 1 << depth, (200, 100, 3)).astype(kind)
    again = join_rgb(*split_rgb(rgb, FULL[depth]), FULL[depth])
    assert np.abs(again.astype(int) - rgb).max() <= 4
    neutral = np.full_like(y, 1 << (depth - 1))
    np.testing.assert_array_equal(join_rgb(y, neutral, neutral, FULL[depth]), np.dstack([y] * 3))


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("source", ["png", "tif", "webp", "jpg"])
def test_lossless_kinds_keep_luma_and_tags(
    source: str,
    suffix: str,
    colorizer: Colorizer,
    settings: Settings,
    tmp_path: Path,
    profile: bytes,
) -> None:
    options: dict[str, Any] = {"lossless": True} if source == "webp" else {"dpi": (300, 240)}
    path = save(
        tmp_path / f"in.{source}",
        np.dstack([scene()] * 3) if source == "webp" else scene(),
        exif=tags(),
        icc_profile=profile,
        **options,
    )
    target = tmp_path / f"out.{suffix}"
    report = colorize_photo(path, target, settings, colorizer=colorizer)
    assert report.warnings == []
    found = pixels(target)
    grey = np.asarray(opened(path).convert("L"))
    np.testing.assert_array_equal(luma(found), grey)
    assert color_of(found) > 3
    image = opened(target)
    assert image.info["icc_profile"] == profile
    exif = image.getexif()
    assert exif[0x010F] == "A maker"
    assert exif.get_ifd(0x8769)[0x9003] == "1931:05:06 07:08:09"
    if source != "webp":
        told = (exif[282], exif[283]) if suffix == "webp" else image.info["dpi"]
        assert told == pytest.approx((300, 240), abs=0.01)
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted({path.name, target.name})


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("source", ["tif", "jpg"])
def test_text_in_tags_keeps_its_bytes(
    source: str, suffix: str, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    exif, name = Image.Exif(), "Müller, Zürich".encode()
    exif[315] = "an artist's name" if source == "jpg" else name
    path = save(tmp_path / f"in.{source}", scene(), exif=exif)
    if source == "jpg":
        path.write_bytes(path.read_bytes().replace(b"an artist's name", name))
    target = tmp_path / f"out.{suffix}"
    colorize_photo(path, target, settings, colorizer=colorizer)
    assert name in path.read_bytes()
    assert name in target.read_bytes()


def test_what_came_to_be_there_meanwhile_stays(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    path, target = save(tmp_path / "in.png", scene()), tmp_path / "out.png"

    def come(file: Path) -> None:
        target.write_bytes(b"precious")

    with pytest.raises(TargetExistsError, match="did not when the work began"):
        colorize_photo(path, target, settings, colorizer=colorizer, sign=come)
    assert target.read_bytes() == b"precious"
    assert sorted(tmp_path.iterdir()) == [path, target]
    over = settings.replace(overwrite=True)
    colorize_photo(path, target, over, colorizer=colorizer, sign=come)
    assert pixels(target).shape[2] == 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("source", ["png", "tif"])
def test_sixteen_bits_are_kept(
    source: str, suffix: str, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    grey = scene(16)
    path, target = tmp_path / f"in.{source}", tmp_path / f"out.{suffix}"
    assert cv2.imwrite(str(path), grey)
    colorize_photo(path, target, settings, colorizer=colorizer)
    found = pixels(target)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(luma(found), grey)
    assert color_of(found) > 3 * 257
    np.testing.assert_array_equal(read_samples(target), found)
    assert opened(target).size == (WIDTH, HEIGHT)


def test_eight_bit_kinds_round_sixteen_and_say_so(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "in.png"
    assert cv2.imwrite(str(path), scene(16))
    report = colorize_photo(path, tmp_path / "out.webp", settings, colorizer=colorizer)
    assert any("16 bits are rounded to 8" in line for line in report.warnings)
    expected = np.rint(scene(16) / 257)
    np.testing.assert_array_equal(luma(pixels(tmp_path / "out.webp")), expected)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_transparency_is_kept(
    depth: int, suffix: str, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    grey = scene(depth)
    alpha = np.roll(grey, 7, axis=1)
    path, target = tmp_path / "in.png", tmp_path / f"out.{suffix}"
    path.write_bytes(png(np.dstack((grey, alpha)), 4))
    colorize_photo(path, target, settings, colorizer=colorizer)
    found = pixels(target)
    np.testing.assert_array_equal(found[..., 3], alpha)
    np.testing.assert_array_equal(luma(found), grey)
    report = colorize_photo(path, tmp_path / "out.jpg", settings, colorizer=colorizer)
    assert any("no transparency" in line for line in report.warnings)


@pytest.mark.parametrize("depth", [8, 16])
def test_samples_that_are_not_named_are_left_out_and_told(
    depth: int, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    path, target = tmp_path / "in.tif", tmp_path / "out.tif"
    planes = np.dstack([*[scene(depth)] * 3, np.roll(scene(depth), 7, axis=1)])
    data = b"".join(write_tiff(planes, Tags()))
    alpha, unnamed = (struct.pack("<HHIH", 338, 3, 1, kind) for kind in (2, 0))
    assert data.count(alpha) == 1
    path.write_bytes(data.replace(alpha, unnamed))
    report = colorize_photo(path, target, settings, colorizer=colorizer)
    assert sum("does not name" in line for line in report.warnings) == 1
    assert pixels(target).shape[2] == 3
    np.testing.assert_array_equal(luma(pixels(target)), scene(depth))


@pytest.mark.parametrize(("suffix", "most"), [("jpg", 65500), ("webp", 16383)])
def test_what_is_too_long_for_its_kind_is_one_line(
    suffix: str, most: int, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    path = save(tmp_path / "in.png", np.zeros((2, most + 1), np.uint8))
    with pytest.raises(EncodeError, match=f"at most {most} pixels"):
        colorize_photo(path, tmp_path / f"out.{suffix}", settings, colorizer=colorizer)
    assert list(tmp_path.iterdir()) == [path]


def test_a_variety_that_is_not_read_is_told_as_that(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    path = save(tmp_path / "in.tif", scene())
    # Of a number of bits that nobody has.
    bits = struct.pack("<HHIH", 258, 3, 1, 8)
    assert bits in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(bits, struct.pack("<HHIH", 258, 3, 1, 7)))
    with pytest.raises(SourceError, match="a TIFF of a kind that is not read"):
        colorize_photo(path, tmp_path / "out.png", settings, colorizer=colorizer)


def test_a_deep_bigtiff_is_read(tmp_path: Path) -> None:
    for codes in (scene(), scene(16)):
        path = tmp_path / f"{codes.dtype}.tif"
        Image.fromarray(codes).save(path, big_tiff=True)
        assert path.read_bytes()[2] == 43
        np.testing.assert_array_equal(read_photo(path).frame.luma, codes)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "LA"])
def test_every_mode_is_read(
    mode: str, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    path, target = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(colored()).convert(mode).save(path)
    shown = np.asarray(opened(path).convert("RGB"), float)
    colorize_photo(path, target, settings, colorizer=colorizer)
    expected, _, _ = split_rgb(shown.astype(np.uint8), FULL[8])
    assert np.abs(expected - shown @ np.array([0.299, 0.587, 0.114])).max() < 0.5001
    np.testing.assert_array_equal(luma(pixels(target)), expected)
    assert np.abs(pixels(target)[..., :3] - shown).max() > 20 or mode in ("1", "LA")


def test_a_jpeg_of_a_jpeg_keeps_luma_nearly_and_its_tables(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    # No values at the ends of the range, where the decoder itself has to clip.
    grey = (40 + scene() * (170 / 255)).astype(np.uint8)
    path = save(
        tmp_path / "in.jpg", grey, quality=80, exif=tags(), comment=b"Hello", dpi=(300, 300)
    )
    target = tmp_path / "out.jpg"
    colorize_photo(path, target, settings, colorizer=colorizer)
    before, after = opened(path), opened(target)
    assert after.quantization[0] == before.quantization[0]  # type: ignore[attr-defined]
    assert after.info["comment"] == b"Hello"
    assert after.info["dpi"] == (300, 300)
    assert after.info["exif"] == before.info["exif"]
    after.draft("YCbCr", after.size)
    off = np.abs(np.asarray(after)[..., 0].astype(int) - np.asarray(before))
    assert off.max() <= 1 and off.mean() < 0.05
    assert color_of(np.asarray(opened(target))) > 3


def test_the_orientation_stays_and_the_network_sees_it_upright(
    net: Path, settings: Settings, tmp_path: Path
) -> None:
    class Sky(Colorizer):
        """a* is 80 in the upper half of what it is shown, which it keeps."""

        def __init__(self) -> None:
            self.takes_hints = False
            self.shown: list[np.ndarray] = []

        description = {"architecture": "sky"}  # noqa: RUF012

        def colors(self, lightness: np.ndarray, hints: np.ndarray | None = None) -> np.ndarray:
            self.shown.append(lightness)
            ab = np.zeros((len(lightness), 2, *lightness.shape[1:]), np.float32)
            ab[:, 0, : lightness.shape[1] // 2] = 80
            return ab

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = save(tmp_path / "in.png", np.full((64, 96), 128, np.uint8), exif=exif)
        target = tmp_path / "out.png"
        one = settings.replace(overwrite=True)
        colorize_photo(path, target, one, colorizer=Sky())
        image = opened(target)
        assert image.getexif()[0x0112] == orientation
        assert image.size == (96, 64)
        upright = np.asarray(ImageOps.exif_transpose(image), int)
        red = upright[..., 0] - upright[..., 1]
        half = red.shape[0] // 2
        assert red[: half - 10].min() > 20 and red[half + 10 :].max() < 5


@pytest.mark.parametrize("orientation", [1, 3, 5, 6])
def test_hints_are_where_they_are_seen(
    orientation: int, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "in.png", np.full((64, 96), 120, np.uint8), exif=exif)
    green = Hint(((0.25, 0.2),), (20, 200, 30), frame=0)
    red = Hint(((0.8, 0.8),), (220, 20, 30), frame=0)
    late = Hint(((0.5, 0.5),), (0, 0, 255), frame=7)
    report = colorize_photo(
        path, tmp_path / "out.png", settings.replace(hints=(green, red, late)), colorizer=colorizer
    )
    assert ["frame 7" in line for line in report.warnings] == [True]
    upright = np.asarray(ImageOps.exif_transpose(opened(tmp_path / "out.png")), int)
    height, width, _ = upright.shape
    for (x, y), most in (((0.25, 0.2), 1), ((0.8, 0.8), 0)):
        assert upright[int(y * height), int(x * width)].argmax() == most


def test_a_reference_colours_a_photo(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    picture = cv2.resize(colored(), (192, 128))
    still = save(tmp_path / "still.png", picture)
    path = save(tmp_path / "in.png", cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    plain, told = tmp_path / "plain.png", tmp_path / "told.png"
    chosen = settings.replace("color", saturation=1)
    colorize_photo(path, plain, chosen, colorizer=colorizer)
    chosen = chosen.replace(references=find_references(still))
    colorize_photo(path, told, chosen, colorizer=colorizer)
    off = [np.abs(pixels(one).astype(int) - picture).mean() for one in (plain, told)]
    assert off[1] < 0.8 * off[0]


def test_colour_is_kept_only_if_asked(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    path = save(tmp_path / "in.png", colored())
    report = colorize_photo(path, tmp_path / "anew.png", settings, colorizer=colorizer)
    assert any("in colour already" in line for line in report.warnings)
    assert np.abs(pixels(tmp_path / "anew.png").astype(int) - colored()).mean() > 10
    for keep in ("auto", ((0, None),)):
        asked = settings.replace(keep_color=keep, overwrite=True)
        report = colorize_photo(path, tmp_path / "kept.png", asked, colorizer=colorizer)
        assert (report.warnings, report.kept_color) == ([], 1)
        np.testing.assert_array_equal(pixels(tmp_path / "kept.png"), colored())


def test_a_grey_profile_is_left_out_and_text_is_kept(
    colorizer: Colorizer, settings: Settings, tmp_path: Path, profile: bytes
) -> None:
    grey = profile[:16] + b"GRAY" + profile[20:]
    text = b"tEXt" + b"Title\0A cat"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    data = io.BytesIO()
    Image.fromarray(scene()).save(data, "PNG", icc_profile=grey)
    whole = data.getvalue()
    path = tmp_path / "in.png"
    path.write_bytes(whole[:33] + chunk + whole[33:])
    report = colorize_photo(path, tmp_path / "out.png", settings, colorizer=colorizer)
    assert any("profile is one of grey" in line for line in report.warnings)
    image = opened(tmp_path / "out.png")
    assert "icc_profile" not in image.info
    assert image.info["Title"] == "A cat"


def chunk(kind: bytes, data: bytes, *, wrong: bool = False) -> bytes:
    check = zlib.crc32(kind + data) ^ wrong
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def kinds(path: Path) -> list[bytes]:
    return [kind for kind, _ in chunks_of(path.read_bytes())]


@pytest.mark.parametrize("behind", [b"junk" * 9, bytes(100), png(np.zeros((9, 9, 1), np.uint8), 0)])
def test_what_lies_behind_the_end_of_a_png_is_not_copied(
    behind: bytes, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    source.write_bytes(png(scene()[..., None], 0) + behind)
    colorize_photo(source, target, settings, colorizer=colorizer)
    assert kinds(target)[0] == b"IHDR" and kinds(target)[-1] == b"IEND"
    assert target.read_bytes().endswith(chunk(b"IEND", b""))
    assert pixels(target).shape == (HEIGHT, WIDTH, 3)


def test_chunks_that_are_broken_or_true_of_the_old_pixels_alone_are_not_copied(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    gamma, free = chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"teXy", b"kept")
    data = io.BytesIO(png(scene()[..., None], 0, gamma + free + chunk(b"iDOT", bytes(28))))
    broken = chunk(b"tEXt", b"Title\0A cat", wrong=True)
    source.write_bytes(data.getvalue()[:-12] + broken + data.getvalue()[-12:])
    colorize_photo(source, target, settings, colorizer=colorizer)
    assert kinds(target)[:3] == [b"IHDR", b"gAMA", b"teXy"]
    assert set(kinds(target)[3:]) == {b"IDAT", b"IEND"}


RECORD = b"\x1c\x02\x78\x00\x0cGrandfather!"
"""A caption in IPTC."""


@pytest.mark.parametrize("kind", ["jpg", "tif", "resources"])
def test_captions_in_iptc_are_kept_or_told_of(
    kind: str, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    source = tmp_path / f"in.{'jpg' if kind == 'jpg' else 'tif'}"
    if kind == "jpg":
        save(source, scene(), extra=jpeg_iptc(Tags(iptc=RECORD)))
    elif kind == "resources":
        block = struct.pack(">4sH2xI", b"8BIM", 0x0404, len(RECORD)) + RECORD + b"\0"
        save(source, scene(), tiffinfo={34377: block})
    else:
        save(source, scene(), tiffinfo={33723: RECORD})
    for suffix in ("jpg", "tif", "png", "webp"):
        target = tmp_path / f"out.{suffix}"
        report = colorize_photo(source, target, settings, colorizer=colorizer)
        told = [line for line in report.warnings if "IPTC" in line]
        with Image.open(target) as image:
            found = IptcImagePlugin.getiptcinfo(image)
        if suffix in ("png", "webp"):
            assert len(told) == 1 and not found
        else:
            assert not told and found == {(2, 120): b"Grandfather!"}


def test_captions_too_long_for_a_jpeg_are_told_of(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.tif", tmp_path / "out.jpg"
    for length in (MOST_IPTC, MOST_IPTC + 1):
        save(source, scene(), tiffinfo={33723: bytes(length)})
        report = colorize_photo(
            source, target, replace(settings, overwrite=True), colorizer=colorizer
        )
        assert any("IPTC" in line for line in report.warnings) == (length > MOST_IPTC)
        assert pixels(target).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_captions_of_a_tiff_in_whole_numbers_are_read(order: str, tmp_path: Path) -> None:
    rows = scene()
    at, long = 8 + rows.size, 4
    record = RECORD + bytes(-len(RECORD) % 4)
    values = {256: WIDTH, 257: HEIGHT, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: HEIGHT}
    entries = [(tag, long, 1, value) for tag, value in values.items()]
    entries += [(279, long, 1, rows.size), (33723, long, len(record) // 4, at)]
    path = tmp_path / "in.tif"
    path.write_bytes(
        (b"II*\0" if order == "<" else b"MM\0*")
        + struct.pack(f"{order}I", at + len(record))
        + rows.tobytes()
        + record
        + struct.pack(f"{order}H", len(entries))
        + b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
        + bytes(4)
    )
    assert read_photo(path).tags.iptc == record


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_photoshops_layers_are_left_out(
    suffix: str, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.tif", tmp_path / f"out.{suffix}"
    save(source, scene(), tiffinfo={37724: bytes(90000), 34377: bytes(70000), 270: "A cat"})
    colorize_photo(source, target, settings, colorizer=colorizer)
    with Image.open(target) as image:
        assert 37724 not in image.getexif()
        assert image.getexif()[270] == "A cat"
        assert (34377 in image.getexif()) == (suffix == "tif")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_a_resolution_that_is_none_keeps_no_photo_from_being_written(
    suffix: str, colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    none = IFDRational(0, 0)
    path = save(tmp_path / "in.tif", scene(), tiffinfo={282: none, 283: none})
    target = tmp_path / f"out.{suffix}"
    colorize_photo(path, target, settings, colorizer=colorizer)
    off = np.abs(luma(pixels(target)) - scene())
    assert off.max() == 0 or (suffix == "jpg" and off.mean() < 2)


def test_a_turned_tiff_of_sixteen_bits(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    path, target = tmp_path / "in.tif", tmp_path / "out.tif"
    assert cv2.imwrite(str(path), scene(16))
    exif = Image.Exif()
    exif[0x0112] = 6
    opened(path).save(path, exif=exif, compression="raw")
    photo = read_photo(path)
    assert (photo.info.rotation, photo.info.width) == (270, WIDTH)
    colorize_photo(path, target, settings, colorizer=colorizer)
    np.testing.assert_array_equal(luma(read_samples(target)), scene(16))
    assert opened(target).getexif()[0x0112] == 6


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize(
    # Pillow has libtiff write what is compressed, and that never a BigTIFF.
    ("compression", "big"),
    [("raw", False), ("tiff_lzw", False), ("raw", True)],
)
def test_a_turned_tiff_keeps_its_pixels_and_how_they_are_turned(
    compression: str, big: bool, bits: int, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "in.tif", scene(), exif=exif, compression=compression, big_tiff=big)
    if bits == 32 and big:
        data, short = path.read_bytes(), struct.pack("<HHQQ", 0x0112, 3, 1, 6)
        assert data.count(short) == 1
        path.write_bytes(data.replace(short, struct.pack("<HHQQ", 0x0112, 4, 1, 6)))
    elif bits == 32:
        data, short = path.read_bytes(), struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
        assert data.count(short) == 1
        path.write_bytes(data.replace(short, struct.pack("<HHII", 0x0112, 4, 1, 6)))
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.frame.luma, scene())
    assert (photo.info.rotation, photo.tags.directory[0x0112]) == (270, 6)


def test_jpegs_of_other_colours_and_of_several_pictures(
    colorizer: Colorizer, settings: Settings, tmp_path: Path
) -> None:
    path, target = tmp_path / "in.jpg", tmp_path / "out.jpg"
    picture = Image.fromarray(colored())
    picture.save(path, quality=95, keep_rgb=True)
    expected = luma(np.asarray(opened(path)))
    assert np.abs(read_photo(path).frame.luma - expected).max() <= 1
    ycc = save(tmp_path / "in.tif", colored(), compression="jpeg", quality=95)
    expected = luma(np.asarray(opened(ycc).convert("RGB")))
    assert np.abs(read_photo(ycc).frame.luma - expected).max() <= 2
    picture.save(path, "MPO", save_all=True, append_images=[picture.rotate(180)])
    told: list[str] = []
    colorize_photo(path, target, settings, colorizer=colorizer, warn=told.append)
    assert any("of its 2 pictures only the first" in line for line in told)
    assert opened(target).format == "JPEG"


def _bad(kind: str, folder: Path) -> Path:
    path = folder / "in.png"
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "PNG")
    whole = buffer.getvalue()
    match kind:
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "deep and truncated":
            whole = png(np.dstack([scene(16)] * 3), 2)
            path.write_bytes(whole[: len(whole) // 2])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("no photo at all\n" * 20)
        case "no pixels":
            path.write_bytes(png(np.zeros((0, 0, 1), np.uint8), 0))
        case "a bomb":
            path.write_bytes(png(np.zeros((1, 1, 1), np.uint8), 0))
            data = bytearray(path.read_bytes())
            data[16:24] = struct.pack(">II", 60000, 60000)
            data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
            path.write_bytes(data)
        case "animated":
            frames = [Image.fromarray(np.roll(scene(), n, 1)) for n in range(3)]
            path = path.with_suffix(".webp")
            frames[0].save(path, save_all=True, append_images=frames[1:])
        case "pages":
            frames = [Image.fromarray(scene())] * 2
            path = path.with_suffix(".tif")
            frames[0].save(path, save_all=True, append_images=frames[1:])
        case "cmyk":
            path = path.with_suffix(".jpg")
            Image.fromarray(colored()).convert("CMYK").save(path)
        case "float":
            path = path.with_suffix(".tif")
            Image.fromarray(scene().astype(np.float32)).save(path)
        case "unreadable":
            path.symlink_to(path)
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "no such file"),
        ("truncated", "broken or truncated"),
        ("deep and truncated", "broken or truncated"),
        ("empty", "the file is empty"),
        ("text", "no photo that can be read"),
        ("no pixels", "no photo that can be read"),
        ("a bomb", "60000x60000 are over the limit .* --limits pixels=3600000000"),
        ("animated", "holds 3 pictures"),
        ("pages", "holds 2 pictures"),
        ("cmyk", "its colours are CMYK"),
        ("float", "samples of 32 bits"),
        ("unreadable", "cannot be opened"),
    ],
)
def test_bad_photos_are_refused_in_a_line(
    kind: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], net: Path
) -> None:
    path = _bad(kind, tmp_path)
    there = sorted(tmp_path.iterdir())
    assert run([str(path), str(tmp_path / "out.png"), "--model", str(net)]) == 3
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert re.search(says, err)
    assert sorted(tmp_path.iterdir()) == there


@pytest.mark.parametrize("fault", [RuntimeError("no decoder"), ZeroDivisionError("by 0")], ids=str)
def test_whatever_pillow_raises_is_told_in_a_line(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(image: Image.Image) -> None:
        raise fault

    path = save(tmp_path / "in.tif", scene())
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.load", broken)
    with pytest.raises(SourceError, match=rf"in\.tif: this photo is broken .*: {fault}$"):
        read_photo(path)


def test_a_limit_can_be_moved(tmp_path: Path) -> None:
    path = save(tmp_path / "in.png", scene())
    with pytest.raises(SourceError, match="over the limit of 100 pixels"):
        read_photo(path, LimitSettings(pixels=100))
    assert read_photo(path, LimitSettings(pixels=WIDTH * HEIGHT)).info.width == WIDTH


def test_targets_are_checked(settings: Settings, colorizer: Colorizer, tmp_path: Path) -> None:
    path = save(tmp_path / "in.png", scene())
    there = save(tmp_path / "there.jpg", scene())
    for target, error in (
        (there, TargetExistsError),
        (path, TargetError),
        (tmp_path / "none/out.png", TargetError),
        (tmp_path / "out.bmp", UsageError),
    ):
        with pytest.raises(error):
            colorize_photo(path, target, settings, colorizer=colorizer)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in.png", "there.jpg"]
    colorize_photo(path, there, settings.replace(overwrite=True), colorizer=colorizer)
    assert opened(there).mode == "RGB"
    ranged = settings.replace(range=RangeSettings(first_frame=0))
    with pytest.raises(UsageError, match="a photo is one picture"):
        colorize_photo(path, tmp_path / "out.png", ranged, colorizer=colorizer)


def test_a_photo_too_large_for_its_kind_leaves_nothing(
    settings: Settings, colorizer: Colorizer, tmp_path: Path
) -> None:
    path = save(tmp_path / "in.png", np.zeros((4, 17000), np.uint8))
    with pytest.raises(TargetError, match="cannot hold this photo"):
        colorize_photo(path, tmp_path / "out.webp", settings, colorizer=colorizer)
    assert [item.name for item in tmp_path.iterdir()] == ["in.png"]


def test_content_decides_what_a_photo_is(tmp_path: Path) -> None:
    for suffix, kind in (("jpg", "JPEG"), ("png", "PNG"), ("tif", "TIFF"), ("webp", "WEBP")):
        path = save(tmp_path / f"photo.{suffix}", scene())
        other = path.rename(tmp_path / f"{suffix}.film.mp4")
        assert kind_of(other) == kind
        assert is_photo_job(other, Path("out.png"))
        assert not is_photo_job(other, Path("out.mp4"))
    assert kind_of(tmp_path) is None
    assert not is_photo_job(tmp_path, Path("out.png"))


def test_the_command(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], clip: Any
) -> None:
    path, target = save(tmp_path / "in.jpg", scene()), tmp_path / "out.jpg"
    quick = ["--model", str(net), "--short-side", "64"]
    report = tmp_path / "report.json"
    assert run([str(path), str(target), *quick, "--dry-run"]) == 0
    assert run([str(path), str(target), *quick, "--dry-run", "--model", "nope"]) == 5
    assert run([str(path), str(target), *quick, "--dry-run", "--lut", "nope.cube"]) == 2
    assert "97x70, 8 bits" in capsys.readouterr().out
    assert not target.exists()
    words = [str(path), str(target), *quick, "--warmth", "0.3", "--tiles", "64:32"]
    assert run([*words, "--report", str(report)]) == 0
    assert "1 photo" in capsys.readouterr().out
    assert json.loads(report.read_text())["model"]["tiles"] == "64:32"
    assert run([str(path), str(target), *quick]) == 4
    assert "--overwrite" in capsys.readouterr().err
    for words in (
        ["--frames", "0:1"],
        ["--codec", "ffv1", "--workers", "2"],
        ["--verify"],
        ["--fps", "24", "--audio", "aac"],
    ):
        assert run([str(path), str(tmp_path / "o.png"), *quick, *words]) == 2
        err = capsys.readouterr().err
        assert f"{', '.join(w for w in words if w[0] == '-')}: only for films" in err
    assert run([str(clip("plain.mp4")), str(tmp_path / "o.png"), *quick]) == 4
    assert "a photo is made of a JPEG" in capsys.readouterr().err


def test_a_preview_puts_models_beside_each_other(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "in.png", scene(), exif=exif)
    other = tiny_checkpoint(tmp_path / "other.safetensors", 3)
    sheet = tmp_path / "sheet.png"
    words = ["preview", str(path), str(sheet), "--model", str(net), "--saturation", "2"]
    assert run([*words, "--compare", str(other)]) == 0
    assert "1 still" in capsys.readouterr().out
    found = pixels(sheet).astype(int)
    # Upright: three pictures as wide as the photo is high, and a little between them.
    panel = HEIGHT // 2 * 2
    assert found.shape[1] > 3 * panel
    left, one, two = (found[28:124, at : at + panel] for at in (28, 32 + panel, 36 + 2 * panel))
    assert color_of(left) < 1
    assert color_of(one) > 3 and color_of(two) > 3
    assert np.abs(one - two).mean() > 1
    assert run([*words, "--count", "3", "--overwrite"]) == 2


def test_folders_of_photos(settings: Settings, tmp_path: Path) -> None:
    source, target = tmp_path / "photos", tmp_path / "coloured"
    (source / "b").mkdir(parents=True)
    save(source / "a.jpg", scene())
    save(source / "b/c.png", scene())
    (source / "b/broken.tif").write_bytes(b"II*\0" + b"\0" * 40)
    (source / "film.mkv").write_bytes(b"a film, left alone")
    (source / "b/c.toml").write_text("[color]\nsaturation = 0.0\n")
    batch = Batch(source, target, settings.replace("encoder", container="mkv"), photos=True)
    summary = run_batch(batch, report=tmp_path / "report")
    assert {film.output: film.state for film in summary.films} == {
        "a.jpg": "done",
        "b/broken.tif": "failed",
        "b/c.png": "done",
    }
    assert color_of(np.asarray(opened(target / "a.jpg"))) > 3
    np.testing.assert_array_equal(pixels(target / "b/c.png"), np.dstack([scene()] * 3))
    assert "data:image/jpeg" in (tmp_path / "report/report.html").read_text()
    assert "3 photos: 2 coloured; 1 failed" in summary.to_text()
    with pytest.raises(BatchError, match="1 of 3 photos failed"):
        summary.check()
    again = run_batch(batch)
    assert again.colored == 0


@pytest.mark.parametrize(("depth", "key"), [(1, 0), (1, 1), (2, 2), (4, 9), (8, 9)])
def test_what_is_clear_in_a_grey_png_of_few_bits_stays_clear(
    depth: int, key: int, tmp_path: Path
) -> None:
    codes = (np.arange(16).repeat(4).reshape(8, 8) % (1 << depth)).astype(np.uint8)
    bits = np.unpackbits(codes[..., None], axis=2)[..., 8 - depth :].reshape(8, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(bits, axis=1))
    path = tmp_path / "in.png"
    head = struct.pack(">IIBBBBB", 8, 8, depth, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"tRNS", struct.pack(">H", key))]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        data += struct.pack(">I", len(body)) + name + body
        data += struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(data)
    photo = read_photo(path)
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha, np.where(codes == key, 0, 255))
    np.testing.assert_array_equal(photo.frame.luma, codes * (255 // ((1 << depth) - 1)))
