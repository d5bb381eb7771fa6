from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from networks import tiny_checkpoint

from vidcolor.errors import ModelError, UsageError
from vidcolor.models.blend import open_colorizer
from vidcolor.models.colorizer import Colorizer
from vidcolor_cli.main import run


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    one, other = (tiny_checkpoint(tmp_path / f"{seed}.safetensors", seed) for seed in (0, 1))
    return str(one), str(other)


@pytest.mark.parametrize(("ending", "share"), [("", 0.5), (":0.25", 0.25), (":0", 0), (":1", 1)])
def test_a_blend_is_the_weighted_mean(ending: str, share: float, pair: tuple[str, str]) -> None:
    light = np.random.default_rng(0).uniform(0, 100, (2, 32, 64)).astype(np.float32)
    hints = np.zeros((2, 3, 32, 64), np.float32)
    hints[:, :, 8:16, 8:16] = 1
    one, other = (Colorizer(path, "cpu").colors(light, hints) for path in pair)
    blend = open_colorizer("+".join(pair) + ending, "cpu")
    found = blend.colors(light, hints)
    assert np.abs(one - other).max() > 1
    assert np.abs(found - ((1 - share) * one + share * other)).max() < 1e-3
    assert found.dtype == np.float32
    assert blend.description["weights"] == "0.safetensors + 1.safetensors"
    assert blend.description["architecture"] == blend.architecture == "chromanet"
    tiles = open_colorizer(pair[0], "cpu", "64:32")
    assert tiles.path == blend.path == Path(pair[0])
    assert tiles.architecture == "chromanet"
    assert blend.card["models"][0] == tiles.card == Colorizer(pair[0], "cpu").card


def test_a_network_without_hints_is_spared_them(pair: tuple[str, str]) -> None:
    light = np.full((1, 32, 32), 50, np.float32)
    hints = np.ones((1, 3, 32, 32), np.float32)
    blend = open_colorizer("+".join(pair), "cpu")
    one, other = blend._pair  # type: ignore[attr-defined]
    one.takes_hints = False
    expected = (one.colors(light) + other.colors(light, hints)) / 2
    assert blend.takes_hints
    assert np.abs(blend.colors(light, hints) - expected).max() < 1e-3


def test_both_of_a_blend_are_prepared(pair: tuple[str, str]) -> None:
    blend = open_colorizer("+".join(pair), "cpu")
    blend.prepare(32, 64)
    for member in blend._pair:  # type: ignore[attr-defined]
        assert list(member._engine._compiled) == [(32, 64, False)]
    open_colorizer(pair[0], "cpu", "64:32").prepare(32, 64)  # In tiles there is nothing to prepare.


def test_a_file_with_a_plus_in_its_name_is_one_model(tmp_path: Path) -> None:
    path = tiny_checkpoint(tmp_path / "a+b.safetensors")
    assert open_colorizer(str(path), "cpu").path == path


def test_mistakes_are_named(pair: tuple[str, str]) -> None:
    for share in ("2", "-0.1", "half", "nan"):
        with pytest.raises(UsageError, match=f"0 to 1, not {share}"):
            open_colorizer("+".join(pair) + f":{share}", "cpu")
    with pytest.raises(ModelError, match="no-such"):
        open_colorizer(f"{pair[0]}+no-such", "cpu")


def test_a_film_is_coloured_by_a_blend(
    pair: tuple[str, str],
    clip: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [str(clip("plain.mp4")), str(tmp_path / "o.mp4"), "--short-side", "64"]
    words += ["--frames", "0:2", "--model", "+".join(pair) + ":0.3"]
    assert run([*words, "--dry-run"]) == 0
    assert run([*words, "--verbose"]) == 0
    assert "shares 0.7 + 0.3" in capsys.readouterr().out
