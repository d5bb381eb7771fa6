"""``verify``: a good job passes, and whatever is tampered with afterwards is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from clips import CLIPS, Clip, fill, make
from conftest import Clips
from test_interlaced import Tape, record
from test_media_writer import LOSSLESS, QUICK, paint, rewrite

from vidcolor.errors import SourceError, UsageError
from vidcolor.frames import ColorSpec, ColorTags, FieldOrder, Fields
from vidcolor.media.decode import decode
from vidcolor.media.loudness import Loudness
from vidcolor.media.mux import Writer
from vidcolor.media.packets import Parcel, parcels
from vidcolor.media.probe import probe
from vidcolor.settings import EncoderSettings, RangeSettings
from vidcolor.verify import Check, Verification, verify
from vidcolor.verify.lanes import Lane
from vidcolor.verify.luma import LumaErrors

WHOLE = RangeSettings()


def named(found: Verification, name: str) -> Check:
    """The check of that name, or whose name begins so."""
    return next(check for check in found.checks if check.name.startswith(name))


@pytest.mark.parametrize(
    ("name", "target", "settings", "crop"),
    [
        ("sound.mp4", "out.mp4", QUICK, WHOLE),
        ("rich.mkv", "out.mkv", QUICK, WHOLE),
        ("rich.mkv", "out.mkv", LOSSLESS, RangeSettings(first_frame=5, end_frame=15)),
        ("rich.mkv", "out.mkv", QUICK, RangeSettings(start=Fraction(1, 4))),
        ("sound.mp4", "out.mp4", QUICK, RangeSettings(duration=Fraction(1, 5))),
        ("covered.mp4", "out.mkv", QUICK, WHOLE),
        ("covered.mp4", "out.mp4", QUICK, WHOLE),
        ("variable.mkv", "out.mp4", QUICK, WHOLE),
        ("variable.mp4", "out.mkv", QUICK, WHOLE),
        ("late.mp4", "out.mp4", QUICK, WHOLE),
        ("ten.mkv", "out.mkv", LOSSLESS, WHOLE),
        ("ten.mkv", "out.mkv", EncoderSettings("h264", 0, QUICK.options), WHOLE),
        ("plain.mp4", "out.mkv", EncoderSettings("prores"), WHOLE),
        ("grey.mkv", "out.mkv", LOSSLESS, WHOLE),
        ("mirrored.mp4", "out.mp4", QUICK, WHOLE),
        ("wide.mp4", "out.mkv", QUICK, WHOLE),
        ("full.mp4", "out.mp4", QUICK, WHOLE),
        ("wide.mp4", "out.mov", EncoderSettings("prores"), WHOLE),
        ("rich.mkv", "out.mov", QUICK, WHOLE),
    ],
)
def test_a_good_job_passes(
    clip: Clips,
    tmp_path: Path,
    name: str,
    target: str,
    settings: EncoderSettings,
    crop: RangeSettings,
) -> None:
    source, made = clip(name), tmp_path / target
    rewrite(source, made, settings, crop)
    found = verify(source, made, crop)
    assert found.passed, found.to_text()
    luma, frames = named(found, "luma"), named(found, "frames")
    assert frames.numbers["source"] == frames.numbers["target"] != 0
    exact = settings is LOSSLESS or settings.crf == 0
    assert (luma.numbers["largest"] == 0) == exact
    assert named(found, "colour").numbers["mean_chroma"] > 5  # type: ignore[operator]
    if name == "rich.mkv":
        assert len([check for check in found.checks if check.name[:8] == "subtitle"]) == 2
        packets = [named(found, kind).numbers["packets"] for kind in ("audio 1", "subtitle 3")]
        assert all(packets)


@dataclass(frozen=True)
class Harm:
    """What to do to a good target."""

    video: Callable[[av.Packet[Any]], bool] = lambda packet: True
    """Changes a packet of the picture and tells whether to keep it; ``audio`` likewise."""
    audio: Callable[[av.Packet[Any]], bool] = lambda packet: True
    without: tuple[int, ...] = ()
    """Streams to leave out."""
    label: Callable[[Any], None] = lambda stream: None
    """Changes a stream of the new file."""
    chapters: Callable[[list[Any]], list[Any]] = lambda chapters: chapters


def tamper(path: Path, target: Path, harm: Harm) -> None:
    """Copy a film, packet by packet, with ``harm`` done to it."""
    with av.open(str(path)) as source, av.open(str(target), "w") as output:
        output.metadata.update(source.metadata)
        output.set_chapters(harm.chapters(source.chapters()))
        streams: dict[int, Any] = {}
        for stream in source.streams:
            if stream.index not in harm.without:
                twin = output.add_stream_from_template(stream, opaque=True)
                twin.metadata.update(stream.metadata)
                twin.disposition = stream.disposition
                harm.label(twin)
                streams[stream.index] = twin
        for packet in source.demux([s for s in source.streams if s.type != "attachment"]):
            if packet.stream_index not in streams or not packet.size:
                continue
            change = {"video": harm.video, "audio": harm.audio}.get(packet.stream.type)
            if change is None or change(packet):
                packet.stream = streams[packet.stream_index]
                output.mux(packet)


def later(milliseconds: int, only: int | None = None) -> Callable[[av.Packet[Any]], bool]:
    """Moves all packets, or only that at ``only`` milliseconds."""

    def move(packet: av.Packet[Any]) -> bool:
        if only is None or packet.pts == only:
            assert packet.pts is not None and packet.dts is not None
            packet.pts, packet.dts = packet.pts + milliseconds, packet.dts + milliseconds
        return True

    return move


def all_but(number: int) -> Callable[[av.Packet[Any]], bool]:
    """Keeps all packets but the ``number``-th."""
    seen = []

    def keep(packet: av.Packet[Any]) -> bool:
        seen.append(packet.pts)
        return len(seen) != number + 1

    return keep


def say(kind: str, **metadata: str) -> Callable[[Any], None]:
    def label(stream: Any) -> None:
        if stream.type == kind:
            stream.metadata.update(metadata)

    return label


def flag(stream: Any) -> None:
    if stream.type == "audio":
        stream.disposition = Disposition.forced


def rename(chapters: list[Any]) -> list[Any]:
    chapters[1]["metadata"]["title"] = "Third"
    return chapters


@pytest.fixture(scope="module")
def good(clip: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lossless job over rich.mkv: 20 frames of 50 ms, two sounds, two texts, two chapters."""
    target = tmp_path_factory.mktemp("good") / "good.mkv"
    # Every frame by itself, so that one can be taken away without harm to the next.
    rewrite(clip("rich.mkv"), target, EncoderSettings("ffv1", options={"threads": "1", "g": "1"}))
    return target


@pytest.mark.parametrize(
    ("harm", "check", "outcome", "words"),
    [
        (
            Harm(video=all_but(7)),
            "frames",
            "lost",
            "20 frames; 1 frame missing, the first at 0.350",
        ),
        (Harm(video=later(9, 350)), "timestamps", "changed", "1 frame moved by up to 9 ms"),
        (Harm(audio=later(20)), "audio 1", "changed", "moved by up to 20 ms"),
        (Harm(audio=all_but(8)), "audio", "lost", "1 packet lost, from 0."),
        (Harm(without=(2,)), "audio 2", "lost", "is not in the target"),
        (Harm(without=(4,)), "subtitle 4", "lost", "is not in the target"),
        (Harm(without=(5,)), "attachment 5", "lost", "is not in the target"),
        (Harm(label=say("audio", language="ita")), "language, audio 1", "changed", "ita, was eng"),
        (Harm(label=say("audio", title="Ours")), "title, audio 1", "changed", "Ours, was none"),
        (Harm(label=say("video", language="ita")), "language, picture", "changed", "ita, was und"),
        (Harm(label=say("video", title="Ours")), "title, picture", "changed", "Ours, was none"),
        (Harm(label=flag), "flags, audio 1", "changed", "forced"),
        (Harm(chapters=rename), "chapters", "changed", "'Third' at 0.500 s was 'Second'"),
        (Harm(chapters=lambda chapters: chapters[:1]), "chapters", "lost", "1 of 2"),
    ],
)
def test_harm_is_found(
    clip: Clips, good: Path, tmp_path: Path, harm: Harm, check: str, outcome: str, words: str
) -> None:
    target = tmp_path / "harmed.mkv"
    tamper(good, target, harm)
    found = verify(clip("rich.mkv"), target)
    assert not found.passed
    failed = next(failure for failure in found.failures if failure.name.startswith(check))
    assert (failed.outcome, words in failed.says) == (outcome, True), found.to_text()
    kinds = {failure.name.split(",")[0].split()[0] for failure in found.failures}
    assert kinds == {check.split(",")[0].split()[0]}, found.to_text()


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ("10:00:00:00", "10:00:00:00", "same"),
        ("10:00:00:00", "10:00:00:01", "changed"),
        ("10:00:00:00", "", "lost"),
        ("", "10:00:00:00", "changed"),
        ("reel 3", "", "note"),
        ("00:00:61:00", "00:01:01:00", "note"),
    ],
)
def test_another_timecode_is_found(
    before: str, after: str, outcome: str, clip: Clips, tmp_path: Path
) -> None:
    films = []
    for name, timecode in (("before.mkv", before), ("after.mkv", after)):
        films.append(tmp_path / name)
        label = say("video", **({"timecode": timecode} if timecode else {}))
        tamper(clip("plain.mp4"), films[-1], Harm(label=label))
    assert named(verify(*films), "timecode").outcome == outcome


def test_copying_alone_is_no_harm(clip: Clips, good: Path, tmp_path: Path) -> None:
    tamper(good, tmp_path / "copy.mkv", Harm())
    assert verify(clip("rich.mkv"), tmp_path / "copy.mkv").passed


def redraw(path: Path, target: Path, change: Callable[[int, Any], Any]) -> None:
    """Encode a film again without loss, with the luma of each frame changed."""
    with av.open(str(path)) as source, av.open(str(target), "w") as output:
        old = source.streams.video[0]
        new: Any = output.add_stream("ffv1", rate=25)
        new.width, new.height, new.pix_fmt = old.width, old.height, "yuv420p"
        new.time_base = new.codec_context.time_base = old.time_base
        for number, frame in enumerate(source.decode(old)):
            planes = [plane.copy() for plane in np.split(frame.to_ndarray(), [frame.height])]
            redrawn = av.VideoFrame(frame.width, frame.height, "yuv420p")
            fill(redrawn, 0, change(number, planes[0]))
            for index in (1, 2):
                redrawn.planes[index].update(bytes([100]) * redrawn.planes[index].buffer_size)
            redrawn.pts, redrawn.time_base = frame.pts, frame.time_base
            output.mux(new.encode(redrawn))
        output.mux(new.encode(None))


def test_one_sample_of_a_lossless_film_counts(clip: Clips, tmp_path: Path) -> None:
    source, target = clip("plain.mp4"), tmp_path / "out.mkv"

    def touch(number: int, luma: Any) -> Any:
        luma[3, 5] ^= number == 4
        return luma

    redraw(source, target, touch)
    found = verify(source, target)
    assert [failure.name for failure in found.failures] == ["luma"], found.to_text()
    luma = named(found, "luma")
    assert luma.says.startswith("1 sample changed at 0.160 s")
    assert (luma.numbers["largest"], luma.numbers["misplaced"]) == (1, 0)
    assert luma.numbers["differing_share"] == pytest.approx(1 / (64 * 48 * 10))


def test_lossy_films_may_differ_unless_told(clip: Clips, tmp_path: Path) -> None:
    source, target = clip("plain.mp4"), tmp_path / "out.mp4"
    rewrite(source, target, QUICK)
    assert verify(source, target).passed
    strict = verify(source, target, lossless=True)
    assert [failure.name for failure in strict.failures] == ["luma"]


def scaled(gain: float, offset: float) -> Callable[[int, Any], Any]:
    """Changes the levels of a luma plane."""
    return lambda number, luma: np.clip(luma * gain + offset, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (scaled(0.75, 0), "darker on average"),
        (scaled(0.9, 0), "darker on average"),
        (scaled(1.0, 6), "6.0 codes of 8 bits lighter on average"),
        (scaled(0.9, 12.5), "contrast is 0.90 times the source's"),
        (scaled(1.1, -12.5), "contrast is 1.10 times the source's"),
        (lambda number, luma: luma // 5 * 3 + luma[:, ::-1] // 5 * 2, "other pictures"),
        (lambda number, luma: cv2.GaussianBlur(luma, (0, 0), 2), None),
    ],
)
def test_changed_levels_are_found_in_a_lossy_film_and_blur_is_none(
    tmp_path: Path, change: Callable[[int, Any], Any], says: str | None
) -> None:
    source = make(Clip("plain.mp4", frames=6, width=320, height=240), tmp_path)
    redraw(source, tmp_path / "out.mkv", change)
    luma = named(verify(source, tmp_path / "out.mkv", lossless=False), "luma")
    assert luma.outcome == ("same" if says is None else "changed"), luma.says
    assert says is None or says in luma.says


def test_pictures_in_the_wrong_place_are_found(clip: Clips, tmp_path: Path) -> None:
    source, target = clip("plain.mp4"), tmp_path / "out.mkv"
    before: list[Any] = []

    def late(number: int, luma: Any) -> Any:
        before.append(luma)
        return before[max(0, number - 1)]

    redraw(source, target, late)
    luma = named(verify(source, target, lossless=False), "luma")
    assert luma.outcome == "changed"
    assert luma.says.startswith("9 frames showing a neighbour, the first at 0.040 s")

    redraw(source, target, lambda number, luma: 255 - luma if number == 4 else luma)
    luma = named(verify(source, target, lossless=False), "luma")
    assert luma.outcome == "changed"
    assert "another picture" in luma.says and "at 0.160 s" in luma.says


def test_a_picture_repeated_where_nothing_moves_is_in_its_place(
    clip: Clips, tmp_path: Path
) -> None:
    still, target = tmp_path / "still.mkv", tmp_path / "out.mkv"

    def first(number: int, luma: Any, spot: int = 0) -> Any:
        shown = np.full_like(luma, 90)
        shown[0, 0] += spot * (number == 4)
        return shown

    redraw(clip("plain.mp4"), still, lambda number, luma: first(number, luma, 3))
    redraw(still, target, first)
    assert verify(still, target, lossless=False).passed
    assert not verify(still, target, lossless=True).passed


@pytest.mark.parametrize(
    ("changes", "check", "says"),
    [
        ({"sample_aspect_ratio": Fraction(3, 2)}, "pixel aspect", "3/2, was 1"),
        (
            {"turning": (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)},
            "rotation",
            "the display matrix is another",
        ),
        ({"tags": ColorTags(1, 1, 1, 1)}, "colour tags", "primaries 1, was 2; transfer 1, was 2"),
        ({"color": ColorSpec("bt709", False, 8)}, "colour tags", "matrix bt709, was bt601"),
        ({"metadata": {}}, "metadata", "without title"),
    ],
)
def test_a_wrong_label_is_found(
    clip: Clips, tmp_path: Path, changes: dict[str, Any], check: str, says: str
) -> None:
    source, target = clip("sound.mp4"), tmp_path / "out.mkv"
    info = probe(source)
    with Writer(target, replace(info, **changes), QUICK) as writer:
        for frame in decode(info):
            writer.write(paint(frame, writer.chroma_shape))
    found = verify(source, target)
    assert [(failure.name, failure.says) for failure in found.failures] == [(check, says)]


def test_fields_are_told(tmp_path: Path) -> None:
    options = {"flags": "+ildct", "x264-params": "tff=1"}
    source = make(Clip("fields.mp4", options=options, field_order=2), tmp_path)
    assert probe(source).interlaced
    target = tmp_path / "out.mp4"
    rewrite(source, target, QUICK)
    assert named(verify(source, target), "interlacing").says == "interlaced"
    redraw(source, tmp_path / "out.mkv", lambda number, luma: luma)
    interlacing = named(verify(source, tmp_path / "out.mkv"), "interlacing")
    assert interlacing.outcome == "changed"
    assert interlacing.says == "interlaced in the source, progressive in the target"


@pytest.mark.parametrize(
    "made", [Clip("cast.mpg", codec="mpeg2video"), Clip("cast.ts", audio=("eng",))]
)
def test_a_broadcast_begins_at_zero_and_is_in_step(tmp_path: Path, made: Clip) -> None:
    late = replace(made, pts=range(50, 60), audio_delay=Fraction(2))
    source, target = make(late, tmp_path), tmp_path / "out.mkv"
    rewrite(source, target, LOSSLESS)
    found = verify(source, target)
    assert found.passed, found.to_text()
    # On its own clock it is seconds late.
    assert "frames" in [failure.name for failure in verify(source, source).failures]


@pytest.mark.parametrize(("name", "settings"), [("out.mov", QUICK), ("out.mkv", LOSSLESS)])
@pytest.mark.parametrize("first", ["top", "bottom"])
def test_the_first_field_counts_and_not_how_it_is_numbered(
    tmp_path: Path, first: FieldOrder, name: str, settings: EncoderSettings
) -> None:
    source, target = record(Tape(orders=(first,)), tmp_path), tmp_path / name
    rewrite(source, target, settings)
    assert verify(source, target).passed
    info = probe(source)
    turned = Fields("top" if first == "bottom" else "bottom", flagged=False)
    with Writer(target, replace(info, fields=turned), settings, overwrite=True) as writer:
        for frame in decode(replace(info, fields=turned)):
            writer.write(paint(frame, writer.chroma_shape))
    says = named(verify(source, target), "interlacing").says
    assert says == "the fields are in another order"


def test_a_length_in_milliseconds_is_near_enough(tmp_path: Path) -> None:
    source = make(Clip("ntsc.mp4", rate=Fraction(24000, 1001)), tmp_path)
    rewrite(source, tmp_path / "out.mkv", QUICK)
    assert verify(source, tmp_path / "out.mkv").passed


def test_no_colour_is_a_note(clip: Clips) -> None:
    found = verify(clip("plain.mp4"), clip("plain.mp4"))
    assert found.passed
    assert named(found, "colour").outcome == "note"


def test_sound_encoded_anew_is_compared_by_ear(tmp_path: Path) -> None:
    clip = Clip("source.mkv", rate=Fraction(20), frames=20, audio=("eng",))
    source = make(clip, tmp_path)
    target = tmp_path / "out.mkv"

    def transcode(delay: int, silent: slice = slice(0)) -> Verification:
        with av.open(str(source)) as old, av.open(str(target), "w") as new:
            pictures: Any = new.add_stream_from_template(old.streams.video[0], opaque=True)
            sound: Any = new.add_stream("flac", rate=16000)
            sound.codec_context.layout = "mono"
            sound.metadata["language"] = "eng"
            resampler = av.AudioResampler("s16", "mono", 16000)
            for packet in old.demux():
                if packet.stream.type == "video" and packet.size:
                    packet.stream = pictures
                    new.mux(packet)
                elif packet.stream.type == "audio":
                    for frame in packet.decode():
                        for ready in resampler.resample(frame):  # type: ignore[arg-type]
                            ready.pts += delay * 16
                            samples = np.frombuffer(ready.planes[0], np.int16).copy()
                            samples[silent] = 0
                            ready.planes[0].update(samples.tobytes())
                            new.mux(sound.encode(ready))
            new.mux(sound.encode(None))
        return verify(source, target)

    audio = named(transcode(0), "audio 1")
    assert audio.outcome == "note", audio
    assert "encoded anew as flac" in audio.says
    audio = named(transcode(0, slice(None)), "audio 1")
    assert (audio.outcome, audio.says) == ("changed", "encoded anew as flac: silent from 0.0 s on")
    audio = named(transcode(300), "audio 1")
    assert audio.outcome == "changed"
    assert audio.numbers["late"] == pytest.approx(0.3, abs=0.01)


def test_uncompressed_sound_is_compared_however_it_is_cut(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).integers(-9999, 9999, (1, 16000)).astype("<i2")

    def record(name: str, size: int) -> list[tuple[Fraction | None, bytes]]:
        with av.open(str(tmp_path / name), "w") as output:
            sound: Any = output.add_stream("pcm_s16le", rate=16000)
            sound.codec_context.layout = "mono"
            for start in range(0, 16000, size):
                part = np.ascontiguousarray(wave[:, start : start + size])
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 16000, start
                output.mux(sound.encode(frame))
            output.mux(sound.encode(None))
        return [(parcel.at, parcel.digest) for parcel in parcels(tmp_path / name, [0])]

    one, two = record("one.mkv", 1000), record("two.mov", 640)
    assert [digest for _, digest in one] == [digest for _, digest in two]
    assert len(one) == 8
    for (at, _), (other, _) in zip(one, two, strict=True):
        assert at is not None and other is not None
        assert abs(at - other) <= Fraction(1, 1000)
    wave[0, 5000] += 1
    assert sum(a != b for a, b in zip(one, record("one.mkv", 1000), strict=True)) == 1


def test_packets_are_held_only_until_the_other_side_comes() -> None:
    lane = Lane(Fraction(0), Fraction(1, 1000), by_bytes=True)
    for number in range(2000):
        parcel = Parcel(1, Fraction(number, 50), number.to_bytes(16, "big"))
        lane.add(0, parcel)
        if number % 500 != 499:
            lane.add(1, replace(parcel, index=2))
        assert sum(map(len, lane._waiting)) <= 40
    lane.settle(final=True)
    assert (lane.paired, lane.lost, lane.added, lane.changed, lane.moved) == (1996, 4, 0, 0, 0)
    assert lane.first == Fraction(499, 50)


@pytest.mark.parametrize("anew", [0, 30 * 3600])
def test_sound_whose_clock_is_set_anew_runs_on(anew: int) -> None:
    def wrong(times: list[int]) -> int:
        before = [0, 1, 2, 3, anew, anew + 1, anew + 2]
        lane = Lane(Fraction(0), Fraction(1, 1000), by_bytes=True, carries_on=True)
        for number, (old, new) in enumerate(zip(before, times, strict=True)):
            for side, at in enumerate((old, new)):
                lane.add(side, Parcel(1, Fraction(at), bytes([number])))
        lane.settle(final=True)
        return lane.moved

    assert wrong([0, 1, 2, 3, 4, 5, 6]) == 0
    assert wrong([0, 1, 2, 3, 4, 5, 9]) == 1
    assert wrong([0, 1, 2, 3, anew, anew + 1, anew + 2]) == 3


def test_a_track_that_is_empty_need_not_be_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "empty.mkv", tmp_path / "out.mp4"
    with av.open(str(make(CLIPS["plain.mp4"], tmp_path))) as film, av.open(str(source), "w") as out:
        picture = out.add_stream_from_template(film.streams.video[0])
        out.add_stream("aac", rate=16000)
        for packet in film.demux(video=0):
            if packet.size:
                packet.stream = picture
                out.mux(packet)
    rewrite(source, target, QUICK)
    found = verify(source, target)
    assert found.passed
    assert named(found, "audio 1").says.endswith("the source has nothing of it but its name")


def test_a_damaged_packet_that_is_missing_is_a_note(clip: Clips) -> None:
    about = probe(clip("sound.mp4")).others[0]

    def outcome(damaged: int) -> str:
        lane = Lane(Fraction(0), Fraction(1, 1000), by_bytes=True)
        for number in range(6):
            parcel = Parcel(1, Fraction(number), bytes([number]), number == damaged)
            lane.add(0, parcel)
            if number != 3:
                lane.add(1, replace(parcel, damaged=False))
        lane.settle(final=True)
        return lane.check(about, about).outcome

    assert [outcome(3), outcome(4)] == ["note", "lost"]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_sound_of_no_known_codec_is_told_and_noted(
    clip: Clips, tmp_path: Path, suffix: str
) -> None:
    source, target = tmp_path / "odd.mkv", tmp_path / f"out{suffix}"
    source.write_bytes(clip("rich.mkv").read_bytes().replace(b"A_AAC", b"A_XYZ"))
    writer = rewrite(source, target, QUICK)
    told = "audio 1 (unknown, eng) is left out: this build of FFmpeg does not know its codec"
    assert told in writer.warnings
    found = verify(source, target)
    assert found.passed
    assert named(found, "audio 1").outcome == "note"


def test_what_a_container_cannot_hold_is_a_note_but_for_sound_and_text(
    clip: Clips, tmp_path: Path
) -> None:
    source, target = clip("rich.mkv"), tmp_path / "out.mp4"
    rewrite(source, target, QUICK)
    found = verify(source, target)
    assert named(found, "attachment").outcome == "note"
    gone = [check for check in found.checks if check.says.startswith("is not in the target")]
    outcomes = {check.name.split()[0]: check.outcome for check in gone}
    assert outcomes.get("subtitle", "lost") == "lost"


def test_a_still_that_its_container_has_a_place_for_is_missed(clip: Clips, tmp_path: Path) -> None:
    source = clip("covered.mp4")
    cover = next(item for item in probe(source).others if item.kind == "video").index
    made, poor = tmp_path / "made.mp4", tmp_path / "poor.mp4"
    rewrite(source, made, QUICK)
    tamper(made, poor, Harm(without=(cover,)))
    found = verify(source, poor)
    assert (named(found, f"video {cover}").outcome, found.passed) == ("lost", False)


def test_a_damaged_source_is_compared_by_what_it_still_holds(tmp_path: Path) -> None:
    source = make(replace(CLIPS["plain.mkv"], frames=20, options={"g": "5"}), tmp_path)
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    source.write_bytes(data)
    target = tmp_path / "out.mkv"
    rewrite(source, target, LOSSLESS)
    found = verify(source, target)
    assert found.passed, found.to_text()
    assert named(found, "decoding the source").outcome == "note"


def test_where_all_is_damaged_nothing_is_compared(tmp_path: Path) -> None:
    source = make(Clip("all.avi", frames=1, codec="mpeg4"), tmp_path)
    data = bytearray(source.read_bytes())
    first = data.index(b"00dc", data.index(b"movi")) + 8
    data[first + 200 : first + 600] = bytes(400)
    source.write_bytes(data)
    target = tmp_path / "out.mkv"
    rewrite(source, target, LOSSLESS)
    found = verify(source, target)
    assert named(found, "decoding the source").numbers["damaged"] == 1
    luma = named(found, "luma")
    assert (luma.outcome, luma.says) == (
        "note",
        "not compared: every frame of the source is damaged",
    )
    assert found.passed, found.to_text()


def test_one_frame_of_unknown_length_lasts_as_the_rate_says(tmp_path: Path) -> None:
    source, target = make(Clip("one.flv", frames=1, codec="flv"), tmp_path), tmp_path / "out.mkv"
    assert [frame.duration for frame in decode(probe(source))] == [0]
    rewrite(source, target, LOSSLESS)
    assert probe(target).duration == Fraction(1, 25)
    assert verify(source, target).passed


def test_errors_are_ours(clip: Clips, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("Once upon a time. " * 200)
    with pytest.raises(SourceError, match=r"text\.mp4"):
        verify(clip("plain.mp4"), tmp_path / "text.mp4")
    with pytest.raises(UsageError, match="range"):
        verify(clip("plain.mp4"), clip("plain.mp4"), RangeSettings(first_frame=50))


def test_a_target_of_fewer_bits_is_compared_by_what_they_round_to(
    clip: Clips, tmp_path: Path
) -> None:
    target = tmp_path / "out.mkv"
    rewrite(clip("ten.mkv"), target, replace(LOSSLESS, depth=8))
    luma = named(verify(clip("ten.mkv"), target), "luma")
    assert luma.outcome == "note"
    assert luma.says == "rounded to 8 bits, was 10; else every sample is the same"
    with av.open(str(target)) as film:
        (stream,) = film.streams.video
        assert stream.codec_context.pix_fmt == "yuv420p"
    one = tmp_path / "one.mkv"
    redraw(target, one, lambda number, luma: luma + (number == 3))
    luma = named(verify(clip("ten.mkv"), one, lossless=True), "luma")
    assert (luma.outcome, luma.numbers["largest"]) == ("changed", 1)


def test_a_few_calm_frames_are_not_taken_for_their_neighbours() -> None:
    """Where hardly a sample changes, what an encoder repeats is as near to one as to the other."""
    errors = LumaErrors()
    errors.beside[1][:] = [3.0, 1.0, 9]
    assert not errors.out_of_step
    errors.beside[1][2] = 100
    assert errors.out_of_step


def test_loudness_is_of_no_offset_and_of_any_rate() -> None:
    """11025 samples a second are no whole number in a moment; a constant is not to be heard."""
    loudness = Loudness()
    at = Fraction(0)
    for number in range(600):
        samples = np.full((1, 11025), 0.05, np.float32)
        if number % 10 == 9:
            samples[:, ::2] += 0.5
        frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
        frame.sample_rate = 11025
        loudness.add(at, frame, 0, 11025)
        at += 1
    levels = loudness.levels()
    assert len(levels) == 6000
    assert np.flatnonzero(levels > 0.1).tolist() == [
        10 * second + tenth for second in range(9, 600, 10) for tenth in range(10)
    ]
    assert levels[:90].max() < 1e-3
