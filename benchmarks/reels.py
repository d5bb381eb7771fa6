"""Reels spliced from known shots, for `cuts.py`: what happens in them, and how they are worn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vidcolor.media.decode import decode
from vidcolor.media.probe import probe
from vidcolor.settings import RangeSettings
from vidcolor.train.photos import encoded_photos

Picture = NDArray[np.float32]
SIZE = (180, 320)


@dataclass(frozen=True)
class Event:
    """Between frames ``first`` and ``last`` lie ``least`` to ``most`` starts, if all goes well."""

    kind: str
    first: int
    last: int
    least: int
    most: int


@dataclass
class Reel:
    """Spliced pictures, 0 … 255, and what happens in them."""

    pictures: list[Picture] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def mark(self, kind: str, length: int, least: int, most: int) -> None:
        """Something begins at the next picture and has ``length`` pictures."""
        here = len(self.pictures)
        self.events.append(Event(kind, here - 1, here + length, least, most))


class Stock:
    """Shots to splice: ``take(n)`` gives n pictures of one, never the one taken before."""

    def __init__(self, clips: Path | None, photos: Path | None, limit: int, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._clips = list(_clips(clips)) if clips else []
        self._photos = list(_photos(photos, limit)) if photos else []
        if len(self._clips) + len(self._photos) < 3:
            raise SystemExit("--clips and --photos: at least three shots are needed")
        self._last = -1

    def take(self, count: int) -> list[Picture]:
        fit = [i for i, clip in enumerate(self._clips) if len(clip) >= count]
        # As many from clips as from photos, where there are both.
        stills = range(len(self._clips), len(self._clips) + len(self._photos))
        pool = fit if fit and (not stills or self.rng.random() < 0.5) else list(stills)
        chosen = int(self.rng.choice([i for i in pool if i != self._last]))
        self._last = chosen
        if chosen >= len(self._clips):
            return self._move(self._photos[chosen - len(self._clips)], count)
        clip = self._clips[chosen]
        begin = int(self.rng.integers(0, len(clip) - count + 1))
        return [picture.astype(np.float32) for picture in clip[begin : begin + count]]

    def _move(self, photo: Picture, count: int) -> list[Picture]:
        fit = 1.3 * max(SIZE[0] / photo.shape[0], SIZE[1] / photo.shape[1])
        drift = self.rng.uniform(-1, 1, 2) * (np.array(SIZE[::-1]) * 0.1)
        zoom = self.rng.uniform(-0.1, 0.1)
        found = []
        for part in np.linspace(-1, 1, count):
            scale = fit * (1 + zoom * part)
            centre = np.array(photo.shape[::-1]) / 2 * scale - drift * part
            x, y = np.array(SIZE[::-1]) / 2 - centre
            found.append(_warped(photo, np.array([[scale, 0, x], [0, scale, y]])))
        return found


def _warped(picture: Picture, matrix: NDArray[np.float64]) -> Picture:
    return cv2.warpAffine(picture, matrix, SIZE[::-1], borderMode=cv2.BORDER_REFLECT)


def _clips(folder: Path) -> Iterator[list[NDArray[np.uint8]]]:
    for path in sorted(folder.iterdir()):
        frames = decode(probe(path), RangeSettings(end_frame=250))
        yield [cv2.resize(f.luma, SIZE[::-1], interpolation=cv2.INTER_AREA) for f in frames]


def _photos(source: Path, limit: int) -> Iterator[Picture]:
    for number, (_, _, data) in enumerate(encoded_photos([source])):
        if number == limit:
            return
        yield cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE).astype(np.float32)


def hard_cuts(stock: Stock, reel: Reel) -> None:
    reel.mark("cut", 1, 1, 1)
    reel.pictures += stock.take(int(stock.rng.integers(18, 40)))


def flashes(length: int) -> Callable[[Stock, Reel], None]:
    def splice(stock: Stock, reel: Reel) -> None:
        reel.mark("cut", 1, 1, 1)
        pictures = stock.take(40)
        kind = stock.rng.integers(0, 3)
        for at in range(20, 20 + length):
            flash = (np.full_like(pictures[at], 235), pictures[at] * 2 + 60, pictures[at] * 0 + 16)
            pictures[at] = flash[kind].clip(0, 255)
        reel.pictures += pictures[:20]
        reel.mark(f"flash {length}", length, 0, 0)
        reel.pictures += pictures[20:]

    return splice


def dissolves(length: int) -> Callable[[Stock, Reel], None]:
    def splice(stock: Stock, reel: Reel) -> None:
        coming = stock.take(length + 12)
        going = reel.pictures[-length:]
        del reel.pictures[-length:]
        reel.mark(f"dissolve {length}", length, 0, 1)
        for step, (old, new) in enumerate(zip(going, coming, strict=False), 1):
            share = step / (length + 1)
            reel.pictures.append((1 - share) * old + share * new)
        reel.pictures += coming[length:]
        reel.mark("cut", 1, 1, 1)
        reel.pictures += stock.take(60)

    return splice


def fades(length: int, hold: int) -> Callable[[Stock, Reel], None]:
    def splice(stock: Stock, reel: Reel) -> None:
        going, coming = reel.pictures[-length:], stock.take(length + 25)
        del reel.pictures[-length:]
        reel.mark("fade", 2 * length + hold, 1, 2)
        for step in range(length):
            reel.pictures.append(16 + (going[step] - 16) * (1 - (step + 1) / (length + 1)))
        reel.pictures += [np.full(SIZE, 16, np.float32)] * hold
        for step in range(length):
            reel.pictures.append(16 + (coming[step] - 16) * (step + 1) / (length + 1))
        reel.pictures += coming[length:]

    return splice


KINDS: dict[str, list[Callable[[Stock, Reel], None]]] = {
    "cut": [hard_cuts] * 8,
    "flash": [flashes(length) for length in (1, 2, 3) * 3],
    "dissolve": [dissolves(length) for length in (8, 16, 24, 48)],
    "fade": [fades(length, hold) for length in (8, 16, 24) for hold in (0, 6)],
}


def flicker(pictures: list[Picture], rng: np.random.Generator) -> list[Picture]:
    return [p * (1 + rng.choice([-1, 1]) * rng.uniform(0.15, 0.3)) for p in pictures]


def weave(pictures: list[Picture], rng: np.random.Generator) -> list[Picture]:
    def shifted(picture: Picture) -> Picture:
        x, y = rng.uniform(-0.02, 0.02, 2) * SIZE[::-1]
        return _warped(picture, np.array([[1, 0, x], [0, 1, y]]))

    return [shifted(p) for p in pictures]


def scratches(pictures: list[Picture], rng: np.random.Generator) -> list[Picture]:
    def scratched(picture: Picture) -> Picture:
        picture = picture.copy()
        for column in rng.integers(0, SIZE[1], 4):
            picture[:, column : column + 2] = rng.choice([20, 240])
        for _ in range(6):
            y, x = rng.integers(0, SIZE)
            cv2.circle(picture, (int(x), int(y)), int(rng.integers(2, 9)), 10.0, -1)
        return picture

    return [scratched(p) for p in pictures]


def grain(pictures: list[Picture], rng: np.random.Generator) -> list[Picture]:
    return [p + rng.normal(0, 12, SIZE).astype(np.float32) for p in pictures]


def everything(pictures: list[Picture], rng: np.random.Generator) -> list[Picture]:
    for wear in (flicker, weave, scratches, grain):
        pictures = wear(pictures, rng)
    return pictures


WEAR: dict[str, Callable[[list[Picture], np.random.Generator], list[Picture]]] = {
    "as it is": lambda pictures, rng: pictures,
    "flicker": flicker,
    "weave": weave,
    "scratches": scratches,
    "grain": grain,
    "all four": everything,
}
