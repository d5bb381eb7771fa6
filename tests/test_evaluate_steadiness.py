"""Measures of steadiness against answers known beforehand, and what they are measured on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clips
import cv2
import numpy as np
import pytest
from clips import Clip, fill, make
from networks import tiny_checkpoint

from vidcolor.color import rgb
from vidcolor.errors import SourceNotFoundError, UsageError
from vidcolor.evaluate import metrics
from vidcolor.evaluate.figures import Steadiness, as_html, as_text, build_table, mean_steadiness
from vidcolor.evaluate.films import Tally, measure_clip, steady_clip
from vidcolor.evaluate.steadiness import cdc, long_range_error, warp_error
from vidcolor.evaluate.traces import JudgeFlow, Trace, find_flow, join, own_judge
from vidcolor.models.colorizer import Colorizer
from vidcolor.paint import paint
from vidcolor.settings import Settings
from vidcolor.watching import color_frames
from vidcolor_cli.main import run

H, W = 96, 160


def texture(seed: int, width: int = W) -> np.ndarray:
    """Lightness with something to hold on to everywhere."""
    rng = np.random.default_rng(seed)
    mixed = sum(
        cv2.GaussianBlur(rng.standard_normal((H, width)), (0, 0), size) * size for size in (2, 7)
    )
    return (50 + 15 * mixed / np.std(mixed)).clip(0, 100).astype(np.float32)


def blobs(width: int = W) -> np.ndarray:
    """Soft colours, (h, w, 2)."""
    rng = np.random.default_rng(9)
    soft = [cv2.GaussianBlur(rng.standard_normal((H // 2, width // 2)), (0, 0), 5) for _ in "ab"]
    return (np.dstack(soft) * 300).astype(np.float32)


def panned(picture: np.ndarray, count: int, step: int, width: int) -> list[np.ndarray]:
    return [np.ascontiguousarray(picture[:, step * n : step * n + width]) for n in range(count)]


def still(count: int, height: int = 24, width: int = 40) -> JudgeFlow:
    return JudgeFlow(
        np.zeros((count, height, width, 2), np.float32), np.ones((count, height, width), bool)
    )


def flickering(ab: np.ndarray, count: int, by: tuple[float, float]) -> list[np.ndarray]:
    return [ab + np.float32(by) * (n % 2) for n in range(count)]


# Errors along the motion


def test_a_still_clip_has_no_error_near_or_far() -> None:
    ab = [blobs(80)[:24]] * 14
    assert warp_error(ab, still(13)) == 0
    assert long_range_error(ab, still(13)) == 0


def test_flicker_is_seen_at_the_distances_at_which_frames_differ() -> None:
    """Every other frame is 5 units off: its neighbours are, the tenth is not, the fifth is."""
    ab = flickering(blobs(80)[:24], 14, (3, 4))
    assert warp_error(ab, still(13)) == pytest.approx(5, abs=1e-4)
    assert long_range_error(ab, still(13)) == pytest.approx(0, abs=1e-4)
    assert long_range_error(ab, still(13), span=5) == pytest.approx(5, abs=1e-4)


def test_a_slow_drift_is_ten_times_as_far_over_ten_frames() -> None:
    ab = [np.full((24, 40, 2), n, np.float32) * np.float32([0.3, 0.4]) for n in range(14)]
    assert warp_error(ab, still(13)) == pytest.approx(0.5, abs=1e-5)
    assert long_range_error(ab, still(13)) == pytest.approx(5, abs=1e-4)


def test_faded_colours_err_in_proportion() -> None:
    ab = flickering(blobs(80)[:24], 14, (3, 4))
    assert warp_error([item * 0.5 for item in ab], still(13)) == pytest.approx(2.5, abs=1e-4)


def test_frames_that_the_judge_does_not_know_do_not_count() -> None:
    ab = [np.zeros((24, 40, 2), np.float32)] * 6 + [np.full((24, 40, 2), 9, np.float32)] * 9
    assert warp_error(ab, still(5)) == 0
    assert math.isnan(long_range_error(ab, still(5)))
    assert warp_error(ab, still(6)) > 1


def test_what_is_hidden_does_not_count_and_of_nothing_there_is_no_mean() -> None:
    flow, valid = np.zeros((1, 24, 40, 2), np.float32), np.ones((1, 24, 40), bool)
    ab = [np.zeros((24, 40, 2), np.float32), np.zeros((24, 40, 2), np.float32)]
    ab[1][:, :20] = 50
    valid[:, :, :20] = False
    assert warp_error(ab, JudgeFlow(flow, valid)) == 0
    assert math.isnan(warp_error(ab, JudgeFlow(flow, np.zeros_like(valid))))


def test_traces_are_joined_where_the_points_have_gone() -> None:
    x = np.tile(np.arange(W, dtype=np.float32), (H, 1))
    latest = np.zeros((H, W, 2), np.float32)
    latest[..., 0] = -8
    older = np.zeros((H, W, 2), np.float32)
    older[..., 0], older[..., 1] = 0.1 * x, 2
    hidden = np.ones((H, W), bool)
    hidden[:, 50] = False
    found = join([Trace(latest, np.ones((H, W), bool)), Trace(older, hidden)])
    inner = np.s_[:, 10:]
    assert np.abs(found.flow[..., 0] - (-8 + 0.1 * (x - 8)))[inner].max() < 1e-3
    assert np.abs(found.flow[..., 1] - 2)[inner].max() < 1e-5
    # What column 50 hides is seen from column 58; what came in from outside is not known at all.
    assert not found.valid[:, 58].any()
    assert not found.valid[:, :8].any()
    assert found.valid[:, 8:58].all() and found.valid[:, 59:].all()


@pytest.mark.usefixtures("one_thread")
def test_our_own_flow_follows_a_pan_over_ten_frames() -> None:
    """Colours are of half the size, where 4 pixels of the picture are 2."""
    lights = panned(texture(4, 260), 13, 4, W)
    travelling = panned(blobs(260), 13, 2, W // 2)
    judge = own_judge(lights)
    assert judge.flow.shape == (12, H // 2, W // 2, 2)
    assert judge.valid.mean() > 0.85
    left = [np.ascontiguousarray(item) for item in [travelling[0]] * 13]
    for measure in (warp_error, long_range_error):
        assert measure(travelling, judge) < 0.15 * measure(left, judge)
    assert long_range_error(left, judge) > 3 * warp_error(left, judge)
    flicker = [ab + np.float32([3, 4]) * (n % 2) for n, ab in enumerate(travelling)]
    assert warp_error(flicker, judge) == pytest.approx(5, abs=0.3)
    assert long_range_error(flicker, judge) < 0.5 * warp_error(flicker, judge)


@pytest.mark.usefixtures("one_thread")
def test_our_own_flow_does_not_judge_what_was_hidden() -> None:
    ground, disc = texture(5), texture(6)
    y, x = np.mgrid[:H, :W]
    lights = []
    for at in (60, 69):
        inside = (x - at) ** 2 + (y - 48) ** 2 < 24**2
        lights.append(np.where(inside, np.roll(disc, at - 60, 1), ground).astype(np.float32))
    valid = own_judge(lights).valid[0]
    uncovered = ((x - 60) ** 2 + (y - 48) ** 2 < 22**2) & ((x - 69) ** 2 + (y - 48) ** 2 > 26**2)
    assert valid[uncovered[::2, ::2]].mean() < 0.3
    assert valid.mean() > 0.8


# CDC


def _plain(red: int, green: int = 90, blue: int = 120) -> np.ndarray:
    return np.broadcast_to(np.float32([red, green, blue]) / 255, (8, 8, 3)).astype(np.float32)


def _shown(ab: np.ndarray, lightness: float | np.ndarray = 60) -> np.ndarray:
    light = np.broadcast_to(np.float32(lightness), ab.shape[:2])
    return metrics.rgb_of(light, ab)


def test_cdc_of_still_or_merely_moved_pictures_is_zero() -> None:
    picture = _shown(blobs())
    assert cdc([picture] * 6) == 0
    assert cdc([np.roll(picture, 3 * n, axis=1) for n in range(6)]) == pytest.approx(0, abs=1e-12)


def test_cdc_of_two_distributions_is_the_divergence_of_the_textbook() -> None:
    # Red of no common bin: ln 2 in one channel of three.
    assert cdc([_plain(10), _plain(200)]) == pytest.approx(math.log(2) / 3)
    # Half of the pixels in common: each side is (1/2, 1/2, 0), the middle (1/2, 1/4, 1/4).
    half, other = _plain(10).copy(), _plain(10).copy()
    half[:4, :, 0], other[:4, :, 0] = 20 / 255, 30 / 255
    assert cdc([half, other]) == pytest.approx(0.5 * math.log(2) / 3)


def test_cdc_looks_one_two_and_four_frames_ahead() -> None:
    a, b = _plain(10), _plain(200)
    full = math.log(2) / 3
    # Every other frame: neighbours differ, the second and the fourth do not.
    assert cdc([a, b] * 4) == pytest.approx(full / 3)
    # In twos: of neighbours every other pair (4 of 7), every second frame, no fourth.
    assert cdc([a, a, b, b, a, a, b, b]) == pytest.approx((3 / 7 + 1 + 0) * full / 3)
    # A single step, seen by 1 of 7, 2 of 6 and 4 of 4.
    assert cdc([a] * 4 + [b] * 4) == pytest.approx((1 / 7 + 2 / 6 + 1) * full / 3)


def test_cdc_does_not_look_across_cuts() -> None:
    a, b = _plain(10), _plain(200)
    assert cdc([a] * 3 + [b] * 3, cuts={3}) == 0
    assert math.isnan(cdc([a, b], cuts=(1,)))


def test_cdc_falls_when_colours_fade_and_colourfulness_tells() -> None:
    ab = flickering(blobs(W * 2), 6, (8, -6))
    light = texture(1)[: H // 2]
    vivid, faded, gone = ([_shown(share * item, light) for item in ab] for share in (1, 0.2, 0))
    assert 0 == cdc(gone) < cdc(faded) < 0.7 * cdc(vivid)
    assert metrics.colorfulness(faded[0]) < 0.4 * metrics.colorfulness(vivid[0])


def test_the_films_own_luma_is_the_floor_of_cdc() -> None:
    """With perfectly steady colours, and with none, a film that flickers has a CDC above zero."""
    steady, grey = (
        cdc([_shown(ab, 50 + 8 * (n % 2)) for n in range(4)]) for ab in (blobs(), blobs() * 0)
    )
    assert steady > 0.02
    assert grey > 0.02


# A clip as the pipeline colours it


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors", 1))


class _Moody:
    """A colorizer whose colour follows the lightness, but for a mood that changes by the frame."""

    def colors(self, lightness: np.ndarray, hints: np.ndarray | None = None) -> np.ndarray:
        mood = 12 * np.sin(40 * lightness.mean((1, 2)))[:, None, None]
        tone = (cv2.GaussianBlur(lightness.transpose(1, 2, 0), (0, 0), 3) - 50) / 2
        tone = tone.reshape(*lightness.shape[1:], -1).transpose(2, 0, 1)
        return np.stack((tone + mood, tone - mood), axis=1).astype(np.float32)


@pytest.fixture
def panning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Clip], Path]:
    """Makes a clip that, shown upright, pans over one texture, and from its 12th frame over
    another; its colours travel along."""
    wide = [(texture(seed, 320) * 2 + 20).astype(np.uint8) for seed in (1, 2)]
    paint = (blobs(320) * 2 + 128).clip(60, 196).astype(np.uint8)

    def picture(clip: Clip, number: int) -> Any:
        frame = clips.av.VideoFrame(clip.width, clip.height, clip.pixel_format)
        at, start = int(number >= 12), 4 * (number % 12)
        turns = clip.rotation // 90
        half = paint[:, start // 2 : start // 2 + W // 2]
        planes = [wide[at][:, start : start + W], half[..., 0], half[..., 1]]
        for index in range(len(frame.planes)):
            fill(frame, index, np.rot90(planes[index], -turns).copy())
        return frame

    monkeypatch.setattr(clips, "picture", picture)
    return lambda clip: make(clip, tmp_path)


FILM = Clip("film.mp4", frames=22, width=W, height=H)


def _settings(**color: Any) -> Settings:
    return Settings().replace("color", short_side=64, device="cpu", **color)


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("stabilize", [0.0, 0.9])
def test_a_clip_is_coloured_exactly_as_the_pipeline_does(
    rotation: int, stabilize: float, panning: Callable[[Clip], Path], tiny: str
) -> None:
    film = panning(
        Clip("turned.mp4", frames=22, width=H, height=W, rotation=90) if rotation else FILM
    )
    settings, colorizer = _settings(stabilize=stabilize), Colorizer(tiny, "cpu")
    tally, threads = Tally(), cv2.getNumThreads()
    colored = list(steady_clip(film, settings, colorizer, tally))
    assert cv2.getNumThreads() == threads
    assert [item.frame.index for item in colored if item.cut] == [0, 12]
    assert tally.frames == 22
    assert tally.asked == 22 if stabilize == 0 else 2 <= tally.asked <= 14
    painted = paint(colored, colored[0].frame.luma[::2, ::2].shape)
    pictures = color_frames(film, settings, colorizer=colorizer)
    for ours, theirs in zip(painted, pictures, strict=True):
        frame = ours.frame
        assert frame.index == theirs.index
        np.testing.assert_array_equal(rgb(frame.luma, ours.cb, ours.cr, frame.color), theirs.rgb)


def test_the_film_is_steadier_than_its_frames_and_truth_and_grey_stand_beside(
    panning: Callable[[Clip], Path],
) -> None:
    seen = []
    judge = JudgeFlow(np.zeros((4, 24, 40, 2), np.float32), np.ones((4, 24, 40), bool))
    found = measure_clip(
        panning(FILM),
        _Moody(),
        _settings(),
        judge,
        look=lambda one, two: seen.append((one, two)),
    )
    assert list(found.figures) == ["truth", "grey", "frame by frame", "film"]
    truth, grey, alone, film = found.figures.values()
    assert found.ratios["warp_error"] == film["warp_error"] / alone["warp_error"] < 0.7
    assert found.ratios["long_range_error"] < 0.9
    assert found.ratios["psnr"] == film["psnr"] - alone["psnr"]
    assert grey["warp_error"] == 0
    assert grey["colorfulness"] < 1 < truth["colorfulness"]
    # The true colours travel along; the judge, who knows of no motion, sees them change.
    assert truth["warp_error"] < 0.5 * truth["judged_warp_error"]
    # Five frames are too few to look ten back.
    assert "judged_long_range_error" not in truth
    assert "psnr" not in truth and "psnr" in grey
    assert [one.frame.index for one, _ in seen] == [two.frame.index for _, two in seen]
    assert len(seen) == found.frames == 22
    assert all(np.array_equal(one.lightness, two.lightness) for one, two in seen)


def test_opencv_has_its_threads_back_afterwards(panning: Callable[[Clip], Path]) -> None:
    before = cv2.getNumThreads()
    film = panning(Clip("short.mp4", frames=3, width=W, height=H))
    try:
        cv2.setNumThreads(2)
        measure_clip(film, _Moody(), _settings())
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_a_turned_clip_measures_as_an_upright_one(panning: Callable[[Clip], Path]) -> None:
    """The same pictures, stored upright and stored lying."""
    colorizer = _Moody()
    lying = Clip("lying.mp4", frames=22, width=H, height=W, rotation=90)
    one, other = (
        measure_clip(panning(film), colorizer, _settings()).figures for film in (FILM, lying)
    )
    for version, figures in one.items():
        # The film's flow is found lying, and there it finds something else by a little.
        least = 0.03 * one["frame by frame"]["warp_error"] if version == "film" else 1e-4
        assert other[version] == pytest.approx(figures, rel=0.01, abs=least), version


# Means, ratios, tables


def _two() -> list[Steadiness]:
    alone, film = {"warp_error": 4.0, "cdc": 0.004}, {"warp_error": 1.0, "cdc": 0.002}
    one = {"truth": {"warp_error": 0.5}, "frame by frame": {**alone, "psnr": 20.0}}
    one["film"] = {**film, "psnr": 20.5}
    other = {"frame by frame": {**alone, "warp_error": 2.0}, "film": {**film, "warp_error": 2.0}}
    return [Steadiness("<a>.mp4", 10, 4, one), Steadiness("b.mp4", 30, 6, other)]


def test_means_are_over_clips_that_have_the_figure_and_ratios_are_of_the_means() -> None:
    one, other = _two()
    mean = mean_steadiness([one, other])
    assert (mean.frames, mean.asked) == (40, 10)
    assert mean.figures["truth"] == {"warp_error": 0.5}
    assert mean.figures["film"] == {"warp_error": 1.5, "cdc": 0.002, "psnr": 20.5}
    assert one.ratios == {"warp_error": 0.25, "cdc": 0.5, "psnr": 0.5}
    assert mean.ratios == {"warp_error": 0.5, "cdc": 0.5, "psnr": 0.5}
    assert json.loads(json.dumps(one.to_dict()))["frame_by_frame"]["cdc"] == 0.004


def test_a_table_has_the_figures_in_their_places() -> None:
    table = build_table(_two())
    assert table.heads == ("warp", "CDC×1000", "PSNR")
    lines = as_text(table).splitlines()
    assert lines[1] == "<a>.mp4: network asked about 40% of 10 frames"
    assert lines[5].split() == ["ratio", "0.250", "0.500", "+0.50"]
    assert lines[-5] == "mean of 2 clips: network asked about 25% of 40 frames"
    assert lines[-2].split() == ["film", "1.500", "2.000", "20.50"]
    # Under its head, although the truth has no figure before it or after.
    ends = [line.rstrip().rindex("0.500") + 5 for line in (lines[2], lines[-4])]
    assert ends == [lines[0].index("warp") + 4] * 2
    page = as_html(table)
    assert "&lt;a&gt;.mp4" in page and "<a>" not in page
    assert page.count("<td>") == 3 * (4 + 3 + 4)


# The flow that is given


def test_a_flow_is_found_beside_others_by_the_name_of_the_clip(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "one.npz").touch()
    one, other = Path("clips/one.mp4"), Path("clips/other.mp4")
    assert find_flow(None, one, 2, told.append) is None
    assert find_flow(tmp_path, one, 2, told.append) == tmp_path / "one.npz"
    assert told == []
    assert find_flow(tmp_path, other, 2, told.append) is None
    assert len(told) == 1 and "other.mp4" in told[0]
    assert find_flow(tmp_path / "one.npz", other, 1, told.append) == tmp_path / "one.npz"
    with pytest.raises(UsageError, match=r"one\.npz"):
        find_flow(tmp_path / "one.npz", other, 2, told.append)
    with pytest.raises(SourceNotFoundError, match=r"none\.npz"):
        find_flow(tmp_path / "none.npz", one, 1, told.append)


# The command


def _strict(path: Path) -> Any:
    """JSON as the standard has it, which knows no NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.fixture
def grey_film(clip: Callable[[str], Path]) -> Path:
    """Asked for before ``panning``, which replaces what clips show."""
    return clip("grey.mkv")


def test_the_command_measures_colour_clips_and_black_and_white_ones(
    grey_film: Path,
    panning: Callable[[Clip], Path],
    tiny: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    film, flow = panning(FILM), tmp_path / "flow"
    flow.mkdir()
    motion = np.zeros((5, 2, 24, 40), np.int16)
    seen = np.stack([np.packbits(np.ones((24, 40), bool))] * 5)
    np.savez(flow / "film.npz", flow=motion, valid=seen)
    report, page = tmp_path / "r.json", tmp_path / "r.html"
    words = ["eval", str(film), str(grey_film), "--limit", "6", "--model", tiny]
    words += ["--device", "cpu", "--flow", str(flow), "--json", str(report), "--html", str(page)]
    assert run(words) == 0
    out, err = capsys.readouterr()
    values = _strict(report)
    assert values["summary"]["clips"] == 1
    colour, grey = values["steadiness"]["clips"]
    assert [item["name"] for item in (colour, grey)] == ["film.mp4", "grey.mkv"]
    assert [item["frames"] for item in (colour, grey)] == [6, 6]
    # The figures frame by frame are those of the network in the other table.
    psnr = values["clips"][0]["psnr"]
    assert colour["frame_by_frame"]["psnr"] == pytest.approx(psnr, abs=0.01)
    assert colour["truth"]["judged_warp_error"] > 0
    assert "truth" not in grey
    assert "psnr" not in grey["film"] and "judged_warp_error" not in grey["film"]
    assert grey["film"]["warp_error"] <= grey["frame_by_frame"]["warp_error"]
    assert values["steadiness"]["mean"]["name"] == "mean of 2 clips"
    warnings = err.splitlines()
    assert len(warnings) == 2
    assert "grey.mkv" in warnings[0] and "grey.npz" in warnings[0]
    assert "grey.mkv: black and white" in warnings[1]
    ratio = f"{colour['ratios']['judged_warp_error']:.3f}"
    assert any(line.split()[:2] == ["ratio", ratio] for line in out.splitlines())
    text = page.read_text(encoding="utf-8")
    assert "Steadiness of the clips" in text and f"<td>{ratio}</td>" in text


def test_a_black_and_white_clip_alone_has_its_steadiness_alone(
    clip: Callable[[str], Path], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, page = tmp_path / "r.json", tmp_path / "r.html"
    words = ["eval", str(clip("grey.mkv")), "--limit", "3", "--model", tiny, "--json", str(report)]
    assert run([*words, "--html", str(page)]) == 0
    values = _strict(report)
    assert values["summary"] == {} and values["photos"] == [] and "clips" not in values
    assert values["steadiness"]["clips"][0]["film"]["colorfulness"] > 0
    out = capsys.readouterr().out
    assert "frame by frame" in out and "PSNR" not in out
    assert "Steadiness of the clips" in page.read_text(encoding="utf-8")


def test_every_model_has_a_table_of_its_own(
    clip: Callable[[str], Path], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, page = str(tiny_checkpoint(tmp_path / "other.safetensors", 2)), tmp_path / "r.html"
    words = ["eval", str(clip("grey.mkv")), "--limit", "2", "--model", tiny, "--model", other]
    assert run([*words, "--html", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    tables = [at for at, line in enumerate(lines) if line.startswith("steadiness")]
    assert [lines[at - 1] for at in tables] == ["tiny:", "other:"]
    first, second = (lines[at + 1 : at + 6] for at in tables)
    assert first[0] == second[0] and first[2:] != second[2:]
    assert page.read_text(encoding="utf-8").count('<th scope="rowgroup"') == 2


@pytest.mark.parametrize(
    ("flow", "code", "mention"),
    [("none.npz", 3, "none.npz"), ("bad.npz", 3, "bad.npz"), ("good.npz", 0, "")],
)
def test_a_flow_that_is_none_is_one_line_and_its_code(
    flow: str,
    code: int,
    mention: str,
    clip: Callable[[str], Path],
    tiny: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.npz").write_bytes(b"no flow")
    seen = np.stack([np.packbits(np.ones((24, 40), bool))])
    np.savez(tmp_path / "good.npz", flow=np.zeros((1, 2, 24, 40), np.int16), valid=seen)
    words = ["eval", str(clip("plain.mp4")), "--limit", "2", "--model", tiny]
    assert run([*words, "--flow", str(tmp_path / flow)]) == code
    err = capfd.readouterr().err
    lines = [line for line in err.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == (code != 0)
    assert all(mention in line for line in lines)
