"""vidcolor colours black-and-white films and keeps everything else as it was.

::

    import vidcolor
    vidcolor.colorize_video("film.mp4", "out.mp4")

    for picture in vidcolor.color_frames("film.mp4"):
        ...  # picture.rgb is (height, width, 3) uint8

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidcolor.errors import VidcolorError
    from vidcolor.frames import VideoInfo
    from vidcolor.job import colorize_video
    from vidcolor.media.probe import probe
    from vidcolor.models.blend import open_colorizer
    from vidcolor.models.colorizer import Colorizer
    from vidcolor.photos.job import colorize_photo
    from vidcolor.report import Progress, Report
    from vidcolor.settings import Settings, load_settings
    from vidcolor.watching import Picture, color_frames

__version__ = "0.1.0"

_HOMES = {
    "Colorizer": "vidcolor.models.colorizer",
    "Picture": "vidcolor.watching",
    "Progress": "vidcolor.report",
    "Report": "vidcolor.report",
    "Settings": "vidcolor.settings",
    "VidcolorError": "vidcolor.errors",
    "VideoInfo": "vidcolor.frames",
    "color_frames": "vidcolor.watching",
    "colorize_photo": "vidcolor.photos.job",
    "colorize_video": "vidcolor.job",
    "load_settings": "vidcolor.settings",
    "open_colorizer": "vidcolor.models.blend",
    "probe": "vidcolor.media.probe",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vidcolor' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
