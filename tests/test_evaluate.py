from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from networks import tiny_checkpoint
from skimage.color import lab2rgb
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from vidcolor.errors import ModelError, SourceError
from vidcolor.evaluate import hints, metrics
from vidcolor.evaluate.compare import Options, compare
from vidcolor.evaluate.photos import CEILING, load_cases, make_case, mean_score, score, summarise
from vidcolor.evaluate.steadiness import warp_error
from vidcolor.evaluate.traces import load_judge
from vidcolor.models.checkpoint import read_checkpoint, write_checkpoint
from vidcolor.models.colorizer import Colorizer
from vidcolor.train.ship import main as ship


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
    cv2.imwrite(str(folder / "muted.png"), np.full((64, 64, 3), (116, 120, 123), np.uint8))
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


def test_what_the_network_sees_is_not_made_of_blocks() -> None:
    picture = (_picture(3, 64, 96) * 255).round().astype(np.uint8)
    seen = make_case("a", picture, (192, 288)).lightness
    steps = np.abs(np.diff(seen, axis=1))
    assert seen.shape == (192, 288)
    assert (steps < 1e-6).mean() < 0.1


def test_ssim_is_that_of_the_paper() -> None:
    one, other = _picture(0), np.clip(_picture(0) * 0.7 + 0.3 * _picture(1), 0, 1)
    expected = structural_similarity(
        one.astype(np.float64),
        other.astype(np.float64),
        data_range=1,
        channel_axis=2,
        gaussian_weights=True,
        use_sample_covariance=False,
    )
    assert 0.3 < expected < 0.95
    assert metrics.ssim(one, other) == pytest.approx(expected, abs=1e-6)
    assert metrics.ssim(one, one) == pytest.approx(1)


def test_ssim_of_two_greys_is_that_of_their_means() -> None:
    """Without structure only the first factor of the formula is left."""
    dark, light = np.full((16, 16, 3), 0.2, np.float32), np.full((16, 16, 3), 0.4, np.float32)
    assert metrics.ssim(dark, light) == pytest.approx((0.16 + 1e-4) / (0.2 + 1e-4), abs=1e-5)


def test_ssim_wants_one_size_and_room_for_its_window() -> None:
    with pytest.raises(ValueError, match="ssim"):
        metrics.ssim(_picture(0), _picture(0, 120, 150))
    with pytest.raises(ValueError, match="11"):
        metrics.ssim(_picture(0, 10, 40), _picture(0, 10, 40))


def test_saturation_distance_is_how_far_chroma_must_move() -> None:
    grey, five = np.zeros((4, 6, 2), np.float32), np.zeros((4, 6, 2), np.float32)
    five[...] = (3, -4)
    assert metrics.saturation_distance(five, grey) == pytest.approx(5)
    half = five.copy()
    half[:2] = 0
    assert metrics.saturation_distance(half, grey) == pytest.approx(2.5)
    # Neither hue nor place counts.
    assert metrics.saturation_distance(half[::-1] * -1, half) == pytest.approx(0)
    with pytest.raises(ValueError, match="one size"):
        metrics.saturation_distance(grey, grey[:2])


def test_saturation_distance_is_the_area_between_cumulative_histograms() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.gamma(2, scale, (40, 50, 2)).astype(np.float32) for scale in (5, 8))
    edges = np.linspace(0, 200, 20001)
    steps = [
        np.cumsum(np.histogram(np.hypot(ab[..., 0], ab[..., 1]), edges)[0]) / 2000
        for ab in (one, other)
    ]
    area = float(np.abs(steps[0] - steps[1]).sum() * (edges[1] - edges[0]))
    assert metrics.saturation_distance(one, other) == pytest.approx(area, abs=0.02)


def test_the_summary_counts_every_photo(photos: Path, tmp_path: Path) -> None:
    model = Colorizer(str(tiny_checkpoint(tmp_path / "tiny.safetensors")), "cpu")
    found = compare([("tiny", model)], [photos], Options(short_side=64))
    scores, summary = found.results[0].scores, found.results[0].summary
    assert summary["photos"] == 4
    assert summary["gain"] == pytest.approx(np.mean([item.gain for item in scores]))
    assert summary["gain"] == pytest.approx(summary["psnr"] - summary["grey_psnr"])
    # The network makes far more of the muted one than is there.
    assert summary["gain_muted"] < 0


def test_a_photo_met_exactly_does_not_make_the_means_infinite() -> None:
    case = make_case("black", np.zeros((64, 64, 3), np.uint8), (64, 64))
    exact = score(case, np.zeros((2, 64, 64), np.float32))
    assert (exact.psnr, exact.grey_psnr, exact.gain) == (CEILING, CEILING, 0)
    summary = summarise([exact])
    assert all(math.isfinite(value) for value in summary.values())
    # There is no colour in the truth to have a share of.
    assert "colorfulness_ratio" not in summary


def test_a_clips_score_is_the_mean_of_its_frames() -> None:
    cases = [make_case(str(n), (_picture(n) * 255).astype(np.uint8), (64, 96)) for n in range(2)]
    none = np.zeros((2, 64, 96), np.float32)
    frames = [score(case, none + n * 9, {0: 20.0 + n}) for n, case in enumerate(cases)]
    clip = mean_score("clip.mp4", frames)
    assert clip.frames == 2
    assert clip.name == "clip.mp4"
    assert clip.psnr == pytest.approx((frames[0].psnr + frames[1].psnr) / 2)
    assert clip.gain == pytest.approx((frames[0].gain + frames[1].gain) / 2)
    assert clip.psnr_points == {0: 20.5}
    assert summarise([clip, frames[0]])["clips"] == 1


class _Copier:
    """A colorizer that knows only its hints: their colour there, or that of the first, all over."""

    takes_hints = True

    def __init__(self, *, spread: bool = False) -> None:
        self.spread = spread

    def colors(self, lightness: np.ndarray, hints: np.ndarray | None = None) -> np.ndarray:
        if hints is None:
            return np.zeros((len(lightness), 2, *lightness.shape[1:]), np.float32)
        if self.spread:
            row, column = np.argwhere(hints[0, 2])[0]
            return np.broadcast_to(hints[:, :2, row, column][..., None, None], hints[:, :2].shape)
        assert ((hints[:, 2] == 0) | (hints[:, 2] == 1)).all()
        return hints[:, :2] * hints[:, 2:]


def test_points_are_patches_of_the_true_colour_within_the_picture() -> None:
    ab = np.random.default_rng(0).normal(0, 20, (32, 64, 2)).astype(np.float32)
    points = hints.random_points("a.png", ab, 200)
    assert set(points[:, 0]) == set(range(2, 30))
    assert points[:, 1].min() < 5
    assert points[:, 1].max() > 58
    for y, x, *color in points:
        patch = ab[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
        assert patch.shape == (5, 5, 2)
        assert color == pytest.approx(patch.mean((0, 1)), abs=1e-4)


def test_fewer_points_are_the_first_of_more_and_the_name_decides() -> None:
    ab = np.zeros((64, 96, 2), np.float32)
    points = hints.random_points("a.png", ab, 100)
    assert np.array_equal(hints.random_points("a.png", ab, 5), points[:5])
    assert not np.array_equal(hints.random_points("b.png", ab, 100), points)
    # Across runs and machines too.
    assert points[:2, :2].tolist() == [[54, 37], [27, 88]]


def test_one_point_tells_all_of_a_picture_of_one_colour() -> None:
    case = make_case("flat", np.full((256, 256, 3), (150, 90, 60), np.uint8), (64, 64))
    found = hints.psnr_by_points(_Copier(spread=True), case, np.zeros((2, 64, 64), np.float32))
    assert list(found) == [0, 1, 5, 10, 50, 100]
    assert found[0] == pytest.approx(case.grey_psnr)
    assert found[0] < 25
    # One point reaches as far as it may; enough of them reach everywhere.
    assert found[1] > found[0] + 2
    assert all(found[count] > 45 for count in (50, 100))


def test_no_photos_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        list(load_cases([tmp_path]))


def test_shipping_halves_the_file_and_sets_the_decoding(tmp_path: Path) -> None:
    weights, target = tiny_checkpoint(tmp_path / "w.safetensors"), tmp_path / "ship.safetensors"
    decoding = ["--temperature", "0.7", "--chroma-power", "0.4"]
    ship([str(weights), str(target), *decoding, "--card", '{"licence": "mine"}'])
    shipped = read_checkpoint(target)
    assert shipped.config["temperature"] == 0.7
    assert shipped.config["chroma_power"] == 0.4
    assert shipped.config["chroma_gain"] == 1.0
    assert shipped.card["licence"] == "mine"
    assert target.stat().st_size < 0.6 * weights.stat().st_size
    assert Colorizer(str(target), "cpu").colors(np.zeros((1, 32, 32), np.float32)).shape[1] == 2


def test_the_mean_of_several_weights_ships(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in "ab"]
    for number, path in enumerate(paths):
        tiny_checkpoint(path, seed=number)
    one, other = (read_checkpoint(path) for path in paths)
    target = tmp_path / "mean.safetensors"
    ship([*map(str, paths), str(target), "--shares", "0.25", "0.75"])
    found = read_checkpoint(target)
    assert found.state.keys() == one.state.keys()
    for key, array in found.state.items():
        wanted = 0.25 * one.state[key] + 0.75 * other.state[key]
        np.testing.assert_allclose(array, wanted, rtol=1e-3, atol=1e-4)
    assert found.card["training"]["shares"] == [0.25, 0.75]
    assert len(found.card["training"]["runs"]) == 2
    with pytest.raises(ValueError, match="2 shares that add up to 1"):
        ship([*map(str, paths), str(target), "--shares", "0.25", "0.5"])
    fewer = tmp_path / "fewer.safetensors"
    state = dict(list(one.state.items())[:-1])
    write_checkpoint(fewer, one.architecture, one.config, state)
    with pytest.raises(ModelError, match="has another shape than"):
        ship([str(paths[0]), str(fewer), str(target)])


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


@pytest.mark.parametrize("kind", ["text", "picture", "cut off", "no bits", "objects"])
def test_what_is_no_flow_file_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    path = _judge(tmp_path / "flow.npz", 1)
    flow = np.zeros((1, 2, 8, 8), np.int16)
    match kind:
        case "text":
            path.write_text("[color]")
        case "picture":
            with path.open("wb") as file:
                np.save(file, flow)
        case "cut off":
            path.write_bytes(path.read_bytes()[:40])
        case "no bits":
            np.savez(path, flow=flow, valid=np.zeros((1, 8)))
        case "objects":
            np.savez(path, flow=flow, valid=np.array([{}], object))
    with pytest.raises(SourceError, match=r"flow\.npz: not a flow file") as caught:
        load_judge(path)
    # NumPy would tell how to run what is in the file.
    assert "unsafe" not in str(caught.value)
