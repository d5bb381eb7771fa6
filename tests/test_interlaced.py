"""Interlaced film: found, kept field by field, or made into single moments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags
from clips import fill
from networks import tiny_checkpoint
from numpy.typing import NDArray

from vidcolor import Settings, colorize_video
from vidcolor.errors import EncodeError, SettingsError
from vidcolor.fields import FieldPainter
from vidcolor.frames import ColoredFrame, ColorSpec, FieldOrder, Fields, Frame, VideoInfo
from vidcolor.media.decode import decode
from vidcolor.media.encoders import choose
from vidcolor.media.fields import FieldMarker
from vidcolor.media.picture import read_chroma
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.paint import Painter
from vidcolor.plan import doubts, examine
from vidcolor.settings import EncoderSettings, FieldSettings
from vidcolor.shrink import shrink
from vidcolor.verify import verify
from vidcolor.watching import color_frames
from vidcolor_cli.main import run

Luma = NDArray[np.uint8]
Orders = tuple[FieldOrder | None, ...]
TOP: Orders = ("top",)
BOTTOM: Orders = ("bottom",)
SPEC = ColorSpec("bt601", full_range=False, depth=8)


@dataclass(frozen=True)
class Tape:
    """An interlaced film to make: ``orders`` are those of its frames, again and again."""

    name: str = "tape.mkv"
    orders: Orders = TOP
    codec: str = "ffv1"
    pixel_format: str = "yuv420p"
    width: int = 96
    height: int = 480
    frames: int = 6
    pts: tuple[int, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    marked: bool = True
    """Unmarked ones hold fields all the same, as captures do."""
    chroma: tuple[int, int] = (128, 128)
    """Of the top and of the bottom field, in codes of 8 bits."""


def moment(time: int, width: int, height: int) -> Luma:
    """A bright bar with texture, on a gradient; it moves by 6 pixels for each step of time."""
    rows, columns = np.mgrid[0:height, 0:width]
    grey = 60 + columns * 40 // width + 8 * np.sin(rows / 9)
    bar = (columns - 6 * time) % width < 20
    return np.where(bar, 190 + 10 * np.sin(rows / 5), grey).astype(np.uint8)


def woven(number: int, order: FieldOrder | None, width: int, height: int) -> Luma:
    """Frame ``number``: two moments in the order of fields, or, for None, one."""
    picture = moment(2 * number, width, height)
    if order is not None:
        second = 1 if order == "top" else 0
        picture[second::2] = moment(2 * number + 1, width, height)[second::2]
    return picture


def record(tape: Tape, folder: Path) -> Path:
    path = folder / tape.name
    shape = (tape.width, tape.height, tape.pixel_format)
    marker = FieldMarker(shape)
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream(tape.codec, rate=25, options=dict(tape.options))
        stream.width, stream.height, stream.pix_fmt = shape
        stream.codec_context.time_base = Fraction(1, 25)
        if tape.marked:
            stream.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        for number in range(tape.frames):
            order = tape.orders[number % len(tape.orders)]
            # Packed formats are filled as planes, then packed.
            planes = {"yuyv422": "yuv422p"}.get(tape.pixel_format, tape.pixel_format)
            picture = av.VideoFrame(tape.width, tape.height, planes)
            wide = picture.format.components[0].bits - 8
            luma = woven(number, order, tape.width, tape.height)
            fill(picture, 0, luma.astype(np.uint16) << wide if wide else luma)
            for index, plane in enumerate(picture.planes[1:], 1):
                flat = np.empty((plane.height, plane.width), np.uint16 if wide else np.uint8)
                flat[::2], flat[1::2] = (code << wide for code in tape.chroma)
                fill(picture, index, flat)
            picture = picture.reformat(format=tape.pixel_format)
            picture.pts = tape.pts[number] if tape.pts else number
            picture.time_base = Fraction(1, 25)
            output.mux(stream.encode(marker.mark(picture, order if tape.marked else None)))
        output.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("net") / "tiny.safetensors")


@pytest.fixture(scope="module")
def colorizer(tiny: Path) -> Colorizer:
    return Colorizer(str(tiny), "cpu")


Job = Callable[..., Path]


@pytest.fixture
def job(colorizer: Colorizer, tmp_path: Path) -> Job:
    def run_it(
        source: Path, target: str = "out.mkv", fields: dict[str, Any] | None = None, **encoder: Any
    ) -> Path:
        settings = Settings().replace("color", short_side=64).replace("fields", **(fields or {}))
        settings = settings.replace("encoder", **encoder)
        path = tmp_path / target
        colorize_video(source, path, settings, colorizer=colorizer)
        return path

    return run_it


def frames(path: Path, **fields: Any) -> list[Frame]:
    return list(decode(examine(path, Settings().replace("fields", **fields))))


def combing(luma: Luma) -> float:
    """How far the lines stand off the mean of those above and below, as the two fields do."""
    lines = luma.astype(float)
    return float(np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean())


# Finding


@pytest.mark.parametrize("order", ["top", "bottom"])
@pytest.mark.parametrize(
    ("codec", "name", "pixels"),
    [
        ("ffv1", "a.mkv", "yuv420p"),
        ("mpeg2video", "a.mpg", "yuv420p"),
        ("libx264", "a.mp4", "yuv420p"),
        ("prores_ks", "a.mov", "yuv422p10le"),
        ("mpeg4", "a.avi", "yuv420p"),
    ],
)
def test_marks_are_read(
    codec: str, name: str, pixels: str, order: FieldOrder, tmp_path: Path
) -> None:
    path = record(Tape(name, (order,), codec, pixels, width=96, height=64), tmp_path)
    info = probe(path)
    assert info.fields == Fields(order) and info.interlaced
    assert {frame.first_field for frame in decode(info)} == {order}


@pytest.mark.parametrize("order", ["top", "bottom"])
def test_unmarked_fields_are_found_by_their_combing(order: FieldOrder, tmp_path: Path) -> None:
    path = record(Tape(orders=(order,), frames=15, marked=False), tmp_path)
    assert probe(path).fields == Fields(order, flagged=False)
    assert {frame.first_field for frame in decode(probe(path))} == {order}


@pytest.mark.parametrize("marked", [False, True])
def test_what_is_told_beforehand_lacks_the_fields_alone(marked: bool, tmp_path: Path) -> None:
    path = record(Tape(frames=15, marked=marked), tmp_path)
    told: list[VideoInfo] = []
    info = examine(path, Settings(), told.append)
    assert info.fields is not None
    assert told == [replace(info, fields=None)]


def test_film_in_sixty_fields_is_found(tmp_path: Path) -> None:
    """3:2 pulldown, unmarked: two of five frames are combed."""
    pulldown: Orders = (None, None, None, "top", "top")
    path = record(Tape(orders=pulldown, frames=30, marked=False), tmp_path)
    assert probe(path).fields == Fields("top", flagged=False)


def test_progressive_film_stays_progressive(tmp_path: Path) -> None:
    path = record(Tape(orders=(None,), frames=15), tmp_path)
    assert probe(path).fields is None and not probe(path).interlaced
    assert {frame.first_field for frame in decode(probe(path))} == {None}


def test_marks_further_on_are_found(tmp_path: Path) -> None:
    mixed: Orders = (None, None, "bottom", None)
    path = record(Tape(orders=mixed, frames=8), tmp_path)
    assert probe(path).fields == Fields("bottom")
    assert tuple(frame.first_field for frame in decode(probe(path))) == mixed * 2


# Keeping


KEPT = [
    ("h264", "out.mp4", {"crf": 0.0}),
    ("h264", "out.mkv", {}),
    ("ffv1", "out.mkv", {}),
    ("prores", "out.mov", {}),
    ("mpeg4", "out.mp4", {}),
]


@pytest.mark.parametrize("order", ["top", "bottom"])
@pytest.mark.parametrize(("codec", "target", "encoder"), KEPT)
def test_fields_and_marks_survive(
    codec: str, target: str, encoder: dict[str, Any], order: FieldOrder, job: Job, tmp_path: Path
) -> None:
    source = record(Tape(orders=(order,), height=576), tmp_path)
    result = job(source, target, codec=codec, **encoder)
    before, after = frames(source), frames(result)
    assert probe(result).fields == Fields(order)
    assert [frame.first_field for frame in after] == [order] * len(before)
    shift = after[0].color.depth - 8
    exact = codec == "ffv1" or "crf" in encoder
    for one, other in zip(before, after, strict=True):
        off = np.abs(one.luma - (other.luma >> shift).astype(float))
        assert off.max() == 0 if exact else off.mean() < 2


def test_h264_is_coded_by_fields(job: Job, tmp_path: Path) -> None:
    """What x264 writes into its streams about itself."""
    interlaced = job(record(Tape(orders=BOTTOM), tmp_path), "fields.mkv", codec="h264")
    assert re.search(rb" interlaced=[tb]ff ", interlaced.read_bytes())
    progressive = job(record(Tape(orders=(None,)), tmp_path), "frames.mkv", codec="h264")
    assert b" interlaced=0 " in progressive.read_bytes()


@pytest.mark.parametrize(("target", "number"), [("out.mkv", 14), ("out.mov", 14)])
def test_the_container_says_it_too(target: str, number: int, job: Job, tmp_path: Path) -> None:
    """9 and 14, in Matroska's FieldOrder and QuickTime's ``fiel``: interleaved in one frame."""
    result = job(record(Tape(orders=BOTTOM), tmp_path), target, codec="prores").read_bytes()
    tag = b"\x9d\x81" if target.endswith("mkv") else b"fiel\x02"
    assert tag + bytes([number]) in result


def test_mixed_film_keeps_its_marks_or_has_all_of_them(job: Job, tmp_path: Path) -> None:
    mixed: Orders = (None, "top", "top")
    source = record(Tape(orders=mixed), tmp_path)
    each = frames(job(source, "each.mkv", codec="ffv1"))
    assert tuple(frame.first_field for frame in each) == mixed * 2
    all_of_them = frames(job(source, "all.mkv", codec="h264"))
    assert {frame.first_field for frame in all_of_them} == {"top"}


@pytest.mark.parametrize("height", [486, 576, 1080])
def test_heights(height: int, job: Job, tmp_path: Path) -> None:
    source = record(Tape(height=height, frames=2), tmp_path)
    result = job(source, codec="ffv1")
    for one, other in zip(frames(source), frames(result), strict=True):
        np.testing.assert_array_equal(one.luma, other.luma)
    assert probe(result).fields == Fields("top")


def test_x264_gets_finer_chroma_where_fields_have_odd_lines(tmp_path: Path) -> None:
    info = probe(record(Tape(height=486, frames=2), tmp_path))
    choice = choose(info, EncoderSettings(codec="h264"), "mp4")
    assert choice.pixel_format == "yuv422p" and "486 lines" in choice.warnings[0]


@pytest.mark.parametrize("codec", ["h265", "av1", "vp9", "dnxhr"])
def test_encoders_without_fields_are_refused(codec: str, tmp_path: Path) -> None:
    info = probe(record(Tape(frames=2), tmp_path))
    with pytest.raises(EncodeError, match=r"cannot write interlaced video.*libx264.*--deinterlace"):
        choose(info, EncoderSettings(codec=codec), "matroska")


def test_x264_is_refused_an_odd_number_of_lines(tmp_path: Path) -> None:
    info = probe(record(Tape(height=485, frames=2), tmp_path))
    with pytest.raises(EncodeError, match=r"of 485 lines.*ffv1.*--deinterlace") as told:
        choose(info, EncoderSettings(codec="h264"), "matroska")
    assert "libx264," not in str(told.value)
    assert choose(info, EncoderSettings(codec="h264,ffv1"), "matroska").encoder == "ffv1"


def test_strips_of_a_few_lines_have_no_fields(job: Job, tmp_path: Path) -> None:
    source = record(Tape(height=2, frames=2, orders=(None,), marked=False), tmp_path)
    for fields in ({"order": "top"}, {"order": "bottom", "deinterlace": True}):
        target = job(source, f"{len(fields)}.mkv", fields, codec="ffv1")
        assert len(frames(target)) == 2


@pytest.mark.parametrize(
    ("marked", "fields"),
    [
        (True, {"order": "bottom"}),
        (True, {"order": "progressive"}),
        (True, {"deinterlace": True}),
        (False, {"order": "bottom"}),
        (False, {"order": "top", "deinterlace": True}),
    ],
)
def test_what_was_made_as_wished_is_verified(
    marked: bool, fields: dict[str, Any], job: Job, tmp_path: Path
) -> None:
    source = record(Tape(frames=4, marked=marked), tmp_path)
    target = job(source, "made.mkv", fields, codec="ffv1")
    wishes = FieldSettings(**fields)
    found = verify(source, target, fields=wishes)
    assert found.passed, found.to_text()
    # The same file is not what it would be without the wish, but where it looks so all the same.
    alike = fields == {"order": "progressive"}
    assert verify(source, target).passed == alike
    words = ["--fields", wishes.order] + ["--deinterlace"] * wishes.deinterlace
    assert run(["verify", str(source), str(target), "--quiet", *words]) == 0
    assert run(["verify", str(source), str(target), "--quiet"]) == (0 if alike else 7)


def test_of_several_encoders_the_first_with_fields_is_used(tmp_path: Path) -> None:
    info = probe(record(Tape(frames=2), tmp_path))
    choice = choose(info, EncoderSettings(codec="h265,h264"), "matroska")
    assert choice.encoder == "libx264"
    assert choice.warnings == ("libx265 writes no interlaced video, libx264 is used",)


# Painting


def colored(luma: Luma, ab: NDArray[Any], first: FieldOrder | None) -> ColoredFrame:
    frame = Frame(0, 0, 1, luma, SPEC, first_field=first)
    return ColoredFrame(frame, shrink(frame, ab.shape[1:]), ab.astype(np.float32), True)


def wanted(luma: Luma, ab: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """The chroma planes, (2, height, width), of one moment alone."""
    painted = Painter(shape).paint(colored(luma, ab, None))
    return np.stack([painted.cb, painted.cr]).astype(int)


@pytest.mark.parametrize("order", ["top", "bottom"])
@pytest.mark.parametrize("chroma", [(180, 160), (360, 160), (360, 320)])
def test_each_field_is_painted_by_its_own_edges(chroma: tuple[int, int], order: FieldOrder) -> None:
    """A colourful thing that has moved on in the second field, its colour known where it was."""
    rng = np.random.default_rng(5)
    texture = cv2.GaussianBlur(rng.normal(0, 1, (360, 400)), (0, 0), 4)
    scene = 100 + 25 * texture / texture.std()
    scene[100:260, 150:250] += 60
    hue = np.zeros((360, 400, 2))
    hue[100:260, 150:250] = 30, 40

    def seen(at: int) -> tuple[Luma, NDArray[Any]]:
        ab = cv2.resize(hue[:, at : at + 320], (96, 96), interpolation=cv2.INTER_AREA)
        luma = scene[:, at : at + 320].clip(16, 235).astype(np.uint8)
        return luma, np.moveaxis(np.asarray(ab), 2, 0)

    (luma, ab), (later, later_ab) = seen(40), seen(28)
    second = 1 if order == "top" else 0
    frame = luma.copy()
    frame[second::2] = later[second::2]
    both = colored(frame, ab, order)
    by_fields, by_frame = FieldPainter(chroma).paint(both), Painter(chroma).paint(both)
    assert by_fields.frame is both.frame
    for parity in (0, 1):
        own, colors = (later, later_ab) if parity == second else (luma, ab)
        truth = wanted(own[parity::2], colors, (chroma[0] // 2, chroma[1]))
        ours, plain = (
            np.abs(np.stack([planes.cb, planes.cr]).astype(int)[:, parity::2] - truth).mean()
            for planes in (by_fields, by_frame)
        )
        # Chroma of full height mixes no lines: there the first field is right either way.
        if parity == second or chroma[0] < 360:
            assert ours < 0.5 * plain and plain > 0.2


@pytest.mark.parametrize("height", [486, 1080, 487])
def test_the_last_lines_of_odd_fields(height: int) -> None:
    """No field may be painted from a luma that was stretched to fit."""
    lines = -(-height // 2)
    luma = np.full((height, 64), 120, np.uint8)
    luma[: height // 2] = 235  # White has no room for colour.
    ab = np.full((2, 96, 96), 15.0)
    painted = FieldPainter((lines, 32)).paint(colored(luma, ab, "top"))
    whole = wanted(luma, ab, (lines, 32))
    assert painted.cb.shape == (lines, 32)
    off = np.abs(np.stack([painted.cb, painted.cr]).astype(int) - whole)
    off[:, lines // 2 - 4 : lines // 2 + 4] = 0
    assert off.max() <= 1 and np.ptp(whole) > 5


def test_single_moments_are_painted_whole_unless_all_are_fields() -> None:
    luma = moment(0, 320, 360)
    ab = np.random.default_rng(0).normal(0, 20, (2, 96, 96))
    plain = colored(luma, ab, None)
    whole = Painter((180, 160)).paint(plain)
    np.testing.assert_array_equal(FieldPainter((180, 160)).paint(plain).cb, whole.cb)
    always = FieldPainter((180, 160), always=True).paint(plain)
    assert not np.array_equal(always.cb, whole.cb)


def test_chroma_of_one_line_has_no_fields() -> None:
    with pytest.raises(ValueError, match="no two fields"):
        FieldPainter((1, 8))


# The small picture


@pytest.mark.parametrize("order", ["top", "bottom"])
def test_the_small_picture_is_the_first_moment(order: FieldOrder) -> None:
    luma = woven(3, order, 320, 480)
    first, later = (Frame(0, 0, 1, moment(time, 320, 480), SPEC) for time in (6, 7))
    small = shrink(Frame(0, 0, 1, luma, SPEC, first_field=order), (192, 128))
    ghost = shrink(Frame(0, 0, 1, luma, SPEC), (192, 128))
    to_first, to_later, mixed = (
        float(np.abs(one - shrink(other, (192, 128))).mean())
        for one, other in ((small, first), (small, later), (ghost, first))
    )
    assert to_first < 0.2 * mixed and to_first < 0.1 * to_later


# Deinterlacing


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("order", ["top", "bottom"])
def test_deinterlaced_frames_are_the_first_moment(
    order: FieldOrder, marked: bool, tmp_path: Path
) -> None:
    source = record(Tape(orders=(order,), frames=15, marked=marked), tmp_path)
    before, after = frames(source), frames(source, deinterlace=True)
    assert [frame.pts for frame in after] == [frame.pts for frame in before]
    assert [frame.duration for frame in after] == [frame.duration for frame in before]
    assert {frame.first_field for frame in after} == {None}
    own = slice(0 if order == "top" else 1, None, 2)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.luma[own], other.luma[own])
        assert combing(other.luma) < 0.1 * combing(one.luma)
        truth = moment(2 * one.index, 96, 480).astype(float)
        assert np.abs(other.luma - truth).mean() < 0.1 * np.abs(one.luma - truth).mean()


@pytest.mark.parametrize("pixels", ["gray10le", "yuv422p10le", "yuyv422"])
def test_any_pixel_format_is_deinterlaced_in_its_own_codes(pixels: str, tmp_path: Path) -> None:
    codec = "rawvideo" if pixels == "yuyv422" else "ffv1"
    source = record(Tape(codec=codec, pixel_format=pixels, name="tape.nut"), tmp_path)
    for one, other in zip(frames(source), frames(source, deinterlace=True), strict=True):
        assert one.luma.dtype == other.luma.dtype
        np.testing.assert_array_equal(one.luma[::2], other.luma[::2])
        assert combing(other.luma) < 0.1 * combing(one.luma)
        assert other.luma.max() < 1 << other.color.depth


@pytest.mark.parametrize("count", [1, 2])
def test_short_films_lose_no_frame(count: int, tmp_path: Path) -> None:
    source = record(Tape(frames=count), tmp_path)
    assert len(frames(source, deinterlace=True)) == count


def test_uneven_times_stay(tmp_path: Path) -> None:
    source = record(Tape(pts=(0, 1, 4, 5, 9, 10)), tmp_path)
    plain, after = frames(source), frames(source, deinterlace=True)
    assert [frame.pts for frame in after] == [0, 40, 160, 200, 360, 400]
    assert [frame.duration for frame in after] == [frame.duration for frame in plain]


def test_single_moments_pass_the_deinterlacer_unchanged(tmp_path: Path) -> None:
    mixed: Orders = (None, "top", None, "top")
    source = record(Tape(orders=mixed, frames=8), tmp_path)
    pairs = list(zip(frames(source), frames(source, deinterlace=True), strict=True))
    same = [np.array_equal(one.luma, other.luma) for one, other in pairs]
    assert same == [order is None for order in mixed * 2]


def test_a_deinterlaced_film_is_progressive(job: Job, tmp_path: Path) -> None:
    source = record(Tape(), tmp_path)
    result = job(source, fields={"deinterlace": True}, codec="h264")
    assert probe(result).fields is None
    assert [frame.pts for frame in frames(result)] == [frame.pts for frame in frames(source)]
    assert b" interlaced=0 " in result.read_bytes()


@pytest.mark.parametrize("part", [{"first_frame": 2, "end_frame": 5}, {"start": Fraction(2, 25)}])
def test_a_part_is_deinterlaced_as_the_whole(part: dict[str, Any], tmp_path: Path) -> None:
    source = record(Tape(), tmp_path)
    info = examine(source, Settings().replace("fields", deinterlace=True))
    whole = {frame.pts: frame.luma for frame in decode(info)}
    found = list(decode(info, Settings().replace("range", **part).range))
    assert found[0].pts == 80 and len(found) == (3 if "end_frame" in part else 4)
    for frame in found[1:]:
        np.testing.assert_array_equal(frame.luma, whole[frame.pts])


# The film's own colour


@pytest.mark.parametrize("order", ["top", "bottom"])
@pytest.mark.parametrize(("codec", "height"), [("ffv1", 480), ("h264", 486)])
def test_kept_colour_stays_in_its_field(
    colorizer: Colorizer, order: FieldOrder, codec: str, height: int, tmp_path: Path
) -> None:
    """Also where x264 needs other planes, as for 486 lines."""
    source = record(Tape(orders=(order,), height=height, chroma=(90, 150)), tmp_path)
    settings = Settings(keep_color=((0, None),)).replace("color", short_side=64)
    settings = settings.replace("encoder", codec=codec, crf=0 if codec == "h264" else None)
    first = 90 if order == "top" else 150
    for deinterlace, fields in ((False, [[90], [150]]), (True, [[first], [first]])):
        settings = settings.replace("fields", deinterlace=deinterlace)
        target = tmp_path / f"{deinterlace}.mkv"
        assert colorize_video(source, target, settings, colorizer=colorizer).kept_color == 6
        for frame in frames(target):
            planes = read_chroma(frame.owner, frame.color)
            assert planes is not None
            for plane in planes:
                assert [np.unique(lines).tolist() for lines in (plane[::2], plane[1::2])] == fields


# Settings and the command line


@pytest.mark.parametrize(
    ("order", "fields"),
    [("progressive", None), ("bottom", Fields("bottom", flagged=False)), ("auto", Fields("top"))],
)
def test_the_settings_win_over_the_marks(order: str, fields: Fields | None, tmp_path: Path) -> None:
    source = record(Tape(frames=2), tmp_path)
    assert examine(source, Settings().replace("fields", order=order)).fields == fields


@pytest.mark.parametrize("order", ["progressive", "bottom"])
def test_fields_that_the_settings_tell_are_not_looked_for(
    order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = record(Tape(frames=2), tmp_path)
    monkeypatch.setattr("vidcolor.media.combing.FieldReader", lambda: pytest.fail("looked for"))
    examine(source, Settings().replace("fields", order=order))


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(SettingsError, match="auto, progressive, top, bottom"):
        Settings().replace("fields", order="left")


@pytest.mark.parametrize(
    ("tape", "flags", "said"),
    [
        (Tape(), ["--deinterlace"], "deinterlaced"),
        (Tape(), [], None),
        (Tape(orders=(None,), frames=15), ["--deinterlace"], "nothing to deinterlace"),
        (Tape(frames=15, marked=False), [], "looks interlaced, top field first"),
        (Tape(frames=15, marked=False), ["--fields", "progressive"], None),
    ],
)
def test_what_was_decided_is_said_in_one_line(
    tape: Tape,
    flags: list[str],
    said: str | None,
    tiny: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = record(tape, tmp_path)
    words = [str(source), str(tmp_path / "o.mkv"), "--model", str(tiny), "--dry-run", *flags]
    assert run(words) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]


def test_probe_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = record(Tape(orders=BOTTOM, frames=2), tmp_path)
    assert run(["probe", str(source)]) == 0
    assert "interlaced, bottom field first, as its frames say" in capsys.readouterr().out
    assert run(["probe", str(source), "--json"]) == 0
    assert '"first": "bottom"' in capsys.readouterr().out


def test_pictures_to_look_at(colorizer: Colorizer, tmp_path: Path) -> None:
    source = record(Tape(frames=2), tmp_path)
    pictures = color_frames(source, Settings().replace("color", short_side=64), colorizer=colorizer)
    assert [picture.rgb.shape for picture in pictures] == [(480, 96, 3)] * 2


def test_a_film_whose_container_says_so_is_interlaced(tmp_path: Path) -> None:
    """Motion JPEG and FFV1 need not mark their pictures, and this one does not move."""
    path = tmp_path / "still.mov"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 288, "yuvj420p"
        stream.codec_context.field_order = 3
        for number in range(3):
            picture = av.VideoFrame(96, 288, "yuvj420p")
            for index, plane in enumerate(picture.planes):
                fill(picture, index, np.full((plane.height, plane.width), 128, np.uint8))
            picture.pts, picture.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    info = probe(path)
    assert info.fields is not None and info.fields.first == "bottom"
    assert any("as its container says" in line for line in doubts(info, Settings()))
