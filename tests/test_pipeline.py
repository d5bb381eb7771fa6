from __future__ import annotations

import os
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import Clip, make

import vidcolor
from vidcolor import Settings, colorize_video
from vidcolor.errors import ModelError, TargetExistsError, UsageError
from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.models.colorizer import Colorizer
from vidcolor.plan import expected_frames, plan_video
from vidcolor.settings import RangeSettings

Clips = Callable[[str], Path]


def _settings(**encoder: Any) -> Settings:
    settings = Settings().replace("color", short_side=64)
    return settings.replace("encoder", **encoder) if encoder else settings


LOSSLESS = {"codec": "ffv1"}


def _luma(path: Path) -> list[np.ndarray]:
    return [frame.luma.copy() for frame in decode(probe(path))]


def _times(path: Path) -> list[Fraction]:
    info = probe(path)
    return [frame.pts * info.time_base for frame in decode(info)]


def _packets(path: Path, kind: str) -> list[list[bytes]]:
    with av.open(str(path)) as source:
        streams = [item for item in source.streams if item.type == kind]
        return [
            [bytes(packet) for packet in _demux(path, stream.index) if packet.size]
            for stream in streams
        ]


def _demux(path: Path, index: int) -> list[av.Packet]:
    with av.open(str(path)) as source:
        return list(source.demux(source.streams[index]))


@pytest.mark.parametrize(
    "name", ["plain.mkv", "ten.mkv", "444.mp4", "odd.mkv", "grey.mkv", "full.mp4", "turned.mp4"]
)
def test_luma_out_is_luma_in_and_there_is_colour(
    name: str, clip: Clips, colorizer: Colorizer, tmp_path: Path
) -> None:
    source, target = clip(name), tmp_path / "out.mkv"
    colorize_video(source, target, _settings(**LOSSLESS), colorizer=colorizer)
    before, after = _luma(source), _luma(target)
    assert len(before) == len(after)
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    with av.open(str(target)) as film:
        frame = next(film.decode(video=0))
        assert frame.to_ndarray(format="rgb24").std(axis=2).mean() > 1


@pytest.mark.parametrize("name", ["variable.mkv", "variable.mp4", "late.mp4", "plain.webm"])
def test_every_frame_keeps_its_time(
    name: str, clip: Clips, colorizer: Colorizer, tmp_path: Path
) -> None:
    source, target = clip(name), tmp_path / "out.mkv"
    report = colorize_video(source, target, _settings(), colorizer=colorizer)
    assert _times(target) == _times(source)
    assert report.frames == len(_times(source))


def test_sound_and_the_rest_go_along_unchanged(
    clip: Clips, colorizer: Colorizer, tmp_path: Path
) -> None:
    source, target = clip("rich.mkv"), tmp_path / "out.mkv"
    report = colorize_video(source, target, _settings(), colorizer=colorizer)
    assert _packets(target, "audio") == _packets(source, "audio")
    assert len(_packets(target, "audio")) == 2
    assert _packets(target, "subtitle") == _packets(source, "subtitle")
    assert len(report.copied) == 5
    assert report.dropped == []
    assert probe(target).chapters == 2


def test_what_the_container_refuses_is_named(
    clip: Clips, colorizer: Colorizer, tmp_path: Path
) -> None:
    notes: list[str] = []
    report = colorize_video(
        clip("rich.mkv"), tmp_path / "out.mp4", _settings(), colorizer=colorizer, warn=notes.append
    )
    assert [line.split(":")[0] for line in report.converted] == [
        "subtitle 3 (subrip, fra)",
        "subtitle 4 (subrip, eng)",
    ]
    assert report.dropped == ["attachment 5 (x-truetype-font): mp4 cannot hold it"]
    for note, line in zip(notes, (*report.converted, *report.dropped), strict=True):
        assert note.startswith(line.split(":")[0])


def test_a_range_is_these_frames_and_their_sound(
    clip: Clips, colorizer: Colorizer, tmp_path: Path
) -> None:
    source, target = clip("rich.mkv"), tmp_path / "out.mkv"
    settings = Settings(
        color=_settings().color,
        encoder=_settings(**LOSSLESS).encoder,
        range=RangeSettings(first_frame=5, end_frame=15),
    )
    colorize_video(source, target, settings, colorizer=colorizer)
    assert all(
        np.array_equal(one, other)
        for one, other in zip(_luma(source)[5:15], _luma(target), strict=True)
    )
    assert _times(target)[0] == 0
    whole, part = _packets(source, "audio")[0], _packets(target, "audio")[0]
    assert 0 < len(part) < len(whole)
    assert b"".join(part) in b"".join(whole)


def test_a_range_by_time_is_the_same_as_by_frames(
    clip: Clips, colorizer: Colorizer, tmp_path: Path
) -> None:
    source = clip("rich.mkv")
    by_time = RangeSettings(start=Fraction(1, 4), duration=Fraction(1, 2))
    settings = Settings(_settings().color, _settings(**LOSSLESS).encoder, by_time)
    colorize_video(source, tmp_path / "out.mkv", settings, colorizer=colorizer)
    frames = _luma(tmp_path / "out.mkv")
    assert len(frames) == 10
    assert np.array_equal(frames[0], _luma(source)[5])


def test_saturation_zero_is_exactly_neutral(
    clip: Clips, colorizer: Colorizer, tmp_path: Path
) -> None:
    settings = _settings(**LOSSLESS).replace("color", saturation=0.0)
    colorize_video(clip("plain.mkv"), tmp_path / "out.mkv", settings, colorizer=colorizer)
    with av.open(str(tmp_path / "out.mkv")) as film:
        for frame in film.decode(video=0):
            planes = frame.to_ndarray()[frame.height :]
            assert (planes == 128).all()


def test_threads_change_nothing(clip: Clips, colorizer: Colorizer, tmp_path: Path) -> None:
    """The same stages, called one after the other in this thread, give the same chroma."""
    from vidcolor.colorize import colorize
    from vidcolor.flow import motions
    from vidcolor.keyframes import choose_keys
    from vidcolor.paint import paint
    from vidcolor.scenes import find_cuts
    from vidcolor.stabilize import stabilize

    source = clip("rich.mkv")
    settings = _settings(**LOSSLESS)
    colorize_video(source, tmp_path / "out.mkv", settings, colorizer=colorizer)
    small = find_cuts(decode(probe(source)), (64, 96))
    linked = choose_keys(motions(small), settings.color.keyframes)
    steady = stabilize(colorize(linked, colorizer, 4), settings.color.stabilize)
    with av.open(str(tmp_path / "out.mkv")) as film:
        threaded = [frame.to_ndarray()[48:] for frame in film.decode(video=0)]
    sequential = [
        np.concatenate([item.cb.reshape(-1, 64), item.cr.reshape(-1, 64)])
        for item in paint(steady, (24, 32), 1.0)
    ]
    assert len(threaded) == len(sequential) == 20
    assert all(np.array_equal(a, b) for a, b in zip(threaded, sequential, strict=True))


def test_progress_counts_every_frame(clip: Clips, colorizer: Colorizer, tmp_path: Path) -> None:
    seen = []
    colorize_video(
        clip("plain.mp4"),
        tmp_path / "o.mp4",
        _settings(),
        colorizer=colorizer,
        progress=lambda item: seen.append((item.done, item.total)),
    )
    assert seen == [(n, 10) for n in range(1, 11)]


class _StopError(Exception):
    pass


@pytest.mark.parametrize("error", [_StopError, KeyboardInterrupt])
def test_an_interrupted_job_leaves_nothing_and_no_thread(
    error: type[BaseException], clip: Clips, colorizer: Colorizer, tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"the film of last week")

    def stop(item: vidcolor.Progress) -> None:
        if item.done == 3:
            raise error

    settings = Settings(color=_settings().color, overwrite=True)
    with pytest.raises(error):
        colorize_video(clip("sound.mp4"), target, settings, colorizer=colorizer, progress=stop)
    assert target.read_bytes() == b"the film of last week"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    names = [item.name for item in threading.enumerate()]
    assert not [name for name in names if name.startswith("vidcolor-")]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
def test_a_failed_stage_leaves_no_open_source(
    clip: Clips, colorizer: Colorizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*arguments: Any) -> Any:
        raise _StopError

    source = clip("plain.mp4").resolve()
    monkeypatch.setattr("vidcolor.scenes.shrink", torn)
    with pytest.raises(_StopError) as caught:
        colorize_video(source, tmp_path / "o.mp4", _settings(), colorizer=colorizer)
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert caught.value.__traceback__ is not None  # It holds the stages' frames.
    assert source not in [Path(os.path.realpath(link)) for link in links]


@pytest.mark.parametrize("name", ["cut.mkv", "cut.mp4"])
def test_a_truncated_film_is_coloured_as_far_as_it_goes_with_a_warning(
    name: str, colorizer: Colorizer, tmp_path: Path
) -> None:
    # The table of an MP4 has to come first for it to be readable at all.
    front = {"movflags": "faststart"} if name.endswith(".mp4") else {}
    film = make(Clip("whole.mkv", frames=60, rate=Fraction(20)), tmp_path)
    whole, cut = tmp_path / f"whole-{name}", tmp_path / name
    with av.open(str(film)) as old, av.open(str(whole), "w", options=front) as new:
        copy = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = copy
                new.mux(packet)
    notes: list[str] = []
    colorize_video(whole, tmp_path / "a.mkv", _settings(), colorizer=colorizer, warn=notes.append)
    assert notes == []
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    report = colorize_video(
        cut, tmp_path / "b.mkv", _settings(), colorizer=colorizer, warn=notes.append
    )
    assert 20 < report.frames < 40
    assert len(notes) == 1 and name in notes[0] and "truncated" in notes[0]
    assert report.warnings == notes


def test_damage_is_told(clip: Clips, colorizer: Colorizer, tmp_path: Path) -> None:
    data = bytearray(clip("plain.mp4").read_bytes())
    packet = next(item for item in _demux(clip("plain.mp4"), 0)[4:])
    assert packet.pos is not None
    middle = slice(packet.pos + 40, packet.pos + packet.size - 40)
    data[middle] = np.random.default_rng(0).bytes(packet.size - 80)
    source = tmp_path / "damaged.mp4"
    source.write_bytes(data)
    notes: list[str] = []
    report = colorize_video(
        source, tmp_path / "o.mp4", _settings(), colorizer=colorizer, warn=notes.append
    )
    assert report.damaged + report.skipped > 0
    assert any("damaged.mp4" in note for note in notes)
    assert report.warnings == notes


def test_an_existing_target_is_refused_before_any_work(clip: Clips, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"x")
    # No such model: it would be an error too, were it looked for first.
    settings = Settings().replace("color", model="no-such-model")
    with pytest.raises(TargetExistsError):
        colorize_video(clip("plain.mp4"), target, settings)


def test_a_preset_for_one_container_refuses_another(clip: Clips, tmp_path: Path) -> None:
    settings = Settings().replace("encoder", codec="ffv1", container="mkv")
    with pytest.raises(UsageError, match=r"out\.mkv"):
        colorize_video(clip("plain.mp4"), tmp_path / "out.mp4", settings)


def test_color_frames_are_pictures_for_a_notebook(clip: Clips, colorizer: Colorizer) -> None:
    pictures = list(vidcolor.color_frames(clip("plain.mp4"), _settings(), colorizer=colorizer))
    assert [item.index for item in pictures] == list(range(10))
    assert pictures[3].seconds == pytest.approx(3 / 25)
    assert pictures[0].rgb.shape == (48, 64, 3)
    assert pictures[0].rgb.std(axis=2).mean() > 1


def test_color_frames_may_be_left_early(clip: Clips, colorizer: Colorizer) -> None:
    frames = vidcolor.color_frames(clip("plain.mp4"), _settings(), colorizer=colorizer)
    next(frames)
    frames.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("vidcolor-")]


def test_a_plan_says_what_a_job_would_do_and_writes_nothing(clip: Clips, tmp_path: Path) -> None:
    plan = plan_video(clip("sound.mp4"), tmp_path / "out.mp4", _settings())
    assert plan.frames == 10
    assert plan.size == (64, 96)
    assert plan.codec == "libx264"
    assert len(plan.copied) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_refused_where_the_job_would_be(clip: Clips, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"not weights")
    settings = _settings().replace("color", model=str(weights))
    with pytest.raises(ModelError, match=r"weights\.safetensors"):
        plan_video(clip("plain.mp4"), tmp_path / "out.mp4", settings)
    assert list(tmp_path.iterdir()) == [weights]


@pytest.mark.parametrize(
    ("crop", "count"),
    [
        (RangeSettings(), 10),
        (RangeSettings(first_frame=4), 6),
        (RangeSettings(first_frame=4, end_frame=7), 3),
        (RangeSettings(end_frame=80), 10),
        (RangeSettings(start=Fraction(1, 5)), 5),
        (RangeSettings(duration=Fraction(2, 25)), 2),
        (RangeSettings(start=Fraction(8, 25), duration=Fraction(9)), 2),
    ],
)
def test_the_number_of_frames_is_foretold(crop: RangeSettings, count: int, clip: Clips) -> None:
    assert expected_frames(probe(clip("plain.mp4")), Settings(range=crop)) == count


def test_a_report_is_plain_json(clip: Clips, colorizer: Colorizer, tmp_path: Path) -> None:
    import json

    settings = Settings(color=_settings().color, range=RangeSettings(start=Fraction(1, 10)))
    report = colorize_video(clip("sound.mp4"), tmp_path / "o.mp4", settings, colorizer=colorizer)
    values = json.loads(report.to_json())
    assert values["frames"] == report.frames == 7
    assert {"decode", "colorize", "stabilize", "paint", "encode"} <= values["stages"].keys()
    assert len(values["model"]["sha256"]) == 64
    assert values["settings"]["range"]["start"] == "1/10"
