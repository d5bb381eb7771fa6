"""The look: colours move as asked, luma never does, and shots may have their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vidcolor import Settings, color_frames, colorize_video, job
from vidcolor.cube import LARGEST, read_cube
from vidcolor.errors import SettingsError
from vidcolor.frames import ColoredFrame, ColorSpec, Frame
from vidcolor.jobs.sidecars import Digests
from vidcolor.look import SKIN_HUE, Grade, Grading, lut_paths
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import ShotLook, load_settings
from vidcolor.shots import read_shots
from vidcolor_cli.main import run
from vidcolor_cli.options import with_shots

Clips = Callable[[str], Path]
Curve = Callable[[float, float, float], tuple[float, float, float]]

SIZE = (16, 24)
SPEC = ColorSpec("bt709", full_range=False, depth=8)


def even(lightness: float, a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    return np.full(SIZE, lightness, np.float32), np.stack(
        [np.full(SIZE, a, np.float32), np.full(SIZE, b, np.float32)]
    )


def graded(look: ShotLook, lightness: float, a: float, b: float) -> tuple[float, float]:
    found = Grade(look)(*even(lightness, a, b))
    assert found.dtype == np.float32 and found.shape == (2, *SIZE)
    return float(found[0].mean()), float(found[1].mean())


def at_hue(degrees: float, chroma: float) -> tuple[float, float]:
    angle = np.deg2rad(degrees)
    return float(chroma * np.cos(angle)), float(chroma * np.sin(angle))


def cube(path: Path, curve: Curve, size: int = 5, head: str = "") -> str:
    steps = np.linspace(0, 1, size)
    rows = [curve(red, green, blue) for blue in steps for green in steps for red in steps]
    lines = [" ".join(f"{value:.6f}" for value in row) for row in rows]
    path.write_text("\n".join(['TITLE "a look"', "# by hand", head, f"LUT_3D_SIZE {size}", *lines]))
    return str(path)


def frame(index: int, ab: np.ndarray) -> ColoredFrame:
    luma = np.full((48, 64), 128, np.uint8)
    return ColoredFrame(Frame(index, index, 1, luma, SPEC), even(53, 0, 0)[0], ab, index == 0)


def test_a_neutral_look_hands_the_very_frames_on() -> None:
    ab = np.random.default_rng(0).normal(0, 30, (2, *SIZE)).astype(np.float32)
    one = frame(0, ab)
    assert next(Grading(Settings()).apply([one])) is one


@pytest.mark.parametrize("lightness", [20, 60, 100])
def test_warmth_is_yellower_and_tint_toward_magenta(lightness: float) -> None:
    a, b = graded(ShotLook(warmth=0.5), lightness, 3, 4)
    assert a == pytest.approx(3) and 1 < b - 4 < 11
    a, b = graded(ShotLook(warmth=-0.5), lightness, 3, 4)
    assert a == pytest.approx(3) and -11 < b - 4 < -1
    a, b = graded(ShotLook(tint=0.5), lightness, 3, 4)
    assert 1 < a - 3 < 9 and b == pytest.approx(4)
    assert graded(ShotLook(tint=-0.5), lightness, 3, 4)[0] < 2


def test_warmth_is_that_of_light_so_white_moves_most() -> None:
    moved = [graded(ShotLook(warmth=1), lightness, 0, 0)[1] for lightness in (5, 50, 100)]
    assert moved[0] < moved[1] < moved[2] == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize("amount", [-1.0, -0.4, 0.4, 1.0])
def test_vibrance_moves_dull_colours_most_and_skin_least(amount: float) -> None:
    def factor(hue: float, chroma: float) -> float:
        found = graded(ShotLook(vibrance=amount), 60, *at_hue(hue, chroma))
        return float(np.hypot(*found)) / chroma

    away = [abs(factor(230, chroma) - 1) for chroma in (4, 20, 60)]
    assert away[0] > 1.4 * away[1] > 1.4 * 1.4 * away[2]
    assert (factor(230, 4) > 1) == (amount > 0)
    assert abs(factor(SKIN_HUE, 20) - 1) < 0.3 * away[1]
    order = [factor(140, chroma) * chroma for chroma in range(1, 90)]
    assert order == sorted(order)


def test_grey_stays_grey_under_vibrance_and_saturation() -> None:
    assert graded(ShotLook(vibrance=1, saturation=2), 50, 0, 0) == (0, 0)


def test_an_identity_lut_changes_nothing(tmp_path: Path) -> None:
    path = cube(tmp_path / "same.cube", lambda r, g, b: (r, g, b), 17)
    rng = np.random.default_rng(1)
    lightness = rng.uniform(0, 100, SIZE).astype(np.float32)
    ab = rng.normal(0, 40, (2, *SIZE)).astype(np.float32)
    np.testing.assert_allclose(Grade(ShotLook(lut=path))(lightness, ab), ab, atol=2e-3)


def test_a_lut_turns_colours_into_those_it_names(tmp_path: Path) -> None:
    swap = read_cube(Path(cube(tmp_path / "swap.cube", lambda r, g, b: (b, g * g, r), 33)))
    rgb = np.random.default_rng(2).uniform(0, 1, (8, 9, 3)).astype(np.float32)
    wanted = np.stack([rgb[..., 2], rgb[..., 1] ** 2, rgb[..., 0]], -1)
    np.testing.assert_allclose(swap.apply(rgb), wanted, atol=2e-3)
    _, b = graded(ShotLook(lut=str(tmp_path / "swap.cube")), 60, 0, 50)
    assert b < -20  # Yellow became blue.


def test_a_luts_domain_counts(tmp_path: Path) -> None:
    head = "DOMAIN_MIN 0 0 0\nDOMAIN_MAX 2 2 2"
    half = read_cube(Path(cube(tmp_path / "a.cube", lambda r, g, b: (r, g, b), head=head)))
    rgb = np.full((1, 1, 3), 0.5, np.float32)
    assert half.apply(rgb) == pytest.approx(0.25)
    head = "LUT_3D_INPUT_RANGE 0.0 0.5"
    double = read_cube(Path(cube(tmp_path / "b.cube", lambda r, g, b: (r, g, b), head=head)))
    assert double.apply(rgb * 0.5) == pytest.approx(0.5)
    assert double.apply(rgb * 2) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "LUT_3D_SIZE|lines"),
        ("LUT_1D_SIZE 4\n0 0 0", "single channels"),
        ("0 0 0", "LUT_3D_SIZE"),
        ("LUT_3D_SIZE 1", "2 to"),
        (f"LUT_3D_SIZE {LARGEST + 1}", "2 to"),
        ("LUT_3D_SIZE many", "2 to"),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 7, "8 lines|2³"),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 9, "2³"),
        ("LUT_3D_SIZE 2\n0 0\n", "line 2"),
        ("LUT_3D_SIZE 2\n0 0 nan\n", "line 2"),
        ("LUT_3D_SIZE 2\nGAMMA 2\n", "line 2"),
        ("LUT_3D_SIZE 2\nDOMAIN_MIN 1 1 1\n" + "0 0 0\n" * 8, "domain"),
    ],
)
def test_a_broken_lut_is_refused(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.cube"
    path.write_text(text)
    with pytest.raises(SettingsError, match=fault) as caught:
        read_cube(path)
    assert "broken.cube" in str(caught.value)


def test_a_title_may_be_in_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "latin.cube"
    cube(path, lambda r, g, b: (b, g, r))
    path.write_bytes(b'TITLE "Caf\xe9"\n# d\xe9j\xe0 vu\n' + path.read_bytes())
    assert read_cube(path).size == 5


def test_a_missing_lut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.cube"):
        Grading(Settings().replace("look", lut=str(tmp_path / "none.cube")))


def test_a_lut_is_looked_for_beside_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reels").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    beside = cube(tmp_path / "reels" / "a.cube", lambda r, g, b: (r, g, b), 2)
    for name in ("a.cube", "b.cube"):
        cube(tmp_path / "work" / name, lambda r, g, b: (r, g, b), 2)
    config = tmp_path / "reels" / "my.toml"
    shots = tmp_path / "reels" / "shots.json"
    for name, found in (("a.cube", beside), ("b.cube", "b.cube"), ("none.cube", "none.cube")):
        config.write_text(f'[look]\nlut = "{name}"\n')
        assert load_settings(config).look.lut == found
        listed(shots, {"first_frame": 0, "look": {"lut": name}})
        assert with_shots(Settings(), shots).look_in(0).lut == found
    (tmp_path / "reels" / "m.safetensors").touch()
    (tmp_path / "reels" / "fast").touch()
    config.write_text('[color]\nmodel = "m.safetensors"\n')
    assert load_settings(config).color.model == str(tmp_path / "reels" / "m.safetensors")
    config.write_text('[color]\nmodel = "fast"\n')
    assert load_settings(config).color.model == "fast"


@pytest.mark.parametrize("key", ["warmth", "tint", "vibrance"])
def test_looks_have_bounds(key: str, tmp_path: Path) -> None:
    for value in (-1.01, 1.01, float("nan")):
        with pytest.raises(SettingsError, match=key):
            Settings().replace("look", **{key: value})
        with pytest.raises(SettingsError, match=f"frame 9.*{key}"):
            Settings().replace(shots=(0, 9), looks={9: {key: value}})
    path = tmp_path / "my.toml"
    path.write_text(f"[look]\n{key} = -1\n")
    assert getattr(load_settings(path).look, key) == -1


def listed(path: Path, *shots: dict[str, object]) -> Path:
    path.write_text(json.dumps({"format": "vidcolor-shots-1", "shots": shots}))
    return path


def test_shots_may_have_looks_of_their_own(tmp_path: Path) -> None:
    base = Settings().replace("color", saturation=0.5).replace("look", tint=0.1)
    path = listed(
        tmp_path / "shots.json",
        {"first_frame": 0},
        {"first_frame": 4, "look": {"warmth": 0.5, "saturation": 1}},
        {"first_frame": 8},
    )
    settings = with_shots(base, path)
    assert settings.look_in(4) == ShotLook(warmth=0.5, tint=0.1, saturation=1.0)
    assert settings.look_in(8) == settings.look_in() == ShotLook(tint=0.1, saturation=0.5)

    ab = even(0, 10, 10)[1]
    alone = Grading(settings).apply([frame(index, ab) for index in range(10)])
    warm = [float(item.ab[1].mean()) > 10 for item in alone]
    assert warm == [False] * 4 + [True] * 4 + [False] * 2
    # In a range by time, frames are counted from its start.
    later = Grading(settings).apply([frame(index, ab) for index in range(7)], before=3)
    assert [float(item.ab[1].mean()) > 10 for item in later] == warm[3:]


@pytest.mark.parametrize(
    ("look", "fault"),
    [
        ({"warmht": 0.1}, "unknown key 'warmht'; valid keys are lut, saturation, tint"),
        ({"warmth": "much"}, "warmth must be float"),
        ({"saturation": 3}, "saturation must be 0 to 2"),
        (0.5, "must hold settings"),
    ],
)
def test_a_shots_look_is_checked(look: object, fault: str, tmp_path: Path) -> None:
    path = listed(tmp_path / "shots.json", {"first_frame": 0, "look": look})
    with pytest.raises(SettingsError, match=fault) as caught:
        with_shots(Settings(), path)
    assert str(path) in str(caught.value)


def test_a_look_needs_its_shot() -> None:
    for shots in (None, (0, 4)):
        with pytest.raises(SettingsError, match="frame 5"):
            Settings().replace(shots=shots, looks={5: {}})


def test_luma_stays_as_it_is_and_only_the_shot_changes(
    clip: Clips, net: Path, tmp_path: Path
) -> None:
    colorizer, film = Colorizer(str(net), "cpu"), clip("plain.mp4")
    plain = Settings().replace("color", short_side=64).replace("encoder", codec="ffv1")
    plain = plain.replace(shots=(0, 4, 7))
    looks = plain.replace(looks={4: {"warmth": 1, "tint": -1, "vibrance": 1}})
    pictures = []
    for name, settings in (("plain.mkv", plain), ("looks.mkv", looks)):
        colorize_video(film, tmp_path / name, settings, colorizer=colorizer)
        pictures.append(list(decode(probe(tmp_path / name))))
    for source, one, other in zip(decode(probe(film)), *pictures, strict=True):
        assert np.array_equal(one.luma, source.luma) and np.array_equal(other.luma, source.luma)
        same = np.array_equal(one.owner.to_ndarray(), other.owner.to_ndarray())
        assert same == (not 4 <= source.index < 7)

    before = [picture.rgb for picture in color_frames(film, plain, colorizer=colorizer)]
    after = [picture.rgb for picture in color_frames(film, looks, colorizer=colorizer)]
    changed = [not np.array_equal(*pair) for pair in zip(before, after, strict=True)]
    assert changed == [4 <= index < 7 for index in range(10)]


def test_another_lut_is_another_job(
    clip: Clips, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cube(tmp_path / "a.cube", lambda r, g, b: (r, g, b), 2)
    settings = Settings().replace("look", lut=path)
    assert lut_paths(settings.replace(shots=(0,), looks={0: {"lut": "b.cube"}})) == [path, "b.cube"]
    known = []
    real = job.WorkFolder
    monkeypatch.setattr(
        job, "WorkFolder", lambda at, what, *rest: known.append(what) or real(at, what, *rest)
    )
    colorizer, digests = Colorizer(str(net), "cpu"), [Digests().of(settings)]
    for number in range(2):
        settings = settings.replace("color", short_side=64)
        colorize_video(clip("plain.mp4"), tmp_path / f"{number}.mp4", settings, colorizer=colorizer)
        cube(tmp_path / "a.cube", lambda r, g, b: (g, r, b), 2)
    assert known[0]["luts"] != known[1]["luts"]
    assert Digests().of(Settings().replace("look", lut=path)) != digests[0]


def test_the_command_line_sets_the_look(
    clip: Clips, net: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = cube(tmp_path / "a.cube", lambda r, g, b: (r, g, b), 2)
    words = [str(clip("plain.mp4")), str(tmp_path / "o.mp4"), "--model", str(net)]
    report = tmp_path / "r.json"
    flags = ["--warmth", "0.2", "--tint", "-0.1", "--vibrance", "0.3", "--lut", path]
    assert run([*words, "--short-side", "64", *flags, "--report", str(report), "--quiet"]) == 0
    found = json.loads(report.read_text())["settings"]["look"]
    assert found == {"warmth": 0.2, "tint": -0.1, "vibrance": 0.3, "lut": path}
    capfd.readouterr()
    for flag, value in (("--warmth", "2"), ("--lut", str(tmp_path / "none.cube"))):
        assert run([*words, "--overwrite", flag, value]) == 2
        err = capfd.readouterr().err
        assert err.count("\n") == 1 and ("warmth" in err or "none.cube" in err)


def test_the_list_keeps_looks(tmp_path: Path) -> None:
    path = listed(tmp_path / "s.json", {"first_frame": 0, "look": {"tint": 0.5}, "note": "day"})
    found = read_shots(path)
    assert found.looks == {0: {"tint": 0.5}}
    path.write_text(found.to_json())
    assert read_shots(path) == found
