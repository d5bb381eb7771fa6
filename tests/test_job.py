"""Jobs that are broken off and go on: the target must not show it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from clips import Clip, make
from contents import differences, packets, pictures, times
from networks import tiny_checkpoint

from vidcolor import Progress, Report, Settings, colorize_video, job
from vidcolor.chunks import ChunkLength
from vidcolor.errors import TargetError
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import RangeSettings
from vidcolor.workfolder import WorkFolder

SETTINGS = Settings().replace("color", short_side=64, keyframes=4)
LOSSLESS = SETTINGS.replace("encoder", codec="ffv1")
UNEVEN = tuple(n * 40 + (n % 3) * 7 for n in range(150))


@pytest.fixture(scope="module")
def colorizer(tmp_path_factory: pytest.TempPathFactory) -> Colorizer:
    path = tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors")
    return Colorizer(str(path), "cpu")


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shot of 150 frames is split twice."""
    monkeypatch.setattr(job, "LENGTH", ChunkLength(10, 60))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One shot, variable rate, sound and subtitles."""
    clip = Clip(
        "film.mkv",
        frames=150,
        time_base=Fraction(1, 1000),
        pts=UNEVEN,
        audio=("eng",),
        subtitles=("eng",),
        options={"g": "25"},
    )
    return make(clip, tmp_path_factory.mktemp("film"))


class EnoughError(Exception):
    pass


def stop_at(count: int) -> Callable[[Progress], None]:
    def progress(done: Progress) -> None:
        if done.done == count:
            raise EnoughError

    return progress


def run(
    film: Path, target: Path, colorizer: Colorizer, settings: Settings = LOSSLESS, stop: int = -1
) -> Report | None:
    try:
        return colorize_video(film, target, settings, progress=stop_at(stop), colorizer=colorizer)
    except EnoughError:
        return None


@pytest.fixture(scope="module")
def whole(film: Path, colorizer: Colorizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The film, coloured in one go."""
    target = tmp_path_factory.mktemp("whole") / "out.mkv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "LENGTH", ChunkLength(10, 60))
        colorize_video(film, target, LOSSLESS, colorizer=colorizer)
    return target


def test_a_broken_off_job_goes_on_and_ends_as_if_nothing_had_been(
    film: Path, whole: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    target = tmp_path / "out.mkv"
    for stop in (30, 75, 76, 140):
        assert run(film, target, colorizer, stop=stop) is None
        assert not target.exists()
    report = run(film, target, colorizer)
    assert report is not None
    assert report.resumed == 120 and report.frames == 150
    assert not differences(target, whole)
    assert list(tmp_path.iterdir()) == [target]


def test_no_more_than_one_chunk_is_lost(film: Path, colorizer: Colorizer, tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    run(film, target, colorizer, stop=119)
    begun: list[int] = []
    colorize_video(
        film, target, LOSSLESS, progress=lambda at: begun.append(at.done), colorizer=colorizer
    )
    assert begun[0] == 61


def test_without_resume_nothing_is_kept_and_the_film_is_the_same(
    film: Path, whole: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    target, settings = tmp_path / "out.mkv", LOSSLESS.replace(resume=False)
    run(film, target, colorizer, settings, stop=100)
    assert list(tmp_path.iterdir()) == []
    run(film, target, colorizer, settings)
    assert not differences(target, whole)


def test_other_settings_begin_anew_and_say_so(
    film: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    target, notes = tmp_path / "out.mkv", list[str]()
    run(film, target, colorizer, stop=100)
    other = LOSSLESS.replace("color", saturation=0.5)
    report = colorize_video(film, target, other, warn=notes.append, colorizer=colorizer)
    assert report.resumed == 0
    assert any("made with another settings" in note for note in notes)


def test_another_film_of_that_name_begins_anew(colorizer: Colorizer, tmp_path: Path) -> None:
    film, target = make(Clip("film.mkv", frames=90), tmp_path), tmp_path / "out.mkv"
    run(film, target, colorizer, stop=70)
    make(Clip("film.mkv", frames=80), tmp_path)
    report = run(film, target, colorizer)
    assert report is not None and report.resumed == 0 and report.frames == 80


@pytest.mark.parametrize("damage", ["record", "packets", "both"])
def test_a_chunk_that_is_not_whole_is_done_again(
    film: Path, whole: Path, colorizer: Colorizer, tmp_path: Path, damage: str
) -> None:
    target = tmp_path / "out.mkv"
    run(film, target, colorizer, stop=130)
    work = tmp_path / ".out.mkv.vidcolor"
    if damage in ("record", "both"):
        (work / "000000060.json").write_text('{"start": ')
    if damage in ("packets", "both"):
        (work / "000000060.packets").unlink()
    report = run(film, target, colorizer)
    assert report is not None and report.resumed == 60
    assert not differences(target, whole)


def test_chunks_without_the_first_are_of_no_use(
    film: Path, whole: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    target = tmp_path / "out.mkv"
    run(film, target, colorizer, stop=130)
    (tmp_path / ".out.mkv.vidcolor" / "000000000.packets").unlink()
    report = run(film, target, colorizer)
    assert report is not None and report.resumed == 0
    assert not differences(target, whole)


def test_work_elsewhere(film: Path, colorizer: Colorizer, tmp_path: Path) -> None:
    target, elsewhere = tmp_path / "here" / "out.mkv", tmp_path / "elsewhere"
    target.parent.mkdir()
    settings = LOSSLESS.replace(work_dir=elsewhere)
    run(film, target, colorizer, settings, stop=70)
    assert list(target.parent.iterdir()) == []
    assert len(list(elsewhere.iterdir())) == 1
    report = run(film, target, colorizer, settings)
    assert report is not None and report.resumed == 60
    assert list(elsewhere.iterdir()) == []


def test_two_at_the_same_work(film: Path, colorizer: Colorizer, tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    with (
        WorkFolder(tmp_path / ".out.mkv.vidcolor", {}),
        pytest.raises(TargetError, match="at work"),
    ):
        run(film, target, colorizer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1", "prores"])
def test_every_codec_is_joined(
    film: Path, colorizer: Colorizer, tmp_path: Path, codec: str
) -> None:
    target = tmp_path / ("out.mov" if codec == "prores" else "out.mkv")
    settings = SETTINGS.replace("encoder", codec=codec, effort="fast")
    run(film, target, colorizer, settings, stop=80)
    report = run(film, target, colorizer, settings)
    assert report is not None and report.resumed == 60
    assert times(target) == times(film)
    assert len(pictures(target)) == 150


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_parts_of_a_film_are_resumed_too(
    film: Path, colorizer: Colorizer, tmp_path: Path, name: str
) -> None:
    target = tmp_path / name
    for crop in (RangeSettings(20, 140), RangeSettings(start=Fraction(1), duration=Fraction(4))):
        settings = SETTINGS.replace(range=crop, overwrite=True)
        straight = tmp_path / f"straight-{name}"
        run(film, straight, colorizer, settings)
        run(film, target, colorizer, settings, stop=80)
        report = run(film, target, colorizer, settings)
        assert report is not None and report.resumed == 60
        assert times(target) == times(straight)
        assert packets(target, "audio") == packets(straight, "audio")
