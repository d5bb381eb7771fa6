"""Known points, carried through a shot along its motion, and found again where that loses them.

A window of frames is gone through twice. Onward, points go from frame to frame with the flow; every
few frames their features tell whether they are still on their thing, and those that are missing are
looked for. Backward, the points that came in on the way are carried to the frames before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vidcolor.flow import Motion, Structure, link, structure
from vidcolor.guide.match import ALIKE, STRANGE, Source, cells, find, pixels, sample
from vidcolor.models.features import Features

Float32: TypeAlias = NDArray[np.float32]
Ids: TypeAlias = NDArray[np.int64]

SAMPLE = 12
"""Frames from one look at the features to the next."""
_LEAST_TRUST = 0.3
"""Confidence, multiplied up since a point was last sure, under which it is lost."""
_BUDGET = 2**27
"""Bytes that a window may take; at the usual size it is some 1,300 frames then."""
_BYTES = 1.5
"""Taken by a frame for each pixel of its small picture: structure, and a share of its features."""


def window_length(size: tuple[int, int]) -> int:
    """Frames of small size (h, w) that are gone through at a time: what bounds the memory, and how
    far back a point is carried at most."""
    return max(4 * SAMPLE, int(_BUDGET / (_BYTES * size[0] * size[1])))


@dataclass(frozen=True, slots=True)
class State:
    """The points known in one frame.

    ``ids`` (N, 2) are the source's number and the point's in it, ``places`` (N, 2) y and x in
    pixels of the small picture, ``trust`` (N,) 0 … 1.
    """

    ids: Ids
    places: Float32
    trust: Float32

    @classmethod
    def new(cls, source: int, points: NDArray[np.intp], places: Float32) -> State:
        """Points of one source that are known for sure."""
        ids = np.stack((np.full(len(points), source), points), axis=1).astype(np.int64)
        return cls(ids, places, np.ones(len(points), np.float32))

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, chosen: NDArray[np.bool_]) -> State:
        return State(self.ids[chosen], self.places[chosen], self.trust[chosen])

    def without(self, other: State) -> State:
        """The points that ``other`` has not."""
        return self.only(~np.isin(_keys(self.ids), _keys(other.ids)))

    def joined(self, other: State) -> State:
        """Both; of a point that is in both, that of ``other``."""
        mine = self.without(other)
        return State(
            np.concatenate((mine.ids, other.ids)),
            np.concatenate((mine.places, other.places)),
            np.concatenate((mine.trust, other.trust)),
        )


NOTHING = State(np.zeros((0, 2), np.int64), np.zeros((0, 2), np.float32), np.zeros(0, np.float32))


class Window:
    """Frames of one shot, in order, and where sources lie exactly.

    ``before`` is what the window before it, of the same shot, ended with.
    """

    def __init__(self, before: tuple[Structure, State] | None = None) -> None:
        self._before = before
        self._structures: list[Structure] = []
        self._samples: dict[int, Float32] = {}
        self._looks: dict[int, Float32] = {}
        self._anchors: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._structures)

    def add(self, lightness: Float32, anchors: Sequence[int] = ()) -> None:
        """The next frame (h, w) L*, and the numbers of the sources that are this very frame."""
        number = len(self._structures)
        self._structures.append(structure(lightness))
        if number % SAMPLE == 0 or anchors:
            self._samples[number] = lightness
        if anchors:
            self._anchors[number] = list(anchors)

    def looks(self, features: Features) -> dict[int, Float32]:
        """The features of every frame that is looked at, by its number in the window, in order."""
        for number, lightness in self._samples.items():
            if number not in self._looks:
                self._looks[number] = features(lightness)
        return self._looks

    def sample(self, number: int) -> Float32:
        """The lightness (h, w) of a frame that is looked at."""
        return self._samples[number]

    def follow(self, sources: Mapping[int, Source], features: Features) -> list[State]:
        """The points of ``sources`` in every frame of the window."""
        known = {key: source.known for key, source in sources.items()}
        looks = self.looks(features)
        begins = {key: number for number, keys in self._anchors.items() for key in keys}
        states: list[State] = []
        fresh: list[State] = []
        last, state = self._before or (None, NOTHING)
        for number, now in enumerate(self._structures):
            if len(state) and last is not None:
                state = _moved(state, link(last, now).backward, now.size)
            carried = state
            if number in looks:
                state = _verified(state, looks[number], known)
                # Before the frame it was put on, a point comes back along the flow, more exactly.
                begun = {key: it for key, it in sources.items() if begins.get(key, 0) <= number}
                state = state.joined(_found(state, begun, looks[number]))
            for key in self._anchors.get(number, ()):
                source = sources[key]
                exact = State.new(key, np.arange(len(source.places)), pixels(source.places))
                state = state.joined(exact)
            fresh.append(state.without(carried))
            states.append(state)
            last = now
        back = NOTHING
        for number in range(len(states) - 1, 0, -1):
            back = back.joined(fresh[number])
            earlier = states[number - 1]
            if len(back):
                before, after = self._structures[number - 1 : number + 1]
                back = _moved(back, link(before, after).onward, after.size).without(earlier)
            if number - 1 in looks:
                look = looks[number - 1]
                back = _verified(back, look, known)
                later = {key: it for key, it in sources.items() if begins.get(key, 0) >= number}
                back = back.joined(_found(earlier.joined(back), later, look))
            states[number - 1] = earlier.joined(back)
        return states

    def end(self, states: Sequence[State]) -> tuple[Structure, State]:
        """What the next window of the shot goes on from."""
        return self._structures[-1], states[-1]


def _moved(state: State, motion: Motion, size: tuple[int, int]) -> State:
    """The points in the picture, of ``size`` (h, w), that ``motion`` takes its pixels from."""
    # Motions are smaller; the centre of a pixel stays where it is.
    shape = np.array(motion.confidence.shape, np.float32)
    scale = shape / np.array(size, np.float32)
    inner = np.asarray((state.places + 0.5) * scale - 0.5, np.float32)
    step = sample(motion.flow, inner)[:, ::-1]
    trust = state.trust * sample(motion.confidence, inner)
    inner = inner + step
    inside = ((inner > -0.5) & (inner < shape - 0.5)).all(axis=1)
    places = np.asarray((inner + 0.5) / scale - 0.5, np.float32)
    return State(state.ids, places, trust).only(inside & (trust > _LEAST_TRUST))


def _verified(state: State, features: Float32, known: Mapping[int, Float32]) -> State:
    """The points that are still on their thing, those that surely are with full trust."""
    if not len(state):
        return state
    here = sample(features, cells(state.places))
    alike = np.zeros(len(state), np.float32)
    for key in np.unique(state.ids[:, 0]):
        mine = state.ids[:, 0] == key
        alike[mine] = (here[mine] * known[key][state.ids[mine, 1]]).sum(axis=1)
    trust = np.where(alike > ALIKE, np.float32(1), state.trust)
    return State(state.ids, state.places, trust).only(alike > STRANGE)


def _found(state: State, sources: Mapping[int, Source], features: Float32) -> State:
    """The points missing from ``state`` that are surely in the picture of ``features``."""
    found = NOTHING
    for key, source in sources.items():
        live = state.ids[state.ids[:, 0] == key, 1]
        missing = np.setdiff1d(np.arange(len(source.places)), live)
        if len(missing):
            points, places = find(source, missing, features)
            found = found.joined(State.new(key, points, pixels(places)))
    return found


def _keys(ids: Ids) -> NDArray[np.int64]:
    return ids[:, 0] * 2**32 + ids[:, 1]
