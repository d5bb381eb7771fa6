"""What one container tells in time and another does not: gaps, hidden sound, rates, cropping."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import Clip, make, picture
from streams import Sound, Text, clicks, cues, film, heard
from test_media_writer import rewrite, times
from test_verify import named

from vidcolor.media.decode import decode
from vidcolor.media.matroska import cropping
from vidcolor.media.pcm import Count
from vidcolor.media.probe import probe
from vidcolor.media.reordered import held_back
from vidcolor.settings import EncoderSettings, RangeSettings
from vidcolor.verify import verify

GAP = (Fraction(7, 10), Fraction(11, 10))
SYNC = 0.005


def shifted(source: Path, target: Path, by: Fraction) -> Path:
    """Begun ``by`` seconds later: what is before is stored, and hidden by an edit list."""
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(source)) as film, av.open(str(target), "w", container_options=options) as out:
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in film.streams}
        for packet in film.demux():
            if packet.pts is not None and packet.dts is not None:
                ticks = round(by / packet.time_base)
                packet.pts -= ticks
                packet.dts -= ticks
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return target


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize(
    ("codec", "layout"), [("pcm_s16le", "stereo"), ("pcm_s24le", "mono"), ("pcm_alaw", "mono")]
)
def test_uncompressed_sound_with_a_gap_stays_in_time(
    codec: str, layout: str, target: str, tmp_path: Path
) -> None:
    rate, suffix = (8000, "nut") if codec == "pcm_alaw" else (48000, "mkv")
    source, made = tmp_path / f"film.{suffix}", tmp_path / target
    film(source, [Sound(codec, layout, rate, gap=GAP)])
    writer = rewrite(source, made)
    assert clicks(made) == pytest.approx([0.5, 1.25], abs=SYNC)
    told = [line for line in writer.warnings if "of silence" in line]
    # MP4 refuses A-law, which becomes another codec that can wait.
    copied = made.suffix != ".mkv" and not writer.converted
    assert len(told) == copied
    assert not told or "0.40 s" in told[0]
    assert verify(source, made).passed
    if copied:
        other = (Fraction(1, 2), Fraction(13, 10))
        film(source, [Sound(codec, layout, rate, gap=GAP, clicks=other)])
        assert not verify(source, made).passed


def test_samples_are_counted() -> None:
    with av.open("/dev/null", "w", format="mov") as output:
        stream: Any = output.add_stream("pcm_s16le", rate=1000)
        stream.codec_context.layout = "mono"
        count = Count(stream)

    def even(at: Fraction, samples: int) -> list[tuple[Fraction, int]]:
        return [(begin, len(data) // 2) for begin, data in count.even(at, b"\1" * 2 * samples)]

    one = Fraction(1, 1000)
    assert even(Fraction(5), 100) == [(Fraction(5), 100)]
    # What is no more than untidy stays.
    assert even(Fraction(5) + 119 * one, 100) == [(Fraction(5) + 100 * one, 100)]
    assert even(Fraction(5) + 181 * one, 100) == [(Fraction(5) + 200 * one, 100)]
    assert even(Fraction(6), 10) == [(Fraction(5) + 300 * one, 700), (Fraction(6), 10)]
    assert even(Fraction(6) - 90 * one, 150) == [(Fraction(6) + 10 * one, 50)]
    assert even(Fraction(5), 60) == []
    assert count.seconds == (0.7, 0.16)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_sound_that_an_edit_list_hides_does_not_come_back(codec: str, tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mov", [Sound(codec, clicks=(Fraction(2, 5), Fraction(5, 4)))])
    source = shifted(whole, tmp_path / "cut.mov", Fraction(4, 5))
    for name in ("out.mkv", "out.mov"):
        rewrite(source, tmp_path / name)
        # The click before the cut is not heard; the other is, where it was.
        assert clicks(tmp_path / name) == pytest.approx([0.45], abs=SYNC)
        assert verify(source, tmp_path / name).passed
    first = next(heard(tmp_path / "out.mkv"))[0]
    assert Fraction(-1, 8) < first <= 0


def test_a_film_with_much_hidden_before_its_start_opens(tmp_path: Path) -> None:
    whole = make(Clip("film.mov", frames=700, options={"g": "1000", "bf": "0"}), tmp_path)
    source = shifted(whole, tmp_path / "cut.mov", Fraction(650, 25))
    info = probe(source)
    assert (info.width, info.height) == (64, 48)


@pytest.mark.parametrize(
    ("sounds", "audio", "target"),
    [
        (("ac3", "aac"), "aac", "out.mp4"),
        (("pcm_s16le", "libopus"), None, "out.webm"),
        (("aac", "ac3", "aac"), "aac", "out.mkv"),
    ],
)
def test_tracks_that_were_converted_are_told_by_their_order(
    sounds: tuple[str, ...], audio: str | None, target: str, tmp_path: Path
) -> None:
    tracks = [
        Sound(codec, clicks=(Fraction(number, 4) + Fraction(1, 2),), metadata={"language": "eng"})
        for number, codec in enumerate(sounds)
    ]
    source, made = film(tmp_path / "film.mkv", tracks), tmp_path / target
    rewrite(source, made, EncoderSettings(audio=audio))
    found = verify(source, made)
    assert found.passed, found.to_text()


def test_a_language_that_is_not_told_is_no_other(tmp_path: Path) -> None:
    source, made = tmp_path / "film.ts", tmp_path / "out.mkv"
    film(source, [Sound("aac", metadata={"language": "und"}), Sound("aac", clicks=())])
    rewrite(source, made)
    assert verify(source, made).passed


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
def test_languages_of_the_web_are_told_as_the_container_can(target: str, tmp_path: Path) -> None:
    told = {"en": "eng", "fr-CA": "fra", "sv": "swe", "ger": "ger"}
    sounds = [Sound("aac", metadata={"language": code}) for code in told]
    source, made = film(tmp_path / "film.mkv", sounds), tmp_path / target
    rewrite(source, made)
    assert verify(source, made).passed
    with av.open(str(made)) as opened:
        found = [stream.language for stream in opened.streams.audio]
    # FFmpeg's list of QuickTime's languages has its own code for Swedish.
    three = [{"swe": "sve"}.get(it, it) if target == "out.mov" else it for it in told.values()]
    assert found == (list(told) if target == "out.mkv" else three)


def test_texts_that_overlap_are_the_same_in_a_row(tmp_path: Path) -> None:
    lines = [(100, 1500, b"One"), (500, 1000, b"Two"), (1600, 1800, b"Three")]
    source, made = film(tmp_path / "film.mkv", [Text("subrip", lines)]), tmp_path / "out.mp4"
    rewrite(source, made)
    shown = [item for item in cues(made) if item[2] != b"\0\0"]
    assert len(shown) == 4
    assert verify(source, made).passed
    other = film(tmp_path / "other.mkv", [Text("subrip", [*lines[:2], (1650, 1800, b"Three")])])
    assert not verify(other, made).passed


@pytest.mark.parametrize(
    ("codec", "target"), [("aac", "out.webm"), ("libopus", "out.mov"), ("pcm_u8", "out.mp4")]
)
def test_sound_with_a_gap_that_was_encoded_anew_is_in_step(
    codec: str, target: str, tmp_path: Path
) -> None:
    layout = "mono" if codec == "pcm_u8" else "stereo"
    source = film(tmp_path / "film.mkv", [Sound(codec, layout, gap=GAP)])
    rewrite(source, tmp_path / target)
    assert clicks(tmp_path / target) == pytest.approx([0.5, 1.25], abs=SYNC)
    assert verify(source, tmp_path / target).passed
    short = film(tmp_path / "short.mkv", [Sound(codec, layout, seconds=Fraction(3, 2))])
    assert not verify(short, tmp_path / target).passed


def test_styles_and_names_of_fonts_are_compared(tmp_path: Path) -> None:
    line = b"0,0,Default,,0,0,0,,Hello"
    source = film(tmp_path / "film.mkv", [Text("ass", [(0, 900, line)])])
    with av.open(str(source)) as held, av.open(str(tmp_path / "font.mkv"), "w") as out:
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in held.streams}
        out.add_attachment("one.ttf", "font/ttf", b"a font")
        for packet in held.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    source, made = tmp_path / "font.mkv", tmp_path / "out.mkv"
    rewrite(source, made)
    assert verify(source, made).passed
    data = made.read_bytes()
    for was, now, name in (
        (b"Default,Arial", b"Default,Times", "styles"),
        (b"one.t", b"two.t", "attachment"),
    ):
        assert was in data
        made.write_bytes(data.replace(was, now))
        found = verify(source, made)
        assert named(found, name).outcome == "changed" and not found.passed


def test_what_players_are_told_to_cut_is_told(tmp_path: Path) -> None:
    plain, source = make(Clip("plain.mkv"), tmp_path), tmp_path / "film.mkv"
    with av.open(str(plain)) as held:
        options = {"write_crc32": "0"}
        with av.open(str(source), "w", container_options=options) as out:
            stream = out.add_stream_from_template(held.streams.video[0], opaque=True)
            stream.metadata["stereo_mode"] = "left_right"
            for packet in held.demux(held.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    data = source.read_bytes()
    # In place of the stereo mode; its bytes are as many.
    source.write_bytes(data.replace(bytes.fromhex("53b88101"), bytes.fromhex("54bb8110"), 1))
    assert cropping(probe(source)) == {"top": 16} and cropping(probe(plain)) is None
    writer = rewrite(source, tmp_path / "out.mkv")
    assert any("(16 top)" in line for line in writer.warnings)
    found = verify(source, tmp_path / "out.mkv")
    assert named(found, "cropping").outcome == "note"
    source.write_bytes(data[:200])
    assert not any("cut" in line for line in rewrite(plain, tmp_path / "o.mkv").warnings)


@pytest.mark.parametrize(("lines", "rate"), [(576, Fraction(25)), (480, Fraction(30000, 1001))])
def test_the_rate_of_raw_dv(lines: int, rate: Fraction, tmp_path: Path) -> None:
    path = tmp_path / "tape.dv"
    with av.open(str(path), "w", format="dv") as output:
        video: Any = output.add_stream("dvvideo", rate=rate)
        video.width, video.height = 720, lines
        video.pix_fmt = "yuv420p" if lines == 576 else "yuv411p"
        sound: Any = output.add_stream("pcm_s16le", rate=48000, layout="stereo")
        for number in range(6):
            frame = av.VideoFrame(720, lines, video.pix_fmt)
            for plane in frame.planes:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts = number
            output.mux(video.encode(frame))
            samples = np.zeros((1, 2 * 1920), np.int16)
            heard_now = av.AudioFrame.from_ndarray(samples, "s16", "stereo")
            heard_now.sample_rate, heard_now.pts = 48000, 1920 * number
            output.mux(sound.encode(heard_now))
    info = probe(path)
    assert info.average_rate == rate
    assert info.frame_count is None or info.frame_count < 10


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize("suffix", ["mkv", "mov"])
def test_a_last_picture_that_stands_long_does(suffix: str, target: str, tmp_path: Path) -> None:
    clip, source = Clip("film", 10, codec="mjpeg"), tmp_path / f"film.{suffix}"
    with av.open(str(source), "w") as output:
        stream: Any = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(10):
            frame = picture(clip, number).reformat(format="yuvj420p")
            frame.pts, frame.time_base = 40 * number, Fraction(1, 1000)
            for packet in stream.encode(frame):
                packet.duration = 3000 if number == 9 else 40
                output.mux(packet)
    rewrite(source, tmp_path / target)
    assert verify(source, tmp_path / target).passed
    with av.open(str(tmp_path / target)) as made:
        assert made.duration == pytest.approx(3.36 * av.time_base, abs=2000)


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_a_picture_before_time_0_is_shown(target: str, tmp_path: Path) -> None:
    source, clip, early = tmp_path / "film.mkv", Clip("film", 25), Fraction(1, 5)
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(source), "w", container_options=options) as output:
        video: Any = output.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        for number in range(25):
            frame = picture(clip, number)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            samples = np.full((1, 320), 30000 if number == 20 else 0, np.int16)
            sound = av.AudioFrame.from_ndarray(samples, "s16", "mono")
            sound.sample_rate, sound.pts = 8000, 320 * number
            for packet in [*video.encode(frame), *audio.encode(sound)]:
                packet.pts -= round(early / packet.time_base)
                packet.dts = packet.pts
                output.mux(packet)
    assert probe(source).start_pts == -200
    rewrite(source, tmp_path / target)
    found = verify(source, tmp_path / target)
    assert found.passed and named(found, "frames").outcome == "same"
    assert times(tmp_path / target)[0] == 0
    assert len(times(tmp_path / target)) == 25
    assert clicks(tmp_path / target) == pytest.approx([0.8], abs=SYNC)


@pytest.mark.parametrize("options", [{"bf": "1"}, {"bf": "3"}, {"bf": "3", "g": "7"}, {"bf": "0"}])
def test_reordered_pictures_in_avi_are_shown_at_a_steady_pace(
    options: dict[str, str], tmp_path: Path
) -> None:
    pyramid = {"preset": "medium", "qp": "10", "x264-params": "b-pyramid=normal"}
    source = make(Clip("film.avi", 40, options={**pyramid, **options}, audio=("und",)), tmp_path)
    shown = times(source)
    assert {after - before for before, after in pairwise(shown)} == {Fraction(1, 25)}
    crop = RangeSettings(start=Fraction(4, 5), duration=Fraction(2, 5))
    part = [frame.pts * probe(source).time_base for frame in decode(probe(source), crop)]
    assert part == [time for time in shown if Fraction(4, 5) <= time < Fraction(6, 5)]
    rewrite(source, tmp_path / "out.mkv")
    assert verify(source, tmp_path / "out.mkv").passed


@pytest.mark.parametrize(("codec", "target"), [("alac", "out.mov"), ("flac", "out.mp4")])
def test_sound_that_does_not_tell_how_long_it_lasts_keeps_its_end(
    codec: str, target: str, tmp_path: Path
) -> None:
    suffix = "mkv" if codec == "alac" else "nut"
    source = film(tmp_path / f"film.{suffix}", [Sound(codec, clicks=(Fraction(199, 100),))])
    rewrite(source, tmp_path / target)
    assert clicks(tmp_path / target) == pytest.approx([1.99], abs=SYNC)
    assert verify(source, tmp_path / target).passed


@pytest.mark.parametrize("target", ["out.mkv", "out.mp4"])
@pytest.mark.parametrize("starts", [[9000, 1000, 3000], list(range(0, 9600, 400))])
def test_texts_ahead_of_their_place_keep_no_sound_waiting(
    starts: list[int], target: str, tmp_path: Path
) -> None:
    plain = film(tmp_path / "plain.mkv", [Sound("aac", seconds=Fraction(10))], seconds=10)
    source = tmp_path / "film.mkv"
    with av.open(str(plain)) as opened, av.open(str(source), "w") as output:
        streams = [output.add_stream_from_template(s, opaque=True) for s in opened.streams]
        text: Any = output.add_mux_stream("subrip")
        text.time_base = Fraction(1, 1000)
        output.start_encoding()
        for number, start in enumerate(starts):
            line = av.Packet(b"line")
            line.stream, line.time_base, line.duration = text, text.time_base, 300
            line.pts, line.dts = start, number  # Stored in front of all else.
            output.mux(line)
        for packet in opened.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                output.mux(packet)
    rewrite(source, tmp_path / target)
    place = Fraction(0)
    with av.open(str(tmp_path / target)) as made:
        for packet in made.demux():
            if packet.size and packet.stream.type != "subtitle" and packet.pts is not None:
                assert packet.pts * packet.time_base > place - 2
                place = max(place, packet.pts * packet.time_base)
    shown = [start for start, _, line in cues(tmp_path / target) if line.strip(b"\0")]
    assert [round(start * 1000) for start in shown] == sorted(starts)


@pytest.mark.parametrize("target", ["out.mkv", "out.mp4"])
def test_texts_behind_the_pictures_end_are_where_they_were(target: str, tmp_path: Path) -> None:
    lines = [(start, start + 300, b"line") for start in (500, 4000, 6000, 9000)]
    sound = Sound("aac", seconds=Fraction(10))
    source = film(tmp_path / "film.mkv", [sound, Text("subrip", lines)], seconds=2)
    rewrite(source, tmp_path / target)
    shown = [start for start, _, line in cues(tmp_path / target) if line.strip(b"\0")]
    assert [round(start * 1000) for start in shown] == [500, 4000, 6000, 9000]


@pytest.mark.parametrize("target", ["out.mkv", "out.mp4"])
def test_a_part_ends_while_a_picture_stands_long(target: str, tmp_path: Path) -> None:
    clip = Clip("film.mkv", 3, codec="ffv1", time_base=Fraction(1, 1000), pts=(0, 400, 5000))
    source = make(clip, tmp_path)
    crop = RangeSettings(start=Fraction(2, 5), duration=Fraction(1))
    writer = rewrite(source, tmp_path / target, crop=crop)
    assert not writer.warnings or "metadata" in writer.warnings[0]
    assert verify(source, tmp_path / target, crop).passed
    with av.open(str(tmp_path / target)) as made:
        assert made.duration == pytest.approx(1.0 * av.time_base, abs=2000)


def test_a_broken_packet_does_not_hide_that_pictures_are_reordered(tmp_path: Path) -> None:
    options = {"preset": "medium", "qp": "10", "bf": "3"}
    source = make(Clip("film.avi", 40, options=options), tmp_path)
    info = probe(source)
    behind = held_back(info)
    assert behind is not None
    data = bytearray(source.read_bytes())
    at = -1
    for _ in range(11):
        at = data.index(b"00dc", at + 1)
    data[at + 8 : at + 40] = bytes(32)
    broken = tmp_path / "broken.avi"
    broken.write_bytes(data)
    assert held_back(probe(broken)) == behind


def test_a_first_chapter_that_begins_later_is_no_change(tmp_path: Path) -> None:
    chapters = ((Fraction(1, 5), Fraction(1), "One"), (Fraction(1), Fraction(2), "Two"))
    source = make(Clip("film.mkv", 50, codec="ffv1", chapters=chapters), tmp_path)
    rewrite(source, tmp_path / "out.mp4")
    found = verify(source, tmp_path / "out.mp4")
    assert found.passed and named(found, "chapters").outcome == "note"
