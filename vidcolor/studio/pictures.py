"""What the page shows of a frame: before, after, and which colours a place may have.

The colours of a frame are the pipeline's, for that frame by itself. For its hints the guide is
asked, over a film of the few frames that have a say: the one shown, and those that hints are on.
On a frame with hints of its own that is what the job does too; on others the job follows the motion
through all frames between, and comes closer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.colorize import colorize
from vidcolor.frames import ColoredFrame, SmallFrame
from vidcolor.guide.hinted import color_shown
from vidcolor.guide.survey import Wishes, make_guide
from vidcolor.hintlist import Hint, Srgb
from vidcolor.keyframes import LinkedFrame
from vidcolor.look import Grading
from vidcolor.models.blend import colorizer_for
from vidcolor.models.likely import LikelyColors
from vidcolor.paint import Painter
from vidcolor.references import Reference
from vidcolor.settings import Settings
from vidcolor.stills import Pixels, jpeg, shrunk, upright
from vidcolor.studio.film import OpenFilm
from vidcolor.studio.recent import Recent, RecentColors, RecentFeatures

Float32: TypeAlias = NDArray[np.float32]

_QUALITY = 92
_KEPT = 48
"""Frames whose colours are kept, half a megabyte each."""


class Networks:
    """What pictures are coloured with, whichever film. Raises ModelError and DeviceError."""

    def __init__(self, settings: Settings) -> None:
        color = settings.color
        self.colorizer = RecentColors(colorizer_for(color))
        self.features = RecentFeatures()
        self.likely = LikelyColors(color.model)


class Pictures:
    """Pictures of ``film``. For one thread."""

    def __init__(self, film: OpenFilm, networks: Networks) -> None:
        self._film = film
        self._networks = networks
        self._colors: Recent[Float32] = Recent(_KEPT)
        self._painter = Painter(film.panel)

    def warm(self, settings: Settings) -> None:
        """Have the networks ready for this film's size, so that the first hint need not wait."""
        hint = Hint(((0.5, 0.5),), (128, 120, 110), frame=0)
        self._ab(self._film.frame(0).small, settings.replace(hints=(hint,)))
        self.likely(0, (0.5, 0.5))

    def references_of(self, number: int, settings: Settings) -> list[Reference]:
        """The stills for the shot that the frame ``number`` is in."""
        shot = _shot(settings, number)
        return [item for item in settings.references if _is_for(item, shot, settings)]

    def hints_of(self, number: int, settings: Settings) -> list[Hint]:
        """The hints that hold for the shot of the frame ``number``, each by its own frame."""
        shot = _shot(settings, number)
        return [
            replace(hint, frame=at, time=None)
            for hint in settings.hints
            if (at := self._film.frame_of(hint)) < self._film.frames
            and _counts(hint, _shot(settings, at), shot)
        ]

    def before(self, number: int) -> bytes:
        """The frame as the film has it, a JPEG."""
        return jpeg(upright(self._film.frame(number).shown, self._film.info), _QUALITY)

    def after(self, number: int, settings: Settings, tallest: int | None = None) -> bytes:
        """The frame coloured as ``settings`` say, a JPEG, at most ``tallest`` pixels high."""
        picture = self.colored(number, settings)
        return jpeg(picture if tallest is None else shrunk(picture, tallest), _QUALITY)

    def colored(self, number: int, settings: Settings) -> Pixels:
        """The same as R'G'B' (h, w, 3) uint8."""
        warm = self._film.frame(number)
        ab = self._ab(warm.small, settings)
        colored = ColoredFrame(warm.shown.frame, warm.small.lightness, ab, True)
        (graded,) = Grading(settings).apply([colored])
        return upright(self._painter.paint(graded), self._film.info)

    def likely(self, number: int, place: tuple[float, float]) -> list[tuple[Srgb, float]]:
        """What the network holds for likely at ``place`` (x, y), in shares of the picture as shown:
        sRGB as it would be shown there, and its share, the likeliest first."""
        light = self._film.frame(number).small.lightness
        light = np.ascontiguousarray(np.rot90(light, self._film.info.quarter_turns))
        height, width = light.shape
        x, y = min(int(place[0] * width), width - 1), min(int(place[1] * height), height - 1)
        level = float(light[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].mean())
        found: dict[Srgb, float] = {}
        for item in self._networks.likely.at(light, place):
            color = color_shown(level, item.a, item.b)
            found[color] = found.get(color, 0.0) + item.share
        return list(found.items())

    def _ab(self, small: SmallFrame, settings: Settings) -> Float32:
        """The small colours (2, h, w) of a frame, not graded."""
        number = small.frame.index
        hints = self.hints_of(number, settings)
        stills = self.references_of(number, settings)
        key = (number, tuple(hints), tuple(stills), settings.color, _starts(settings))
        return self._colors.get(key, lambda: self._colored(small, settings, hints, stills))

    def _colored(
        self,
        small: SmallFrame,
        settings: Settings,
        hints: Sequence[Hint],
        stills: Sequence[Reference],
    ) -> Float32:
        points = self._points(small, settings, hints, stills)
        asked = [LinkedFrame(small, None, True, hinted=points is not None, points=points)]
        batch, turns = settings.color.batch_size, self._film.info.quarter_turns
        ((_, ab),) = colorize(asked, self._networks.colorizer, batch, turns)
        assert ab is not None
        return ab

    def _points(
        self,
        small: SmallFrame,
        settings: Settings,
        hints: Sequence[Hint],
        stills: Sequence[Reference],
    ) -> Float32 | None:
        """What is known of the frame's colours, as `Guide.points`."""
        if not (hints or stills):
            return None
        info, number = self._film.info, small.frame.index
        wishes = Wishes(
            tuple(hints),
            tuple(replace(item, shot=None, frame=number) for item in stills),
            settings.color.reference_strength,
            origin=info.start_pts or 0,
            time_base=info.time_base,
            turns=self._film.info.quarter_turns,
        )
        short = settings.color.short_side
        frames = self._telling(number, settings, hints)
        guide = make_guide(
            lambda: iter(frames),
            wishes,
            short,
            self._networks.colorizer,
            lambda line: None,
            self._networks.features,
        )
        with guide:
            return guide.points(number)

    def _telling(self, number: int, settings: Settings, hints: Sequence[Hint]) -> list[SmallFrame]:
        """The frame ``number`` and those of ``hints``, shot by shot.

        It comes first in its own, for in the first frame of a shot things are looked for by what
        they look like, not by a motion, which between frames far apart there is none of.
        """
        numbers = {hint.frame for hint in hints if hint.frame is not None} | {number}
        order = sorted(numbers, key=lambda it: (_shot(settings, it), it != number, it))

        def marked() -> Iterator[SmallFrame]:
            last = -1
            for it in order:
                shot = _shot(settings, it)
                yield replace(self._film.small(it), cut=shot != last)
                last = shot

        return list(marked())


def _starts(settings: Settings) -> tuple[int, ...]:
    return settings.shots or (0,)


def _shot(settings: Settings, number: int) -> int:
    """The shot that a frame is in, from 0."""
    return bisect_right(_starts(settings), number) - 1


def _counts(hint: Hint, its: int, shot: int) -> bool:
    """Whether a hint in the shot ``its`` is for ``shot``."""
    return hint.scope == "film" or its == shot or (hint.scope == "onward" and its < shot)


def _is_for(item: Reference, shot: int, settings: Settings) -> bool:
    if item.frame is not None:
        return _shot(settings, item.frame) == shot
    return item.shot in (None, shot + 1)
