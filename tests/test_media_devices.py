"""Films that a device decodes: exactly as by software, or by software, and then it is told."""

from __future__ import annotations

import gc
from collections import deque
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.context import Flags
from av.codec.hwaccel import hwdevices_available
from clips import Clip, fill, make
from conftest import Clips
from devices import NAME, Device, stand_in

from vidcolor.errors import DeviceError
from vidcolor.frames import Frame, Place, Surface, VideoInfo
from vidcolor.media.damage import DecodeReport, Span
from vidcolor.media.decode import decode
from vidcolor.media.devices import _opens, check_device, known
from vidcolor.media.glimpse import Glimpser
from vidcolor.media.picture import read_chroma
from vidcolor.media.probe import probe
from vidcolor.media.trial import with_device
from vidcolor.settings import LimitSettings, RangeSettings

CUDA = Surface("cuda", "nv12", 0)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    return stand_in(monkeypatch)


def by_device(path: Path, wanted: str = NAME) -> VideoInfo:
    """The film for the device; it must be one that it takes."""
    info, lack = with_device(probe(path), wanted)
    assert lack is None and info.surface is not None
    return info


def alike(one: list[Frame], other: list[Frame], info: VideoInfo) -> None:
    """Fail unless both hold the same frames, chroma and all."""
    assert len(one) == len(other) > 0
    for mine, theirs in zip(one, other, strict=True):
        for name in ("index", "pts", "duration", "color", "damaged", "first_field"):
            assert getattr(mine, name) == getattr(theirs, name), name
        assert mine.luma.dtype == theirs.luma.dtype
        assert np.array_equal(mine.luma, theirs.luma)
        assert mine.owner.format.name == theirs.owner.format.name == info.pixel_format
        chroma, others = (read_chroma(frame.owner, frame.color) for frame in (mine, theirs))
        assert chroma is not None and others is not None
        assert all(map(np.array_equal, chroma, others))


def colourful(path: Path, name: str = "yuv420p", *, interlaced: bool = False) -> Path:
    """Forty frames with colours, lossless, a key frame every ten."""
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as output:
        options = {"preset": "ultrafast", "qp": "0", "g": "10", "bf": "2"}
        if interlaced:
            options["x264-params"] = "bff=1"
        stream: Any = output.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 66, 64, name
        if interlaced:
            stream.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        if name.startswith("yuvj"):
            stream.codec_context.color_range = 2
        for number in range(40):
            frame = av.VideoFrame(66, 64, name)
            for index, plane in enumerate(frame.planes):
                bits = frame.format.components[0].bits
                kind = np.uint8 if bits == 8 else np.uint16
                shape = (plane.height, plane.width)
                fill(frame, index, random.integers(0, 1 << bits, shape).astype(kind))
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def test_only_devices_that_decode_are_known() -> None:
    assert set(known()) <= set(hwdevices_available())
    assert "drm" not in known() and "opencl" not in known()


@pytest.mark.parametrize("name", ["", "CUDA", "nvdec", "h264_cuvid", "drm", "cpu"])
def test_a_device_of_no_known_name(name: str) -> None:
    with pytest.raises(DeviceError, match=rf"decoder '{name}'.* valid are software") as caught:
        check_device(name)
    assert all(there in str(caught.value) for there in known())


def test_software_is_always_there() -> None:
    check_device("software")
    assert with_device(probe_less(), "software") == (probe_less(), None)


def probe_less() -> VideoInfo:
    """A film that is not there: software needs no trial."""
    from test_media_surface import film

    return film("yuv420p", (64, 48))


@pytest.mark.parametrize("name", known())
def test_a_device_that_is_missing(name: str) -> None:
    if _opens(name):
        pytest.skip(f"{name} is here")
    with pytest.raises(DeviceError, match=rf"decoder '{name}': it needs .*--decoder software"):
        check_device(name)


@pytest.mark.parametrize("name", known())
def test_a_device_that_is_here_decodes_or_leaves_it(clip: Clips, name: str) -> None:
    if not _opens(name):
        pytest.skip(f"{name} is not here")
    path = clip("plain.mp4")
    info, _ = with_device(probe(path), name)
    report = DecodeReport()
    alike(list(decode(info, report=report)), list(decode(probe(path))), info)
    assert not report.damage.spans


@pytest.mark.parametrize("name", ["plain.mp4", "late.mp4", "variable.mkv", "rich.mkv"])
def test_a_film_is_as_by_software(clip: Clips, device: Device, name: str) -> None:
    info = by_device(clip(name))
    assert info.surface is not None and info.surface.pixel_format == "nv12"
    device.read = 0
    report = DecodeReport()
    frames = list(decode(info, report=report))
    assert device.read == len(frames)
    alike(frames, list(decode(probe(clip(name)))), info)
    assert report == DecodeReport(frames=len(frames))


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("yuv420p", "nv12"),
        ("yuvj420p", "nv12"),
        ("yuv422p", "nv16"),
        ("yuv444p", "nv24"),
        ("yuv420p10le", "p010le"),
        ("yuv422p10le", "p210le"),
    ],
)
def test_colours_depths_and_ranges_are_as_by_software(
    tmp_path: Path, device: Device, name: str, left: str
) -> None:
    path = colourful(tmp_path / "film.mp4", name)
    info = by_device(path)
    assert info.pixel_format == name
    assert info.surface is not None and info.surface.pixel_format == left
    alike(list(decode(info)), list(decode(probe(path))), info)


def test_fields_are_as_by_software(tmp_path: Path, device: Device) -> None:
    path = colourful(tmp_path / "film.mp4", interlaced=True)
    info = by_device(path)
    assert info.fields is not None and info.fields.first == "bottom"
    frames = list(decode(info))
    assert {frame.first_field for frame in frames} == {"bottom"}
    alike(frames, list(decode(probe(path))), info)


@pytest.mark.parametrize("crop", [RangeSettings(start=Fraction(1)), RangeSettings(12, 30)])
def test_parts_are_as_by_software(tmp_path: Path, device: Device, crop: RangeSettings) -> None:
    path = colourful(tmp_path / "film.mp4")
    info = by_device(path)
    alike(list(decode(info, crop)), list(decode(probe(path), crop)), info)


def test_a_job_goes_on_as_by_software(tmp_path: Path, device: Device) -> None:
    path = colourful(tmp_path / "film.mp4")
    info = by_device(path)
    whole = list(decode(probe(path)))
    place = Place(27, whole[27].pts, 0)
    for seek in (True, False):
        alike(list(decode(info, since=place, seek=seek)), whole[27:], info)


@pytest.mark.parametrize("crop", [RangeSettings(), RangeSettings(start=Fraction(1))])
@pytest.mark.parametrize("at", [0, 1, 7])
def test_software_goes_on_where_the_device_cannot(
    tmp_path: Path, device: Device, at: int, crop: RangeSettings
) -> None:
    path = colourful(tmp_path / "film.mp4")
    info = by_device(path)
    device.fails_at = at
    report = DecodeReport()
    alike(list(decode(info, crop, report)), list(decode(probe(path), crop)), info)
    (span,) = report.damage.spans
    assert (span.kind, span.count) == ("software", 1)
    assert (report.skipped, report.damaged, report.retimed) == (0, 0, 0)


def test_a_device_that_gives_up_leaves_no_garbage(tmp_path: Path, device: Device) -> None:
    path = colourful(tmp_path / "film.mp4")
    info = by_device(path)
    device.fails_at = 7
    gc.collect()
    gc.disable()
    try:
        list(decode(info))
        kinds = {type(item).__name__ for item in gc.get_objects()}
    finally:
        gc.enable()
    assert not kinds & {"Reader", "VideoStream", "InputContainer"}


def test_a_device_that_is_gone_later(tmp_path: Path, device: Device) -> None:
    path = colourful(tmp_path / "film.mp4")
    info = by_device(path)
    device.opens = False
    report = DecodeReport()
    crop = RangeSettings(start=Fraction(1))
    alike(list(decode(info, crop, report)), list(decode(probe(path), crop)), info)
    (span,) = report.damage.spans
    assert (span.kind, span.start) == ("software", 1)


def test_a_film_that_changes_is_softwares_from_there(tmp_path: Path, device: Device) -> None:
    path = tmp_path / "film.ts"
    parts = [
        make(Clip(f"{number}.ts", frames=20, width=width, options={"g": "10"}), tmp_path)
        for number, width in enumerate((64, 96))
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    info = by_device(path)
    device.read = 0
    ours, theirs = DecodeReport(), DecodeReport()
    frames, wanted = list(decode(info, report=ours)), list(decode(probe(path), report=theirs))
    assert device.read > 10
    assert all(np.array_equal(a.luma, b.luma) for a, b in zip(frames, wanted, strict=True))
    assert [frame.pts for frame in frames] == [frame.pts for frame in wanted]
    assert theirs.damage.of("refitted")
    assert [span for span in ours.damage.spans if span.kind != "software"] == theirs.damage.spans
    assert len(ours.damage.of("software")) == 1


def broken(path: Path, intact: int) -> Path:
    """A film whose twenty-sixth packet is noise from its ``intact``th byte on."""
    colourful(path)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as source:
        packet = [packet for packet in source.demux(video=0) if packet.size][25]
    assert packet.pos is not None
    noise = np.random.default_rng(3).bytes(packet.size - intact)
    data[packet.pos + intact : packet.pos + packet.size] = noise
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("intact", "kind"), [(6, "lost"), (2000, "patched")])
def test_damage_is_told_as_by_software(
    tmp_path: Path, device: Device, intact: int, kind: Any
) -> None:
    path = broken(tmp_path / "film.mp4", intact)
    info = by_device(path)
    device.read = 0
    ours, theirs = DecodeReport(), DecodeReport()
    frames, wanted = list(decode(info, report=ours)), list(decode(probe(path), report=theirs))
    assert 12 < device.read < 40
    assert [(f.pts, f.damaged) for f in frames] == [(f.pts, f.damaged) for f in wanted]
    assert theirs.damage.of(kind)
    assert [span for span in ours.damage.spans if span.kind != "software"] == theirs.damage.spans
    assert len(ours.damage.of("software")) == 1
    assert (ours.damaged, ours.skipped) == (theirs.damaged, theirs.skipped)


def test_single_frames_by_a_device(tmp_path: Path, device: Device) -> None:
    """Also where it gives up again and again: every reading begins with it."""
    path = colourful(tmp_path / "film.mp4")
    plain, info = probe(path), by_device(path)
    for fails_at in (None, 1):
        device.fails_at = fails_at
        with Glimpser(info) as glimpser, Glimpser(plain) as own:
            for time in (Fraction(0), Fraction(6, 5), Fraction(2, 5)):
                mine, theirs = glimpser.near(time, time), own.near(time, time)
                assert mine is not None and theirs is not None
                assert np.array_equal(mine.luma, theirs.luma)


def refused(info: VideoInfo, limits: LimitSettings = LimitSettings()) -> str:
    """Why the device is not to decode this."""
    found, lack = with_device(info, NAME, limits)
    assert found == info and found.surface is None
    assert lack is not None and lack.startswith(f"{info.path}: decoded by software, not cuda: ")
    return lack.partition("cuda: ")[2]


def test_one_code_that_is_another_and_it_is_softwares(clip: Clips, device: Device) -> None:
    device.changed_by = 1
    assert refused(probe(clip("plain.mp4"))) == "its pictures are not those of software"


def test_what_it_does_not_take_is_softwares(clip: Clips, device: Device) -> None:
    device.takes = False
    why = refused(probe(clip("plain.mp4")))
    assert why == "it does not decode h264 in yuv420p here"


def test_surfaces_of_another_kind_are_not_taken(clip: Clips, device: Device) -> None:
    device.gives = "bgra"
    assert refused(probe(clip("plain.mp4"))) == "it gives bgra, which is no yuv420p"


@pytest.mark.parametrize("change", ["fails_at", "opens"])
def test_a_device_that_fails_at_once(clip: Clips, device: Device, change: str) -> None:
    setattr(device, change, {"fails_at": 3, "opens": False}[change])
    assert refused(probe(clip("plain.mp4"))).startswith("cuda fails at it: ")


def test_fewer_pictures_than_software_finds(clip: Clips, device: Device) -> None:
    real = device.undamaged

    def short(source: Any, stream: Any) -> Any:
        pictures = list(real(source, stream))
        yield from pictures[: 5 if pictures[0].format.name == "nv12" else None]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vidcolor.media.trial.undamaged", short)
        assert refused(probe(clip("plain.mp4"))) == "it gives another number of pictures"


def test_codecs_without_one_true_decoding(tmp_path: Path, device: Device) -> None:
    path = make(Clip("film.mpg", codec="mpeg2video", options={"b": "2M"}), tmp_path)
    assert refused(probe(path)) == "decoders of mpeg2video differ from each other in the last bit"
    assert device.read == 0


def test_strict_needs_software(clip: Clips, device: Device) -> None:
    why = refused(probe(clip("plain.mp4")), LimitSettings(strict=True))
    assert "--strict" in why and device.read == 0


def test_a_film_once_for_a_device_can_be_softwares(clip: Clips) -> None:
    info = replace(probe(clip("plain.mp4")), surface=CUDA)
    assert with_device(info, "software")[0].surface is None


def test_chunks_tell_that_their_device_gave_up_before_they_began() -> None:
    report = DecodeReport(recent=deque())
    early = Span("software", Fraction(1), Fraction(2), 1)
    report.note(early, 10)
    report.note(Span("lost", Fraction(1), Fraction(2), 1), 10)
    report.count("skipped", 10)
    report.begin(50)
    report.count("skipped", 60)
    assert report.take(50)["spans"] == []
    taken = report.take(100)
    assert taken["skipped"] == 1
    assert taken["spans"] == [["software", "1", "2", 1]]
