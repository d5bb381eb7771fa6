"""TIFFs: read exactly or refused, never black without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from vidcolor.errors import SourceError
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.media.samples import read_samples
from vidcolor.media.tiff import directories
from vidcolor.photos.deep import read_deep
from vidcolor.photos.read import read_photo


def ramp(kind: type[np.unsignedinteger[Any]], channels: int = 1) -> Any:
    """(48, 64) or (48, 64, channels) codes over the whole range."""
    shape = (48, 64) if channels == 1 else (48, 64, channels)
    chance = np.random.default_rng(channels)
    return chance.integers(1, np.iinfo(kind).max, shape, dtype=kind)


def series(folder: Path, **how: Any) -> Path:
    folder.mkdir()
    for number in range(3):
        tifffile.imwrite(folder / f"f_{number:04}.tif", photometric="minisblack", **how)
    return folder


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"byteorder": ">"},
        {"compression": "deflate"},
        {"compression": "deflate", "predictor": True},
        {"rowsperstrip": 7},
    ],
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_what_is_taken_is_read_exactly(tmp_path: Path, how: dict[str, Any], kind: Any) -> None:
    codes = ramp(kind)
    frames = list(decode(probe(series(tmp_path / "scan", data=codes, **how))))
    assert len(frames) == 3
    assert all(np.array_equal(frame.luma, codes) for frame in frames)
    single = tmp_path / "scan" / "f_0000.tif"
    assert np.array_equal(next(decode(probe(single))).luma, codes)
    if kind is np.uint16:
        assert np.array_equal(read_samples(single)[..., 0], codes)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tiles_are_refused_in_films_and_read_in_photos(
    tmp_path: Path, kind: Any, order: str, big: bool
) -> None:
    how: dict[str, Any] = {"tile": (16, 16), "byteorder": order, "bigtiff": big}
    folder = series(tmp_path / "scan", data=ramp(kind), **how)
    for path in (folder, folder / "f_%04d.tif", folder / "f_0001.tif"):
        with pytest.raises(SourceError, match=r"its pixels lie in tiles"):
            probe(path)
    photo = folder / "f_0000.tif"
    if big and order == ">":
        with pytest.raises(SourceError):  # Pillow knows no such ones.
            read_photo(photo)
    else:
        assert np.array_equal(read_photo(photo).frame.luma, ramp(kind))


@pytest.mark.parametrize("how", [{"tile": (16, 16)}, {"bigtiff": True}])
@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize(
    ("channels", "photometric", "extra"),
    [
        (1, "minisblack", []),
        (1, "miniswhite", []),
        (3, "rgb", []),
        (4, "rgb", ["unassalpha"]),
        (4, "rgb", ["assocalpha"]),
        (4, "rgb", ["unspecified"]),
    ],
)
def test_photos_in_tiles_and_bigtiffs_are_read_as_those_in_strips(
    tmp_path: Path,
    how: dict[str, Any],
    compression: str | None,
    orientation: int,
    channels: int,
    photometric: str,
    extra: list[str],
) -> None:
    codes = ramp(np.uint16, channels)
    if extra == ["assocalpha"]:
        codes[..., :3] //= 2
        codes[..., 3] |= 0x8000
    turned = [(274, "H", 1, orientation, True)]
    photos = []
    for name, ways in (("strips", {}), ("other", how)):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(
            path,
            codes,
            photometric=photometric,  # type: ignore[arg-type]
            extrasamples=extra or None,
            compression=compression,
            extratags=turned,
            **ways,
        )
        photos.append(read_photo(path))
    plain, other = photos
    assert np.array_equal(other.frame.luma, plain.frame.luma)
    assert other.info.rotation == plain.info.rotation
    for mine, theirs in ((other.rgb, plain.rgb), (other.alpha, plain.alpha)):
        assert (mine is None) == (theirs is None)
        assert mine is None or theirs is None or np.array_equal(mine, theirs)


@pytest.mark.parametrize("how", [{"tile": (16, 16)}, {"bigtiff": True}])
def test_what_opencv_would_garble_is_refused(
    tmp_path: Path, how: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    apart = np.moveaxis(ramp(np.uint16, 3), -1, 0)
    tifffile.imwrite(path, apart, photometric="rgb", planarconfig="separate", **how)
    with pytest.raises(SourceError):
        read_deep(path)
    with pytest.raises(SourceError):
        read_photo(path)
    extra: dict[str, Any] = {"photometric": "minisblack", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(path, ramp(np.uint16, 2), planarconfig="contig", **extra, **how)
    with pytest.raises(SourceError):
        read_deep(path)
    for ways in (how, {}):
        tifffile.imwrite(path, ramp(np.uint16, 4), photometric="separated", **ways)
        with pytest.raises(SourceError, match="CMYK"):
            read_photo(path)
    assert capfd.readouterr().err == ""


def test_one_picture_in_tiles_is_found_among_others(tmp_path: Path) -> None:
    folder = series(tmp_path / "scan", data=ramp(np.uint8))
    tifffile.imwrite(folder / "f_0001.tif", ramp(np.uint8), tile=(16, 16))
    with pytest.raises(SourceError, match=r"f_0001.tif: its pixels lie in tiles"):
        probe(folder)


def test_jpeg_within_tiff_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "a.tif"
    Image.fromarray(ramp(np.uint8)).save(path, compression="jpeg")
    with pytest.raises(SourceError, match=r"compressed as JPEG within TIFF"):
        probe(path)


def test_pages_are_no_frames_but_a_smaller_copy_is_none(tmp_path: Path) -> None:
    path, codes = tmp_path / "pages.tif", ramp(np.uint8)
    tifffile.imwrite(path, np.stack([codes, codes, codes]), photometric="minisblack")
    assert len(directories(path)) == 3
    with pytest.raises(SourceError, match="holds 3 pages"):
        probe(path)
    with tifffile.TiffWriter(path) as file:
        file.write(codes, photometric="minisblack")
        file.write(codes[::4, ::4], photometric="minisblack", subfiletype=1)
    assert [page.smaller for page in directories(path)] == [False, True]
    assert np.array_equal(next(decode(probe(path))).luma, codes)


def test_multiplied_colours_are_divided_again(tmp_path: Path) -> None:
    alpha = np.full((48, 64, 1), 32768, np.uint16)
    colors = np.full((48, 64, 3), 20000, np.uint16)
    path = tmp_path / "a.tif"
    for extra, wanted in (("assocalpha", 39999), ("unassalpha", 20000)):
        codes = np.concatenate([colors, alpha], 2)
        tifffile.imwrite(path, codes, photometric="rgb", extrasamples=[extra])
        found = read_samples(path)
        assert np.abs(found[..., :3].astype(int) - wanted).max() <= 1
        assert np.array_equal(found[..., 3:], alpha)


@pytest.mark.parametrize(
    "content", [b"", b"II", b"II*\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\0\x02"]
)
def test_broken_ones_are_for_others_to_tell_of(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    assert directories(path) == []


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_bigtiffs_are_refused_as_films(tmp_path: Path, kind: Any) -> None:
    folder = series(tmp_path / "scan", data=ramp(kind), bigtiff=True)
    for path in (folder, folder / "f_0001.tif"):
        with pytest.raises(SourceError, match="a BigTIFF, which cannot be read here"):
            probe(path)
