"""Single frames of films that are awkward to seek through, and their numbers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Clip, make

from vidcolor.errors import SourceError
from vidcolor.media.count import frames_before, timeline
from vidcolor.media.decode import decode
from vidcolor.media.glimpse import Glimpser
from vidcolor.media.probe import probe
from vidcolor.preview.places import Place, listed_shots, spread, telling_frame
from vidcolor.settings import Settings
from vidcolor.studio.film import OpenFilm

OPEN = {"x264-params": "open-gop=1:keyint=12:scenecut=0:bframes=3"}
RARE = {"g": "40", "bf": "2", "sc_threshold": "0"}
FILMS = [
    Clip("rare.ts", frames=96, options=RARE),
    # Large enough for a packet of its own for each frame, as all are that anyone has.
    Clip("plain.mpg", 48, 352, 288, "mpeg2video", options={"g": "12", "bf": "2", "b": "3M"}),
    Clip("open.mp4", frames=48, options=OPEN),
    Clip("open.ts", frames=48, options=OPEN),
    Clip("old.avi", frames=48, codec="mpeg4", options={"g": "12", "bf": "2"}),
    Clip("closed.mkv", frames=48, options=RARE),
]


def cut(source: Path, target: Path, first: int) -> Path:
    """From the packet ``first`` on, as where a recording begins in the middle of a broadcast."""
    with av.open(str(source)) as film, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(film.streams.video[0], opaque=True)
        for number, packet in enumerate(film.demux(video=0)):
            if packet.dts is not None and number >= first:
                packet.stream = stream
                output.mux(packet)
    return target


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("odd")
    made = {clip.name: make(clip, folder) for clip in FILMS}
    made["cut.ts"] = cut(made["rare.ts"], folder / "cut.ts", 15)
    made["leading.ts"] = cut(made["open.ts"], folder / "leading.ts", 12)
    made["joined.ts"] = folder / "joined.ts"
    made["joined.ts"].write_bytes(made["rare.ts"].read_bytes() + made["open.ts"].read_bytes())
    made["bare.h264"] = make(Clip("bare.h264", frames=48, options=RARE), folder)
    return made


NAMES = [*(clip.name for clip in FILMS), "cut.ts", "leading.ts", "joined.ts", "bare.h264"]


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_has_one_number_everywhere(name: str, odd: dict[str, Path]) -> None:
    info = probe(odd[name])
    shown = [frame.pts for frame in decode(info)]
    assert timeline(info).times.tolist() == shown
    origin = info.start_pts or 0
    for number in (0, 1, len(shown) // 2, len(shown) - 1):
        assert frames_before(info, (shown[number] - origin) * info.time_base) == number
    assert timeline(info).sought == (name not in ("joined.ts", "bare.h264"))


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_shown_is_the_one_asked_for(name: str, odd: dict[str, Path]) -> None:
    with OpenFilm(odd[name], Settings()) as film:
        frames = [frame.luma.copy() for frame in decode(film.info)]
        assert film.frames == len(frames)
        for number in (30, 0, 41, 11, 12, 13, 10, 3, 45, 1, 23):
            if number < len(frames):
                seen = film.frame(number).shown.frame.luma
                assert np.array_equal(seen, frames[number]), number


def test_a_still_of_a_shot_is_not_of_the_next(odd: dict[str, Path]) -> None:
    """Of two frames, neither with something to see, before a key frame that would be sought."""
    info = probe(odd["rare.ts"])
    with Glimpser(info) as glimpser:
        place = Place(Fraction(38, 25), Fraction(40, 25))
        found = telling_frame(glimpser, place)
        assert found is not None and place.start <= glimpser.time(found) < place.end


def test_places_in_a_stream_that_tells_no_times(odd: dict[str, Path], tmp_path: Path) -> None:
    info = probe(odd["bare.h264"])
    assert len(spread(info, 4)) == 4
    assert [place.first_frame for place in listed_shots(info, (0, 20, 90))] == [0, 20]
    empty = tmp_path / "empty.h264"
    empty.write_bytes(odd["bare.h264"].read_bytes()[:60])
    with pytest.raises(SourceError):
        spread(probe(empty), 4)
