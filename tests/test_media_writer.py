"""``Writer``: the picture as painted, the rest as it was, and a target that is all or nothing."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import CLIPS, Clip, make
from conftest import Clips

from vidcolor.errors import (
    EncodeError,
    SettingsError,
    TargetError,
    TargetExistsError,
    VidcolorError,
)
from vidcolor.frames import Frame, PaintedFrame, VideoInfo
from vidcolor.media.container import QUICKTIME_LANGUAGES
from vidcolor.media.decode import decode
from vidcolor.media.encoders import NAMES, TUNINGS, choose
from vidcolor.media.hardware import needs, usable
from vidcolor.media.hdr import side_data
from vidcolor.media.mux import Writer
from vidcolor.media.probe import display_matrix, first_picture, probe
from vidcolor.settings import EncoderSettings, RangeSettings

# One thread: on busy machines the encoders' threads wait for each other.
QUICK = EncoderSettings(options={"preset": "ultrafast", "threads": "1"})
LOSSLESS = EncoderSettings(codec="ffv1", options={"threads": "1"})
WHOLE = RangeSettings()


def paint(frame: Frame, shape: tuple[int, int]) -> PaintedFrame:
    """Random chroma around neutral, so that a plane in the wrong place shows."""
    depth = frame.color.depth
    chance = np.random.default_rng(frame.index)
    middle, reach = 1 << (depth - 1), 1 << (depth - 3)
    cb, cr = chance.integers(middle - reach, middle + reach, (2, *shape)).astype(frame.luma.dtype)
    return PaintedFrame(frame, cb, cr)


def rewrite(
    source: Path,
    target: Path,
    settings: EncoderSettings = EncoderSettings(),
    crop: RangeSettings = WHOLE,
) -> Writer:
    info = probe(source)
    with Writer(target, info, settings, crop=crop) as writer:
        for frame in decode(info, crop):
            writer.write(paint(frame, writer.chroma_shape))
    return writer


def times(path: Path) -> list[Fraction]:
    info = probe(path)
    return [frame.pts * info.time_base for frame in decode(info)]


def packets(path: Path, kind: str) -> list[list[tuple[Fraction, bytes]]]:
    """(time, payload) of every packet, for each stream of ``kind``."""
    found: dict[int, list[tuple[Fraction, bytes]]] = {}
    with av.open(str(path)) as source:
        for packet in source.demux():
            if packet.stream.type == kind and packet.size:
                assert packet.pts is not None
                entry = (packet.pts * packet.time_base, bytes(packet))
                found.setdefault(packet.stream_index, []).append(entry)
    return [found[index] for index in sorted(found)]


def payloads(path: Path, kind: str) -> list[list[bytes]]:
    return [[data for _, data in track] for track in packets(path, kind)]


def settings_for(suffix: str) -> EncoderSettings:
    webm = EncoderSettings(options={"deadline": "realtime", "threads": "1"})
    return webm if suffix == ".webm" else QUICK


# All clips have times that Matroska, which counts milliseconds, can hold as well.
CONFORMANT = [(name, suffix) for name in CLIPS for suffix in (".mp4", ".mkv")]
CONFORMANT += [(name, ".mov") for name in ("variable.mkv", "late.mp4", "turned.mp4", "sound.mp4")]
CONFORMANT += [("plain.mkv", ".webm"), ("odd.mkv", ".webm"), ("plain.webm", ".webm")]


@pytest.mark.parametrize(("name", "suffix"), CONFORMANT)
def test_conformance(clip: Clips, tmp_path: Path, name: str, suffix: str) -> None:
    source, target = clip(name), tmp_path / f"out{suffix}"
    writer = rewrite(source, target, settings_for(suffix))
    before, after = probe(source), probe(target)

    assert times(target) == times(source)
    assert (after.width, after.height) == (before.width, before.height)
    aspect = after.sample_aspect_ratio - before.sample_aspect_ratio
    # Matroska rounds the width on screen.
    assert abs(aspect) * after.width <= (Fraction(1, 2) if suffix in (".mkv", ".webm") else 0)
    assert after.rotation == before.rotation
    assert after.color == before.color
    for tag in ("primaries", "transfer"):
        assert getattr(after.tags, tag) == getattr(before.tags, tag)
    assert after.metadata.get("title") == before.metadata.get("title")
    assert after.pixel_format.replace("yuvj", "yuv") == writer.choice.pixel_format

    assert payloads(target, "audio") == payloads(source, "audio")
    unit = Fraction(1, 1000) if suffix in (".mkv", ".webm") else 0
    unit = max(unit, Fraction(1, 1000) if source.suffix == ".mkv" else 0)
    for old, new in zip(packets(source, "audio"), packets(target, "audio"), strict=True):
        assert all(abs(a - b) <= unit for (a, _), (b, _) in zip(old, new, strict=True))
    languages = [other.language for other in before.others if other.kind == "audio"]
    old_codes = {"deu": "ger"} if suffix == ".mov" else {}
    assert [other.language for other in after.others if other.kind == "audio"] == [
        old_codes.get(str(language), language) for language in languages
    ]
    told = len(writer.copied) + len(writer.converted) + len(writer.dropped)
    assert told == len(before.others)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_languages_survive_quicktime(tmp_path: Path) -> None:
    codes = ("eng", "ces", "fra", "ger", *QUICKTIME_LANGUAGES)
    source = make(Clip("many.mkv", frames=3, audio=codes), tmp_path)
    there, back = tmp_path / "out.mov", tmp_path / "back.mkv"
    rewrite(source, there, QUICK)
    rewrite(there, back, QUICK)

    def languages(path: Path) -> list[str | None]:
        return [other.language for other in probe(path).others]

    known = [QUICKTIME_LANGUAGES.get(code, code) for code in codes]
    assert languages(there) == known
    own = {"sve": "swe", "hr ": "hrv", "sr ": "srp"}
    assert languages(back) == [own.get(code, code) for code in known]


@pytest.mark.parametrize("name", ["plain.mp4", "ten.mkv", "444.mp4", "full.mp4", "odd.mkv"])
@pytest.mark.parametrize(
    "settings",
    [
        LOSSLESS,
        EncoderSettings(codec="h264", crf=0, options=QUICK.options),
        EncoderSettings(codec="h265", crf=0, options={"preset": "ultrafast"}),
    ],
    ids=["ffv1", "h264", "h265"],
)
def test_lossless_codecs_keep_every_sample(
    clip: Clips, tmp_path: Path, name: str, settings: EncoderSettings
) -> None:
    source, target = clip(name), tmp_path / "out.mkv"
    writer = rewrite(source, target, settings)
    for before, after in zip(decode(probe(source)), decode(probe(target)), strict=True):
        assert np.array_equal(after.luma, before.luma)
        painted = paint(before, writer.chroma_shape)
        for index, samples in ((1, painted.cb), (2, painted.cr)):
            plane = after.owner.planes[index]
            strides = (plane.line_size, samples.itemsize)
            view: Any = np.ndarray(samples.shape, samples.dtype, memoryview(plane), 0, strides)
            assert np.array_equal(view, samples)


def test_grey_becomes_420_and_says_its_range(clip: Clips, tmp_path: Path) -> None:
    source, target = clip("grey.mkv"), tmp_path / "out.mkv"
    writer = rewrite(source, target, LOSSLESS)
    assert writer.choice.pixel_format == "yuv420p"
    after = probe(target)
    assert (after.tags.range, after.tags.matrix) == (2, 6)
    for old, new in zip(decode(probe(source)), decode(after), strict=True):
        assert np.array_equal(new.luma, old.luma)


def test_shallow_source_in_a_deep_codec_is_shifted_exactly(clip: Clips, tmp_path: Path) -> None:
    source, target = clip("plain.mp4"), tmp_path / "out.mov"
    writer = rewrite(source, target, EncoderSettings(codec="prores"))
    assert writer.choice.pixel_format == "yuv422p10le"
    assert any("in 10 bits of studio range, exactly" in line for line in writer.warnings)
    old, new = next(iter(decode(probe(source)))), next(iter(decode(probe(target))))
    assert np.abs(new.luma.astype(int) - old.luma.astype(int) * 4).mean() < 20


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("name", ["variable.mkv", "late.mp4", "plain.mp4"])
def test_duration_reaches_the_end_of_the_last_frame(
    clip: Clips, tmp_path: Path, name: str, suffix: str
) -> None:
    # With reordered frames, which made MP4s too short where the rate varies.
    source, target = clip(name), tmp_path / f"out{suffix}"
    rewrite(
        source, target, EncoderSettings(options={"preset": "veryfast", "bf": "3", "threads": "1"})
    )
    info = probe(source)
    last = list(decode(info))[-1]
    end = (last.pts + last.duration) * info.time_base
    with av.open(str(target)) as made:
        assert made.duration is not None
        start = (made.start_time or 0) if suffix != ".mkv" else 0
        assert abs(Fraction(made.duration + start, 1_000_000) - end) <= Fraction(1, 1000)


def test_rich_matroska_keeps_everything(clip: Clips, tmp_path: Path) -> None:
    source, target = clip("rich.mkv"), tmp_path / "out.mkv"
    writer = rewrite(source, target, QUICK)
    assert not writer.dropped
    assert not writer.warnings
    assert packets(target, "subtitle") == packets(source, "subtitle")
    with av.open(str(source)) as old, av.open(str(target)) as new:
        assert new.chapters() == old.chapters()
        assert [s.type for s in new.streams] == [s.type for s in old.streams]
        assert [s.language for s in new.streams] == [s.language for s in old.streams]
        assert [s.disposition for s in new.streams] == [s.disposition for s in old.streams]
        ours, theirs = new.streams.attachments[0], old.streams.attachments[0]
        assert (ours.data, ours.name, ours.mimetype) == (theirs.data, theirs.name, theirs.mimetype)


def test_what_mp4_cannot_hold_is_named(clip: Clips, tmp_path: Path) -> None:
    writer = rewrite(clip("rich.mkv"), tmp_path / "out.mp4", QUICK)
    assert [(lost.kind, why) for lost, why in writer.dropped] == [
        ("attachment", "mp4 cannot hold it")
    ]
    assert writer.warnings == [
        "subtitle 3 (subrip, fra) is converted to mov_text, without any style but bold, "
        "italics and underlines, because mp4 cannot hold it",
        "subtitle 4 (subrip, eng) is converted to mov_text, without any style but bold, "
        "italics and underlines, because mp4 cannot hold it",
        "attachment 5 (x-truetype-font) is left out: mp4 cannot hold it",
    ]
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert [chapter["metadata"]["title"] for chapter in made.chapters()] == ["First", "Second"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_cover_art_stays_cover_art(clip: Clips, tmp_path: Path, suffix: str) -> None:
    source, target = clip("covered.mp4"), tmp_path / f"out{suffix}"
    writer = rewrite(source, target, QUICK)
    assert not writer.dropped
    with av.open(str(target)) as made:
        stills = [s for s in made.streams.video if s.disposition & Disposition.attached_pic]
        assert len(stills) == 1
        cover = next(bytes(p) for p in made.demux(stills[0]) if p.size)
    with av.open(str(source)) as old:
        assert cover == next(bytes(p) for p in old.demux(old.streams.video[1]) if p.size)


def test_mirrored_picture_stays_mirrored(clip: Clips, tmp_path: Path) -> None:
    def matrix(path: Path) -> tuple[int, ...] | None:
        with av.open(str(path)) as source:
            frame = first_picture(source, source.streams.video[0])
            assert frame is not None
            return display_matrix(frame)

    rewrite(clip("mirrored.mp4"), tmp_path / "out.mp4", QUICK)
    assert matrix(tmp_path / "out.mp4") == matrix(clip("mirrored.mp4"))
    assert matrix(clip("mirrored.mp4")) != matrix(clip("turned.mp4"))


def test_a_broken_matrix_turns_nothing(clip: Clips, tmp_path: Path) -> None:
    content = clip("turned.mp4").read_bytes()
    start = content.index(b"tkhd") + 4 + 40
    path = tmp_path / "flat.mp4"
    path.write_bytes(content[:start] + b"\xff" * 36 + content[start + 36 :])
    assert probe(clip("turned.mp4")).rotation != 0
    assert probe(path).rotation == 0
    with av.open(str(path)) as source:
        frame = first_picture(source, source.streams.video[0])
        assert frame is not None and "DISPLAYMATRIX" in side_data(frame)
        assert display_matrix(frame) is None


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(
    "crop",
    [
        RangeSettings(first_frame=6, end_frame=14),
        RangeSettings(start=Fraction(3, 10), duration=Fraction(2, 5)),
    ],
)
def test_part_of_a_film_takes_its_sound_along(
    clip: Clips, tmp_path: Path, suffix: str, crop: RangeSettings
) -> None:
    source, target = clip("rich.mkv"), tmp_path / f"part{suffix}"
    rewrite(source, target, QUICK, crop)
    start, end = Fraction(3, 10), Fraction(7, 10)
    assert times(target) == [Fraction(n, 20) for n in range(8)]
    for kind in ("audio", "subtitle") if suffix == ".mkv" else ("audio",):
        for old, new in zip(packets(source, kind), packets(target, kind), strict=True):
            kept = [(at - start, data) for at, data in old if start <= at < end]
            assert [data for _, data in new] == [data for _, data in kept]
            unit = Fraction(1, 1000)
            assert all(abs(a - b) <= unit for (a, _), (b, _) in zip(kept, new, strict=True))
    with av.open(str(target)) as made:
        spans = [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
            for c in made.chapters()
            if c["time_base"] is not None
        ]
    assert spans == [(0, Fraction(1, 5), "First"), (Fraction(1, 5), Fraction(2, 5), "Second")]


def stored_apart(source: Path, target: Path) -> Path:
    """``source`` with each second of a stream stored before that second of the next one."""
    options = {"max_interleave_delta": "1"}
    with av.open(str(source)) as film, av.open(str(target), "w", options=options) as output:
        copies = {s.index: output.add_stream_from_template(s) for s in film.streams}
        found = [packet for packet in film.demux() if packet.size]
        found.sort(key=lambda p: (int((p.dts or 0) * p.time_base), p.stream_index))
        for packet in found:
            packet.stream = copies[packet.stream_index]
            output.mux_one(packet)
    return target


def test_part_of_a_film_whose_streams_are_stored_apart(tmp_path: Path) -> None:
    whole = make(Clip("whole.mkv", frames=60, rate=Fraction(20), audio=("eng", "deu")), tmp_path)
    source = stored_apart(whole, tmp_path / "apart.mkv")
    target = tmp_path / "part.mkv"
    rewrite(source, target, QUICK, RangeSettings(first_frame=6, end_frame=14))
    start, end = Fraction(3, 10), Fraction(7, 10)
    wanted = [
        [data for at, data in track if start <= at < end] for track in packets(source, "audio")
    ]
    assert len(wanted) == 2 and all(wanted)
    assert payloads(target, "audio") == wanted


# Targets and temporary files


def interrupted(info: VideoInfo, target: Path, error: BaseException) -> None:
    with Writer(target, info, QUICK, overwrite=True) as writer:
        for frame in decode(info):
            writer.write(paint(frame, writer.chroma_shape))
            if frame.index == 5:
                raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no")])
def test_interruption_leaves_the_old_target(
    clip: Clips, tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"the old film")
    with pytest.raises(type(error)):
        interrupted(probe(clip("sound.mp4")), target, error)
    assert target.read_bytes() == b"the old film"
    assert list(tmp_path.iterdir()) == [target]


def test_a_second_interruption_leaves_nothing_either(
    clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient:
        def close(self) -> None:
            raise KeyboardInterrupt

    writer = Writer(tmp_path / "out.mp4", probe(clip("plain.mp4")))
    monkeypatch.setattr(writer, "_output", Impatient())
    with pytest.raises(KeyboardInterrupt):
        writer.abandon()
    assert not list(tmp_path.iterdir())


def test_target_appears_only_when_finished(clip: Clips, tmp_path: Path) -> None:
    info, target = probe(clip("plain.mp4")), tmp_path / "out.mp4"
    with Writer(target, info, QUICK) as writer:
        for frame in decode(info):
            writer.write(paint(frame, writer.chroma_shape))
            assert not target.exists()
        (part,) = tmp_path.iterdir()
        assert part.name.startswith(".out.")
        assert part.name.endswith(".part.mp4")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="has no such locks")
def test_two_writers_of_one_target(clip: Clips, tmp_path: Path) -> None:
    info, target = probe(clip("plain.mp4")), tmp_path / "out.mp4"
    with Writer(target, info, QUICK) as writer:
        with pytest.raises(TargetError, match="another vidcolor is writing it"):
            Writer(target, info, QUICK)
        Writer(tmp_path / "out.mkv", info, QUICK).abandon()
        for frame in decode(info):
            writer.write(paint(frame, writer.chroma_shape))
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("links", [True, False])
def test_what_came_to_be_there_meanwhile_stays(
    clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(*names: object) -> None:
            raise OSError(errno.EPERM, "no such thing here")

        monkeypatch.setattr(os, "link", refuse)
    info, target = probe(clip("plain.mp4")), tmp_path / "out.mp4"
    for overwrite in (False, True):
        writer = Writer(target, info, QUICK, overwrite=overwrite)
        for frame in decode(info):
            writer.write(paint(frame, writer.chroma_shape))
        target.write_text("precious")
        if overwrite:
            writer.__exit__(None, None, None)
            assert len(times(target)) == 10
        else:
            with pytest.raises(TargetExistsError, match="did not when the work began"):
                writer.__exit__(None, None, None)
            assert target.read_text() == "precious"
            target.unlink()
        assert [path for path in tmp_path.iterdir() if path != target] == []
    target.unlink()
    rewrite(clip("plain.mp4"), target)
    assert len(times(target)) == 10
    assert list(tmp_path.iterdir()) == [target]


def test_metadata_by_keys_stays_so(clip: Clips, tmp_path: Path) -> None:
    keys = {"archive": "BArch", "director": "Lang", "title": "A film"}
    source, again = tmp_path / "in.mov", tmp_path / "again.mkv"
    flags = {"movflags": "use_metadata_tags"}
    for path, options in ((source, flags), (again, {})):
        with (
            av.open(str(clip("plain.mp4"))) as old,
            av.open(str(path), "w", container_options=options) as new,
        ):
            new.metadata.update(keys)
            stream = new.add_stream_from_template(old.streams.video[0])
            for packet in old.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    new.mux(packet)
    for suffix in (".mov", ".mp4"):
        writer = rewrite(source, tmp_path / f"out{suffix}")
        assert keys.items() <= probe(writer.path).metadata.items()
        assert not writer.warnings
    writer = rewrite(again, tmp_path / "from.mp4")
    assert probe(writer.path).metadata["title"] == "A film"
    (line,) = writer.warnings
    assert line.startswith("mp4 has no place for the film's metadata ")
    assert "archive" in line.lower() and "director" in line.lower()
    assert "title" not in line


def test_tags_that_have_no_place_do_not_cost_the_cover(
    clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(clip("covered.mp4"))
    tagged = replace(info, metadata={**info.metadata, "title": "A film", "iTunEXTC": "x"})
    monkeypatch.setitem(rewrite.__globals__, "probe", lambda path: tagged)
    writer = rewrite(info.path, tmp_path / "out.mp4")
    monkeypatch.undo()
    with av.open(str(writer.path)) as made:
        assert [s for s in made.streams.video if s.disposition & Disposition.attached_pic]
        assert made.metadata["title"] == "A film"
    assert any("no place for the film's metadata iTunEXTC" in line for line in writer.warnings)


def test_a_cover_keeps_its_title_in_matroska(clip: Clips, tmp_path: Path) -> None:
    plain, titled = rewrite(clip("covered.mp4"), tmp_path / "plain.mkv").path, tmp_path / "film.mkv"
    with av.open(str(plain)) as old, av.open(str(titled), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        still = next(s for s in old.streams if s.disposition & Disposition.attached_pic)
        data = next(bytes(p) for p in old.demux(still) if p.size)
        new.add_attachment("cover.png", "image/png", data).metadata["title"] = "The poster"
        old.seek(0)
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    writer = rewrite(titled, tmp_path / "out.mkv")
    with av.open(str(writer.path)) as made:
        titles = [s.metadata.get("title") for s in made.streams]
    assert "The poster" in titles


def test_mpeg4_takes_films_with_fine_clocks(tmp_path: Path) -> None:
    source = make(Clip("film.ts", frames=12), tmp_path)
    target = tmp_path / "out.mp4"
    rewrite(source, target, EncoderSettings(codec="mpeg4"))
    assert times(target) == [Fraction(n, 25) for n in range(12)]
    pts = [3600 * n + (n % 3) * 7 for n in range(12)]
    varied = Clip("varied.mp4", frames=12, time_base=Fraction(1, 90000), pts=pts)
    rewrite(make(varied, tmp_path), tmp_path / "second.mp4", EncoderSettings(codec="mpeg4"))
    found = times(tmp_path / "second.mp4")
    assert len(found) == 12
    assert max(abs(at - Fraction(t, 90000)) for at, t in zip(found, pts, strict=True)) < 1 / 30000


def test_webm_has_no_place_for_fonts(clip: Clips, tmp_path: Path) -> None:
    writer = rewrite(clip("rich.mkv"), tmp_path / "out.webm", settings_for(".webm"))
    assert any("webm cannot hold attachments" in line for line in writer.warnings)
    assert not any(stream.kind == "attachment" for stream in writer.copied)


def test_overwriting_replaces_the_file_behind_a_link(clip: Clips, tmp_path: Path) -> None:
    real, link = tmp_path / "real.mp4", tmp_path / "link.mp4"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    info = probe(clip("plain.mp4"))
    with Writer(link, info, QUICK, overwrite=True) as writer:
        for frame in decode(info):
            writer.write(paint(frame, writer.chroma_shape))
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert len(times(real)) == 10


def refusals(clip: Clips, folder: Path) -> Iterator[tuple[Path, Path, type[VidcolorError], str]]:
    source = make(Clip("film.mp4"), folder)
    (folder / "hard.mp4").hardlink_to(source)
    (folder / "soft.mp4").symlink_to(source)
    (folder / "taken.mp4").write_bytes(b"something")
    (folder / "folder.mp4").mkdir()
    for name in ("film.mp4", "hard.mp4", "soft.mp4"):
        yield source, folder / name, TargetError, "the source itself"
    yield source, folder / "taken.mp4", TargetExistsError, "--overwrite"
    yield source, folder / "folder.mp4", TargetError, "folder"
    yield source, folder / "nowhere" / "out.mp4", TargetError, "does not exist"
    yield source, folder / "out.txt", TargetError, "'.txt'"
    yield source, folder / "out", TargetError, "no suffix"
    yield source, folder / ("x" * 300 + ".mp4"), TargetError, "too long"


def test_bad_targets_are_refused_before_any_work(clip: Clips, tmp_path: Path) -> None:
    for source, target, kind, words in list(refusals(clip, tmp_path)):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(kind) as caught:
            Writer(target, probe(source))
        assert type(caught.value) is kind
        assert words in str(caught.value)
        assert str(caught.value).startswith(str(target))
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_rights(clip: Clips, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o500)
    with pytest.raises(TargetError, match="not writable"):
        Writer(closed / "out.mp4", probe(clip("plain.mp4")))


@pytest.mark.parametrize(
    ("name", "suffix", "settings", "kind", "words"),
    [
        ("plain.mp4", ".mp4", EncoderSettings(codec="nope"), EncodeError, "no video encoder"),
        ("plain.mp4", ".mp4", EncoderSettings(codec="aac"), EncodeError, "no video encoder"),
        ("plain.mp4", ".webm", EncoderSettings(codec="h264"), EncodeError, "webm"),
        ("ten.mkv", ".mkv", EncoderSettings(codec="vp9"), EncodeError, "libx264"),
        ("plain.mp4", ".mkv", EncoderSettings("ffv1", 10), EncodeError, "--crf"),
        ("plain.mp4", ".mp4", EncoderSettings(options={"nope": "1"}), SettingsError, "nope"),
        ("plain.mp4", ".mp4", EncoderSettings(options={"crf": "x"}), EncodeError, "libx264"),
    ],
)
def test_refused_encoders_leave_nothing(
    clip: Clips,
    tmp_path: Path,
    name: str,
    suffix: str,
    settings: EncoderSettings,
    kind: type[VidcolorError],
    words: str,
) -> None:
    with pytest.raises(kind) as caught:
        Writer(tmp_path / f"out{suffix}", probe(clip(name)), settings)
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_no_frame_is_an_error_and_leaves_nothing(clip: Clips, tmp_path: Path) -> None:
    with (
        pytest.raises(EncodeError, match="not one frame"),
        Writer(tmp_path / "out.mp4", probe(clip("plain.mp4"))),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_planes_of_the_wrong_shape_or_type(clip: Clips, tmp_path: Path) -> None:
    info = probe(clip("plain.mp4"))
    frame = next(iter(decode(info)))
    with pytest.raises(ValueError, match="cb must be"), Writer(tmp_path / "a.mp4", info) as writer:
        writer.write(paint(frame, (48, 64)))
    wide = np.full((24, 32), 128, np.uint16)
    with pytest.raises(ValueError, match="uint8"), Writer(tmp_path / "a.mp4", info) as writer:
        writer.write(PaintedFrame(frame, wide, wide))


def test_failing_disk_is_one_clear_line(clip: Clips, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    info, target = probe(clip("plain.mp4")), tmp_path / "out.mkv"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(TargetError) as caught:
            rewrite(info.path, target, LOSSLESS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert type(caught.value) is TargetError
    assert re.fullmatch(f"{target}: [^\\n]* files this large", str(caught.value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "settings", "encoder", "pixel_format"),
    [
        ("plain.mp4", EncoderSettings(), "libx264", "yuv420p"),
        ("444.mp4", EncoderSettings(), "libx264", "yuv444p"),
        ("ten.mkv", EncoderSettings(codec="HEVC"), "libx265", "yuv420p10le"),
        ("odd.mkv", EncoderSettings(), "libx264", "yuv444p"),
        ("odd.mkv", LOSSLESS, "ffv1", "yuv420p"),
        ("444.mp4", EncoderSettings(codec="av1"), "libsvtav1", "yuv420p"),
        ("grey.mkv", EncoderSettings(), "libx264", "yuv420p"),
    ],
)
def test_choice_of_encoder_and_format(
    clip: Clips, name: str, settings: EncoderSettings, encoder: str, pixel_format: str
) -> None:
    choice = choose(probe(clip(name)), settings, "matroska")
    assert (choice.encoder, choice.pixel_format) == (encoder, pixel_format)


@pytest.mark.parametrize("codec", [*NAMES, *TUNINGS])
def test_every_codec_we_name_works(tmp_path: Path, codec: str) -> None:
    if not usable(codec):
        pytest.skip(f"{codec} needs {needs(codec)}")
    # DNxHR starts at 256x120.
    source = make(Clip("film.mkv", frames=3, width=256, height=128), tmp_path)
    for suffix in (".mkv", ".mov"):
        with suppress(EncodeError):  # No container takes all of them.
            writer = rewrite(source, tmp_path / f"out{suffix}", EncoderSettings(codec=codec))
            assert writer.choice.encoder in (*NAMES.get(codec, ()), codec)
            return
    pytest.fail(f"neither mkv nor mov takes {codec}")


@pytest.mark.parametrize("options", [{"qp": "20"}, {"b": "1M"}])
def test_another_rate_replaces_the_default_factor(clip: Clips, options: dict[str, str]) -> None:
    info = probe(clip("plain.mp4"))
    assert "crf" in choose(info, EncoderSettings(), "mp4").options
    assert "crf" not in choose(info, EncoderSettings(options=options), "mp4").options
    assert choose(info, EncoderSettings(crf=20, options=options), "mp4").options["crf"] == "20"


def test_encoders_keep_quiet(
    clip: Clips, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for codec, preset in (("h264", "ultrafast"), ("h265", "ultrafast"), ("av1", "12")):
        settings = EncoderSettings(codec=codec, options={"preset": preset})
        rewrite(clip("plain.mp4"), tmp_path / f"{codec}.mkv", settings)
    assert capfd.readouterr() == ("", "")
