from __future__ import annotations

import subprocess
import sys

import pytest

import vidcolor


def test_the_public_names_are_these() -> None:
    assert sorted(vidcolor.__all__) == [
        "Colorizer",
        "Picture",
        "Progress",
        "Report",
        "Settings",
        "VidcolorError",
        "VideoInfo",
        "color_frames",
        "colorize_photo",
        "colorize_video",
        "load_settings",
        "open_colorizer",
        "probe",
    ]
    assert all(callable(getattr(vidcolor, name)) for name in vidcolor.__all__)
    assert all(getattr(vidcolor, name).__doc__ for name in vidcolor.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        vidcolor.no_such_name  # noqa: B018


def test_importing_does_nothing() -> None:
    code = (
        "import sys, threading, vidcolor, vidcolor_cli.main;"
        "heavy = {'torch', 'av', 'cv2', 'numpy'} & set(sys.modules);"
        "assert not heavy, heavy; assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
