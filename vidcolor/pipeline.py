"""From a film to a coloured film: a chain of generators, read from top to bottom.

::

    decode -> find_cuts -> mark -> motions -> choose_keys -> colorize -> stabilize -> paint -> write

No stage starts threads; `Prefetch` decides where one ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidcolor.color import rgb
from vidcolor.colorize import colorize
from vidcolor.errors import UsageError
from vidcolor.fields import paint_fields
from vidcolor.flow import single_threaded_cv2
from vidcolor.frames import ColoredFrame, Frame, PaintedFrame, SmallFrame, VideoInfo, name_stream
from vidcolor.keyframes import keyed
from vidcolor.media.count import frames_before
from vidcolor.media.decode import DecodeReport, decode
from vidcolor.media.mux import Writer
from vidcolor.media.probe import keeps_chroma
from vidcolor.models.colorizer import Colorizer
from vidcolor.paint import paint
from vidcolor.plan import (
    doubts,
    examine,
    expected_frames,
    losses,
    open_writer,
    small_size,
)
from vidcolor.prefetch import Prefetch
from vidcolor.report import Progress, Report
from vidcolor.scenes import find_cuts, given_cuts
from vidcolor.settings import Settings
from vidcolor.stabilize import stabilize
from vidcolor.stopwatch import Stopwatch
from vidcolor.tint import ColorWatch

_AHEAD = 4
"""Frames that may wait before each thread: enough to hide hiccups, little enough for memory."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One coloured frame for looking at: ``rgb`` is (height, width, 3) uint8."""

    index: int
    seconds: float
    rgb: NDArray[np.uint8]


def colorize_video(
    source: Path | str,
    target: Path | str,
    settings: Settings = Settings(),
    *,
    progress: Callable[[Progress], None] | None = None,
    warn: Callable[[str], None] | None = None,
    colorizer: Colorizer | None = None,
) -> Report:
    """Colour the film ``source`` into the new file ``target``.

    Luma, timestamps, sound and everything else are kept; see README. ``warn`` is told, one line
    each, what could not be. A ready ``colorizer`` may be given to be used again for many films.
    ``target`` appears when it is complete and not before, and is left as it was on any error.

    Raises the errors of `vidcolor.errors`.
    """
    watch = Stopwatch()
    warn = warn or (lambda message: None)
    info = examine(source, settings)
    total = expected_frames(info, settings)
    damage = DecodeReport()
    done = 0
    with ExitStack() as stack:
        # The target is checked before the model is loaded: a typing mistake should not cost time.
        writer = open_writer(target, info, settings)
        stack.enter_context(_ending(writer, watch))
        known = len(writer.warnings)
        told = [*doubts(info, settings), *writer.warnings]
        for line in told:
            warn(line)
        colorizer = colorizer or Colorizer(settings.color.model, settings.color.device, warn=warn)
        stack.enter_context(single_threaded_cv2())
        seen = _color_watch(info, settings)
        colored = _colored(info, settings, colorizer, damage, watch, stack, seen)
        counted = _Counted(colored)
        painted = stack.enter_context(
            Prefetch(
                lambda: watch.timed(
                    "paint",
                    _painted(
                        watch.timed("wait for colour", counted),
                        writer,
                        settings.color.saturation,
                    ),
                ),
                _AHEAD,
                "paint",
            )
        )
        for frame in watch.timed("wait for picture", painted):
            with watch.running("encode"):
                writer.write(frame)
            done += 1
            for line in seen.notes(info.path, ended=False):
                told.append(line)
                warn(line)
            if progress is not None:
                progress(Progress(done, total))
    late = [*writer.warnings[known:], *losses(info, settings, damage)]
    late += seen.notes(info.path, ended=True)
    for line in late:
        warn(line)
    return Report(
        source=str(source),
        target=str(target),
        frames=done,
        cuts=max(0, counted.cuts - 1),
        seconds=watch.total,
        stages={name: round(spent, 4) for name, spent in sorted(watch.seconds().items())},
        model=colorizer.description,
        settings=settings,
        codec=writer.codec,
        pixel_format=writer.pixel_format,
        copied=[name_stream(item) for item in writer.copied],
        converted=[f"{name_stream(item)}: {result}" for item, result in writer.converted],
        dropped=[f"{name_stream(item)}: {why}" for item, why in writer.dropped],
        warnings=[*told, *late],
        kept_color=seen.kept,
        damaged=damage.damaged,
        skipped=damage.skipped,
        damage=[span.to_dict() for span in damage.damage.spans],
    )


def color_frames(
    source: Path | str,
    settings: Settings = Settings(),
    *,
    colorizer: Colorizer | None = None,
) -> Iterator[Picture]:
    """The coloured frames of a film, or of the range in ``settings``, as RGB pictures.

    Made for notebooks: nothing is written. Pictures have the film's stored size, before rotation
    and sample aspect ratio. Close the iterator, or exhaust it, to end its threads.
    """
    info = examine(source, settings)
    colorizer = colorizer or Colorizer(settings.color.model, settings.color.device)
    seen = _color_watch(info, settings)
    half = (-(-info.height // 2), -(-info.width // 2))
    with ExitStack() as stack:
        stack.enter_context(single_threaded_cv2())
        colored = _colored(info, settings, colorizer, DecodeReport(), Stopwatch(), stack, seen)
        origin = info.start_pts or 0
        for item in paint(colored, half, settings.color.saturation):
            frame = item.frame
            seconds = float((frame.pts - origin) * info.time_base)
            picture = rgb(frame.luma, item.cb, item.cr, frame.color)
            yield Picture(frame.index, seconds, picture)


@contextmanager
def _ending(writer: Writer, watch: Stopwatch) -> Iterator[None]:
    """Ends the writer, and charges that to ``encode``: encoders hold dozens of frames back."""
    try:
        yield
    except BaseException as error:
        writer.__exit__(type(error), error, error.__traceback__)
        raise
    with watch.running("encode"):
        writer.__exit__(None, None, None)


def _painted(
    frames: Iterable[ColoredFrame], writer: Writer, saturation: float
) -> Iterator[PaintedFrame]:
    """Each frame with chroma planes as the target has them: by fields where it is interlaced."""
    shape, marks = writer.chroma_shape, writer.field_marks
    if marks is None:
        return paint(frames, shape, saturation)
    return paint_fields(frames, shape, saturation, always=marks == "film")


def _colored(
    info: VideoInfo,
    settings: Settings,
    colorizer: Colorizer,
    damage: DecodeReport,
    watch: Stopwatch,
    stack: ExitStack,
    seen: ColorWatch,
) -> Iterator[ColoredFrame]:
    """Decode, find cuts, colour and steady: two threads, one before the network and one with it."""
    color = settings.color
    decoded = watch.timed("decode", decode(info, settings.range, damage, settings.limits))
    # After its thread has ended: a later stage's error would keep the source open with its frames.
    stack.callback(decoded.close)
    small = stack.enter_context(
        Prefetch(
            lambda: watch.timed(
                "shrink and find cuts", seen.mark(_in_shots(decoded, info, settings))
            ),
            _AHEAD,
            "decode",
        )
    )
    waited = watch.timed("wait for frames", small)
    pool = stack.enter_context(ThreadPoolExecutor(1, "vidcolor-flow"))
    linked = watch.timed("flow", keyed(waited, color.stabilize, color.keyframes, pool))
    guessed = watch.timed("colorize", colorize(linked, colorizer, color.batch_size, info.rotation))
    steady = watch.timed("stabilize", stabilize(guessed, color.stabilize))
    return stack.enter_context(Prefetch(lambda: steady, _AHEAD, "color"))


def _in_shots(frames: Iterable[Frame], info: VideoInfo, settings: Settings) -> Iterator[SmallFrame]:
    """The frames with their small lightness, cut where the settings or the detector say."""
    size = small_size(info, settings)
    if settings.shots is None:
        return find_cuts(frames, size)
    # In a range by time, frames are numbered from its start.
    before = frames_before(info, settings.range.start or Fraction(0))
    return given_cuts(frames, size, {start - before for start in settings.shots})


def _color_watch(info: VideoInfo, settings: Settings) -> ColorWatch:
    if settings.keep_color is not None and not keeps_chroma(info):
        raise UsageError(
            f"{info.path}: its colour is coded in a way (matrix {info.tags.matrix} of H.273) that "
            "cannot be kept; leave --keep-colour out"
        )
    by_number = isinstance(settings.keep_color, tuple)
    # In a range by time, frames are numbered from its start.
    before = frames_before(info, settings.range.start or Fraction(0)) if by_number else 0
    return ColorWatch(settings.keep_color, before)


class _Counted(Iterator[ColoredFrame]):
    """Passes frames on and counts those that begin a shot."""

    def __init__(self, frames: Iterable[ColoredFrame]) -> None:
        self._frames = iter(frames)
        self.cuts = 0

    def __next__(self) -> ColoredFrame:
        frame = next(self._frames)
        self.cuts += frame.cut
        return frame
