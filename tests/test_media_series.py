"""Films that are numbered pictures: found, opened, coloured, gone on with, and told apart."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vidcolor.errors import SourceError, SourceNotFoundError, UsageError
from vidcolor.identity import identity, source_digest
from vidcolor.job import LENGTH, colorize_video
from vidcolor.jobs.folder import Film, plan_folder
from vidcolor.jobs.found import Batch
from vidcolor.jobs.run import look, run_batch
from vidcolor.media.decode import decode
from vidcolor.media.mux import Writer
from vidcolor.media.picture import as_frame
from vidcolor.media.probe import probe
from vidcolor.media.series import as_source, series_at
from vidcolor.models.colorizer import Colorizer
from vidcolor.plan import as_written
from vidcolor.settings import LimitSettings, RangeSettings, Settings
from vidcolor.verify import verify
from vidcolor_cli.main import run
from vidcolor_cli.options import parse_rate

LOSSLESS = Settings().replace("color", short_side=64).replace("encoder", codec="ffv1")
FRAMES = 7
LEAST = {"ffv1": None, "h264": 0.0}
"""The rate factor at which nothing is lost."""


def scan(
    folder: Path,
    name: str = "reel_%06d.dpx",
    first: int = 86400,
    codec: str = "dpx",
    pixels: str = "gbrp10be",
) -> Path:
    """A folder of pictures of a grey square that moves by four pixels each time."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(FRAMES):
        grey = np.full((48, 64, 3), 60, np.uint8)
        grey[8:24, 4 * number : 4 * number + 16] = 180 + number
        path = str(folder / (name % (first + number)))
        with av.open(path, "w", format="image2", options={"update": "1"}) as output:
            stream: Any = output.add_stream(codec, rate=1)
            stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
            picture = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format=pixels)
            output.mux(stream.encode(picture))
            output.mux(stream.encode(None))
    return folder


def recording(path: Path) -> Path:
    """A second of sound, every sample another."""
    with av.open(str(path), "w") as output:
        codec = "pcm_s16be" if path.suffix == ".aiff" else "pcm_s16le"
        stream: Any = output.add_stream(codec, rate=8000, layout="mono")
        samples = np.arange(8000, dtype=np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def heard(path: Path) -> float:
    """Seconds of its sound."""
    with av.open(str(path)) as source:
        return sum(frame.samples / frame.sample_rate for frame in source.decode(audio=0))


@pytest.mark.parametrize(
    ("name", "first", "codec", "pixels"),
    [
        ("reel_%06d.dpx", 86400, "dpx", "gbrp10be"),
        ("r%04d.tif", 0, "tiff", "gray16le"),
        ("%d.PNG", 8, "png", "gray"),
        ("100% of [a] %04dx.bmp", 9998, "bmp", "bgr24"),
    ],
)
def test_a_folder_of_numbered_pictures_is_a_film(
    tmp_path: Path, colorizer: Colorizer, name: str, first: int, codec: str, pixels: str
) -> None:
    name_of = name.replace("% of", "%% of")
    folder = scan(tmp_path / "100%d", name_of, first, codec, pixels)
    (folder / ".reel_000001.dpx").write_bytes(b"left by another system")
    (folder / "notes 1.txt").write_bytes(b"")
    info = probe(folder)
    assert series_at(info.path) is not None
    assert (info.frame_count, info.average_rate, info.duration) == (7, 24, Fraction(7, 24))
    target = tmp_path / "out.mkv"
    report = colorize_video(folder, target, LOSSLESS, colorizer=colorizer)
    assert report.frames == FRAMES
    assert sum("24 a second" in line for line in report.warnings) == 1
    assert verify(folder, target, lossless=True).passed
    lit = [int((frame.luma > frame.luma.min()).any(0).argmax()) for frame in decode(info)]
    assert lit == list(range(0, 4 * FRAMES, 4))


def test_the_rate_is_what_it_is_told_to_be(tmp_path: Path, colorizer: Colorizer) -> None:
    folder, target = scan(tmp_path / "reel"), tmp_path / "out.mkv"
    settings = LOSSLESS.replace(rate=Fraction(50, 3))
    report = colorize_video(folder, target, settings, colorizer=colorizer)
    assert report.warnings == []
    made = probe(target)
    times = [float(frame.pts * made.time_base) for frame in decode(made)]
    assert times == pytest.approx([number * 3 / 50 for number in range(FRAMES)], abs=0.001)
    assert verify(folder, target, rate=Fraction(50, 3)).passed
    assert not verify(folder, target, rate=Fraction(25)).passed


def test_a_part_begins_at_its_own_picture(tmp_path: Path, colorizer: Colorizer) -> None:
    folder, target = scan(tmp_path / "reel"), tmp_path / "out.mkv"
    settings = LOSSLESS.replace(rate=Fraction(12), range=RangeSettings(start=Fraction(1, 4)))
    assert colorize_video(folder, target, settings, colorizer=colorizer).frames == FRAMES - 3
    whole = [frame.luma.copy() for frame in decode(as_written(probe(folder), target, settings))]
    for frame, there in zip(decode(probe(target)), whole[3:], strict=True):
        assert np.array_equal(frame.luma, there)


def test_one_series_of_several_is_named_by_its_pattern(tmp_path: Path) -> None:
    folder = scan(scan(tmp_path / "scans", "a_%04d.dpx"), "b_%04d.tif", 3, "tiff", "gray")
    with pytest.raises(SourceError, match=r"2 series .*a_%05d\.dpx, .*b_%04d\.tif"):
        probe(folder)
    assert probe(folder / "b_%04d.tif").frame_count == FRAMES


def test_a_gap_is_told_and_no_film(tmp_path: Path) -> None:
    folder = scan(tmp_path / "reel", first=0)
    for number in (1, 3, 4):
        (folder / f"reel_{number:06}.dpx").unlink()
    with pytest.raises(SourceError, match="3 pictures are missing: 1, 3 to 4; "):
        probe(folder)
    (folder / f"reel_{2**31 - 1:06}.dpx").write_bytes(b"x")
    with pytest.raises(SourceError, match=f"pictures are missing: 1, 3 to 4, 7 to {2**31 - 2};"):
        probe(folder)
    (folder / f"reel_{2**31:06}.dpx").write_bytes(b"x")
    with pytest.raises(SourceError, match="rename"):
        probe(folder)


def test_what_is_no_series(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="numbered so"):
        probe(tmp_path / "reel_%06d.dpx")
    with pytest.raises(SourceNotFoundError, match="no such file"):
        probe(tmp_path / "none" / "reel_%06d.dpx")
    (tmp_path / "one 1.png").write_bytes(b"x")
    (tmp_path / "two.png").write_bytes(b"x")
    assert as_source(tmp_path) == tmp_path
    with pytest.raises(SourceError, match="this is a folder"):
        probe(tmp_path)
    # A file that is really called so, and a name that only looks so.
    (tmp_path / "reel_%06d.png").write_bytes(b"x")
    assert series_at(tmp_path / "reel_%06d.png") is None
    assert series_at(tmp_path / "film%d.mp4") is None
    assert series_at(tmp_path / "a%d%d.png") is None
    assert series_at(tmp_path / "a%%d.png") is None


def test_numbers_with_zeros_in_front_are_not_those_without(tmp_path: Path) -> None:
    for name in ("f_08.png", "f_09.png", "f_10.png", "f_8.png", "f_100.png", "f_011.png"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match="89 pictures are missing: 11 to 99"):
        series_at(tmp_path / "f_%02d.png")
    (tmp_path / "f_100.png").unlink()
    found = series_at(tmp_path / "f_%02d.png")
    assert found is not None
    assert [path.name for path in found.files()] == ["f_08.png", "f_09.png", "f_10.png"]


def test_a_picture_that_is_broken_is_told_of(tmp_path: Path, colorizer: Colorizer) -> None:
    folder, target = scan(tmp_path / "reel"), tmp_path / "out.mkv"
    broken = folder / "reel_086403.dpx"
    broken.write_bytes(broken.read_bytes()[:100])
    report = colorize_video(folder, target, LOSSLESS, colorizer=colorizer)
    assert report.frames == FRAMES - 1
    assert report.skipped == 1


def test_finished_work_is_of_these_very_pictures(tmp_path: Path) -> None:
    folder = scan(tmp_path / "reel")
    path = as_source(folder)
    before = source_digest(path)
    assert source_digest(path) == before
    middle = folder / "reel_086404.dpx"
    os.utime(middle, ns=(1, 1))
    assert source_digest(path) != before


def test_a_rate_is_for_numbered_pictures_alone(clip: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="--fps"):
        probe(clip("plain.mp4"), rate=Fraction(24))


@pytest.mark.parametrize(("codec", "apart"), [("ffv1", 1024), ("h264", 877)])
def test_every_grey_of_rgb_stays_apart_in_what_loses_nothing(
    tmp_path: Path, colorizer: Colorizer, codec: str, apart: int
) -> None:
    folder, target = tmp_path / "greys", tmp_path / "out.mkv"
    folder.mkdir()
    ramp = (np.arange(48 * 64) % 1024).astype(">u2").reshape(48, 64)
    for number in range(2):
        path = str(folder / f"{number}.dpx")
        with av.open(path, "w", format="image2", options={"update": "1"}) as output:
            stream: Any = output.add_stream("dpx", rate=1)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "gbrp10be"
            output.mux(stream.encode(as_frame([ramp] * 3, "gbrp10be")))
            output.mux(stream.encode(None))
    settings = LOSSLESS.replace(rate=Fraction(24)).replace("encoder", codec=codec, crf=LEAST[codec])
    report = colorize_video(folder, target, settings, colorizer=colorizer)
    assert report.warnings == []
    made = probe(target)
    assert made.color.full_range == (codec == "ffv1")
    luma = next(decode(made)).luma
    assert len(np.unique(luma)) == apart
    if codec == "ffv1":
        assert np.array_equal(luma, ramp)
    assert verify(folder, target, rate=settings.rate, lossless=True).passed


def test_sound_from_a_file_of_its_own(tmp_path: Path, colorizer: Colorizer) -> None:
    folder, sound = scan(tmp_path / "reel"), recording(tmp_path / "reel.wav")
    settings = LOSSLESS.replace(rate=Fraction(10), sound=sound)
    whole, part = tmp_path / "whole.mkv", tmp_path / "part.mkv"
    report = colorize_video(folder, whole, settings, colorizer=colorizer)
    assert [line.startswith("audio 0") for line in report.copied] == [True]
    assert report.warnings == []
    assert verify(folder, whole, rate=settings.rate, sound=sound).passed
    # Sound is all there, though it goes on after the last picture.
    assert heard(whole) == heard(sound) == pytest.approx(1.0)
    crop = RangeSettings(start=Fraction(1, 5), duration=Fraction(3, 10))
    colorize_video(folder, part, settings.replace(range=crop), colorizer=colorizer)
    assert verify(folder, part, crop, rate=settings.rate, sound=sound).passed
    assert heard(part) == pytest.approx(0.3, abs=0.05)
    missing = verify(folder, whole, rate=settings.rate)
    assert not missing.passed


def test_sound_can_be_changed_without_colouring_anew(tmp_path: Path, net: Path) -> None:
    folder, target = scan(tmp_path / "reel"), tmp_path / "out.mkv"
    settings = LOSSLESS.replace("color", model=str(net)).replace(rate=Fraction(10))
    info = probe(folder, rate=settings.rate)
    of_what = []
    for sound, audio in ((None, None), (tmp_path / "reel.wav", "flac")):
        colorizer = Colorizer(str(net), "cpu")
        chosen = settings.replace(sound=sound).replace("encoder", audio=audio)
        writer = Writer(target, info, chosen.encoder)
        of_what.append(identity(info, chosen, colorizer.description, writer, LENGTH))
        writer.abandon()
    assert of_what[0] == of_what[1]


def test_sound_that_is_none(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    folder = scan(tmp_path / "reel")
    with pytest.raises(SourceError, match="no sound"):
        probe(folder, sound=clip("plain.mp4"))
    with pytest.raises(SourceNotFoundError, match=r"reel\.wav: no such file"):
        probe(folder, sound=tmp_path / "reel.wav")
    with pytest.raises(UsageError, match="--sound"):
        probe(clip("plain.mp4"), sound=clip("sound.mp4"))


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("24", Fraction(24)),
        ("23.976", Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        ("29.97", Fraction(30000, 1001)),
        ("24000/1001", Fraction(24000, 1001)),
        ("16.67", Fraction(1667, 100)),
        ("18.5", Fraction(37, 2)),
    ],
)
def test_rates_are_read_as_people_write_them(text: str, rate: Fraction) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "x", "24fps", "1/0", "0", "-24", "1000"])
def test_rates_that_are_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["film%d.png", "out.mkv", "--fps", text]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_batch_takes_folders_of_pictures_where_it_is_told_their_rate(
    tmp_path: Path, net: Path, clip: Callable[[str], Path]
) -> None:
    films = tmp_path / "in"
    scan(films / "b" / "Reel No. 2")
    scan(scan(films / "several", "a_%04d.dpx"), "b_%04d.dpx")
    (films / "plain.mp4").write_bytes(clip("plain.mp4").read_bytes())
    settings = LOSSLESS.replace("color", model=str(net))
    unasked = plan_folder(Batch(films, tmp_path / "out", settings), {})
    assert [film.name for film in unasked] == ["plain.mp4"]
    batch = Batch(films, tmp_path / "out", settings.replace(rate=Fraction(18)))
    told: list[str] = []
    summary = run_batch(batch, warn=told.append)
    assert not told
    assert [film.name for film in summary.films if film.state == "failed"] == ["several"]
    assert "2 series" in summary.to_text()
    made = probe(tmp_path / "out" / "b" / "Reel No. 2.mkv")
    assert made.average_rate == 18
    rates = [probe(folder / "plain.mp4").average_rate for folder in (films, tmp_path / "out")]
    assert rates[0] == rates[1] != 18
    states = {film.name: film.state for film in look(batch)}
    assert states == {"b/Reel No. 2": "done", "plain.mp4": "done", "several": "failed"}
    # What a file manager leaves there is no picture.
    (films / "b" / "Reel No. 2" / ".DS_Store").write_bytes(b"x")
    (films / "b" / "Reel No. 2" / ".lock").symlink_to("nowhere")
    assert {film.name: film.state for film in look(batch)} == states
    os.utime(films / "b" / "Reel No. 2" / "reel_086402.dpx", ns=(1, time.time_ns() + 10**10))
    states = {film.name: film.state for film in look(batch)}
    assert states == {"b/Reel No. 2": "todo", "plain.mp4": "done", "several": "failed"}


def test_a_batch_takes_the_sound_that_lies_beside_a_folder_of_pictures(
    tmp_path: Path, net: Path
) -> None:
    films, out = tmp_path / "in", tmp_path / "out"
    reel = scan(films / "Reel No. 2")
    scan(films / "Reel No. 3")
    sound = recording(films / "Reel No. 2.WAV")
    # A suffix of the folder's name is none: nothing of these is meant.
    recording(films / "Reel No.wav")
    (films / "Reel No.toml").write_text("[encoder]\ncodec = 'prores'\n")
    (films / "Reel No. 3.toml").write_text("[encoder]\ncodec = 'h264'\ncontainer = 'mp4'\n")
    settings = LOSSLESS.replace("color", model=str(net)).replace(rate=Fraction(10))
    batch = Batch(films, out, settings)
    run_batch(batch).check()
    assert heard(out / "Reel No. 2.mkv") == heard(sound)
    assert verify(reel, out / "Reel No. 2.mkv", rate=settings.rate, sound=sound).passed
    assert not probe(out / "Reel No. 3.mp4").others
    assert {film.state for film in look(batch)} == {"done"}
    sound.write_bytes(sound.read_bytes()[:-8000])
    assert [film.state for film in look(batch)] == ["todo", "done"]
    recording(films / "Reel No. 2.aiff")
    failed, _ = look(batch)
    assert failed.state == "failed" and "leave one of them" in failed.why
    sound.unlink()
    (films / "Reel No. 2.aiff").unlink()
    assert [film.state for film in look(batch)] == ["todo", "done"]


def test_an_empty_picture_is_not_the_end_of_the_film(tmp_path: Path) -> None:
    reel = scan(tmp_path / "reel")
    third = sorted(reel.iterdir())[2]
    third.write_bytes(b"")
    with pytest.raises(SourceError, match=f"1 picture is empty: {third.name}"):
        probe(reel)


def test_a_batch_sees_pictures_change_places_and_wrong_ones(tmp_path: Path) -> None:
    films = tmp_path / "in"
    swapped, gap = scan(films / "swapped"), scan(films / "gap")
    scan(films / "scan.tif")
    settings = LOSSLESS.replace(rate=Fraction(18))

    def planned() -> dict[str, Film]:
        found = plan_folder(Batch(films, tmp_path / "out", settings), {})
        return {film.name: film for film in found}

    before = planned()
    assert before["scan.tif"].output == "scan.tif.mkv"
    one, other, *_ = sorted(swapped.iterdir())
    aside = one.rename(tmp_path / "aside.dpx")
    other.rename(one)
    aside.rename(other)
    sorted(gap.iterdir())[1].unlink()
    after = planned()
    assert after["scan.tif"].identity == before["scan.tif"].identity
    assert after["swapped"].identity != before["swapped"].identity
    assert (after["gap"].state, before["gap"].state) == ("failed", "todo")
    assert "1 picture is missing" in after["gap"].why
    # Neither sound nor settings nor single pictures are films where a pattern says "all".
    recording(films / "swapped.wav")
    (films / "swapped.toml").touch()
    everything = Batch(films, tmp_path / "out", settings, ("*", "*/*"))
    assert {film.name for film in plan_folder(everything, {})} == set(after)


def test_a_batch_says_why_numbered_pictures_are_no_film_to_it(tmp_path: Path) -> None:
    reel = scan(tmp_path / "in" / "reel")
    for folder, rate, why in (
        (tmp_path / "in", None, "with --fps"),
        (reel, Fraction(18), "the pictures of one film"),
    ):
        told: list[str] = []
        batch = Batch(folder, tmp_path / "out", LOSSLESS.replace(rate=rate))
        assert plan_folder(batch, {}, told.append) == []
        assert len(told) == 1 and why in told[0]


@pytest.mark.parametrize("name", ["reel.WAV", "REEL.wav"])
def test_sound_is_found_whatever_its_case(name: str, tmp_path: Path) -> None:
    scan(tmp_path / "in" / "reel")
    sound = recording(tmp_path / "in" / name)
    batch = Batch(tmp_path / "in", tmp_path / "out", LOSSLESS.replace(rate=Fraction(18)))
    (film,) = plan_folder(batch, {})
    assert film.settings.sound == sound


def test_sound_that_goes_on_takes_no_stills_from_the_report(tmp_path: Path, net: Path) -> None:
    films = tmp_path / "in"
    scan(films / "reel")
    recording(films / "reel.wav")
    settings = LOSSLESS.replace("color", model=str(net)).replace(rate=Fraction(24))
    summary = run_batch(Batch(films, tmp_path / "out", settings), report=tmp_path / "report")
    (outcome,) = summary.outcomes.values()
    assert outcome.length == pytest.approx(outcome.frames / 24, abs=0.01)
    assert "data:image" in (tmp_path / "report" / "report.html").read_text()


def test_who_compares_pictures_without_a_rate_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reel = scan(tmp_path / "reel")
    assert run(["verify", str(reel), str(tmp_path / "none.mkv")]) != 0
    assert "tell no frame rate" in capsys.readouterr().err


@pytest.mark.parametrize("first", ["rgb24", "gray", "monob"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_among_colour_means_the_same(first: str, suffix: str, tmp_path: Path) -> None:
    """A ramp over all codes, of black-and-white, grey and R'G'B' pictures in turn."""
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    names = [first, "rgb24", "gray"]
    for number, name in enumerate(names):
        grey = as_frame((ramp,), "gray")
        codec: Any = av.CodecContext.create("png" if suffix == "png" else "tiff", "w")
        codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 48, name, Fraction(1, 25)
        picture = grey.reformat(format=name)
        picture.pts = 0
        packets = [*codec.encode(picture), *codec.encode(None)]
        (tmp_path / f"f_{number:04}.{suffix}").write_bytes(b"".join(map(bytes, packets)))
    info = probe(tmp_path)
    _, colored, plain = decode(info, limits=LimitSettings(strict=True))
    assert np.abs(colored.luma.astype(int) - plain.luma).max() <= 1
    assert colored.luma.max() - colored.luma.min() in (219, 255)


def test_a_lone_picture_of_another_kind_is_not_left_out_unsaid(tmp_path: Path) -> None:
    folder = scan(tmp_path / "reel", "r%03d.png", 1, "png", "rgb24")
    last = folder / f"r{FRAMES:03}.png"
    last.rename(last.with_suffix(".tif"))
    with pytest.raises(SourceError, match=r"r007\.tif is numbered as those before or after it"):
        as_source(folder)
    last.with_suffix(".tif").rename(folder / "poster7.tif")
    assert as_source(folder) == folder / "r%03d.png"
    # One of the same number, and one that is called otherwise, are no pictures of the film.
    for beside in ("r003.tif", f"r{FRAMES - 1:03}_thumb.png"):
        (folder / "poster7.tif").rename(folder / beside)
        assert as_source(folder) == folder / "r%03d.png"
        (folder / beside).rename(folder / "poster7.tif")
