"""Jobs that are broken off and go on: the target must not show it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from clips import Clip, make
from conftest import Clips
from contents import differences, packets, pictures, times

from vidcolor import Progress, Report, Settings, colorize_video, job
from vidcolor.chunks import ChunkLength
from vidcolor.errors import EncodeError, TargetError, TargetExistsError
from vidcolor.identity import source_digest
from vidcolor.models.colorizer import Colorizer
from vidcolor.settings import RangeSettings
from vidcolor.survey import find_shots
from vidcolor.workfolder import WorkFolder

SETTINGS = Settings().replace("color", short_side=64, keyframes=4)
LOSSLESS = SETTINGS.replace("encoder", codec="ffv1")
UNEVEN = tuple(n * 40 + (n % 3) * 7 for n in range(150))


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


def test_a_film_mended_in_one_place_begins_anew(colorizer: Colorizer, tmp_path: Path) -> None:
    """Uncompressed, it is as long as before; and where it was mended, no sample was taken."""
    film = make(Clip("film.avi", 90, 256, 192, "rawvideo"), tmp_path)
    target = tmp_path / "out.mkv"
    before, where = source_digest(film), 1_250_000
    run(film, target, colorizer, stop=70)
    data = bytearray(film.read_bytes())
    assert len(data) > 5 << 20
    data[where : where + 1000] = bytes(1000)
    film.write_bytes(data)
    assert source_digest(film) != before
    report = run(film, target, colorizer)
    assert report is not None and report.resumed == 0


def test_a_model_is_known_wherever_it_lies(
    film: Path, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.mkv"
    monkeypatch.chdir(net.parent)
    for model, stop in ((net.name, 100), (str(net), -1)):
        settings = LOSSLESS.replace("color", model=model)
        try:
            report = colorize_video(film, target, settings, progress=stop_at(stop))
        except EnoughError:
            continue
    assert report.resumed > 0


@pytest.mark.parametrize("damage", ["record", "packets", "both", "cut"])
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
    if damage == "cut":
        packets = work / "000000060.packets"
        packets.write_bytes(packets.read_bytes()[:-100])
    report = run(film, target, colorizer)
    assert report is not None and report.resumed == 60
    assert not differences(target, whole)


def test_a_chunk_that_changed_on_disk_is_thrown_away_when_it_cannot_be_joined(
    film: Path, whole: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    target, notes = tmp_path / "out.mkv", list[str]()
    run(film, target, colorizer, stop=130)
    stored = tmp_path / ".out.mkv.vidcolor" / "000000060.packets"
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    with pytest.raises(EncodeError, match="changed on disk"):
        colorize_video(film, target, LOSSLESS, warn=notes.append, colorizer=colorizer)
    assert any("000000060.packets: changed on disk" in note for note in notes)
    assert "60 frames are kept" in notes[-1]
    report = run(film, target, colorizer)
    assert report is not None and report.resumed == 60
    assert not differences(target, whole)


def test_work_that_cannot_be_read_now_is_not_thrown_away(
    film: Path, colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.mkv"
    run(film, target, colorizer, stop=130)

    real = Path.read_text

    def fail(path: Path, *given: Any, **named: Any) -> str:
        if path.parent.name == ".out.mkv.vidcolor":
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", fail)
        with pytest.raises(TargetError, match=r"Input/output error; choose another place"):
            run(film, target, colorizer)
    report = run(film, target, colorizer)
    assert report is not None and report.resumed == 120


def test_a_full_disk_costs_no_finished_chunk(
    film: Path, whole: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    target, notes = tmp_path / "out.mkv", list[str]()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(done: Progress) -> None:
        if done.done == 100:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))

    try:
        with pytest.raises(TargetError) as caught:
            colorize_video(
                film, target, LOSSLESS, progress=fill, warn=notes.append, colorizer=colorizer
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert type(caught.value) is TargetError and "files this large" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "60 frames are kept" in notes[-1]
    report = run(film, target, colorizer)
    assert report is not None and report.resumed == 60
    assert not differences(target, whole)


def test_a_disk_that_is_full_beforehand_is_refused(
    film: Path, colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "work"
    there.mkdir()
    real = shutil.disk_usage

    def usage(path: Path) -> Any:
        return real(path)._replace(free=1000) if there in (path, *path.parents) else real(path)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(TargetError, match="0 bytes free"):
        run(film, tmp_path / "out.mkv", colorizer, LOSSLESS.replace(work_dir=there))
    with pytest.raises(TargetError, match="0 bytes free"):
        run(film, there / "out.mkv", colorizer)
    assert list(tmp_path.iterdir()) == [there] and list(there.iterdir()) == []


def test_a_work_folder_that_goes_meanwhile_is_one_line(
    film: Path, whole: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    target, notes = tmp_path / "out.mkv", list[str]()

    def unplug(done: Progress) -> None:
        if done.done == 100:
            shutil.rmtree(tmp_path / ".out.mkv.vidcolor")

    with pytest.raises(TargetError, match="is gone"):
        colorize_video(
            film, target, LOSSLESS, progress=unplug, warn=notes.append, colorizer=colorizer
        )
    assert not any("are kept" in note for note in notes)
    assert list(tmp_path.iterdir()) == []
    run(film, target, colorizer)
    assert not differences(target, whole)


@pytest.fixture(params=["all", "some", "none"])
def made(
    film: Path,
    colorizer: Colorizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Path:
    """A target whose run was killed when it had begun to remove its finished chunks."""
    target, left = tmp_path / "out.mkv", {"all": 9, "some": 2, "none": 0}[request.param]
    real = Path.unlink

    def unlink(path: Path, *given: Any, **named: Any) -> None:
        nonlocal left
        if path.parent.name == ".out.mkv.vidcolor" and target.exists():
            left -= 1
            if left < 0:
                return
        real(path, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(Path, "unlink", unlink)
        run(film, target, colorizer)
    assert len(list(tmp_path.iterdir())) == 2
    return target


def test_killed_with_the_film_in_place_the_next_call_tidies_up(
    made: Path, film: Path, whole: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    with pytest.raises(TargetExistsError):
        run(film, made, colorizer)
    assert list(tmp_path.iterdir()) == [made]
    assert not differences(made, whole)


def test_a_film_that_was_changed_since_is_not_replaced(
    made: Path, film: Path, colorizer: Colorizer
) -> None:
    made.write_bytes(b"my own")
    with pytest.raises(TargetExistsError):
        run(film, made, colorizer)
    assert made.read_bytes() == b"my own"
    report = run(film, made, colorizer, LOSSLESS.replace(overwrite=True))
    assert report is not None and report.frames == 150


def test_without_resume_earlier_work_is_thrown_away(
    film: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    target, notes = tmp_path / "out.mkv", list[str]()
    run(film, target, colorizer, stop=100)
    settings = LOSSLESS.replace(resume=False)
    report = colorize_video(film, target, settings, warn=notes.append, colorizer=colorizer)
    assert report.resumed == 0
    assert any("thrown away, because of --no-resume" in note for note in notes)
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_run_left_is_taken_over_and_no_other_is_touched(
    film: Path, colorizer: Colorizer, tmp_path: Path
) -> None:
    others = [tmp_path / f".{name}.part.mkv" for name in ("out2.mkv", "ou.mkv", "out.mkv.mkv")]
    for path in (*others, tmp_path / ".out.mkv.part.mkv"):
        path.write_bytes(b"left")
    run(film, tmp_path / "out.mkv", colorizer)
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "out.mkv"])


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


@pytest.mark.parametrize("name", ["plain.mp4", "plain.mkv"])
def test_a_range_beyond_the_films_end_is_told_of_once(
    clip: Clips, colorizer: Colorizer, tmp_path: Path, name: str
) -> None:
    for first, end in ((6, 20), (6, 10)):
        settings = SETTINGS.replace(range=RangeSettings(first_frame=first, end_frame=end))
        notes: list[str] = []
        target = tmp_path / f"{end}.mkv"
        report = colorize_video(
            clip(name), target, settings, warn=notes.append, colorizer=colorizer
        )
        assert report.frames == 4
        told = [line for line in notes if "it has 10 frames, fewer than --frames 6:20" in line]
        assert (notes, len(told)) == (told, end == 20)
        notes.clear()
        find_shots(clip(name), settings, warn=notes.append)
        assert notes == told


def test_an_interruption_while_all_is_cleared_away_lets_go_of_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*names: object, **how: object) -> None:
        raise KeyboardInterrupt

    folder, kept = tmp_path / "work", []
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        try:
            with WorkFolder(folder, {"a": 1}):
                pass
        except KeyboardInterrupt as error:
            kept.append(error)  # As a notebook does, with all that it holds.
    assert kept
    with WorkFolder(folder, {"a": 1}):
        pass
    assert not folder.exists()
