"""Damage: what can be decoded is, at its own time, and it is told where the rest was."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from clips import Clip, luma, make, picture
from conftest import Clips
from networks import tiny_checkpoint
from test_media_writer import rewrite, times

from vidcolor.disk import unreadable
from vidcolor.errors import SourceError
from vidcolor.flow import Link, Motion
from vidcolor.frames import ColorSpec, Frame, SmallFrame
from vidcolor.keyframes import choose_keys
from vidcolor.media.clock import LONGEST_GAP, Clock
from vidcolor.media.damage import DamageLog, DecodeReport, Span, demuxed
from vidcolor.media.decode import decode
from vidcolor.media.packets import hear
from vidcolor.media.probe import probe
from vidcolor.plan import losses
from vidcolor.settings import LimitSettings, Settings
from vidcolor_cli.main import run

STRICT = LimitSettings(strict=True)
BROKEN = (2, 5)
"""Numbers of the pictures that `broken` breaks."""


def broken(folder: Path, name: str = "broken.mkv") -> Path:
    """A film of single pictures of 50 ms, two of which are noise, in a container that is whole."""
    path = make(Clip(name, codec="ffv1", rate=Fraction(20), options={"g": "1"}), folder)
    with av.open(str(path)) as source:
        spots = [(packet.pos, packet.size) for packet in source.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for number in BROKEN:
        start, size = spots[number]
        assert start is not None
        data[start + 20 : start + size] = np.random.default_rng(number).bytes(size - 20)
    path.write_bytes(data)
    return path


def test_lost_pictures_do_not_move_the_others(tmp_path: Path) -> None:
    info, report = probe(broken(tmp_path)), DecodeReport()
    times = {frame.pts * info.time_base: frame.luma.copy() for frame in decode(info, report=report)}
    for number in sorted(set(range(10)) - set(BROKEN)):
        assert np.array_equal(times[Fraction(number, 20)], luma(number, 64, 48))
    assert report.skipped + report.damaged == len(BROKEN)
    (span,) = report.damage.spans
    # Both within a second, so they are one stretch.
    assert (span.start, span.end, span.count) == (Fraction(1, 10), Fraction(3, 10), 2)


def test_strict_stops_at_the_first_damage(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"broken\.mkv: a picture .* at 0\.100 s; without --stri"):
        list(decode(probe(broken(tmp_path)), limits=STRICT))


@pytest.mark.parametrize("name", ["plain.mp4", "plain.mkv", "variable.mkv", "late.mp4", "rich.mkv"])
def test_strict_has_nothing_against_a_sound_film(clip: Clips, name: str) -> None:
    list(decode(probe(clip(name)), limits=STRICT))


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_a_film_that_ends_early_is_told_and_strictly_refused(tmp_path: Path, name: str) -> None:
    path = make(Clip(name, frames=120, options={"movflags": "faststart"}), tmp_path)
    if path.suffix == ".mp4":
        with (
            av.open(str(path)) as source,
            av.open(str(tmp_path / "front.mp4"), "w", options={"movflags": "faststart"}) as front,
        ):
            copy = front.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = copy
                    front.mux(packet)
        path = tmp_path / "front.mp4"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    info, report = probe(path), DecodeReport()
    frames = list(decode(info, report=report))
    assert 10 < len(frames) < 110
    (span,) = report.damage.of("absent")
    assert abs(span.start - (frames[-1].pts + 1) * info.time_base) < Fraction(1, 10)
    assert abs(span.end - Fraction(120, 25)) < Fraction(1, 10)
    assert any("truncated" in line for line in losses(info, Settings(), report))
    with pytest.raises(SourceError, match="truncated"):
        list(decode(info, limits=STRICT))


def joined(folder: Path, later: Clip) -> Path:
    """Ten frames of 64x48 and then ``later``, in a transport stream."""
    first = make(Clip("first.ts"), folder).read_bytes()
    path = folder / "joined.ts"
    path.write_bytes(first + make(later, folder).read_bytes())
    return path


def test_a_wider_picture_is_fitted_between_black_bars(tmp_path: Path) -> None:
    path = joined(tmp_path, Clip("later.ts", width=128, height=48))
    info, report = probe(path), DecodeReport()
    frames = list(decode(info, report=report))
    assert len(frames) == 20
    assert {frame.luma.shape for frame in frames} == {(48, 64)}
    wide = frames[15].luma
    assert np.all(wide[:12] == 16)
    assert np.all(wide[36:] == 16)
    whole = luma(5, 128, 48).reshape(24, 2, 64, 2).mean((1, 3))
    assert np.abs(wide[12:36].astype(float) - whole).mean() < 8
    (span,) = report.damage.of("refitted")
    assert span.count == 10
    assert span.start == frames[10].pts * info.time_base - (info.start_pts or 0) * info.time_base
    (line,) = [line for line in losses(info, Settings(), report) if "another size" in line]
    assert "10 frames" in line
    assert "64x48" in line


def test_another_shape_of_pixels_is_told(tmp_path: Path) -> None:
    path = joined(tmp_path, Clip("later.ts", aspect=Fraction(4, 3)))
    info, report = probe(path), DecodeReport()
    assert len(list(decode(info, report=report))) == 20
    (span,) = report.damage.of("retagged")
    assert span.count == 1
    (line,) = [line for line in losses(info, Settings(), report) if "pixel aspect" in line]
    assert "0:00:00.4" in line
    same = DecodeReport()
    list(decode(probe(joined(tmp_path, Clip("again.ts"))), report=same))
    assert not same.damage.of("retagged")


def test_a_deeper_picture_is_brought_to_the_films_depth(tmp_path: Path) -> None:
    path = joined(tmp_path, Clip("later.ts", pixel_format="yuv420p10le"))
    report = DecodeReport()
    frames = list(decode(probe(path), report=report))
    assert {frame.luma.dtype for frame in frames} == {np.dtype(np.uint8)}
    deep = luma(5, 64, 48, 10)
    assert np.array_equal(frames[15].luma, np.clip(np.rint(deep / 4), 0, 255))
    assert report.damage.of("refitted")[0].count == 10


def test_a_change_of_size_is_strictly_an_error(tmp_path: Path) -> None:
    info = probe(joined(tmp_path, Clip("later.ts", width=80)))
    with pytest.raises(SourceError, match=r"changes from 64x48 yuv420p to 80x48 yuv420p at "):
        list(decode(info, limits=STRICT))


def ticking(clip: Clips, given: list[int | None], duration: int = 40) -> list[int]:
    """What a clock of 1 ms makes of these times, each judged by the one behind it."""
    info = replace(probe(clip("plain.mkv")), time_base=Fraction(1, 1000), start_pts=0)
    clock = Clock(info)
    after = [*given[1:], None]
    return [clock.place(pts, duration, then) for pts, then in zip(given, after, strict=True)]


FAR = int(LONGEST_GAP * 1000) + 1


@pytest.mark.parametrize(
    ("given", "placed"),
    [
        ([0, 40, 80], [0, 40, 80]),
        ([0, 40, 900, 7000, 7040], [0, 40, 900, 7000, 7040]),
        ([0, None, 80, 120], [0, 40, 80, 120]),
        ([0, 40, 40, 120], [0, 40, 80, 120]),
        ([0, 40, 0, 120], [0, 40, 80, 120]),
        ([0, 40, 2**60, 120, 160], [0, 40, 80, 120, 160]),
        ([0, 40, -(2**60), 120, 160], [0, 40, 80, 120, 160]),
        ([2**60, 40, 80], [-10, 40, 80]),
        ([0, 40, FAR + 80, FAR + 120], [0, 40, 80, 120]),
        ([0, 40, 90000, 90040, 10, 50], [0, 40, 90000, 90040, 90080, 90120]),
        ([0, None, 20, 60], [0, 10, 20, 60]),
        ([0, 0, 0, 0], [0, 40, 80, 120]),
    ],
)
def test_missing_doubled_stray_and_reset_times(
    clip: Clips, given: list[int | None], placed: list[int]
) -> None:
    assert ticking(clip, given) == placed


def test_durations_of_years_are_not_believed(clip: Clips) -> None:
    assert ticking(clip, [0, None, None], 2**60) == [0, 50, 100]


def test_near_spans_are_one_and_their_number_is_bounded() -> None:
    log = DamageLog()
    for second in (0, Fraction(1, 2), 10, 9, 40):
        log.add("lost", Fraction(second), Fraction(second) + 1)
    assert [(span.start, span.end, span.count) for span in log.spans] == [
        (0, Fraction(3, 2), 2),
        (9, 11, 2),
        (40, 41, 1),
    ]
    for second in range(100, 9000, 3):
        log.add("patched", Fraction(second), Fraction(second))
    assert len(log.spans) == 1000
    assert sum(span.count for span in log.spans) == 5 + len(range(100, 9000, 3))
    assert log.spans[-1].end == 8998
    assert Span("lost", Fraction(1, 3), Fraction(1), 2).to_dict() == {
        "kind": "lost",
        "start": 0.333,
        "end": 1.0,
        "count": 2,
    }


@pytest.mark.parametrize("longest", [1, 3])
def test_damaged_frames_are_not_asked_about(longest: int) -> None:
    """But at the start of a shot, and when there are too many of them."""
    color = ColorSpec("bt709", full_range=False, depth=8)
    light = np.full((32, 32), 50, np.float32)
    still = Motion(np.zeros((16, 16, 2), np.float32), np.ones((16, 16), np.float32))
    link = Link(still, still)
    sick = [True, False, True, False, *[True] * 8]
    items = [
        (
            SmallFrame(Frame(n, n, 1, light.astype(np.uint8), color, ill), light, n == 0),
            link if n else None,
        )
        for n, ill in enumerate(sick)
    ]
    asked = [item.key for item in choose_keys(items, longest)]
    assert asked[0]
    assert not asked[2]
    assert any(asked[4:])
    assert asked[4:].count(True) <= 8 / (2 * longest)


def test_the_report_and_the_warning_say_where(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, out = broken(tmp_path), tmp_path / "out"
    out.mkdir()
    tiny = str(tiny_checkpoint(tmp_path / "tiny.safetensors"))
    words = [str(source), str(out / "o.mkv"), "--model", tiny, "--short-side", "64"]
    report = tmp_path / "report.json"
    assert run([*words, "--report", str(report), "--quiet"]) == 0
    assert "0:00:00.100 to 0:00:00.300" in capfd.readouterr().err
    (span,) = json.loads(report.read_text())["damage"]
    assert (span["start"], span["end"], span["count"]) == (0.1, 0.3, 2)
    (out / "o.mkv").unlink()

    assert run([*words, "--strict"]) == 3
    err = capfd.readouterr().err.splitlines()[-1]
    assert "at 0.100 s" in err
    assert list(out.iterdir()) == []


class Growing:
    """As PyAV reads a film in which another stream comes to be."""

    def demux(self, streams: Sequence[object]) -> Iterator[str]:
        yield "a packet"
        raise IndexError("list index out of range")


def test_streams_that_come_to_be_meanwhile_are_told_and_cost_nothing() -> None:
    told: list[bool] = []
    found = demuxed(cast("Any", Growing()), [], lambda: told.append(True))
    assert list(found) == ["a packet"] and told == [True]


def test_a_film_with_a_stream_that_begins_in_the_middle_is_coloured_whole(tmp_path: Path) -> None:
    def part(start: int, seconds: int, sounds: int) -> bytes:
        path, clip = tmp_path / f"{start}.ts", Clip("part", 25 * seconds)
        # Padded, as FFmpeg looks for streams in the first seconds, and in the last bytes.
        options = {"tables_version": str(start), "muxrate": "1500000"}
        with av.open(str(path), "w", options=options) as output:
            video: Any = output.add_stream("mpeg2video", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            heard: list[Any] = [
                output.add_stream("mp2", rate=32000, layout="mono") for _ in range(sounds)
            ]
            for number in range(clip.frames + 1):
                last = number == clip.frames
                frame = picture(clip, number % 25)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                made = [*video.encode(None if last else frame)]
                for track in () if last else heard:
                    sound = av.AudioFrame.from_ndarray(np.zeros((1, 1280), np.int16), "s16", "mono")
                    sound.sample_rate, sound.pts = 32000, 1280 * number
                    made += track.encode(sound)
                for packet in made:
                    packet.pts += round(start / packet.time_base)
                    packet.dts += round(start / packet.time_base)
                    output.mux(packet)
        return path.read_bytes()

    source, target = tmp_path / "film.ts", tmp_path / "out.mkv"
    source.write_bytes(part(0, 11, 1) + part(11, 2, 2) + part(13, 3, 1))
    assert len(probe(source).others) == 1
    rewrite(source, target)
    assert len(times(target)) == 25 * 16
    sound = hear(source, 1)
    assert sound is not None and sound.length == pytest.approx(16, abs=0.1)


def test_a_drive_that_is_gone_is_no_damage(
    clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decoded before is no film, and the one who waits for the drive loses nothing."""
    film = tmp_path / "film.mkv"
    film.write_bytes(clip("plain.mp4").read_bytes())
    whole = len(list(decode(probe(film))))
    frames = decode(probe(film))
    next(frames)
    asked: list[int] = []

    def gone(path: Path, start: int = 0) -> OSError:
        asked.append(start)
        return OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("vidcolor.media.decoder.unreadable", gone)
    with pytest.raises(SourceError, match="cannot be read any further: the disk reports") as caught:
        list(frames)
    assert caught.value.passing
    assert len(asked) == 1 and asked[0] > 0
    monkeypatch.undo()
    assert len(list(decode(probe(film)))) == whole


def test_what_the_system_cannot_read_is_told(tmp_path: Path) -> None:
    assert unreadable(tmp_path / "none") is not None
    assert unreadable(tmp_path) is not None  # A folder is no file.
    assert unreadable(tmp_path / "picture_%04d.png") is None
    (tmp_path / "film").write_bytes(b"x" * 10)
    assert unreadable(tmp_path / "film", 5) is unreadable(tmp_path / "film", 50) is None


def test_a_film_that_is_deleted_meanwhile_is_read_to_its_end(clip: Clips, tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    film.write_bytes(clip("plain.mp4").read_bytes())
    whole = len(list(decode(probe(film))))
    frames = decode(probe(film))
    next(frames)
    film.unlink()
    assert 1 + len(list(frames)) == whole
