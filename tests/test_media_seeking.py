"""Single frames of films that are awkward to seek through, and their numbers."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import Clip, make

from vidcolor.errors import SourceError
from vidcolor.frames import Frame
from vidcolor.media.count import frames_before, timeline
from vidcolor.media.decode import decode
from vidcolor.media.glimpse import Glimpser
from vidcolor.media.picture import grey_picture
from vidcolor.media.probe import probe
from vidcolor.preview.columns import Column
from vidcolor.preview.places import Place, listed_shots, spread, telling_frame, whole_line
from vidcolor.preview.sheet import make_sheet
from vidcolor.settings import LimitSettings, RangeSettings, Settings
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


def cut(source: Path, target: Path, first: int, *, anew: bool = False) -> Path:
    """From the packet ``first`` on, as where a recording begins in the middle of a broadcast; with
    ``anew`` from time 0."""
    with av.open(str(source)) as film, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(film.streams.video[0], opaque=True)
        packets = [packet for packet in film.demux(video=0) if packet.dts is not None][first:]
        start = min(packet.pts for packet in packets) if anew else 0
        for packet in packets:
            packet.pts -= start
            packet.dts -= start
            packet.stream = stream
            output.mux(packet)
    return target


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("odd")
    made = {clip.name: make(clip, folder) for clip in FILMS}
    made["cut.ts"] = cut(made["rare.ts"], folder / "cut.ts", 15)
    made["leading.ts"] = cut(made["open.ts"], folder / "leading.ts", 12)
    for name, options in (("joined.ts", RARE), ("keys.ts", {"g": "1"})):
        long = make(Clip(f"long-{name}", frames=180, options=options), folder)
        parts = (
            make(Clip(f"first-{name}", frames=60, options=options), folder),
            # Frames like none of the first.
            cut(long, folder / f"second-{name}", 80, anew=True),
        )
        made[name] = folder / name
        made[name].write_bytes(b"".join(part.read_bytes() for part in parts))
    made["bare.h264"] = make(Clip("bare.h264", frames=48, options=RARE), folder)
    return made


ANEW = ("joined.ts", "keys.ts", "bare.h264")
"""Where the file's own times do not tell which frame is meant."""
NAMES = [*(clip.name for clip in FILMS), "cut.ts", "leading.ts", *ANEW]


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_has_one_number_everywhere(name: str, odd: dict[str, Path]) -> None:
    info = probe(odd[name])
    shown = [frame.pts for frame in decode(info)]
    assert timeline(info).times.tolist() == shown
    origin = info.start_pts or 0
    for number in (0, 1, len(shown) // 2, len(shown) - 1):
        start = (shown[number] - origin) * info.time_base
        before = frames_before(info, start)
        assert before.count == number and before.last == (shown[number - 1] if number else None)
        assert before.sought == (name not in ANEW) or number < 60
        crop = RangeSettings(start=start)
        with closing(decode(info, crop, sought=before.sought)) as frames:
            assert next(frames).pts == shown[number]
    assert timeline(info).sought == (name not in ANEW)


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_shown_is_the_one_asked_for(name: str, odd: dict[str, Path]) -> None:
    with OpenFilm(odd[name], Settings()) as film:
        frames = [frame.luma.copy() for frame in decode(film.info)]
        assert film.frames == len(frames)
        for number in (30, 0, 41, 11, 12, 13, 10, 3, 45, 1, 23, 120, 80, 159, 61, 62, 60, 59):
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
    line = whole_line(info, LimitSettings())
    assert len(spread(info, 4, line)) == 4
    assert [place.first_frame for place in listed_shots(info, line, (0, 20, 90))] == [0, 20]
    empty = tmp_path / "empty.h264"
    empty.write_bytes(odd["bare.h264"].read_bytes()[:60])
    with pytest.raises(SourceError):
        whole_line(probe(empty), LimitSettings())


@pytest.mark.parametrize("name", ANEW)
def test_previews_show_the_shots_that_were_listed(
    name: str, odd: dict[str, Path], net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(odd[name])
    luma = [frame.luma.copy() for frame in decode(info)]
    starts = tuple(range(0, len(luma), 8))
    seen: list[int] = []

    def telling(glimpser: Glimpser, place: Place) -> Frame | None:
        frame = telling_frame(glimpser, place)
        assert frame is not None
        seen.append(next(n for n, one in enumerate(luma) if np.array_equal(one, frame.luma)))
        return frame

    monkeypatch.setattr("vidcolor.preview.sheet.telling_frame", telling)
    settings = Settings(shots=starts).replace("color", model=str(net), short_side=64)
    make_sheet(odd[name], tmp_path / "sheet.png", [Column("", settings)])
    assert [number // 8 for number in seen] == list(range(len(starts)))


def test_deep_luma_is_rounded_to_a_picture() -> None:
    deep = np.array([[64, 65, 66, 67, 940, 1023]], np.uint16)
    assert grey_picture(deep, 10).to_ndarray()[0].tolist() == [[16, 16, 17, 17, 235, 255]]


def test_a_picture_of_another_size_is_shown_as_it_is_fitted(tmp_path: Path) -> None:
    path = tmp_path / "sizes.ts"
    parts = [make(Clip(f"{width}.ts", 12, width, 48, options=RARE), tmp_path) for width in (96, 64)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with OpenFilm(path, Settings()) as film:
        fitted = [frame.luma.copy() for frame in decode(film.info)]
        assert film.shape == (48, 96) and (fitted[20][:, 0] == 16).all()
        for number in (20, 3):
            assert np.array_equal(film.frame(number).shown.frame.luma, fitted[number])
