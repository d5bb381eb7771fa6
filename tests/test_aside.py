"""What is put aside for the whole process: until the last who needs it is done, and no longer."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from pathlib import Path

import cv2
import pytest
from PIL import Image

from vidcolor.aside import Aside, no_warnings
from vidcolor.flow import single_threaded_cv2
from vidcolor.media.encode import quiet_svt
from vidcolor.photos.opening import opened


def test_the_last_one_puts_back_what_the_first_found() -> None:
    places = ["usual"]
    aside = Aside(lambda: places.pop(), lambda usual: places.append(usual))
    first, second = ExitStack(), ExitStack()
    for _ in range(2):
        first.enter_context(aside.held())
        second.enter_context(aside.held())
        assert not places
        first.close()
        assert not places
        second.close()
        assert places == ["usual"]


def test_an_error_puts_it_back() -> None:
    places = ["usual"]
    aside = Aside(places.pop, places.append)
    with pytest.raises(ValueError, match="amiss"), aside.held():
        raise ValueError("amiss")
    assert places == ["usual"]


def test_films_that_end_in_the_order_they_began_leave_opencv_its_threads() -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        usual = cv2.getNumThreads()
        first, second = ExitStack(), ExitStack()
        first.enter_context(single_threaded_cv2())
        second.enter_context(single_threaded_cv2())
        first.close()
        assert cv2.getNumThreads() == 1
        second.close()
        assert cv2.getNumThreads() == usual
    finally:
        cv2.setNumThreads(before)


def test_photos_that_are_read_at_once_leave_pillow_its_limit(tmp_path: Path) -> None:
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    assert limit
    Image.new("L", (40, 40)).save(tmp_path / "photo.png")
    first, second = ExitStack(), ExitStack()
    first.enter_context(opened(tmp_path / "photo.png"))
    second.enter_context(opened(tmp_path / "photo.png"))
    first.close()
    assert Image.MAX_IMAGE_PIXELS is None
    second.close()
    assert limit == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters


def test_warnings_are_told_again_afterwards() -> None:
    with no_warnings.held():
        warnings.warn("nobody sees this", stacklevel=1)
    with pytest.warns(UserWarning, match="everybody"):
        warnings.warn("everybody sees this", stacklevel=1)


def test_encoders_that_are_opened_at_once_leave_the_environment_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SVT_LOG", raising=False)
    first, second = ExitStack(), ExitStack()
    first.enter_context(quiet_svt())
    second.enter_context(quiet_svt())
    first.close()
    second.close()
    with pytest.raises(KeyError):
        monkeypatch.delenv("SVT_LOG")
