"""Going through a film, before it is coloured, for where its known colours are in every frame.

Which colours a frame is told thus depends on the film and the settings alone, not on where the work
is broken off or split into chunks. It costs reading the film once more, twice with hints for the
whole film; what was found waits in a temporary file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import TargetError
from vidcolor.flow import Structure
from vidcolor.frames import SmallFrame
from vidcolor.guide.hinted import points_of
from vidcolor.guide.match import Source, cells, grid
from vidcolor.guide.memory import Memory
from vidcolor.guide.moments import Moments, when
from vidcolor.guide.sources import Sources
from vidcolor.guide.still import read_still
from vidcolor.guide.track import State, Window, window_length
from vidcolor.hintlist import Hint
from vidcolor.hints import color_frames, color_with_points, turned
from vidcolor.keyframes import LinkedFrame
from vidcolor.models.colorizer import Colorizer
from vidcolor.models.features import Features
from vidcolor.references import Reference

Float32: TypeAlias = NDArray[np.float32]

_CHANGED = 2.0
"""Units of ab by which hints must change a place of their frame for it to go along with them."""
_AROUND = 0.8
"""Share of such a place's colour."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is known of a film's colours, and how its frames are counted.

    ``strength`` is the share of the stills' colours, 0 … 1; ``before`` how many frames of the film
    come before the first that is read, ``last`` the pts of the last of them where it is known,
    ``origin`` that of the film's first frame; ``turns`` how many quarters counter-clockwise a
    player turns the picture. With ``remember``, what a later shot shows again has the colours it
    had before.
    """

    hints: tuple[Hint, ...]
    references: tuple[Reference, ...] = ()
    strength: float = 1.0
    before: int = 0
    origin: int = 0
    time_base: Fraction = Fraction(1)
    turns: int = 0
    remember: bool = False
    last: int | None = None


class Guide:
    """The known points of a film's frames, by their index. A context manager."""

    def __init__(self) -> None:
        with _temporary():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._where: dict[int, tuple[int, int]] = {}
        self._hinted: set[int] = set()

    def put(self, index: int, points: Float32, *, hinted: bool) -> None:
        """Keep the ``points`` (N, 5) of a frame: y, x, a*, b*, share; ``hinted`` by hand there."""
        if len(points):
            with _temporary():
                self._where[index] = (self._file.seek(0, 2), len(points))
                self._file.write(np.ascontiguousarray(points, np.float32).tobytes())
                self._file.flush()
        if hinted:
            self._hinted.add(index)

    def points(self, index: int) -> Float32 | None:
        """Those of a frame, None where none is known."""
        if index not in self._where:
            return None
        offset, count = self._where[index]
        self._file.seek(offset)
        return np.frombuffer(self._file.read(20 * count), np.float32).reshape(count, 5)

    def told(self, frames: Iterable[LinkedFrame]) -> Iterator[LinkedFrame]:
        """The frames with what is known of them; the network is asked about every hinted one."""
        for item in frames:
            index = item.small.frame.index
            hinted = index in self._hinted
            key = item.key or hinted
            points = self.points(index) if key else None
            yield replace(item, key=key, hinted=hinted, points=points)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the temporary file."""
        # On a full disk it would still write what it could not before.
        with suppress(OSError):
            self._file.close()


@contextmanager
def _temporary() -> Iterator[None]:
    """Turn what the folder for temporary files refuses into a TargetError."""
    try:
        yield
    except OSError as error:
        raise TargetError(
            f"{os.environ.get('TMPDIR', 'folder for temporary files')}: cannot keep the known "
            f"colours of the film there: {error.strerror}; make room, or set TMPDIR to a folder "
            "with room"
        ).because(error) from error


def make_guide(
    frames: Callable[[], Iterator[SmallFrame]],
    wishes: Wishes,
    short_side: int,
    colorizer: Colorizer,
    warn: Callable[[str], None],
    features: Features | None = None,
) -> Guide:
    """Go through ``frames()``, cut into shots, for the colours that are wished for.

    ``warn`` is told of each hint that lies outside the picture or is not in these frames, one line
    each. Ready ``features`` may be given to be used again. Raises SettingsError for a still that
    cannot be used, ModelError.
    """
    for hint in wishes.hints:
        if not hint.inside:
            warn(f"{hint}: lies outside the picture, whose sides go from 0 to 1; left out")
    features = features or Features()
    stills = []
    for item in wishes.references:
        still = read_still(item.path, short_side)
        # As the film's frames lie: features are not those of what is turned.
        light = np.ascontiguousarray(np.rot90(still.lightness, -wishes.turns))
        ab = np.rot90(still.ab, -wishes.turns, axes=(1, 2))
        stills.append((item, grid(features(light), ab, wishes.strength)))
    survey = _Survey(wishes, stills, features, colorizer, warn)
    try:
        return survey.run(frames)
    except BaseException:
        survey.guide.close()
        raise


class _Survey:
    """One survey. Sources are numbered as they come in: stills first, then hints by frame."""

    def __init__(
        self,
        wishes: Wishes,
        stills: Sequence[tuple[Reference, Source]],
        features: Features,
        colorizer: Colorizer,
        warn: Callable[[str], None],
    ) -> None:
        self._wishes = wishes
        self._colorizer = colorizer
        self._features = features
        self._warn = warn
        self._sources = Sources()
        self._stills = [(self._sources.add(source), item) for item, source in stills]
        self._numbers: dict[tuple[int, str], tuple[int, int]] = {}
        self._memory = Memory() if wishes.remember else None
        self.guide = Guide()

    def run(self, frames: Callable[[], Iterator[SmallFrame]]) -> Guide:
        everywhere = [n for n, item in self._stills if item.shot == item.frame]
        whole = tuple(hint for hint in self._wishes.hints if hint.scope == "film")
        if whole:
            moments = self._moments(whole)
            for small in frames():
                everywhere += self._anchors(small, moments.on(small.frame))
                if not moments.left:
                    break
        active: set[int] = set()
        onward = set(everywhere)
        used = set(everywhere)
        shot, window, indices = 0, Window(), list[tuple[int, bool]]()
        first = True
        moments = self._moments(self._wishes.hints)
        for small in frames():
            here = moments.on(small.frame)
            if small.cut or len(window) == window_length(small.lightness.shape):
                before = self._settle(window, indices, active, first=first)
                window, indices = Window(None if small.cut else before), []
                first = small.cut
            if small.cut and not small.within:
                shot += 1
                active = onward | {n for n, item in self._stills if item.shot == shot}
            index = small.frame.index
            number = index + self._wishes.before
            active |= {n for n, item in self._stills if item.frame == number}
            used |= active
            anchors = self._anchors(small, here)
            active.update(anchors)
            for (_, scope), pair in self._numbers.items():
                if scope == "onward":
                    onward.update(pair)
            window.add(small.lightness, anchors)
            indices.append((index, bool(anchors)))
        for hint in moments.left:
            self._warn(f"{hint}: {when(hint)} is not in the part that is coloured; left out")
        for number, item in self._stills:
            if number not in used:
                what = f"frame {item.frame}" if item.shot is None else f"shot {item.shot}"
                self._warn(f"{item.path}: {what} is not in the part that is coloured; left out")
        self._settle(window, indices, active, first=first)
        return self.guide

    def _moments(self, hints: Iterable[Hint]) -> Moments:
        wishes = self._wishes
        return Moments(hints, wishes.before, wishes.origin, wishes.time_base, wishes.last)

    def _anchors(self, small: SmallFrame, hints: Sequence[Hint]) -> list[int]:
        """The numbers of the sources that ``hints`` on this frame make, one for each scope."""
        found: list[int] = []
        for scope in sorted({hint.scope for hint in hints}):
            key = (small.frame.index, scope)
            if key not in self._numbers:
                chosen = [hint for hint in hints if hint.scope == scope]
                points, rest = self._told(chosen, small.lightness)
                anchor = self._sources.add(points, by_hand=True)
                self._numbers[key] = (anchor, self._sources.add(rest))
            found += self._numbers[key]
        return found

    def _told(self, hints: Sequence[Hint], lightness: Float32) -> tuple[Source, Source]:
        """The points of hints on the frame of ``lightness``, and what of it they change."""
        turns = self._wishes.turns
        points = points_of(hints, lightness, turns)
        # Upright, as the network is shown all pictures.
        light = np.ascontiguousarray(np.rot90(lightness, turns))
        unaided = self._colorizer.colors(light[None])[0]
        upright = turned(points, lightness.shape, turns)
        ab = color_with_points(self._colorizer, light, upright, unaided)
        both = np.rot90(np.concatenate((ab, ab - unaided)), -turns, axes=(1, 2))
        look = self._features(lightness)
        around = grid(look, both, _AROUND)
        changed = np.hypot(*around.colors[:, 2:].T) > _CHANGED
        rest = replace(around, places=around.places[changed], colors=around.colors[changed, :2])
        return Source(look, cells(points[:, :2]), points[:, 2:]), rest

    def _settle(
        self,
        window: Window,
        indices: Sequence[tuple[int, bool]],
        active: set[int],
        *,
        first: bool,
    ) -> tuple[Structure, State] | None:
        """Follow the sources through the window, the ``first`` of its shot or not, and keep what
        was found. What the shot shows again becomes ``active``."""
        if not len(window):
            return None
        if self._memory is not None:
            looks = list(window.looks(self._features).values())
            # Enough to tell where a shot is, however long it lasts.
            active.update(self._memory.shown([looks[0], looks[len(looks) // 2], looks[-1]]))
        states: list[State] = []
        if active:
            states = window.follow(self._sources.chosen(active), self._features)
            for (index, hinted), state in zip(indices, states, strict=True):
                self.guide.put(index, self._sources.rows(state), hinted=hinted)
        if first:
            self._remember(window, states)
        return window.end(states) if states else None

    def _remember(self, window: Window, states: Sequence[State]) -> None:
        """Keep the place in the middle of the window, unless it is known; ``states`` are where the
        known colours are in its frames, if there are any."""
        if self._memory is None:
            return
        looks = list(window.looks(self._features).items())
        number, look = looks[len(looks) // 2]
        if self._memory.shown([look]):
            return
        lightness, turns = window.sample(number), self._wishes.turns
        rows = [
            turned(self._sources.rows(states[number]), lightness.shape, turns) if states else None
        ]
        light = np.ascontiguousarray(np.rot90(lightness, turns))
        ab = color_frames(self._colorizer, light[None], rows)[0]
        place = grid(look, np.rot90(ab, -turns, axes=(1, 2)), 1.0)
        kept = self._sources.add(place)
        forgotten = self._memory.keep(kept, place)
        if forgotten is not None:
            self._sources.forget(forgotten)
