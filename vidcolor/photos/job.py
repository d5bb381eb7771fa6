"""One photo from source to target: ``colorize_photo``, by the stages that a film goes through."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from vidcolor.color import Codes
from vidcolor.colorize import colorize
from vidcolor.disk import check_room, least_room
from vidcolor.errors import EncodeError, UsageError
from vidcolor.flow import single_threaded_cv2
from vidcolor.frames import ColoredFrame, PaintedFrame, SmallFrame
from vidcolor.guide.survey import Wishes, make_guide
from vidcolor.hintlist import Hint
from vidcolor.keyframes import all_keys
from vidcolor.look import Grading
from vidcolor.media.target import check_target
from vidcolor.models.blend import colorizer_for
from vidcolor.models.colorizer import Colorizer
from vidcolor.paint import Painter
from vidcolor.photos.kinds import SUFFIXES
from vidcolor.photos.read import Photo, read_photo
from vidcolor.photos.rgb import join_rgb
from vidcolor.photos.tags import MOST_IPTC
from vidcolor.photos.write import DEEP, LONGEST, write_jpeg, write_png, write_tiff, write_webp
from vidcolor.plan import small_size
from vidcolor.report import Report
from vidcolor.settings import RangeSettings, Settings
from vidcolor.shrink import shrink
from vidcolor.textfile import TextFile
from vidcolor.tint import ColorWatch, look

_REFUSED = (OSError, ValueError, TypeError, RuntimeError, MemoryError, struct.error, cv2.error)
"""What is raised over pictures or tags that a kind of file cannot hold."""


def colorize_photo(
    source: Path | str,
    target: Path | str,
    settings: Settings = Settings(),
    *,
    warn: Callable[[str], None] | None = None,
    colorizer: Colorizer | None = None,
    sign: Callable[[Path], None] | None = None,
) -> Report:
    """Colour the photo ``source`` into the new file ``target``, whose suffix tells its kind.

    Luma is kept: exactly by PNG, TIFF and lossless WebP, as near as can be by JPEG. So are size,
    transparency and tags. ``target`` appears when it is complete, ``sign`` being called with its
    file just before, and is left as it was on any error. Settings of films alone, ``encoder`` and
    ``fields`` among them, are of no account.

    Raises the errors of `vidcolor.errors`.
    """
    begun, told, target = time.monotonic(), list[str](), Path(target)

    def tell(line: str) -> None:
        told.append(line)
        if warn is not None:
            warn(line)

    if settings.range != RangeSettings() or settings.shots is not None:
        raise UsageError(f"{source}: a photo is one picture; leave range and shots out")
    kind = check_photo_target(target, Path(source), overwrite=settings.overwrite)
    photo = read_photo(Path(source), settings.limits, tell, depth=16 if kind in DEEP else 8)
    longest = max(photo.info.width, photo.info.height)
    if longest > LONGEST.get(kind, longest):
        raise EncodeError(
            f"{target}: {kind} cannot hold this photo: a side has at most {LONGEST[kind]} pixels "
            f"there, and {longest} here; name a .png or .tif file"
        )
    if photo.alpha is not None and kind == "JPEG":
        tell(f"{target}: JPEG has no transparency, so that is left out; PNG, TIFF and WebP keep it")
    room = {"TIFF": len(photo.tags.iptc), "JPEG": MOST_IPTC}
    if len(photo.tags.iptc) > room.get(kind, 0):
        tell(f"{target}: {kind} has no room for its IPTC captions, so they are left out")
        photo = replace(photo, tags=replace(photo.tags, iptc=b""))
    with ExitStack() as stack:
        file = stack.enter_context(TextFile(target, "photo", fresh=not settings.overwrite))
        stack.enter_context(single_threaded_cv2())
        colorizer = colorizer_for(settings.color, colorizer, warn)
        painted = paint_photo(photo, settings, colorizer, tell)
        with _writing(target):
            # All of it, before any is written: what a kind cannot hold is known only then.
            pieces = list(_encoded(photo, painted, kind))
        file.write_bytes(pieces, sign)
    return Report(
        source=str(source),
        target=str(target),
        frames=1,
        cuts=0,
        seconds=time.monotonic() - begun,
        stages={},
        model=dict(colorizer.description),
        settings=settings,
        codec=kind.lower(),
        pixel_format=photo.info.pixel_format,
        warnings=told,
        kept_color=int(painted.frame.keeps_color),
    )


def check_photo_target(target: Path, source: Path, *, overwrite: bool) -> str:
    """The kind of photo ``target`` is called. Raises UsageError and TargetError before any work."""
    kind = SUFFIXES.get(target.suffix.lower())
    if kind is None:
        raise UsageError(f"{target}: no name of a photo; use one of {', '.join(SUFFIXES)}")
    check_target(target, source, overwrite)
    check_room(target.parent, least_room(source), target)
    return kind


def paint_photo(
    photo: Photo, settings: Settings, colorizer: Colorizer, warn: Callable[[str], None]
) -> PaintedFrame:
    """The photo with chroma planes as large as its luma, coloured as a film of this one frame."""
    info = photo.info
    small = SmallFrame(photo.frame, shrink(photo.frame, small_size(info, settings)), True)

    def marked() -> Iterator[SmallFrame]:
        return ColorWatch(settings.keep_color).mark([small])

    seen = look(small)
    if settings.keep_color is None and seen == "colored":
        warn(
            f"{info.path}: this photo is in colour already, and is coloured anew; "
            "--keep-colour auto keeps what there is"
        )
    elif settings.keep_color is None and seen == "tinted":
        warn(f"{info.path}: tinted (sepia or the like); it is coloured as if it were grey")
    linked = all_keys(marked())
    with ExitStack() as stack:
        if settings.hints or settings.references:
            wishes = Wishes(
                _as_stored(settings, photo),
                settings.references,
                settings.color.reference_strength,
                turns=info.quarter_turns,
            )
            short = settings.color.short_side
            guide = make_guide(marked, wishes, short, colorizer, warn)
            linked = stack.enter_context(guide).told(linked)
        item, ab = next(colorize(linked, colorizer, 1, info.quarter_turns))
        assert ab is not None
        frame, lightness = item.small.frame, item.small.lightness
        graded = next(Grading(settings).apply([ColoredFrame(frame, lightness, ab, True)]))
        return Painter(photo.frame.luma.shape).paint(graded)


def _as_stored(settings: Settings, photo: Photo) -> tuple[Hint, ...]:
    """The hints, placed as if viewers did not mirror the photo."""
    if not photo.mirrored:
        return settings.hints
    return tuple(
        replace(hint, places=tuple((1 - x, y) for x, y in hint.places)) for hint in settings.hints
    )


def _encoded(photo: Photo, painted: PaintedFrame, kind: str) -> Iterator[bytes | memoryview]:
    frame, tags = painted.frame, photo.tags
    if kind == "JPEG":
        return write_jpeg(frame.luma, painted.cb, painted.cr, tags)
    if frame.keeps_color and photo.rgb is not None:
        pixels = photo.rgb
    else:
        pixels = join_rgb(frame.luma, painted.cb, painted.cr, frame.color)
    if photo.alpha is not None:
        pixels = cast(Codes, np.dstack((pixels, photo.alpha)))
    if kind == "WEBP":
        return write_webp(pixels, tags)
    return write_png(pixels, tags) if kind == "PNG" else write_tiff(pixels, tags)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except _REFUSED as fault:
        raise EncodeError(f"{target}: cannot hold this photo: {fault}") from fault
