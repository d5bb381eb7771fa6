"""The network and the colour tables of a job, made ready while its film is still looked at."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from vidcolor.color import prepare
from vidcolor.frames import VideoInfo
from vidcolor.models.blend import colorizer_for
from vidcolor.models.colorizer import Colorizer
from vidcolor.plan import small_size
from vidcolor.settings import Settings


class Loading:
    """Makes ready what ``settings`` ask for, in threads, from `begin` on.

    A context manager, left when the threads have ended. A ready ``colorizer`` is only told of the
    film; ``warn`` is as in `open_colorizer`.
    """

    def __init__(
        self,
        settings: Settings,
        colorizer: Colorizer | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._given = colorizer
        self._warn = warn
        self._threads = ThreadPoolExecutor(3, "vidcolor-loading")
        self._opened: Future[Colorizer] | None = None

    def begin(self, info: VideoInfo) -> None:
        """Begin, with what is known of the film; its fields are of no account."""
        self._opened = self._threads.submit(self._open, info)
        # Whoever paints waits for the tables, and would make them if that failed here.
        self._threads.submit(prepare, info.color)

    def colorizer(self) -> Colorizer:
        """The colorizer, once it is open. Raises what `open_colorizer` raises."""
        assert self._opened is not None, "not begun"
        return self._opened.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def _open(self, info: VideoInfo) -> Colorizer:
        colorizer = colorizer_for(self._settings.color, self._given, self._warn)
        # With hints and stills another network would be compiled, or another besides.
        if not (self._settings.hints or self._settings.references):
            height, width = small_size(info, self._settings)
            upright = (width, height) if info.quarter_turns % 2 else (height, width)
            # By itself, as nobody waits for it before the first frames are there. What goes wrong
            # goes wrong again then, and is told.
            self._threads.submit(colorizer.prepare, *upright)
        return colorizer
