"""Chunks: where they end, and that a resumed run has the same ones with the same frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import pytest

from vidcolor.chunks import RUN_OUT, WARM_UP, ChunkLength, in_chunks, kept
from vidcolor.frames import ChunkStart, ColoredFrame, ColorSpec, Frame, SmallFrame
from vidcolor.pipeline import Pipeline
from vidcolor.plan import examine
from vidcolor.settings import Settings

SPEC = ColorSpec("bt709", False, 8)
LENGTH = ChunkLength(10, 60)


def film(count: int, cuts: set[int], first: int = 0) -> Iterator[SmallFrame]:
    for index in range(first, count):
        luma = np.full((4, 4), index % 200, np.uint8)
        frame = Frame(index, 3 * index, 3, luma, SPEC, owner=object())
        yield SmallFrame(frame, np.full((2, 2), float(index), np.float32), index in cuts | {first})


def starts(frames: Iterator[SmallFrame]) -> list[ChunkStart]:
    return [frame.frame.start for frame in frames if frame.frame.start is not None]


def test_a_chunk_ends_at_the_first_cut_that_leaves_it_long_enough() -> None:
    found = starts(in_chunks(film(60, {5, 12, 20, 35}), LENGTH))
    assert [(start.index, start.split) for start in found] == [(0, False), (12, False), (35, False)]


def test_frames_pass_unchanged_where_nothing_is_split() -> None:
    given = list(film(60, {12}))
    out = list(in_chunks(iter(given), LENGTH))
    assert all(one.frame.luma is other.frame.luma for one, other in zip(out, given, strict=True))
    assert [frame.cut for frame in out] == [frame.cut for frame in given]


def test_an_endless_shot_is_split_with_spare_frames_on_both_sides() -> None:
    out = list(in_chunks(film(100, set()), LENGTH))
    assert [start.index for start in starts(iter(out))] == [0, 60]
    at = next(number for number, frame in enumerate(out) if frame.frame.index == 60)
    run_out, warm_up = out[at : at + RUN_OUT], out[at + RUN_OUT : at + RUN_OUT + WARM_UP]
    assert [frame.frame.index for frame in run_out] == list(range(60, 60 + RUN_OUT))
    assert [frame.frame.index for frame in warm_up] == list(range(60 - WARM_UP, 60))
    assert all(frame.frame.spare and frame.frame.luma.size == 0 for frame in [*run_out, *warm_up])
    assert [frame.cut for frame in warm_up] == [True] + [False] * (WARM_UP - 1)
    first = out[at + RUN_OUT + WARM_UP]
    assert first.frame.index == 60 and not first.cut and not first.frame.spare
    assert first.frame.start is not None and first.frame.start.split
    assert first.frame.start.warm_up.index == 60 - WARM_UP


def test_no_split_just_before_a_cut_or_the_end() -> None:
    assert [start.index for start in starts(in_chunks(film(90, {64}), LENGTH))] == [0, 64]
    assert [start.index for start in starts(in_chunks(film(64, set()), LENGTH))] == [0]


@pytest.mark.parametrize("cuts", [set(), {30, 45, 47, 200}, {60}, {119, 121}])
def test_resumed_at_any_chunk_the_rest_is_the_same(cuts: set[int]) -> None:
    whole = list(in_chunks(film(400, cuts), LENGTH))
    for start in starts(iter(whole)):
        again = in_chunks(film(400, cuts, start.warm_up.index), LENGTH, start)
        rest = list(again)
        tail = whole[len(whole) - len(rest) :]
        for one, other in zip(rest, tail, strict=True):
            assert (one.frame.index, one.cut, one.frame.spare, one.frame.start) == (
                other.frame.index,
                other.cut,
                other.frame.spare,
                other.frame.start,
            )
            assert np.array_equal(one.lightness, other.lightness)


def test_spare_frames_are_dropped_in_the_end() -> None:
    ab = np.zeros((2, 2, 2), np.float32)
    colored = [
        ColoredFrame(one.frame, one.lightness, ab, one.cut)
        for one in in_chunks(film(200, set()), LENGTH)
    ]
    assert [frame.frame.index for frame in kept(colored)] == list(range(200))


def test_spare_frames_do_not_hold_the_decoders_memory() -> None:
    out = [frame for frame in in_chunks(film(100, set()), LENGTH) if frame.frame.spare]
    assert all(frame.frame.owner is None for frame in out)


def test_impossible_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        dataclasses.replace(LENGTH, most=LENGTH.least + WARM_UP - 1)


def graded(number: int) -> tuple[float, float]:
    """Amplitudes of luma and chroma, in codes: what a shot begins with, and what then goes on."""
    return (0.0, 40.0) if number < 5 else (3.5, 0.9)


@pytest.mark.parametrize("keep", [None, "auto"])
def test_a_chunk_that_is_resumed_knows_what_was_empty_and_in_colour(
    keep: Literal["auto"] | None, tmp_path: Path
) -> None:
    """Which goes by how it began, far more than a warm-up ago."""
    film = tmp_path / "film.mkv"
    height, width, changed = 36, 64, 220
    rows, columns = np.mgrid[0:height, 0:width]
    picture = 100 + 60 * np.sin(columns / 6 + rows / 4)
    with av.open(str(film), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        for number in range(270):
            rng = np.random.default_rng(number)
            luma, chroma = graded(number) if number < changed else (None, 0.0)
            noise = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), 2.5)
            shown = picture if luma is None or keep else 60 + luma * noise / noise.std()
            side = chroma * np.where(columns < width / 2, 1, -1)
            dither = np.random.default_rng(0).random((height, width))
            planes = [shown, 128 + side + dither - 0.5, 128 - side + dither - 0.5]
            codes = np.stack(planes).round().clip(16, 240).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(codes, format="yuv444p")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    settings = Settings(keep_color=keep).replace("color", short_side=64)

    def found(resume: ChunkStart | None = None) -> list[ChunkStart]:
        info = examine(film, settings)
        pipeline = Pipeline(info, settings, None, length=ChunkLength(20, 100))
        with closing(pipeline.starts(resume)) as all_starts:
            return [start for start, _ in all_starts]

    whole = found()
    # Begun anew, in the midst of what nothing speaks of, and where that ends.
    split = whole[-2]
    assert split.split and whole[-1].index == changed
    assert split.warm_up.flat if keep is None else split.warm_up.keeps_color
    assert found(split) == whole[-2:]
