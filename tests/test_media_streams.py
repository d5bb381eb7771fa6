"""Sound, subtitles and the rest, into containers that may not take them as they are."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import SAMPLE_RATE, Clip, make, picture
from conftest import Clips
from streams import Sound, Text, clicks, cues, film, heard
from test_media_writer import packets as stored
from test_media_writer import paint, payloads, rewrite, settings_for
from test_verify import named

from vidcolor.media.chapters import part_of
from vidcolor.media.clock import Resets
from vidcolor.media.cues import Cue, Overlay
from vidcolor.media.decode import decode
from vidcolor.media.mux import Writer
from vidcolor.media.probe import probe
from vidcolor.media.styled import Run, runs_of, subrip, webvtt
from vidcolor.media.timecode import advanced, is_timecode
from vidcolor.media.track import Track
from vidcolor.settings import EncoderSettings, RangeSettings
from vidcolor.verify import verify

HALF = Fraction(1, 2)
SYNC = 0.005
"""Seconds by which sound may move: half of what is noticed at best."""


def codec_of(path: Path, kind: str, number: int = 0) -> str:
    found = [other for other in probe(path).others if other.kind == kind]
    return found[number].codec


# Sound


@pytest.mark.parametrize(
    ("codec", "layout", "source", "target", "becomes"),
    [
        ("pcm_s16le", "5.1", ".mkv", ".webm", "opus"),
        ("mp2", "stereo", ".mkv", ".webm", "opus"),
        ("ac3", "5.1", ".mkv", ".webm", "opus"),
        ("aac", "stereo", ".mp4", ".webm", "opus"),
        ("libopus", "stereo", ".mkv", ".mov", "aac"),
        ("vorbis", "stereo", ".mkv", ".mov", "aac"),
        ("flac", "stereo", ".mkv", ".mov", "alac"),
        ("wavpack", "stereo", ".mkv", ".mov", "alac"),
        ("wavpack", "stereo", ".mkv", ".mp4", "flac"),
        ("pcm_u8", "mono", ".mkv", ".mp4", "flac"),
    ],
)
@pytest.mark.parametrize(
    ("delay", "crop"),
    [(Fraction(0), None), (Fraction(3, 10), None), (Fraction(0), (10, 40))],
    ids=["whole", "late", "part"],
)
def test_converted_sound_stays_in_time(
    tmp_path: Path,
    codec: str,
    layout: str,
    source: str,
    target: str,
    becomes: str,
    delay: Fraction,
    crop: tuple[int, int] | None,
) -> None:
    film_in, film_out = tmp_path / f"in{source}", tmp_path / f"out{target}"
    film(film_in, [Sound(codec, layout, delay=delay, seconds=2 - delay)])
    whole = RangeSettings()
    part = whole if crop is None else RangeSettings(first_frame=crop[0], end_frame=crop[1])
    writer = rewrite(film_in, film_out, settings_for(target), part)
    assert [about.kind for about, _ in writer.converted] == ["audio"]
    assert codec_of(film_out, "audio") == becomes
    start = 0.0 if crop is None else crop[0] / 25
    before = [at - start for at in clicks(film_in)]
    assert len(before) == 2
    assert clicks(film_out) == pytest.approx(before, abs=SYNC)
    with av.open(str(film_out)) as made:
        assert made.streams.audio[0].layout.nb_channels == av.AudioLayout(layout).nb_channels


@pytest.mark.parametrize(
    ("audio", "codec", "layout", "target"),
    [
        ("aac,mp3", "pcm_s16le", "stereo", ".mp4"),
        ("aac,mp3", "ac3", "5.1", ".mp4"),
        ("ac3", "flac", "5.1", ".mkv"),
        ("alac", "pcm_s16le", "stereo", ".mov"),
        ("flac", "mp2", "stereo", ".mkv"),
        ("mp3", "aac", "mono", ".mp4"),
        ("opus", "aac", "stereo", ".mp4"),
    ],
)
def test_sound_is_encoded_as_asked(
    tmp_path: Path, audio: str, codec: str, layout: str, target: str
) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / f"out{target}"
    film(source, [Sound(codec, layout)])
    wanted = audio.split(",")[0]
    writer = rewrite(source, out, EncoderSettings(audio=audio))
    [(_, result)] = writer.converted
    assert result.startswith(wanted)
    assert result.endswith(", as asked")
    assert codec_of(out, "audio") == wanted
    assert clicks(out) == pytest.approx(clicks(source), abs=SYNC)
    assert not [check for check in verify(source, out).checks if check.outcome == "changed"]


@pytest.mark.parametrize(
    ("audio", "codec", "layout", "target", "becomes", "says"),
    [
        ("aac,mp3", "aac", "stereo", ".mp4", "aac", None),
        ("aac, mp3", "libmp3lame", "stereo", ".mp4", "mp3", None),
        ("mp3", "pcm_s16le", "5.1", ".mkv", "pcm_s16le", "is kept: matroska cannot have it as mp3"),
        ("aac", "pcm_s16le", "stereo", ".webm", "opus", "because webm cannot hold it, nor aac"),
    ],
)
def test_sound_that_is_right_or_cannot_be_as_asked(
    tmp_path: Path, audio: str, codec: str, layout: str, target: str, becomes: str, says: str | None
) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / f"out{target}"
    film(source, [Sound(codec, layout)])
    settings = replace(settings_for(target), audio=audio)
    warnings = [line for line in rewrite(source, out, settings).warnings if "audio" in line]
    assert codec_of(out, "audio") == becomes
    assert len(warnings) == (says is not None)
    assert says is None or says in warnings[0]


@pytest.mark.parametrize(
    ("codec", "layout", "audio", "target", "named"),
    [
        # Matroska, AVI and plain WAV tell how many channels there are, and no more.
        ("pcm_s16le", "stereo", None, ".mp4", "stereo"),
        ("pcm_s24le", "5.1", None, ".mp4", "5.1"),
        ("pcm_s16le", "7.1", None, ".mp4", "7.1"),
        # As many planes as PyAV can count.
        ("pcm_s16le", "7.1", "aac", ".mp4", "7.1"),
        ("flac", "7.1", "opus", ".mkv", "7.1"),
        # Of which AAC has no number.
        ("ac3", "5.1(side)", "aac", ".mp4", "5.1"),
    ],
)
@pytest.mark.parametrize("crop", [None, (10, 40)], ids=["whole", "part"])
def test_channels_have_names(
    tmp_path: Path,
    codec: str,
    layout: str,
    audio: str | None,
    target: str,
    named: str,
    crop: tuple[int, int] | None,
) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / f"out{target}"
    # Begins late, so that converted sound begins with silence.
    film(source, [Sound(codec, layout, delay=Fraction(3, 10), seconds=Fraction(17, 10))])
    part = (
        RangeSettings() if crop is None else RangeSettings(first_frame=crop[0], end_frame=crop[1])
    )
    rewrite(source, out, EncoderSettings(audio=audio), part)
    with av.open(str(out)) as made:
        (sound,) = made.streams.audio
        assert sound.layout.name == named
        assert sum(frame.samples for frame in made.decode(sound)) > 0.8 * sound.rate
    assert verify(source, out, part).passed


@pytest.mark.parametrize(("codec", "target"), [("flac", ".mov"), ("wavpack", ".mp4")])
def test_lossless_sound_stays_lossless(tmp_path: Path, codec: str, target: str) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / f"out{target}"
    film(source, [Sound(codec, seconds=Fraction(1))], seconds=1)
    rewrite(source, out)
    old, new = (np.concatenate([part for *_, part in heard(path)], 1) for path in (source, out))
    assert old.any()
    assert np.array_equal(old, new)


def test_other_rates_are_resampled_in_time(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.webm"
    film(source, [Sound("mp2", rate=44100)])
    rewrite(source, out, settings_for(".webm"))
    assert clicks(out) == pytest.approx([0.5, 1.25], abs=SYNC)


@pytest.mark.parametrize("until", [Fraction(3, 4), Fraction(9, 4)], ids=["short", "long"])
def test_a_gap_in_the_sound_stays_a_gap(tmp_path: Path, until: Fraction) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.webm"
    places = (Fraction(1, 4), until + Fraction(1, 4))
    sound = Sound("mp2", seconds=Fraction(3), clicks=places, gap=(HALF, until))
    film(source, [sound], seconds=3)
    assert clicks(source) == pytest.approx([float(at) for at in places], abs=SYNC)
    rewrite(source, out, settings_for(".webm"))
    assert clicks(out) == pytest.approx([float(at) for at in places], abs=SYNC)


def test_a_conversion_is_told_and_keeps_what_names_the_track(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.webm"
    about = {"language": "eng", "title": "Remarks"}
    marks = int(Disposition.default | Disposition.forced)
    short = {"seconds": HALF, "clicks": ()}
    film(
        source,
        [
            Sound("mp2", metadata=about, disposition=marks, **short),  # type: ignore[arg-type]
            Sound("libopus", metadata={"language": "eng"}, **short),  # type: ignore[arg-type]
        ],
        seconds=1,
    )
    writer = rewrite(source, out, settings_for(".webm"))
    assert writer.warnings == [
        "audio 1 (mp2, eng, Remarks) is converted to opus, 384 kbit/s, because webm cannot hold it"
    ]
    with av.open(str(out)) as made:
        first, second = made.streams.audio
        assert (first.language, first.metadata["title"]) == ("eng", "Remarks")
        assert int(first.disposition) == marks
        assert second.language == "eng"
    assert payloads(out, "audio")[1] == payloads(source, "audio")[1]


def test_sound_before_after_and_longer_than_the_picture(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    film(source, [Sound("aac", seconds=Fraction(2), clicks=(HALF, Fraction(7, 4)))], seconds=1)
    rewrite(source, out)
    assert clicks(out) == pytest.approx([0.5, 1.75], abs=SYNC)
    film(source, [], seconds=1)
    assert not rewrite(source, tmp_path / "silent.mp4").warnings


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    "crop", [RangeSettings(end_frame=25), RangeSettings(start=Fraction(0), duration=Fraction(1))]
)
def test_a_part_from_the_start_begins_with_all_the_sound(
    tmp_path: Path, suffix: str, crop: RangeSettings
) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / f"out{suffix}"
    # Its first packet, ahead of time 0, is what decoders need for the one after it.
    film(source, [Sound("aac", clicks=(Fraction(1, 1000), HALF))])
    rewrite(source, out, crop=crop)
    found, whole = payloads(out, "audio")[0], payloads(source, "audio")[0]
    assert found == whole[: len(found)]
    assert clicks(out) == pytest.approx([0.001, 0.5], abs=0.001)
    assert named(verify(source, out, crop), "audio 1").outcome == "same"
    later = out.with_stem("later")
    rewrite(source, later, crop=RangeSettings(first_frame=5))
    found = payloads(later, "audio")[0]
    assert found == whole[-len(found) :] and len(found) < len(whole) - 5


def test_a_part_has_all_its_sound_whatever_the_films_ticks(tmp_path: Path) -> None:
    ticks = {"video_track_timescale": "10000000"}
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    with (
        av.open(str(film(tmp_path / "film.mp4", [Sound("aac")]))) as old,
        av.open(str(source), "w", container_options=ticks) as new,
    ):
        streams = [new.add_stream_from_template(stream) for stream in old.streams]
        for packet in old.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    assert probe(source).time_base == Fraction(1, 10_000_000)
    crop = RangeSettings(end_frame=25)
    rewrite(source, target, crop=crop)
    assert named(verify(source, target, crop), "audio").outcome == "same"
    last = stored(target, "audio")[0][-1][0]
    assert last > 1 - Fraction(2 * 1024, 48000)


def test_an_unreadable_place_costs_no_more_than_itself(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mkv"
    film(source, [Sound("aac")])
    data = bytearray(source.read_bytes())
    # The table of chunks of the sound, the second of two: one chunk goes behind the file's end.
    table = data.rindex(b"stco")
    count = struct.unpack_from(">I", data, table + 8)[0]
    assert count >= 3
    struct.pack_into(">I", data, table + 12 + 4 * (count // 2), len(data) + 10_000)
    source.write_bytes(data)
    writer = rewrite(source, out)
    assert len(payloads(out, "audio")[0]) > 10
    assert any("parts of the file cannot be read" in line for line in writer.warnings)


class Faulty:
    """A source that fails after the tenth packet: once, or from then on at every try."""

    def __init__(self, source: Any, for_good: bool) -> None:
        self._source = source
        self._for_good = for_good
        self._fault: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def demux(self, streams: Any) -> Iterator[Any]:
        if self._fault is not None and self._for_good:
            raise self._fault
        for number, one in enumerate(self._source.demux(streams), 1):
            yield one
            if number == 10 and self._fault is None:
                self._fault = OSError("broken")
                raise self._fault


@pytest.mark.parametrize(
    ("for_good", "packets", "told"),
    [
        (
            False,
            95,
            "parts of the file cannot be read (1 faults); sound and subtitles may have gaps there",
        ),
        (True, 10, "sound and subtitles end where the file cannot be read: broken"),
    ],
)
def test_faults_in_reading_are_told_and_lived_with(
    tmp_path: Path, for_good: bool, packets: int, told: str
) -> None:
    info = probe(film(tmp_path / "in.mkv", [Sound("aac")]))
    with Writer(tmp_path / "out.mkv", info, settings_for(".mkv")) as writer:
        assert writer._companions is not None
        faulty: Any = Faulty(writer._companions.source, for_good)
        writer._companions.source = faulty
        for frame in decode(info):
            writer.write(paint(frame, writer.chroma_shape))
    assert len(payloads(tmp_path / "out.mkv", "audio")[0]) == packets
    assert writer.warnings == [told]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_aac_without_its_setup_is_made_anew(clip: Clips, tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / "odd.mp4", tmp_path / f"out{suffix}"
    source.write_bytes(clip("sound.mp4").read_bytes().replace(b"esds", b"free"))
    writer = rewrite(source, target, settings_for(suffix))
    told = "is converted to aac, 96 kbit/s, because the file lacks what decoders of it need to know"
    assert [line.partition(") ")[2] for line in writer.warnings] == [told, told]
    assert len(payloads(target, "audio")[0]) > 4
    found = verify(source, target)
    assert [check.outcome for check in found.checks if "audio" in check.name][:2] == ["note"] * 2


def test_sound_that_begins_in_the_midst_of_a_broadcast_is_kept(tmp_path: Path) -> None:
    about: dict[str, Any] = {"codec": "mpeg2video", "frames": 25}
    mute = make(Clip("mute.ts", **about), tmp_path)
    loud = make(Clip("loud.ts", audio=("eng",), **about), tmp_path)
    source, target = tmp_path / "both.ts", tmp_path / "out.mkv"
    source.write_bytes(mute.read_bytes() + loud.read_bytes())
    with av.open(str(source)) as whole:
        assert whole.streams.audio[0].codec_context.sample_rate == 0
    rewrite(source, target, settings_for(".mkv"))
    samples = sum(wave.shape[1] for _, _, wave in heard(target))
    assert samples > SAMPLE_RATE // 2


@pytest.mark.parametrize("ends", [Fraction(1), Fraction(3)])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_sound_stays_with_the_picture_where_broadcasts_were_joined(
    tmp_path: Path, suffix: str, ends: Fraction
) -> None:
    source, target = tmp_path / "both.ts", tmp_path / f"out{suffix}"
    # The sound of the first ends a second before its picture, or goes on after it.
    first = film(tmp_path / "first.ts", [Sound("mp2", seconds=ends, clicks=(HALF,))])
    later = film(
        tmp_path / "later.ts", [Sound("mp2", seconds=Fraction(2), clicks=(Fraction(3, 2),))]
    )
    with av.open(str(later)) as alone:
        shown = [frame.pts * frame.time_base for frame in alone.decode(video=0)]
    apart = clicks(later)[0] - float(shown[0])
    source.write_bytes(first.read_bytes() + later.read_bytes())
    writer = rewrite(source, target, settings_for(suffix))
    times = [frame.pts * frame.time_base for frame in av.open(str(target)).decode(video=0)]
    assert len(times) == 100
    assert clicks(target)[-1] - float(times[50]) == pytest.approx(apart, abs=0.025)
    assert any("reaches into the next" in line for line in writer.warnings) == (ends > 2)
    found = named(verify(source, target), "audio")
    assert found.outcome == ("note" if ends > 2 else "same"), found.says


def test_resets_are_those_of_the_picture() -> None:
    resets, day = Resets(), Fraction(2**33, 90_000)
    for at, shift in ((0, 0), (5, 5), (6, 5), (9, 9)):
        resets.add(Fraction(at), Fraction(shift))
    assert len(resets) == 2
    assert resets.place(Fraction(1, 10), Fraction(3), 0) == (Fraction(51, 10), 1)
    assert resets.place(Fraction(1, 10), Fraction(9), 1) == (Fraction(91, 10), 2)
    assert resets.place(Fraction(1, 10), Fraction(9), 2) is None
    # Sound that is carried on by itself: its picture was not set anew near there.
    assert resets.place(Fraction(50), Fraction(100), 0) is None
    assert resets.place(day, Fraction(5), 0) == (Fraction(5), 1)
    # What comes later is not known yet.
    assert resets.place(Fraction(0), Fraction(5), 0, until=Fraction(-6)) is None


def test_a_clock_waits_for_the_pictures() -> None:
    track = Track(Stopped(), Stopped())  # type: ignore[arg-type]
    track.resets, track.joined = Resets(), True
    assert track.mend(packet(3000, 20), Fraction(3)) == "due"
    early = packet(10, 20)
    assert track.mend(early, Fraction(3)) == "wait"
    assert early.pts == 10
    track.resets.add(Fraction(5), Fraction(5))
    assert track.mend(early, Fraction(4)) == "due"
    assert early.pts == 5010
    # Without any of the picture's, it is carried on by itself after a while.
    assert track.mend(packet(2000, 20), Fraction(7)) == "due"
    late = packet(10, 20)
    assert track.mend(late, Fraction(20)) == "wait"
    assert track.mend(late, Fraction(31)) == "due"
    assert late.pts == 7020


class Stopped:
    type = "audio"


def packet(pts: int | None, duration: int) -> Any:
    made: Any = av.Packet(b"x")
    made.pts = made.dts = pts
    made.duration, made.time_base = duration, Fraction(1, 1000)
    return made


def test_broken_clocks_are_mended() -> None:
    track = Track(Stopped(), Stopped())  # type: ignore[arg-type]
    times = []
    for pts in (5000, 5020, None, 5060, 0, 20):
        one = packet(pts, 20)
        track.mend(one)
        times.append(one.pts)
    assert times == [5000, 5020, 5040, 5060, 5080, 5100]


def test_a_clock_set_ahead_is_carried_on_and_a_gap_is_kept() -> None:
    track = Track(Stopped(), Stopped())  # type: ignore[arg-type]
    day, hour = 26 * 3600 * 1000, 3600 * 1000
    times = []
    for pts in (0, 20, day, day + 20, day + hour):
        one = packet(pts, 20)
        track.mend(one)
        times.append(one.pts)
    assert times == [0, 20, 40, 60, 40 + hour]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_second_picture_keeps_its_times(tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / "two.mkv", tmp_path / f"out{suffix}"
    with av.open(str(source), "w") as output:
        streams: list[Any] = [output.add_stream("libx264", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stream in streams:
            for number in range(12):
                frame = picture(Clip(""), number)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    rewrite(source, target, settings_for(suffix))
    with av.open(str(target)) as made:
        second = made.streams.video[1]
        base = second.time_base or Fraction(0)
        shown = [frame.pts * base for frame in made.decode(second) if frame.pts is not None]
    assert shown == [Fraction(number, 25) for number in range(12)]


def test_a_part_of_a_second_picture_begins_where_it_can_be_decoded(tmp_path: Path) -> None:
    source = tmp_path / "two.mkv"
    with av.open(str(source), "w") as output:
        keys = ("1", "8")  # Every how many pictures one needs none before it.
        streams: list[Any] = [
            output.add_stream(
                "libx264",
                rate=25,
                options={"g": key, "bf": "0", "x264-params": "scenecut=0:threads=1"},
            )
            for key in keys
        ]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(20):
            for stream in streams:
                frame = picture(Clip(""), number)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    with av.open(str(source)) as made:
        keys_at = [bool(one.is_keyframe) for one in made.demux(video=1) if one.size]
    assert keys_at.count(True) == 3
    last = 20 - keys_at[::-1].index(True)
    for first in (5, last):
        left = [*keys_at[first:], True].index(True)
        count = 20 - first - left
        target, crop = tmp_path / f"{first}.mkv", RangeSettings(first_frame=first)
        writer = rewrite(source, target, crop=crop)
        assert any(f"its first {left} pictures" in line for line in writer.warnings)
        with av.open(str(target)) as made:
            assert len(list(made.decode(made.streams.video[1]))) == count
        assert named(verify(source, target, crop), "video 1").outcome in ("same", "note")


# Subtitles

LINES = ((100, 600, "one"), (700, 1200, "two & <three>"), (1300, 1800, "four\nlines"))
SOURCES = {
    "subrip": (".mkv", lambda n, text: text.encode()),
    "ass": (".mkv", lambda n, text: f"{n},0,Default,,0,0,0,,".encode() + ass_text(text)),
    "webvtt": (".webm", lambda n, text: vtt_text(text)),
    "mov_text": (".mp4", lambda n, words: text(words)),
}


def text(words: str) -> bytes:
    """A sample of mov_text."""
    return struct.pack(">H", len(words)) + words.encode()


def ass_text(text: str) -> bytes:
    return text.replace("\n", "\\N").encode()


def vtt_text(text: str) -> bytes:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()


def plain(path: Path) -> list[tuple[int, int, str]]:
    """(start, end, text) of the subtitles in ms, as FFmpeg's decoder reads them."""
    found = []
    with av.open(str(path)) as source:
        track = source.streams.subtitles[0]
        for one in source.demux(track):
            if one.size and one.pts is not None:
                for part in one.decode():
                    text = part.ass.split(b",", 8)[-1].decode()  # type: ignore[union-attr]
                    start, end = one.pts * one.time_base, (one.pts + one.duration) * one.time_base
                    found.append((round(start * 1000), round(end * 1000), text))
    return found


def test_a_text_too_long_for_mp4_costs_no_other_one(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    lines = [(100, 600, b"one"), (700, 1200, b"word " * 20_000), (1300, 1800, b"three")]
    writer = rewrite(film(source, [Text("subrip", lines)]), out, settings_for(".mp4"))
    assert plain(out) == [(100, 600, "one"), (1300, 1800, "three")]
    assert any("1 packets were refused" in line for line in writer.warnings)


def test_far_too_many_lines_at_a_time_do_not_pile_up_either() -> None:
    overlay = Overlay(5000)
    for number in range(100):
        list(overlay.add(Cue(number, 1_000_000, (Run(str(number)),))))
    assert len(overlay._shown) == 64


@pytest.mark.parametrize("codec", SOURCES)
@pytest.mark.parametrize(
    ("target", "becomes"),
    [(".mp4", "mov_text"), (".mov", "mov_text"), (".mkv", "subrip"), (".webm", "webvtt")],
)
def test_text_survives_into_every_container(
    tmp_path: Path, codec: str, target: str, becomes: str
) -> None:
    suffix, write = SOURCES[codec]
    # Angle brackets mean tags in SubRip.
    lines = [
        (a, b, text.replace("<three>", "3") if codec == "subrip" else text) for a, b, text in LINES
    ]
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{target}"
    film(source, [Text(codec, [(a, b, write(n, t)) for n, (a, b, t) in enumerate(lines)])])
    writer = rewrite(source, out, settings_for(target))
    if target == ".mkv" and codec != "mov_text":
        becomes = codec
    assert codec_of(out, "subtitle") == becomes
    assert len(writer.copied) == (becomes == codec)
    # What SubRip cannot escape is a tag to its readers, but not to be lost on the way.
    if becomes == "subrip":
        found = [(int(a * 1000), int(b * 1000), t.decode()) for a, b, t in cues(out)]
        assert found == lines
    else:
        assert plain(out) == [(a, b, text.replace("\n", "\\N")) for a, b, text in lines]
    told = named(verify(source, out), "subtitle")
    assert told.outcome == ("same" if becomes == codec else "note"), told
    assert told.numbers["packets"] == 3


def test_other_words_and_times_in_text_of_another_kind_are_found(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    film(source, [Text("subrip", [(100, 600, b"<i>one</i>, too"), (700, 1200, b"two")])])
    film(out, [Text("mov_text", [(100, 600, text("one too")), (700, 1200, text("two"))])])
    told = named(verify(source, out), "subtitle")
    assert told.outcome == "note" and told.says.endswith(", with the same words"), told
    for lines, says in (
        ([(100, 600, text("one to")), (700, 1200, text("two"))], "1 with other words, from 0.100"),
        ([(100, 600, text("one too")), (700, 1450, text("two"))], "1 shown for another time"),
        ([(100, 600, text("one too"))], "1 text lost"),
    ):
        film(out, [Text("mov_text", lines)])
        told = named(verify(source, out), "subtitle")
        assert says in told.says and told.outcome in ("changed", "lost"), told


def test_styles_drawings_and_remarks() -> None:
    line = r"{\pos(3,4)\i1}it{\i0} is{\b1\u1} bo{\r}ld{\p1}m 0 0 l 9 9{\p0}{a remark}\hend"
    runs = runs_of(line, remarks=True)
    assert runs == (
        Run("it", "i"),
        Run(" is"),
        Run(" bo", "bu"),
        Run("ld"),
        Run("\u00a0end"),
    )
    assert subrip(runs).decode() == "<i>it</i> is<b><u> bo</u></b>ld\u00a0end"
    assert webvtt((Run("a<b & c\n\n\nd"),)) == b"a&lt;b &amp; c\nd"
    assert runs_of("{kept}") == (Run("{kept}"),)
    assert runs_of(r"{\p1}m 0 0 l 9 9") == ()


def test_bold_reaches_quicktime_text(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.mov"
    film(source, [Text("subrip", [(100, 900, b"so <b>bold</b>")])], seconds=1)
    rewrite(source, out)
    ((_, _, text),) = plain(out)
    assert r"{\b1}" in text
    back = tmp_path / "back.mkv"
    rewrite(out, back)
    assert [text for _, _, text in cues(back)] == [b"so <b>bold</b>"]


def test_lines_shown_together_are_together_in_quicktime_text() -> None:
    overlay = Overlay(5000)
    one, two, three = (Run("one"),), (Run("two"),), (Run("three"),)
    found = []
    for cue in (Cue(0, 40, one), Cue(20, 60, two), Cue(20, 60, two), Cue(100, None, three)):
        found += overlay.add(cue)
    found += overlay.until(None)
    both = (*one, Run("\n"), *two)
    assert found == [
        Cue(0, 20, one),
        Cue(20, 40, both),
        Cue(40, 60, two),
        Cue(100, 5100, three),
    ]


def test_many_lines_do_not_pile_up() -> None:
    overlay = Overlay(5000)
    for number in range(2000):
        list(overlay.add(Cue(number * 10, number * 10 + 30, (Run(str(number)),))))
        assert len(overlay._shown) <= 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_line_on_screen_where_the_part_begins_is_kept(tmp_path: Path, suffix: str) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    film(source, [Text("subrip", [(100, 300, b"gone"), (350, 600, b"on"), (700, 790, b"later")])])
    rewrite(source, out, crop=RangeSettings(first_frame=10, end_frame=20))
    assert plain(out) == [(0, 200, "on"), (300, 390, "later")]


def test_a_line_that_has_long_been_on_screen_is_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    film(source, [Text("subrip", [(100, 19_500, b"long"), (19_100, 19_200, b"on")])], seconds=20)
    crop = RangeSettings(start=Fraction(19))
    rewrite(source, target, crop=crop)
    assert plain(target) == [(0, 500, "long"), (100, 200, "on")]
    assert named(verify(source, target, crop), "subtitle").says.startswith("2 texts")


def test_texts_shown_for_another_time_are_found(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    film(source, [Text("subrip", [(100, 300, b"a"), (350, 600, b"b")])])
    film(target, [Text("subrip", [(100, 300, b"a"), (350, 900, b"b")])])
    found = named(verify(source, target), "subtitle")
    assert found.outcome == "changed"
    assert found.says.startswith("1 shown for another time, from 0.350 s on")


def test_text_in_an_old_encoding(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.webm"
    film(source, [Text("subrip", [(100, 900, "déjà".encode("cp1252"))])], seconds=1)
    rewrite(source, out, settings_for(".webm"))
    assert [text for _, _, text in cues(out)] == ["déjà".encode()]


def test_pictures_of_text_are_left_out(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mkv", tmp_path / "out.webm"
    film(source, [Text("dvd_subtitle", [(100, 900, b"\0\4\0\4")])], seconds=1)
    writer = rewrite(source, out, settings_for(".webm"))
    assert writer.warnings == ["subtitle 1 (dvd_subtitle) is left out: webm cannot hold it"]


# Chapters, titles, timecode, attachments


def chapter(start: int, end: int, number: int = 1, title: str = "") -> Any:
    base = Fraction(1, 1000)
    return {"id": number, "start": start, "end": end, "time_base": base, "metadata": {"t": title}}


def test_broken_chapters_are_mended() -> None:
    broken = [chapter(900, 100), chapter(-50, -(2**63)), chapter(400, 400), chapter(2000, 0)]
    kept = part_of(broken, None, None, Fraction(3))
    assert [(c["id"], c["start"], c["end"]) for c in kept] == [
        (1, 0, 400),
        (2, 400, 900),
        (3, 900, 2000),
        (4, 2000, 3000),
    ]


def test_broken_chapters_do_not_cost_the_film(tmp_path: Path) -> None:
    first, second = (Fraction(1, 10), Fraction(1, 10), "a"), (Fraction(1, 5), Fraction(2, 5), "b")
    source = make(Clip("in.mkv", chapters=(first, second)), tmp_path)
    rewrite(source, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as made:
        starts = [c["start"] * c["time_base"] for c in made.chapters() if c["time_base"]]
    assert starts == [first[0], second[0]]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_track_keeps_its_title_through_mp4(tmp_path: Path, suffix: str) -> None:
    named = Sound("aac", seconds=HALF, clicks=(), metadata={"title": "Remarks"})
    source = film(tmp_path / "in.mp4", [named], seconds=1)
    out = tmp_path / f"out{suffix}"
    rewrite(source, out)
    assert probe(out).others[0].title == "Remarks"


@pytest.mark.parametrize(
    ("before", "frames", "rate", "after"),
    [
        ("01:00:00:05", 25, Fraction(25), "01:00:01:05"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:59;29", 1, Fraction(30000, 1001), "00:01:00;02"),
        ("00:09:59;29", 1, Fraction(30000, 1001), "00:10:00;00"),
        ("01:00:00;00", 107892, Fraction(30000, 1001), "02:00:00;00"),
        ("00:00:59;59", 1, Fraction(60000, 1001), "00:01:00;04"),
        ("00:00:59:29", 1, Fraction(30000, 1001), "00:01:00:00"),
        ("no time", 1, Fraction(25), None),
    ],
)
def test_timecode_counts_on(before: str, frames: int, rate: Fraction, after: str | None) -> None:
    assert advanced(before, frames, rate) == after


@pytest.mark.parametrize(
    ("text", "rate", "proper"),
    [
        ("23:59:59:24", Fraction(25), True),
        ("23:59:59:25", Fraction(25), False),
        ("25:00:00:00", Fraction(25), False),
        ("01:00:00;00", Fraction(25), False),
        ("01:00:00;00", Fraction(30000, 1001), True),
        ("00:01:00;00", Fraction(30000, 1001), False),
        ("one", Fraction(25), False),
    ],
)
def test_what_numbers_a_frame(text: str, rate: Fraction, proper: bool) -> None:
    assert is_timecode(text, rate) is proper


def labelled(
    film: Path, target: Path, own: Mapping[str, str] = {}, whole: Mapping[str, str] = {}
) -> None:
    """A copy of the film's picture, with these tags of its own and of the whole file."""
    with av.open(str(film)) as old, av.open(str(target), "w") as new:
        video = new.add_stream_from_template(old.streams.video[0])
        video.metadata.update(own)
        new.metadata.update(whole)
        for one in old.demux():
            if one.size:
                one.stream = video
                new.mux_one(one)


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_timecode_goes_along(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "in.mov"
    labelled(make(Clip("plain.mp4"), tmp_path), source, own={"timecode": "01:00:00:00"})
    out = tmp_path / f"out{suffix}"
    writer = rewrite(source, out, crop=RangeSettings(first_frame=5, end_frame=9))
    assert not writer.warnings
    with av.open(str(out)) as made:
        tags = {key.lower(): value for key, value in made.streams.video[0].metadata.items()}
    assert tags["timecode"] == "01:00:00:05"
    crop = RangeSettings(first_frame=5, end_frame=9)
    assert named(verify(source, out, crop), "timecode").outcome == "same"


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
@pytest.mark.parametrize("again", [".mov", ".mkv"])
def test_the_pictures_language_and_title_go_along(tmp_path: Path, suffix: str, again: str) -> None:
    """Also in QuickTime's words, and from MP4, which calls a title otherwise when read."""
    source = tmp_path / "in.mkv"
    labelled(make(Clip("plain.mp4"), tmp_path), source, own={"language": "swe", "title": "Reel 3"})
    out, last = tmp_path / f"out{suffix}", tmp_path / f"again{again}"
    rewrite(source, out, settings_for(suffix))
    rewrite(out, last, settings_for(again))
    for target in (out, last):
        names = {check.name for check in verify(source, target).failures}
        assert not [name for name in names if name.endswith(", picture")]
    with av.open(str(last)) as made:
        tags = made.streams.video[0].metadata
        assert tags["language"] == ("sve" if again == ".mov" else "swe")
        assert "Reel 3" in (tags.get("title"), tags.get("name"))


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_the_whole_films_timecode_goes_along(tmp_path: Path, suffix: str) -> None:
    """As in MXF, which gives it to no picture of its own."""
    source, out = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    labelled(make(Clip("plain.mp4"), tmp_path), source, whole={"timecode": "10:00:00:24"})
    crop = RangeSettings(first_frame=5, end_frame=9)
    for part, wanted in ((RangeSettings(), "10:00:00:24"), (crop, "10:00:01:04")):
        assert not rewrite(source, out, crop=part).warnings
        check = named(verify(source, out, part), "timecode")
        assert check.outcome == "same" and check.says == wanted
        out.unlink()


def test_a_part_of_an_avi_is_cut_finer_than_it_counts(tmp_path: Path) -> None:
    """It counts compressed sound in packets, of 32 ms here; the part begins 8 ms behind one."""
    source, out = tmp_path / "in.avi", tmp_path / "out.mkv"
    film(source, [Sound("ac3")])
    crop = RangeSettings(first_frame=5, end_frame=45)
    rewrite(source, out, settings_for(".mkv"), crop)
    start = float([frame.pts for frame in decode(probe(source))][5] * Fraction(1, 25))
    assert clicks(out) == pytest.approx([at - start for at in clicks(source)], abs=0.002)
    assert verify(source, out, crop).passed
