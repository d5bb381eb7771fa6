"""``probe``: what is told of good films, and which error a bad file meets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from clips import CLIPS, SAMPLE_RATE, Clip, make
from conftest import Clips

from vidcolor.errors import NoVideoError, SourceError, SourceNotFoundError, VidcolorError
from vidcolor.frames import ColorSpec, VideoInfo
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.settings import LimitSettings


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_mirrored_film_is_turned_as_it_is_before_that(degrees: int, tmp_path: Path) -> None:
    plain, mirrored = (
        probe(make(Clip(f"{flip}.mp4", 2, rotation=degrees, mirrored=flip), tmp_path))
        for flip in (False, True)
    )
    assert mirrored.turning != plain.turning
    assert mirrored.quarter_turns == plain.quarter_turns


@pytest.mark.parametrize("name", CLIPS)
def test_size_format_and_time(clip: Clips, name: str) -> None:
    made, info = CLIPS[name], probe(clip(name))
    base, ticks = made.ticks
    assert (info.width, info.height) == (made.width, made.height)
    assert info.start_pts is not None
    assert info.start_pts * info.time_base == ticks[0] * base
    assert info.sample_aspect_ratio == (made.aspect or 1)
    assert info.rotation == made.rotation
    assert info.frame_count is not None
    # Where the count is not declared it is an estimate, off where the rate varies.
    exact = info.frame_count_is_exact
    assert info.frame_count == len(ticks) if exact else info.frame_count >= len(ticks)


@pytest.mark.parametrize(
    ("degrees", "quarters"), [(0, 0), (90, 1), (-90, 3), (-180, 2), (270, 3), (359, 0), (91, 1)]
)
def test_degrees_are_told_in_quarters(clip: Clips, degrees: int, quarters: int) -> None:
    assert replace(probe(clip("plain.mp4")), rotation=degrees).quarter_turns == quarters


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("plain.mp4", ColorSpec("bt601", full_range=False, depth=8)),
        ("wide.mp4", ColorSpec("bt709", full_range=False, depth=8)),
        ("full.mp4", ColorSpec("bt601", full_range=True, depth=8)),
        ("ten.mkv", ColorSpec("bt601", full_range=False, depth=10)),
        ("grey.mkv", ColorSpec("bt601", full_range=True, depth=8)),
    ],
)
def test_color_is_resolved_from_tags_and_format(clip: Clips, name: str, spec: ColorSpec) -> None:
    assert probe(clip(name)).color == spec


def test_untagged_high_definition_is_bt709(tmp_path: Path) -> None:
    info = probe(make(Clip("hd.mkv", frames=1, width=32, height=720), tmp_path))
    assert info.color.matrix == "bt709"
    assert info.tags.matrix == 2


def test_other_streams_are_listed(clip: Clips) -> None:
    info = probe(clip("rich.mkv"))
    listed = [(other.kind, other.codec, other.language) for other in info.others]
    assert listed == [
        ("audio", "aac", "eng"),
        ("audio", "aac", "deu"),
        ("subtitle", "subrip", "fra"),
        ("subtitle", "subrip", "eng"),
        ("attachment", "x-truetype-font", None),
    ]
    assert f"{SAMPLE_RATE} Hz mono" in info.others[0].details
    assert info.chapters == 2
    assert info.metadata["title"] == "A rich film"


def test_cover_art_is_not_the_picture(clip: Clips) -> None:
    info = probe(clip("covered.mp4"))
    assert info.codec == "h264"
    assert [other.details for other in info.others if other.kind == "video"] == ["16x16 cover art"]


def test_average_rate_and_duration(clip: Clips) -> None:
    info = probe(clip("plain.mp4"))
    assert info.average_rate == 25
    assert info.duration == Fraction(10, 25)
    assert info.frame_count_is_exact


def only_sound(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=SAMPLE_RATE)
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = SAMPLE_RATE
        output.mux([*sound.encode(frame), *sound.encode(None)])
    return path


def only_cover(clip: Clips, path: Path) -> Path:
    with av.open(str(clip("covered.mp4"))) as source, av.open(str(path), "w") as output:
        kept = [source.streams.audio[0], source.streams.video[1]]
        copies = {s.index: output.add_stream_from_template(s, opaque=True) for s in kept}
        copies[kept[1].index].disposition = kept[1].disposition
        for packet in source.demux(kept):
            if packet.size:
                packet.stream = copies[packet.stream_index]
                output.mux(packet)
    return path


def headless(clip: Clips, path: Path) -> Path:
    data = clip("plain.mp4").read_bytes()
    path.write_bytes(data[: data.rfind(b"moov") - 4])
    return path


def test_bad_files_meet_clear_errors(clip: Clips, tmp_path: Path) -> None:
    text, empty = tmp_path / "text.mp4", tmp_path / "empty.mp4"
    text.write_text("This is no film.\n" * 50)
    empty.touch()
    cases: list[tuple[Path, type[VidcolorError], str]] = [
        (tmp_path / "missing.mp4", SourceNotFoundError, "no such file"),
        (tmp_path, SourceError, "folder"),
        (empty, SourceError, "empty"),
        (text, SourceError, "not a film"),
        (headless(clip, tmp_path / "headless.mp4"), SourceError, "not a film"),
        (only_sound(tmp_path / "sound.m4a"), NoVideoError, "only audio"),
        (only_cover(clip, tmp_path / "cover.mp4"), NoVideoError, "cover art"),
    ]
    for path, kind, words in cases:
        with pytest.raises(kind) as caught:
            probe(path)
        message = str(caught.value)
        assert type(caught.value) is kind, path
        assert message.startswith(str(path)), message
        assert words in message
        assert "\n" not in message


def test_picture_that_cannot_be_decoded(clip: Clips, tmp_path: Path) -> None:
    data = bytearray(clip("plain.mp4").read_bytes())
    start, end = data.find(b"mdat") + 4, data.find(b"moov") - 4
    data[start:end] = bytes(end - start)
    path = tmp_path / "hollow.mp4"
    path.write_bytes(data)
    with pytest.raises(NoVideoError, match="not one picture"):
        probe(path)


def test_what_is_raised_where_a_film_is_told_of_is_no_fault_of_its_own(clip: Clips) -> None:
    def refuse(info: VideoInfo) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$") as caught:
        probe(clip("plain.mp4"), described=refuse)
    assert not isinstance(caught.value, VidcolorError)


def test_texts_of_old_files_are_read_as_western_european(tmp_path: Path) -> None:
    path = make(Clip("film.avi", codec="mpeg4", title="Les Mis#rables \u00e0 Paris"), tmp_path)
    utf8 = path.read_bytes()
    assert probe(path).metadata["title"] == "Les Mis#rables \u00e0 Paris"
    old = utf8.replace("\u00e0 Paris".encode(), b"\xe0 Paris ").replace(b"Mis#", b"Mis\xe9")
    path.write_bytes(old)
    assert probe(path).metadata["title"].rstrip() == "Les Mis\u00e9rables \u00e0 Paris"


def test_sound_longer_than_the_picture_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as output:
        picture = output.add_stream("libx264", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        for number in range(25):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        for number in range(40):
            heard = av.AudioFrame("s16", "mono", 800)
            heard.pts, heard.sample_rate = number * 800, 8000
            output.mux(sound.encode(heard))
    info = probe(path)
    assert info.duration == 1 and info.frame_count == 25
    assert len(list(decode(info, limits=LimitSettings(strict=True)))) == 25


@pytest.mark.parametrize(
    ("codec", "metadata", "options"),
    [
        ("libx264", "h264_metadata", {}),
        ("libx265", "hevc_metadata", {"x265-params": "lossless=1:log-level=none"}),
    ],
)
@pytest.mark.parametrize("left", [8, 10, 32])
def test_what_is_cut_off_on_the_left_is_cut_off_to_the_column(
    codec: str, metadata: str, options: dict[str, str], left: int, tmp_path: Path
) -> None:
    """FFmpeg by itself cuts to whole steps of 32 or 64 columns, and shows what is hidden."""
    source = make(Clip("whole.mkv", 2, 160, 96, codec=codec, options=options), tmp_path)
    path = tmp_path / "cut.mkv"
    with av.open(str(source)) as film, av.open(str(path), "w") as output:
        (old,) = film.streams.video
        new = output.add_stream_from_template(old)
        sieve = BitStreamFilterContext(f"{metadata}=crop_left={left}", old, new)
        for packet in film.demux(old):
            for made in sieve.filter(packet if packet.size else None):
                made.stream = new
                output.mux(made)
    info = probe(path)
    assert (info.width, info.height) == (160 - left, 96)
    for whole, cut in zip(decode(probe(source)), decode(info), strict=True):
        np.testing.assert_array_equal(cut.luma, whole.luma[:, left:])
