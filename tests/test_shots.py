"""The shot list: what is written is read again, and a mistake in it is answered with one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import Clip, fill, make

from vidcolor import Colorizer, color_frames, colorize_video
from vidcolor.errors import SettingsError, TargetError
from vidcolor.media.count import Before, frames_before
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.settings import RangeSettings, Settings
from vidcolor.shots import Shot, ShotList, clock, read_shots, write_shots
from vidcolor.survey import find_shots

Clips = Callable[[str], Path]

LIST = ShotList(
    (
        Shot(0, {"start": "0:00:00.000"}),
        Shot(24),
        Shot(30, {"start": "0:00:01.250", "look": {"saturation": 0.5}, "note": "Straße"}),
    ),
    "a film.mp4",
    240,
)


@pytest.mark.parametrize("shots", [LIST, ShotList((Shot(0),))])
def test_what_is_written_is_read_again(shots: ShotList, tmp_path: Path) -> None:
    path = tmp_path / "shots.json"
    path.write_text("an older one", encoding="utf-8")
    write_shots(path, shots)
    assert read_shots(path) == shots
    assert [item.name for item in tmp_path.iterdir()] == ["shots.json"]


def test_the_file_is_the_promised_json() -> None:
    value = json.loads(LIST.to_json())
    assert list(value) == ["format", "source", "frames", "shots"]
    assert value["format"] == "vidcolor-shots-1"
    assert value["shots"][:2] == [{"first_frame": 0, "start": "0:00:00.000"}, {"first_frame": 24}]
    assert LIST.starts == (0, 24, 30)


def test_a_list_by_hand_needs_next_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "shots.json"
    # As some editors save it, with a byte order mark.
    text = '{"shots": [{"first_frame": 0}, {"first_frame": 7}], "format": "vidcolor-shots-1"}'
    path.write_text(text, encoding="utf-8-sig")
    assert read_shots(path) == ShotList((Shot(0), Shot(7)))


def _listed(*shots: Any, **more: Any) -> str:
    return json.dumps({"format": "vidcolor-shots-1", "shots": list(shots), **more})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not a JSON file"),
        ("[1, 2", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ("[]", "vidcolor-shots-1"),
        ('{"shots": [{"first_frame": 0}]}', "not None"),
        ('{"format": "vidcolor-shots-2", "shots": []}', "vidcolor-shots-2"),
        (_listed({"first_frame": 0}, fps=25), "unknown key 'fps'"),
        (_listed({"first_frame": 0}, frames="many"), "frames"),
        (_listed({"first_frame": 0}, source=1), "source"),
        ('{"format": "vidcolor-shots-1"}', "must be a list"),
        ('{"format": "vidcolor-shots-1", "shots": {"first_frame": 0}}', "must be a list"),
        (_listed(), "first_frame 0"),
        (_listed({"first_frame": 3}), "first_frame 0"),
        (_listed({"first_frame": 0}, {"first_frame": 9}, {"first_frame": 9}), "shot 3"),
        (_listed({"first_frame": 0}, {"first_frame": 9}, {"first_frame": 8}), "shot 3"),
        (_listed({"first_frame": 0}, {"start": "0:00:01"}), "shot 2"),
        (_listed({"first_frame": 0}, {"first_frame": 4.0}), "shot 2"),
        (_listed({"first_frame": 0}, {"first_frame": True}), "shot 2"),
        (_listed({"first_frame": 0}, {"first_frame": -4}), "shot 2"),
        (_listed({"first_frame": 0}, {"first_frame": "4"}), "shot 2"),
        (_listed({"first_frame": 0}, 4), "shot 2"),
    ],
)
def test_a_mistake_names_the_file_and_the_fault(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "shots.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        read_shots(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert fault in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for name, fault in (
        ("none.json", "No such file"),
        ("bytes.json", "not a JSON"),
        ("", "direct"),
    ):
        with pytest.raises(SettingsError, match=fault):
            read_shots(tmp_path / name)


def test_a_failed_write_leaves_the_old_list_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "shots.json"
    write_shots(path, LIST)
    with pytest.raises(TypeError):
        write_shots(path, ShotList((Shot(0, {"note": object()}),)))
    assert read_shots(path) == LIST
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(TargetError, match="shot list"):
        write_shots(tmp_path / "no folder" / "shots.json", LIST)
    (tmp_path / "folder").mkdir()
    with pytest.raises(TargetError, match="shot list"):
        write_shots(tmp_path / "folder", LIST)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["folder", "shots.json"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (Fraction(0), "0:00:00.000"),
        (Fraction(1, 24), "0:00:00.041"),
        (Fraction(59_999_999, 1_000_000), "0:00:59.999"),
        (Fraction(36_000 + 61), "10:01:01.000"),
    ],
)
def test_clock_is_cut_to_milliseconds(seconds: Fraction, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize("shots", [(), (3,), (0, 4, 4), (0, 9, 8)])
def test_settings_take_rising_starts_alone(shots: tuple[int, ...]) -> None:
    assert Settings().replace(shots=LIST.starts).shots == (0, 24, 30)
    with pytest.raises(SettingsError, match="shots"):
        Settings().replace(shots=shots)


def test_settings_refuse_other_things_as_shots(tmp_path: Path) -> None:
    for wrong in ({0, 4}, 0, "0"):
        with pytest.raises(SettingsError, match="shots must be tuple"):
            Settings().replace(shots=wrong)


@pytest.fixture(scope="module")
def spliced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames at 25 a second, hard cuts at 12 and 30."""
    return splice(tmp_path_factory.mktemp("spliced"), "spliced.mkv")


def splice(folder: Path, name: str) -> Path:
    import clips

    scenes = [np.random.default_rng(seed).integers(16, 235, (6, 8)) for seed in range(3)]

    def picture(clip: Clip, number: int) -> Any:
        shown = scenes[(number >= 12) + (number >= 30)]
        frame = whole(clip, number)
        fill(frame, 0, np.kron(shown, np.ones((8, 8))).astype(np.uint8))
        return frame

    whole = clips.picture
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "picture", picture)
        return make(Clip(name, frames=40), folder)


def test_the_shots_of_a_film_are_found(spliced: Path) -> None:
    told: list[tuple[int, int | None]] = []
    found = find_shots(spliced, progress=lambda item: told.append((item.done, item.total)))
    spans = [(shot.first_frame, shot.last_frame) for shot in found.shots]
    assert spans == [(0, 11), (12, 29), (30, 39)]
    assert [shot.start for shot in found.shots] == [0, Fraction(12, 25), Fraction(30, 25)]
    assert [shot.length * 25 for shot in found.shots] == [12, 18, 10]
    assert told == [(number, 40) for number in range(1, 41)]
    listed = found.to_list()
    assert listed.starts == (0, 12, 30)
    assert (listed.source, listed.frames) == ("spliced.mkv", 40)
    assert listed.shots[1].notes == {"start": "0:00:00.480"}
    assert "   30       39  0:00:01.200" in found.to_text().splitlines()[3]


@pytest.mark.parametrize(
    "crop",
    [
        RangeSettings(first_frame=20, end_frame=35),
        RangeSettings(start=Fraction(20, 25), duration=Fraction(15, 25)),
    ],
)
def test_a_range_is_numbered_as_the_whole_film(spliced: Path, crop: RangeSettings) -> None:
    found = find_shots(spliced, Settings(range=crop))
    assert [(shot.first_frame, shot.last_frame) for shot in found.shots] == [(20, 29), (30, 34)]
    assert found.shots[0].start == Fraction(20, 25)
    # Frame 20 is where the range begins, and no shot of the film.
    assert found.to_list().starts == (0, 30)
    assert found.to_list().frames == 35


@pytest.mark.parametrize(
    "name", ["plain.mp4", "plain.webm", "variable.mkv", "variable.mp4", "late.mp4", "sound.mp4"]
)
def test_frames_before_a_time_are_those_decoded(name: str, clip: Clips) -> None:
    info = probe(clip(name))
    shown = [frame.pts for frame in decode(info)]
    times, last = [pts * info.time_base for pts in shown], shown[-1]
    for time in (*times, times[3] + Fraction(1, 10_000)):
        start = time - times[0]
        assert frames_before(info, start).count == sum(other < time for other in times)
    assert frames_before(info, times[-1] + 100) == Before(len(times), last)


@pytest.mark.parametrize(
    ("crop", "cuts"),
    [
        (RangeSettings(), 2),
        (RangeSettings(first_frame=5), 2),
        (RangeSettings(first_frame=6), 1),
        (RangeSettings(first_frame=6, end_frame=33), 0),
        (RangeSettings(start=Fraction(5, 25)), 2),
        (RangeSettings(start=Fraction(6, 25)), 1),
    ],
)
def test_a_job_goes_by_the_given_shots(
    spliced: Path, colorizer: Colorizer, tmp_path: Path, crop: RangeSettings, cuts: int
) -> None:
    """Not by the film's cuts, which are at 12 and 30: the list has 6 and 33."""
    settings = Settings(range=crop, shots=(0, 6, 33)).replace("color", short_side=64)
    report = colorize_video(spliced, tmp_path / "out.mkv", settings, colorizer=colorizer)
    assert report.cuts == cuts
    assert report.warnings == []
    assert json.loads(report.to_json())["settings"]["shots"] == [0, 6, 33]


def test_colour_starts_afresh_at_a_given_shot(clip: Clips, colorizer: Colorizer) -> None:
    """From there on it is what it would be if the film began there."""
    settings = Settings(shots=(0, 4)).replace("color", short_side=64)

    def colours(changed: Settings) -> list[Any]:
        with closing(color_frames(clip("plain.mkv"), changed, colorizer=colorizer)) as frames:
            return [picture.rgb for picture in frames]

    given, whole = colours(settings)[4:], colours(settings.replace(shots=(0,)))[4:]
    alone = colours(settings.replace("range", first_frame=4))
    assert all(np.array_equal(a, b) for a, b in zip(given, alone, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(given, whole, strict=True))


@pytest.mark.parametrize("name", ["plain.mp4", "plain.mkv"])
def test_a_shot_behind_the_film_s_end_is_warned_of(
    name: str, clip: Clips, colorizer: Colorizer, tmp_path: Path
) -> None:
    settings = Settings(shots=(0, 9)).replace("color", short_side=64)
    report = colorize_video(clip(name), tmp_path / "one.mkv", settings, colorizer=colorizer)
    assert report.warnings == []
    told: list[str] = []
    settings = settings.replace(shots=(0, 9, 10))
    report = colorize_video(
        clip(name), tmp_path / "two.mkv", settings, colorizer=colorizer, warn=told.append
    )
    assert report.warnings == told
    assert len(told) == 1 and name in told[0] and "at frame 10" in told[0]
    assert report.cuts == 1


def test_counting_ends_soon_after_the_time_and_not_before(tmp_path: Path) -> None:
    info = probe(make(Clip("long.mp4", frames=80, options={"bf": "3"}), tmp_path))
    times = [frame.pts * info.time_base for frame in decode(info)]
    assert [frames_before(info, time).count for time in times] == list(range(80))
