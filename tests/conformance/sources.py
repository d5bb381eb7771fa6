"""The films of the matrix, made with PyAV: containers by codecs by pixel formats by rates."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from clips import VARIABLE, Clip, make

from vidcolor.media.encode import quiet_svt

TARGETS = (".mp4", ".mov", ".mkv", ".webm")

_NTSC = Fraction(30000, 1001)
_FILM = Fraction(24000, 1001)
# The smallest pictures that some encoders take.
_SMALLEST = {"dnxhd": (256, 128), "dvvideo": (720, 576), "h263": (176, 144), "h263p": (176, 144)}
_PROFILES = {
    ("dnxhd", "yuv422p"): {"profile": "dnxhr_hq"},
    ("dnxhd", "yuv422p10le"): {"profile": "dnxhr_hqx"},
}

# Suffix, encoder, pixel formats.
_PLAIN = (
    ("mp4", "libx264", "yuv420p yuv422p yuv444p yuvj420p yuv420p10le yuv422p10le gray"),
    ("mp4", "libx265", "yuv420p yuv420p10le yuv422p12le yuv444p12le"),
    ("mp4", "libsvtav1", "yuv420p yuv420p10le"),
    ("mp4", "libvpx-vp9", "yuv420p"),
    ("mp4", "mpeg4", "yuv420p"),
    ("mp4", "mpeg2video", "yuv420p"),
    ("mp4", "mjpeg", "yuvj420p"),
    ("mov", "prores_ks", "yuv422p10le yuv444p10le yuva444p10le"),
    ("mov", "dnxhd", "yuv422p yuv422p10le"),
    ("mov", "mjpeg", "yuvj422p yuvj444p"),
    ("mov", "png", "rgb24 rgba rgb48be gray gray16be"),
    ("mov", "qtrle", "rgb24 argb rgb555be gray"),
    ("mov", "v210", "yuv422p10le"),
    ("mov", "rawvideo", "uyvy422"),
    ("mkv", "ffv1", "yuv420p yuv420p9le yuv420p10le yuv420p12le yuv420p14le yuv420p16le"),
    ("mkv", "ffv1", "yuv410p yuv411p yuv422p yuv440p yuv444p yuv440p10le yuv422p16le yuv444p16le"),
    ("mkv", "ffv1", "yuva420p yuva444p10le gray gray9le gray10le gray12le gray16le ya8"),
    ("mkv", "ffv1", "bgr0 bgra gbrp9le gbrp10le gbrp12le gbrp14le gbrp16le rgb48le rgba64le"),
    ("mkv", "libvpx", "yuv420p"),
    ("mkv", "rawvideo", "yuv420p nv12 yuyv422"),
    ("webm", "libvpx", "yuv420p"),
    ("webm", "libvpx-vp9", "yuv420p yuv422p yuv440p yuv444p yuva420p"),
    ("webm", "libsvtav1", "yuv420p yuv420p10le"),
    ("avi", "mpeg4", "yuv420p"),
    ("avi", "mjpeg", "yuvj420p"),
    ("avi", "huffyuv", "yuv422p rgb24 bgra"),
    ("avi", "utvideo", "gbrp gbrap yuv422p"),
    ("avi", "ffvhuff", "yuv420p yuv422p10le gray16le rgb24"),
    ("avi", "rawvideo", "yuv420p bgr24 gray"),
    ("avi", "cinepak", "rgb24 gray"),
    ("avi", "dvvideo", "yuv420p"),
    ("avi", "libx264", "yuv420p"),
    ("ts", "mpeg2video", "yuv420p yuv422p"),
    ("ts", "libx264", "yuv420p"),
    ("ts", "libx265", "yuv420p10le"),
    ("mpg", "mpeg1video", "yuv420p"),
    ("mpg", "mpeg2video", "yuv420p"),
    ("mxf", "mpeg2video", "yuv422p"),
    ("mxf", "dnxhd", "yuv422p"),
    ("flv", "flv", "yuv420p"),
    ("flv", "libx264", "yuv420p"),
    ("3gp", "h263", "yuv420p"),
    ("wmv", "wmv1", "yuv420p"),
    ("wmv", "wmv2", "yuv420p"),
    ("gif", "gif", "rgb8 gray"),
    ("apng", "apng", "rgb24 gray16be"),
    ("y4m", "wrapped_avframe", "yuv420p yuv444p"),
    ("nut", "rawvideo", "yuv420p gray16le"),
    ("h264", "libx264", "yuv420p"),
)

_SPECIAL = (
    Clip("23.976.mp4", rate=_FILM, audio=("eng",)),
    Clip("29.97.ts", codec="mpeg2video", rate=_NTSC, options={"b": "2M"}),
    Clip("50.mkv", rate=Fraction(50), pixel_format="yuv420p10le"),
    Clip("variable.mp4", time_base=Fraction(1, 1000), pts=VARIABLE),
    Clip("variable.mkv", time_base=Fraction(1, 1000), pts=VARIABLE),
    Clip("one frame.mp4", frames=1),
    Clip("late.mp4", time_base=Fraction(1, 1000), pts=[2000 + 40 * n for n in range(10)]),
    Clip("odd.mkv", codec="ffv1", width=65, height=49),
    Clip("odd.webm", codec="libvpx-vp9", width=65, height=49),
    Clip("tiny.mkv", codec="ffv1", width=16, height=16),
    Clip("narrow.mkv", codec="rawvideo", width=2, height=64),
    Clip("turned.mp4", rotation=90),
    Clip("mirrored.mov", rotation=180, mirrored=True),
    Clip("anamorphic.mp4", aspect=Fraction(16, 11), tags=(1, 1, 1, 1)),
    Clip("interlaced.mov", options={"flags": "+ildct+ilme", "x264-params": "tff=1"}, field_order=2),
    Clip("sound.mp4", audio=("eng", "deu"), title="A film"),
    Clip("sound.webm", codec="libvpx-vp9", audio=("eng",)),
    Clip("cover.mp4", audio=("eng",), cover=True),
    Clip(
        "rich.mkv",
        audio=("eng", "deu"),
        subtitles=("fra", "eng"),
        attachment=b"not really a font" * 20,
        chapters=((Fraction(0), Fraction(1, 5), "First"), (Fraction(1, 5), Fraction(2, 5), "")),
    ),
)


def _matrix() -> Iterator[Clip]:
    for suffix, codec, formats in _PLAIN:
        width, height = _SMALLEST.get(codec, (64, 48))
        for pixel_format in formats.split():
            name = f"{codec} {pixel_format}.{suffix}"
            options = _PROFILES.get((codec, pixel_format), {})
            yield Clip(name, 6, width, height, codec, pixel_format, options=options)
    yield from _SPECIAL


SOURCES = {clip.name: clip for clip in _matrix()}
"""Every film of the matrix by its file name."""


def film(name: str, folder: Path) -> Path:
    """Make the film of this name in ``folder``."""
    with quiet_svt():
        return make(SOURCES[name], folder)


TO_DAMAGE = (
    "sound.mp4",
    "rich.mkv",
    "sound.webm",
    "variable.mp4",
    "interlaced.mov",
    "libx265 yuv420p10le.mp4",
    "libsvtav1 yuv420p.webm",
    "prores_ks yuv422p10le.mov",
    "ffv1 yuv420p16le.mkv",
    "mpeg4 yuv420p.avi",
    "huffyuv rgb24.avi",
    "libx264 yuv420p.ts",
    "mpeg2video yuv420p.mpg",
    "flv yuv420p.flv",
    "gif rgb8.gif",
)
"""Good films that the mutations start from."""
