"""What is made ready beside the film: in time, once, and with its errors where they belong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clips import Clip, make
from networks import tiny_checkpoint

from vidcolor import Settings, colorize_video
from vidcolor.errors import ModelError, SourceNotFoundError, TargetExistsError, VidcolorError
from vidcolor.hintlist import read_hints
from vidcolor.loading import Loading
from vidcolor.media import probe
from vidcolor.models.colorizer import Colorizer

Clips = Callable[[str], Path]
SETTINGS = Settings().replace("color", short_side=64)


def _alive() -> list[str]:
    names = (item.name for item in threading.enumerate())
    return [name for name in names if name.startswith("vidcolor-loading")]


class Ready(Colorizer):
    """Notes for which sizes it is prepared."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def prepare(self, height: int, width: int) -> None:
        self.sizes.append((height, width))


def test_a_colorizer_is_opened_and_prepared_for_the_films_size(
    clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = []
    monkeypatch.setattr(Colorizer, "prepare", lambda _, *size: prepared.append(size))
    path = tiny_checkpoint(tmp_path / "tiny.safetensors")
    info = probe(clip("plain.mp4"))
    with Loading(SETTINGS.replace("color", model=str(path), device="cpu")) as loading:
        loading.begin(info)
        assert loading.colorizer().path == path
        assert loading.colorizer() is loading.colorizer()
    assert prepared == [(64, 96)]
    assert _alive() == []


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_of_a_turned_film_it_is_shown_the_picture_upright(degrees: int, tmp_path: Path) -> None:
    info = probe(make(Clip("turned.mp4", width=96, height=64, rotation=degrees), tmp_path))
    ready = Ready()
    with Loading(SETTINGS, ready) as loading:
        loading.begin(info)
        assert loading.colorizer() is ready
    assert ready.sizes == [(96, 64) if degrees in (90, 270) else (64, 96)]


def test_with_known_colours_it_is_prepared_for_nothing(clip: Clips, tmp_path: Path) -> None:
    hints = tmp_path / "hints.json"
    hints.write_text(
        '{"format": "vidcolor-hints-1", "hints": '
        '[{"frame": 0, "x": 0.5, "y": 0.5, "color": "#806040"}]}'
    )
    ready = Ready()
    settings = SETTINGS.replace(hints=read_hints(hints))
    with Loading(settings, ready) as loading:
        loading.begin(probe(clip("plain.mp4")))
    assert ready.sizes == []


def test_what_fails_in_preparing_is_left_to_the_first_picture(clip: Clips) -> None:
    class Failing(Ready):
        def prepare(self, height: int, width: int) -> None:
            super().prepare(height, width)
            raise RuntimeError("no memory")

    failing = Failing()
    with Loading(SETTINGS, failing) as loading:
        loading.begin(probe(clip("plain.mp4")))
        assert loading.colorizer() is failing
    assert failing.sizes


def test_a_model_that_cannot_be_opened_is_told_when_it_is_asked_for(clip: Clips) -> None:
    with Loading(SETTINGS.replace("color", model="no-such")) as loading:
        loading.begin(probe(clip("plain.mp4")))
        with pytest.raises(ModelError, match="no-such"):
            loading.colorizer()
    assert _alive() == []


def test_a_job_loads_nothing_for_a_source_or_a_target_that_is_refused(
    clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(loading: Loading, info: Any) -> None:
        pytest.fail("it was begun")

    monkeypatch.setattr(Loading, "begin", begin)
    there = tmp_path / "there.mp4"
    there.write_bytes(b"mine")
    cases: list[tuple[Path, type[VidcolorError]]] = [
        (clip("plain.mp4"), TargetExistsError),
        (tmp_path / "none.mp4", SourceNotFoundError),  # Whatever the target.
    ]
    for source, error in cases:
        with pytest.raises(error):
            colorize_video(source, there, SETTINGS.replace("color", model="no-such"))
    assert there.read_bytes() == b"mine"


def test_a_job_whose_model_is_missing_leaves_neither_file_nor_thread(
    clip: Clips, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no-such"):
        colorize_video(
            clip("plain.mp4"), tmp_path / "o.mp4", SETTINGS.replace("color", model="no-such")
        )
    assert list(tmp_path.iterdir()) == []
    assert _alive() == []
