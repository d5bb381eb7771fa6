"""Tiles: how they are named, where they lie, how their colours become one, and hints in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import Clip, make
from networks import tiny_checkpoint

from vidcolor.errors import SettingsError
from vidcolor.hints import color_with_points
from vidcolor.job import colorize_video
from vidcolor.models.blend import in_tiles, open_colorizer
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.tiled import Tiled, corners
from vidcolor.settings import Settings, load_settings
from vidcolor.tiling import Tiles, parse_tiles
from vidcolor_cli.main import run


class Echo:
    """Stands in for a network: a* is the mean lightness of what it is shown, b* its hints' a*."""

    takes_hints = True

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def colors(self, lightness: np.ndarray, hints: np.ndarray | None = None) -> np.ndarray:
        self.shown.append(lightness.shape)
        ab = np.zeros((len(lightness), 2, *lightness.shape[1:]), np.float32)
        ab[:, 0] = lightness.mean((1, 2))[:, None, None]
        if hints is not None:
            ab[:, 1] = hints[:, 0]
        return ab


def tiled(inner: Any, text: str) -> Tiled:
    return Tiled(inner, parse_tiles(text), text)


def halves() -> np.ndarray:
    """Two pictures of 64x128: black on the left, and white or grey on the right."""
    light = np.zeros((2, 64, 128), np.float32)
    light[0, :, 64:], light[1, :, 64:] = 100, 50
    return light


def test_ways_are_read() -> None:
    assert parse_tiles("whole") == (Tiles(),)
    assert parse_tiles("whole@192+192:96+256:64:max@512") == (
        Tiles(scale=192),
        Tiles(192, 96, "gauss"),
        Tiles(256, 64, "max", 512),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "give whole or SIZE:STRIDE"),
        ("192", "give whole or SIZE:STRIDE"),
        ("192:96+", "give whole or SIZE:STRIDE"),
        ("100:50", "a tile must be a multiple of 32 from 64 to 1024, not 100"),
        ("32:32", "a tile must be a multiple of 32"),
        ("2048:64", "a tile must be a multiple of 32"),
        ("whole@200", "a scale must be a multiple of 32"),
        ("128:8", "a stride of 16 to 128, not 8"),
        ("128:129", "a stride of 16 to 128, not 129"),
        ("128:64:median", "pool by mean, max, gauss, not 'median'"),
    ],
)
def test_mistakes_are_named_in_settings(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Settings().replace("color", tiles=text)
    preset = tmp_path / "preset.toml"
    preset.write_text(f"[color]\ntiles = '{text}'\n")
    with pytest.raises(SettingsError, match=complaint):
        load_settings(preset)


def test_tiles_cover_every_pixel_and_are_whole() -> None:
    assert corners(128, 64, 32) == [0, 32, 64]
    assert corners(160, 64, 64) == [0, 64, 96]
    assert corners(64, 64, 8) == [0]
    for length in range(64, 512, 32):
        for stride in range(8, 65, 7):
            found = corners(length, 64, stride)
            covered = {at for corner in found for at in range(corner, corner + 64)}
            assert covered == set(range(length))
            assert len(set(found)) == len(found)


def test_the_mean_of_what_tiles_say() -> None:
    ab = tiled(Echo(), "64:32:mean").colors(halves())
    # Tiles see 0, 50 and 100 (or 25 and 50); each quarter lies in one or two of them.
    expected = np.repeat([[0, 25, 75, 100], [0, 12.5, 37.5, 50]], 32, axis=1)
    np.testing.assert_allclose(ab[:, 0], np.broadcast_to(expected[:, None], (2, 64, 128)))


def test_the_strongest_of_what_tiles_say() -> None:
    ab = tiled(Echo(), "64:32:max").colors(halves())
    expected = np.repeat([[0, 50, 100, 100], [0, 25, 50, 50]], 32, axis=1)
    np.testing.assert_array_equal(ab[:, 0], np.broadcast_to(expected[:, None], (2, 64, 128)))


def test_a_tile_counts_less_toward_its_edges() -> None:
    row = tiled(Echo(), "64:32:gauss").colors(halves())[0, 0, 32]
    assert row[0] == 0 and row[-1] == pytest.approx(100)
    assert np.all(np.diff(row[32:96]) >= -1e-4)
    assert row[33] < 15 and row[62] > 35  # The mean alone has 25 all over.


def test_a_picture_smaller_than_a_tile_is_one() -> None:
    echo = Echo()
    light = np.random.default_rng(0).uniform(0, 100, (3, 64, 96)).astype(np.float32)
    ab = tiled(echo, "128:64").colors(light)
    assert echo.shown == [(3, 64, 96)]
    np.testing.assert_allclose(ab, Echo().colors(light), rtol=1e-5)


def test_few_tiles_at_once_reach_the_network() -> None:
    echo = Echo()
    tiled(echo, "64:16").colors(np.zeros((2, 192, 256), np.float32))
    assert max(shape[0] for shape in echo.shown) <= 8
    assert {shape[1:] for shape in echo.shown} == {(64, 64)}
    assert sum(shape[0] for shape in echo.shown) == 2 * 9 * 13


def test_several_ways_are_averaged_and_scaled() -> None:
    echo = Echo()
    light = halves()
    both = tiled(echo, "whole@64+64:32:max").colors(light)
    whole = np.broadcast_to(light.mean((1, 2))[:, None, None], light.shape)
    expected = (whole + tiled(Echo(), "64:32:max").colors(light)[:, 0]) / 2
    np.testing.assert_allclose(both[:, 0], expected, rtol=1e-5)
    echo.shown.clear()
    assert tiled(echo, "whole@128").colors(light).shape == (2, 2, 64, 128)
    assert echo.shown == [(2, 128, 256)]


def test_hints_are_cut_along() -> None:
    hints = np.zeros((1, 3, 64, 128), np.float32)
    hints[0, :, 10:15, 100:105] = np.array([40, -20, 1], np.float32)[:, None, None]
    light = np.full((1, 64, 128), 50, np.float32)
    told = tiled(Echo(), "64:32:max").colors(light, hints)[0, 1]
    np.testing.assert_array_equal(told, hints[0, 0])
    larger = tiled(Echo(), "whole@128").colors(light, hints)[0, 1]
    assert larger[12, 102] == pytest.approx(40)
    assert not larger[:, :90].any()


def test_a_real_network_by_tiles_takes_points(tmp_path: Path) -> None:
    path = str(tiny_checkpoint(tmp_path / "tiny.safetensors"))
    network = open_colorizer(path, "cpu", "64:32")
    assert network.description["tiles"] == "64:32"
    light = np.random.default_rng(1).uniform(0, 100, (64, 128)).astype(np.float32)
    points = np.array([[30, 100, 40, 40]], np.float32)
    plain, told = network.colors(light[None])[0], color_with_points(network, light, points)
    assert np.hypot(*(told[:, 30, 100] - [40, 40])) < np.hypot(*(plain[:, 30, 100] - [40, 40])) / 2
    whole = open_colorizer(path, "cpu").colors(light[None])[0]
    assert np.abs(plain - whole).max() > 1e-3


def test_films_previews_and_eval_take_tiles(
    clip: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = str(tiny_checkpoint(tmp_path / "tiny.safetensors"))
    film, report = str(clip("plain.mp4")), tmp_path / "report.json"
    chosen = ["--model", net, "--tiles", "whole", "--tiles", "64:32:max"]
    words = [film, str(tmp_path / "out.mkv"), "--short-side", "64", "--report", str(report)]
    assert run([*words, *chosen]) == 0
    told = json.loads(report.read_text())
    assert told["model"]["tiles"] == told["settings"]["color"]["tiles"] == "whole+64:32:max"
    sheet = str(tmp_path / "sheet.png")
    assert run(["preview", film, sheet, "--count", "1", *chosen]) == 0
    figures = tmp_path / "figures.json"
    words = ["eval", film, "--limit", "2", "--short-side", "64", "--json", str(figures)]
    assert run([*words, *chosen]) == 0
    assert '"tiles": "whole+64:32:max"' in figures.read_text()
    capsys.readouterr()
    assert run([*words, "--tiles", "64"]) == 2
    assert "give whole or SIZE:STRIDE" in capsys.readouterr().err


def test_a_colorizer_that_is_given_is_shown_the_tiles_too(tmp_path: Path) -> None:
    inner = Colorizer(tiny_checkpoint(tmp_path / "tiny.safetensors"))
    assert in_tiles(inner, "whole") is inner
    shown = in_tiles(inner, "64:32")
    assert shown.description["tiles"] == "64:32"
    assert in_tiles(shown, "128:64") is shown
    with pytest.raises(SettingsError):
        in_tiles(inner, "5")
    film, target = make(Clip("plain.mp4", frames=2), tmp_path), tmp_path / "out.mp4"
    settings = Settings().replace("color", tiles="64:32", short_side=64)
    report = colorize_video(film, target, settings, colorizer=inner)
    assert report.model["tiles"] == "64:32"
