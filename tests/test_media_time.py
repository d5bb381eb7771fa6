"""Time: every frame of every source at its own time in every target, and sound beside it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import VARIABLE, Clip, make
from test_media_writer import packets, rewrite, settings_for, times

from vidcolor.media.clock import LONGEST_GAP
from vidcolor.media.packets import hear
from vidcolor.media.probe import probe

MILLISECOND = Fraction(1, 1000)
TARGETS = (".mp4", ".mov", ".mkv", ".webm")
CODECS = {
    "mp4": "libx264",
    "mov": "libx264",
    "mkv": "libx264",
    "webm": "libvpx-vp9",
    "avi": "mpeg4",
    "ts": "libx264",
    "mxf": "mpeg2video",
}
REORDERED = {"preset": "medium", "bf": "3", "qp": "20", "threads": "1"}


def film(name: str, suffix: str, **changes: object) -> Clip:
    """With B-frames where the codec has them, and sound where the container takes it."""
    codec = CODECS[suffix]
    options = REORDERED if codec == "libx264" else {}
    clip = Clip(f"{name}.{suffix}", frames=12, codec=codec, options=options)
    if suffix not in ("avi", "mxf"):
        clip = replace(clip, audio=("eng",))
    return replace(clip, **changes)  # type: ignore[arg-type]


def ticks(suffix: str, milliseconds: tuple[int, ...]) -> dict[str, object]:
    """Timestamps in a unit that the container counts in."""
    scale = 90 if suffix == "ts" else 1
    return {
        "time_base": MILLISECOND / scale,
        "pts": [time * scale for time in milliseconds],
        "frames": len(milliseconds),
    }


LATE = tuple(range(2000, 2400, 40))
SOURCES = [
    *(
        film(f"at-{number}", suffix, rate=rate)
        for number, rate in enumerate((Fraction(24000, 1001), Fraction(30000, 1001)))
        for suffix in CODECS
    ),
    *(film("fast", suffix, rate=Fraction(60000, 1001)) for suffix in ("mp4", "mkv", "ts")),
    *(film("variable", s, **ticks(s, VARIABLE)) for s in ("mp4", "mov", "mkv", "webm", "ts")),
    *(
        film("late", s, **ticks(s, LATE), audio_delay=Fraction(2))
        for s in ("mp4", "mov", "mkv", "webm", "ts")
    ),
    *(film("sound-later", s, audio_delay=Fraction(1, 2)) for s in ("mp4", "mov", "mkv", "ts")),
]


@pytest.mark.parametrize("made", SOURCES, ids=lambda made: made.name)
def test_every_time_in_every_container(made: Clip, tmp_path: Path) -> None:
    source = make(made, tmp_path)
    before, base = times(source), probe(source).time_base
    # What was put in is what is read: to the container's unit, and from its own origin.
    unit, given = made.ticks
    origin = before[0] - given[0] * unit
    assert all(
        abs(time - origin - tick * unit) <= MILLISECOND / 2
        for time, tick in zip(before, given, strict=True)
    )
    with av.open(str(source)) as opened:
        start = Fraction(opened.start_time or 0, av.time_base)
    # The clock of a transport stream starts anywhere, that of the target at 0.
    moved = start if made.name.endswith(".ts") else Fraction(0)
    for suffix in TARGETS:
        target = tmp_path / f"out{suffix}"
        rewrite(source, target, settings_for(suffix))
        tick = MILLISECOND / 2 if suffix in (".mkv", ".webm") else Fraction(0)
        tick += base if moved else 0
        after = times(target)
        assert all(abs(a - (b - moved)) <= tick for a, b in zip(after, before, strict=True)), suffix
        _same_sound(source, target, moved, max(tick, Fraction(1, 16000)))
        _right_length(target, after[-1] + (given[-1] - given[-2]) * unit)


def _same_sound(source: Path, target: Path, moved: Fraction, tick: Fraction) -> None:
    old, new = packets(source, "audio"), packets(target, "audio")
    assert len(new) == len(old)
    refused = {".webm": source.suffix != ".webm", ".mov": source.suffix == ".webm"}
    if old and refused.get(target.suffix):
        # Encoded anew: the same time, with less than a packet of silence before and after it, and
        # Opus's delay rounded to milliseconds apart from its times.
        tick, packet = tick + MILLISECOND / 2, Fraction(1, 40)
        was, now = (
            hear(path, next(other.index for other in probe(path).others if other.kind == "audio"))
            for path in (source, target)
        )
        assert was is not None and now is not None
        start = was.start - moved
        assert start - packet <= now.start <= start + tick
        assert -tick <= (now.start + now.length) - (start + was.length) <= packet
        return
    for one, other in zip(old, new, strict=True):
        assert all(abs(b - (a - moved)) <= tick for (a, _), (b, _) in zip(one, other, strict=True))


def _right_length(target: Path, end: Fraction) -> None:
    with av.open(str(target)) as opened:
        stream = opened.streams.video[0]
        assert stream.time_base is not None
        if stream.duration is not None:
            length = (stream.duration + (stream.start_time or 0)) * stream.time_base
            assert abs(length - end) <= MILLISECOND
        else:
            # Matroska has one length for all, and sound goes on for a packet or two.
            assert opened.duration is not None
            length = Fraction(opened.duration, av.time_base)
            assert -MILLISECOND <= length - end <= (3 if opened.streams.audio else 0) + MILLISECOND


@pytest.mark.parametrize("suffix", TARGETS)
def test_a_fine_clock_survives(tmp_path: Path, suffix: str) -> None:
    """Nanoseconds, and a gap of more of them than 32 bits can count."""
    nanosecond = Fraction(1, 10**9)
    pts = [0, 41_708_333, 83_416_667, 9_000_000_000, 9_041_708_333]
    made = Clip("fine.nut", frames=5, codec="ffv1", time_base=nanosecond, pts=pts)
    source, target = make(made, tmp_path), tmp_path / f"out{suffix}"
    assert times(source) == [tick * nanosecond for tick in pts]
    rewrite(source, target, settings_for(suffix))
    tick = MILLISECOND / 2 if suffix in (".mkv", ".webm") else Fraction(1, 10**6)
    after = times(target)
    assert all(abs(a - p * nanosecond) <= tick for a, p in zip(after, pts, strict=True))


@pytest.mark.parametrize("suffix", TARGETS)
@pytest.mark.parametrize("first", [2**52, -(2**52), 90_000 * 10**7])
def test_a_clock_from_nowhere_begins_at_zero(tmp_path: Path, first: int, suffix: str) -> None:
    pts = [first + 3600 * number for number in range(6)]
    made = Clip("far.nut", codec="ffv1", frames=6, time_base=Fraction(1, 90000), pts=pts)
    source, target = make(made, tmp_path), tmp_path / f"out{suffix}"
    rewrite(source, target, settings_for(suffix))
    assert times(target) == [Fraction(number, 25) for number in range(6)]
    assert (probe(target).duration or 0) < 1


@pytest.mark.parametrize("suffix", TARGETS)
def test_a_gap_of_years_is_not_written(tmp_path: Path, suffix: str) -> None:
    years = int(LONGEST_GAP * 1000) * 2000
    pts = [0, 40, 80, years, years + 40, years + 80]
    made = Clip("gap.nut", codec="ffv1", frames=6, time_base=MILLISECOND, pts=pts)
    source, target = make(made, tmp_path), tmp_path / f"out{suffix}"
    rewrite(source, target, settings_for(suffix))
    assert times(target) == [Fraction(number, 25) for number in range(6)]
    assert (probe(target).duration or 0) < 1
