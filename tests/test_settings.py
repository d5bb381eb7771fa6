"""Settings: what a file or a call may say, and how a mistake is answered."""

from __future__ import annotations

import re
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidcolor.errors import SettingsError, UsageError
from vidcolor.settings import (
    ColorSettings,
    LookSettings,
    RangeSettings,
    Settings,
    load_settings,
)

PRESETS = {
    item.name.removesuffix(".toml")
    for item in files("vidcolor_configs").iterdir()
    if item.name.endswith(".toml")
}


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Settings read from a config file of the given text."""

    def read(text: str, base: Settings | None = None) -> Settings:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, base)

    return read


@pytest.mark.parametrize("number", ["0x" + "f" * 16, "-" + "9" * 400, "0x" + "f" * 5000])
@pytest.mark.parametrize("place", ["{}", "[1, [{}]]", "{{ deep = {} }}"])
def test_a_whole_number_that_toml_does_not_have(load: Any, number: str, place: str) -> None:
    with pytest.raises(SettingsError, match=r"options.*no TOML number is this large"):
        load(f"[encoder]\noptions = {{ b = {place.format(number)} }}")


def test_a_number_too_long_to_be_read(load: Any) -> None:
    with pytest.raises(SettingsError, match="not a TOML file"):
        load(f"[color]\nsaturation = {'9' * 5000}")


def test_a_file_changes_what_it_names_and_nothing_else(load: Any) -> None:
    base = Settings().replace("color", saturation=0.5, batch_size=2).replace(overwrite=True)
    settings = load("[color]\nbatch_size = 7\n[encoder]\ncodec = 'h265'", base)
    assert settings == base.replace("color", batch_size=7).replace("encoder", codec="h265")
    assert settings.color.saturation == 0.5
    assert settings.overwrite


def test_an_empty_file_is_the_defaults(load: Any) -> None:
    assert load("") == Settings()


def test_a_whole_number_does_for_a_float(load: Any) -> None:
    crf = load("[encoder]\ncrf = 18").encoder.crf
    assert (crf, type(crf)) == (18.0, float)


def test_encoder_options_become_text(load: Any) -> None:
    settings = load("[encoder.options]\npreset = 'slow'\ng = 12\npsy-rd = 1.5")
    assert settings.encoder.options == {"preset": "slow", "g": "12", "psy-rd": "1.5"}


def test_options_are_added_to_those_of_the_same_codec(load: Any) -> None:
    base = load("[encoder]\ncodec = 'h264'\noptions = { preset = 'fast', g = 9 }")
    settings = load("[encoder.options]\ng = 12\ntune = 'film'", base)
    assert settings.encoder.options == {"preset": "fast", "g": "12", "tune": "film"}


def test_another_codec_leaves_options_and_container_behind(load: Any) -> None:
    base = load("[encoder]\ncodec = 'ffv1'\ncontainer = 'mkv'\noptions = { slices = 4 }")
    encoder = load("[encoder]\ncodec = 'h264'\noptions = { g = 12 }", base).encoder
    assert (encoder.codec, encoder.container, encoder.options) == ("h264", None, {"g": "12"})


def test_a_whole_number_of_seconds_does_for_a_fraction() -> None:
    start = Settings().replace("range", start=90).range.start
    assert (start, type(start)) == (90, Fraction)


@pytest.mark.parametrize("crf", [-1.0, 64.0, float("nan"), float("inf")])
def test_a_rate_factor_has_bounds(crf: float) -> None:
    with pytest.raises(SettingsError, match="crf"):
        Settings().replace("encoder", crf=crf)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[color]\nsaturatoin = 1.2", ("saturatoin", "saturation", "batch_size")),
        ("[encoder]\nbitrate = 5", ("bitrate", "codec", "crf", "options")),
        ("[colour]\nsaturation = 1.2", ("colour", "[color]", "[encoder]")),
        ("saturation = 1.2", ("saturation", "[color]", "[encoder]")),
        ("color = 3", ("color", "[color]", "[encoder]")),
        ("overwrite = true", ("overwrite", "[color]", "[encoder]")),
    ],
)
def test_an_unknown_key_is_answered_with_the_valid_ones(
    load: Any, text: str, names: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert "config.toml" in str(caught.value)
    for name in names:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[color]\nbatch_size = '4'", "batch_size"),
        ("[color]\nbatch_size = 4.0", "batch_size"),
        ("[color]\nbatch_size = true", "batch_size"),
        ("[color]\nsaturation = false", "saturation"),
        ("[color]\nsaturation = [1.0]", "saturation"),
        ("[color]\nmodel = 3", "model"),
        ("[encoder]\ncodec = 264", "codec"),
        ("[encoder]\ncrf = 'low'", "crf"),
        ("[encoder]\noptions = 'preset=slow'", "options"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(load: Any, text: str, key: str) -> None:
    with pytest.raises(SettingsError, match=key) as caught:
        load(text)
    assert "config.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[color\nmodel = 1", "not a TOML file"),
        (b"\xff\xfe\x00", "not a TOML file"),
        (None, "cannot read"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "broken.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=complaint) as caught:
        load_settings(path)
    assert "broken.toml" in str(caught.value)


def test_a_folder_is_no_config_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        load_settings(tmp_path)


def test_a_config_file_may_be_named_by_a_text(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[color]\nsaturation = 0.5\n", encoding="utf-8")
    assert load_settings(str(path)) == load_settings(path)
    with pytest.raises(SettingsError, match=r"none\.toml: cannot read"):
        load_settings(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("key", "bad", "good"),
    [
        ("stabilize", (-0.01, 1.01, float("nan")), (0, 0.0, 1.0)),
        ("saturation", (-0.1, 2.1, float("inf")), (0.0, 1, 2.0)),
        ("batch_size", (0, -1, 257), (1, 256)),
        ("short_side", (0, 32, 100, 250, 1056), (64, 256, 1024)),
    ],
)
def test_numbers_have_bounds(key: str, bad: tuple[float, ...], good: tuple[float, ...]) -> None:
    for value in good:
        assert getattr(Settings().replace("color", **{key: value}).color, key) == value
    for value in bad:
        with pytest.raises(SettingsError, match=key):
            Settings().replace("color", **{key: value})


@pytest.mark.parametrize(
    ("key", "bad", "good"),
    [
        ("effort", ("", "Fast", "careful"), ("fast", "normal", "slow")),
        ("crf_shift", (-8.5, 21.0, float("nan")), (-8.0, 0, 20.0)),
        ("depth", (7, 17), (None, 8, 16)),
        ("chroma", ("4:2:0", "411", ""), (None, "420", "422", "444")),
    ],
)
def test_encoder_settings_have_bounds(key: str, bad: Any, good: Any) -> None:
    for value in good:
        assert getattr(Settings().replace("encoder", **{key: value}).encoder, key) == value
    for value in bad:
        with pytest.raises(SettingsError, match=key):
            Settings().replace("encoder", **{key: value})


def test_a_file_out_of_bounds_is_refused(load: Any) -> None:
    with pytest.raises(SettingsError, match="saturation"):
        load("[color]\nsaturation = 3")


def test_replace_refuses_an_unknown_key() -> None:
    with pytest.raises(SettingsError, match="valid keys are"):
        Settings().replace("encoder", quality=3)


def test_replace_leaves_the_original_alone() -> None:
    before = Settings()
    before.replace("color", saturation=0.1)
    assert before == Settings()


@pytest.mark.parametrize(
    "crop",
    [
        RangeSettings(),
        RangeSettings(first_frame=3),
        RangeSettings(end_frame=1),
        RangeSettings(first_frame=3, end_frame=4),
        RangeSettings(start=Fraction(0)),
        RangeSettings(start=Fraction(1, 3), duration=Fraction(1, 25)),
    ],
)
def test_a_range_that_can_be_met(crop: RangeSettings) -> None:
    assert Settings(range=crop).range.whole == (crop == RangeSettings())


@pytest.mark.parametrize(
    "crop",
    [
        RangeSettings(first_frame=0, start=Fraction(1)),
        RangeSettings(end_frame=9, duration=Fraction(1)),
        RangeSettings(first_frame=-1),
        RangeSettings(end_frame=0),
        RangeSettings(first_frame=4, end_frame=4),
        RangeSettings(first_frame=5, end_frame=4),
        RangeSettings(start=Fraction(-1)),
        RangeSettings(duration=Fraction(0)),
    ],
)
def test_a_range_that_cannot(crop: RangeSettings) -> None:
    with pytest.raises(UsageError):
        Settings(range=crop)


def test_the_promised_presets_are_installed() -> None:
    assert {"default", "fast", "quality", "share", "small", "edit", "archive"} == PRESETS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_loads(name: str) -> None:
    with (files("vidcolor_configs") / f"{name}.toml").open(encoding="utf-8") as file:
        assert file.readline().startswith("# "), "a preset opens with what it is for"
    settings = load_settings(Path(str(files("vidcolor_configs") / f"{name}.toml")))
    assert (settings == Settings()) == (name == "default")
    # Options belong to one encoder, so a preset that has some says which.
    assert settings.encoder.codec or not settings.encoder.options


def test_the_archive_preset_is_lossless() -> None:
    settings = load_settings(Path(str(files("vidcolor_configs") / "archive.toml")))
    assert (settings.encoder.codec, settings.encoder.container) == ("ffv1", "mkv")


@pytest.mark.parametrize("keep", ["always", ((5, 5),), ((-1, 4),), ((0, 2), (9, 3))])
def test_impossible_ranges_of_kept_colour_are_refused(keep: object) -> None:
    with pytest.raises(SettingsError, match="keep_color"):
        Settings().replace(keep_color=keep)


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("keep_color", (5,), "keep_color: item 1 must be tuple, not 5"),
        ("keep_color", ((0, 2, 3),), "keep_color: item 1 must be 2 values"),
        ("keep_color", ((0, "x"),), "keep_color: item 1: item 2 must be int"),
        ("shots", (0, 1.5), "shots: item 2 must be int, not 1.5"),
        ("hints", [1], "hints: item 1 must be Hint, not 1"),
        ("references", ["a.png"], "references: item 1 must be Reference"),
        ("looks", {5: 3}, "looks: 5 must be Mapping, not 3"),
        ("looks", {"a": {}}, "looks: a key must be int, not 'a'"),
    ],
)
def test_what_is_in_tuples_and_tables_is_checked(key: str, value: Any, complaint: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(complaint)):
        Settings().replace(shots=(0, 5)).replace(**{key: value})


def test_what_says_the_same_is_taken() -> None:
    settings = Settings()
    kept = settings.replace(keep_color=[[np.int64(0), 2], (5, None)]).keep_color
    assert kept == ((0, 2), (5, None))
    looks = settings.replace(shots=(0, 5)).replace(looks={np.int64(5): {"warmth": 0.1}}).looks
    assert looks == {5: {"warmth": 0.1}}
    assert settings.replace("range", start=0.1).range.start == Fraction(1, 10)
    color = settings.replace("color", stabilize=np.float32(0.5), batch_size=np.int64(3)).color
    assert (type(color.stabilize), type(color.batch_size)) == (float, int)
    assert settings.replace("color", model=Path("a") / "b").color.model == str(Path("a") / "b")
    assert settings.replace(work_dir="there").work_dir == Path("there")
    assert settings.replace(hints=[], shots=[0, 5]).shots == (0, 5)


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("color", "batch_size", 2.5),
        ("color", "stabilize", True),
        ("color", "stabilize", "0.5"),
        ("range", "start", float("nan")),
        ("range", "start", float("inf")),
        ("color", "model", 3),
    ],
)
def test_what_does_not_is_refused(group: str, key: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"{group}.{key} must be"):
        Settings().replace(group, **{key: value})


def test_a_mark_of_byte_order_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xef\xbb\xbf[color]\nsaturation = 0.5\n")
    assert load_settings(path).color.saturation == 0.5


def test_settings_that_are_made_directly_are_checked_as_those_that_are_changed() -> None:
    made = Settings(shots=[0, 5], keep_color=[(0, 5)], work_dir="wd", rate=25)  # type: ignore[arg-type]
    assert (made.shots, made.keep_color, made.work_dir) == ((0, 5), ((0, 5),), Path("wd"))
    assert made.rate == Fraction(25)
    assert made == Settings().replace(shots=[0, 5], keep_color=[(0, 5)], work_dir="wd", rate=25)
    with pytest.raises(SettingsError, match="overwrite must be bool"):
        Settings(overwrite="yes")  # type: ignore[arg-type]
    parts = Settings(look=LookSettings(lut=Path("a.cube")))  # type: ignore[arg-type]
    assert parts == Settings().replace("look", lut=Path("a.cube"))
    with pytest.raises(SettingsError, match="color: batch_size must be int"):
        Settings(color=ColorSettings(batch_size=2.5))  # type: ignore[arg-type]
    looks = Settings(
        shots=(0,), looks={0: {"lut": Path("a.cube"), "warmth": np.float32(0.5)}}
    ).looks
    assert looks == {0: {"lut": "a.cube", "warmth": 0.5}}
    with pytest.raises(SettingsError, match="color must be ColorSettings"):
        Settings(color={"saturation": 1})  # type: ignore[arg-type]
