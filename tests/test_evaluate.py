from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from networks import tiny_checkpoint
from skimage.color import lab2rgb
from skimage.metrics import peak_signal_noise_ratio

from vidcolor.errors import SourceError
from vidcolor.evaluate import metrics
from vidcolor.evaluate.photos import evaluate, load_cases, score, summarise
from vidcolor.evaluate.steadiness import load_judge, warp_error
from vidcolor.models.checkpoint import read_checkpoint
from vidcolor.models.colorizer import Colorizer
from vidcolor.train.ship import main as ship
from vidcolor_cli.main import run


def _picture(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = rng.uniform(0.1, 0.9, (6, 8, 3)).astype(np.float32)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        pixels = (_picture(seed)[..., ::-1] * 255).round().astype(np.uint8)
        cv2.imwrite(str(folder / f"{seed}.png"), pixels)
    cv2.imwrite(str(folder / "grey.png"), np.full((64, 64, 3), 120, np.uint8))
    return folder


def test_psnr_is_that_of_the_textbook() -> None:
    one, other = _picture(0), _picture(1)
    expected = peak_signal_noise_ratio(one, other, data_range=1)
    assert metrics.psnr(one, other) == pytest.approx(expected, abs=1e-4)
    assert metrics.psnr(one, one) == math.inf


def test_colorfulness_of_grey_is_zero_and_of_one_hue_its_strength() -> None:
    assert metrics.colorfulness(np.full((4, 4, 3), 0.5, np.float32)) == 0
    red = np.zeros((4, 4, 3), np.float32)
    red[..., 0] = 1
    # No spread, so only the means of both axes count: 255 and 127.5.
    assert metrics.colorfulness(red) == pytest.approx(0.3 * math.hypot(255, 127.5))


def test_colorfulness_keeps_the_sign_of_its_axes() -> None:
    """Half red, half green: with an absolute value the spread would vanish."""
    halves = np.zeros((4, 4, 3), np.float32)
    halves[:2, :, 0] = 1
    halves[2:, :, 1] = 1
    assert metrics.colorfulness(halves) == pytest.approx(255 + 0.3 * 127.5)


def test_lab_and_back_agree_with_skimage() -> None:
    picture = _picture(2)
    lab = metrics.lab_of(picture)
    assert np.abs(metrics.rgb_of(lab[..., 0], lab[..., 1:]) - picture).max() < 1e-3
    assert np.abs(lab2rgb(lab) - picture).max() < 2e-3


def test_true_colours_score_high_and_none_score_as_grey(photos: Path) -> None:
    for case in load_cases([photos]):
        height, width = case.lightness.shape
        true = cv2.resize(case.lab[..., 1:], (width, height), interpolation=cv2.INTER_AREA)
        best = score(case, true.transpose(2, 0, 1))
        none = score(case, np.zeros((2, height, width), np.float32))
        assert none.gain == pytest.approx(0, abs=1e-6)
        assert none.colorfulness < 1
        assert best.psnr > 35
        assert best.ab_rmse < 3


def test_the_summary_counts_every_photo(photos: Path, tmp_path: Path) -> None:
    model = tiny_checkpoint(tmp_path / "tiny.safetensors")
    scores = evaluate(Colorizer(str(model), "cpu"), [photos], short_side=64)
    summary = summarise(scores)
    assert summary["photos"] == 4
    assert summary["gain"] == pytest.approx(np.mean([item.gain for item in scores]))
    assert summary["gain"] == pytest.approx(summary["psnr"] - summary["grey_psnr"])
    # The grey photo is the muted one: any colour on it costs.
    assert summary["gain_muted"] < 0


def test_the_command_prints_and_writes_the_same_figures(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, report = tiny_checkpoint(tmp_path / "tiny.safetensors"), tmp_path / "r.json"
    words = ["eval", str(photos), "--model", str(model), "--limit", "2", "--report", str(report)]
    assert run(words) == 0
    values = json.loads(report.read_text())
    assert len(values["photos"]) == 2
    assert f"{values['summary']['gain']:9.3f}" in capsys.readouterr().out


def test_no_photos_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        list(load_cases([tmp_path]))


def test_shipping_halves_the_file_and_sets_the_decoding(tmp_path: Path) -> None:
    weights, target = tiny_checkpoint(tmp_path / "w.safetensors"), tmp_path / "ship.safetensors"
    ship([str(weights), str(target), "--temperature", "0.7", "--card", '{"licence": "mine"}'])
    shipped = read_checkpoint(target)
    assert shipped.config["temperature"] == 0.7
    assert shipped.config["chroma_gain"] == 1.0
    assert shipped.card["licence"] == "mine"
    assert target.stat().st_size < 0.6 * weights.stat().st_size
    assert Colorizer(str(target), "cpu").colors(np.zeros((1, 32, 32), np.float32)).shape[1] == 2


def _judge(path: Path, shift: int, count: int = 4) -> Path:
    """A flow of ``shift`` pixels to the right, all points visible but the border."""
    flow = np.zeros((count, 2, 24, 40), np.int16)
    flow[:, 0] = -16 * shift
    valid = np.ones((count, 24, 40), bool)
    valid[:, :, :shift] = False
    np.savez(path, flow=flow, valid=np.stack([np.packbits(item) for item in valid]))
    return path


def test_colour_that_travels_with_the_motion_has_no_warp_error(tmp_path: Path) -> None:
    judge = load_judge(_judge(tmp_path / "flow.npz", 2))
    ab = np.random.default_rng(0).normal(0, 20, (24, 40, 2)).astype(np.float32)
    travelling = [np.roll(ab, 2 * step, axis=1) for step in range(5)]
    assert warp_error(travelling, judge) < 1e-4
    assert warp_error([ab] * 5, judge) > 5


def test_one_step_of_colour_is_the_error(tmp_path: Path) -> None:
    judge = load_judge(_judge(tmp_path / "flow.npz", 0, count=1))
    grey = np.zeros((24, 40, 2), np.float32)
    assert warp_error([grey, grey + np.float32([3, 4])], judge) == pytest.approx(5)


def test_a_foreign_flow_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", points=np.zeros(3))
    with pytest.raises(SourceError, match=r"other\.npz"):
        load_judge(tmp_path / "other.npz")
