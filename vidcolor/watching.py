"""Coloured frames to look at, in notebooks and scripts: nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidcolor.color import rgb
from vidcolor.flow import single_threaded_cv2
from vidcolor.media.devices import check_device
from vidcolor.media.trial import with_device
from vidcolor.models.blend import colorizer_for
from vidcolor.models.colorizer import Colorizer
from vidcolor.paint import paint
from vidcolor.pipeline import Pipeline
from vidcolor.plan import examine
from vidcolor.settings import Settings


@dataclass(frozen=True, slots=True)
class Picture:
    """One coloured frame for looking at: ``rgb`` is (height, width, 3) uint8."""

    index: int
    seconds: float
    rgb: NDArray[np.uint8]


def color_frames(
    source: Path | str,
    settings: Settings = Settings(),
    *,
    colorizer: Colorizer | None = None,
    warn: Callable[[str], None] | None = None,
) -> Generator[Picture]:
    """The coloured frames of a film, or of the range in ``settings``, as RGB pictures.

    Made for notebooks: nothing is written. Pictures have the film's stored size, before rotation
    and sample aspect ratio. A ready ``colorizer`` takes the place of the settings' model and
    device; ``warn`` is told, a line each, what is not as it was asked for. Close the iterator, or
    exhaust it, to end its threads. The errors of `vidcolor.errors` are raised when the first
    picture is asked for, not by the call itself.
    """
    check_device(settings.decoder.device)
    info, lack = with_device(examine(source, settings), settings.decoder.device, settings.limits)
    if lack is not None and warn is not None:
        warn(lack)
    colorizer = colorizer_for(settings.color, colorizer, warn)
    half = (-(-info.height // 2), -(-info.width // 2))
    with ExitStack() as stack:
        stack.enter_context(single_threaded_cv2())
        colored = Pipeline(info, settings, colorizer, warn=warn).colored(stack)
        origin = info.start_pts or 0
        for item in paint(colored, half):
            frame = item.frame
            seconds = float((frame.pts - origin) * info.time_base)
            picture = rgb(frame.luma, item.cb, item.cr, frame.color)
            yield Picture(frame.index, seconds, picture)
