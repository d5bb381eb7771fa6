"""Edit lists: what they cut out stays out, and the rest keeps its times."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import Clip, make
from test_media_writer import packets, rewrite

from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.settings import LimitSettings, RangeSettings
from vidcolor.verify import verify

Edit = tuple[Fraction, Fraction]
"""Seconds shown, and the second of the stored track they begin at."""


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def inside(data: bytes, *path: bytes) -> bytes:
    for kind in path:
        data = next(body for name, body in boxes(data) if name == kind)
    return data


def cut(film: Path, edits: list[Edit]) -> Path:
    """A copy of an MP4 or MOV with its ``moov`` at the end, of which only ``edits`` are shown."""
    out = b""
    for kind, body in boxes(film.read_bytes()):
        out += box(kind, b"".join(_edited(body, edits)) if kind == b"moov" else body)
    path = film.with_name(f"cut-{film.name}")
    path.write_bytes(out)
    return path


def _edited(moov: bytes, edits: list[Edit]) -> Iterator[bytes]:
    (scale,) = struct.unpack_from(">I", inside(moov, b"mvhd"), 12)
    for kind, body in boxes(moov):
        if kind != b"trak":
            yield box(kind, body)
            continue
        (own,) = struct.unpack_from(">I", inside(body, b"mdia", b"mdhd"), 12)
        try:
            (first,) = struct.unpack_from(">i", inside(body, b"edts", b"elst"), 12)
        except StopIteration:
            first = 0
        rows = [(round(t * scale), first + round(at * own), 1 << 16) for t, at in edits]
        table = struct.pack(">II", 0, len(rows)) + b"".join(struct.pack(">IiI", *r) for r in rows)
        edts = box(b"edts", box(b"elst", table))
        parts = [(name, part) for name, part in boxes(body) if name != b"edts"]
        yield box(b"trak", b"".join([box(*parts[0]), edts, *(box(*part) for part in parts[1:])]))


MIDDLE = [(Fraction(3, 5), Fraction(0)), (Fraction(4, 5), Fraction(9, 5))]
"""Of two seconds and more, 1.2 in the middle are not shown."""


def sound_end(path: Path) -> Fraction:
    with av.open(str(path)) as source:
        *_, last = source.decode(audio=0)
        assert last.pts is not None and last.time_base is not None
        return last.pts * last.time_base + Fraction(last.samples, last.sample_rate)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("crop", [RangeSettings(), RangeSettings(start=Fraction(3, 10))])
def test_what_is_cut_out_is_not_heard(suffix: str, crop: RangeSettings, tmp_path: Path) -> None:
    clip = Clip("film.mp4", frames=70, audio=("eng",), options={"g": "10"})
    film = cut(make(clip, tmp_path), MIDDLE)
    writer = rewrite(film, tmp_path / f"out{suffix}", crop=crop)
    assert not writer.warnings
    shown = 35 if crop.whole else 27
    assert len(list(decode(probe(writer.path)))) == shown
    assert abs(sound_end(writer.path) - Fraction(shown, 25)) < Fraction(1, 20)
    found = verify(film, writer.path, crop)
    assert found.passed, found.failures


def test_cut_out_texts_are_not_shown(tmp_path: Path) -> None:
    made = make(Clip("film.mkv", frames=70, subtitles=("eng",), options={"g": "10"}), tmp_path)
    whole = rewrite(made, tmp_path / "whole.mp4").path
    film = cut(whole, [(Fraction(2), Fraction(17, 20))])
    writer = rewrite(film, tmp_path / "out.mp4")
    (before,), (after,) = packets(film, "subtitle"), packets(writer.path, "subtitle")
    shown = [(at, data) for at, data in after if len(data) > 2]
    with av.open(str(film)) as source:
        hidden = {bytes(p) for p in source.demux(subtitles=0) if p.is_discard and p.size > 2}
    assert hidden and not hidden & {data for _, data in shown}
    assert shown == [(at, data) for at, data in before if len(data) > 2 and data not in hidden]


@pytest.mark.parametrize("options", [{"bf": "0", "g": "8"}, {"g": "8"}])
@pytest.mark.parametrize("begin", [Fraction(0), Fraction(1, 2)])
def test_a_film_cut_short_is_not_called_truncated(
    options: dict[str, str], begin: Fraction, tmp_path: Path
) -> None:
    film = cut(
        make(Clip("film.mp4", frames=24, options=options), tmp_path),
        [(begin / 2 + Fraction(12, 25), begin)],
    )
    info = probe(film)
    frames = list(decode(info, limits=LimitSettings(strict=True)))
    assert info.frame_count_is_exact and info.frame_count == len(frames)
