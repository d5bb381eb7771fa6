"""Which photos a run trains on, which it leaves out, and which it holds back to be measured by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidcolor.errors import SettingsError
from vidcolor.train.heldout import hold_out
from vidcolor.train.photos import PhotoSet, load_photos
from vidcolor.train.recipe import Recipe

_WILD = frozenset("*?[")
_SHORT_SIDE = 256
"""Photos are kept at this short side; crops of them are never larger than it."""


def photo_sets(recipe: Recipe, threads: int) -> tuple[PhotoSet, PhotoSet | None]:
    """The photos to train on, and those held out, None where there are none. What ``val`` names is
    not trained on, though it lies among the ``photos``, unless it is all of them.

    Raises SourceError when nothing is left to train on, SettingsError for a wrong ``include`` or
    ``exclude``.
    """
    outside = Listing(recipe.exclude, "exclude")
    inside = Listing(recipe.include, "include") if recipe.include else None

    def allowed(name: str, source: str) -> bool:
        return not outside.holds(name, source)

    def wanted(name: str, source: str) -> bool:
        return allowed(name, source) and (inside is None or inside.holds(name, source))

    photos = load_photos(
        map(Path, recipe.photos),
        _SHORT_SIDE,
        limit=recipe.limit or None,
        wanted=wanted,
        threads=threads,
    )
    if recipe.val_every == 0:
        return photos, None
    if not recipe.val:
        return hold_out(photos, recipe.val_share, recipe.val_photos)
    # Grey ones among them count: films have such scenes.
    held = load_photos(
        map(Path, recipe.val),
        _SHORT_SIDE,
        limit=recipe.val_photos,
        grey_chroma=0.0,
        wanted=allowed,
        threads=threads,
    )
    seen = {_pixels(image) for image in held.images}
    rest = [k for k, image in enumerate(photos.images) if _pixels(image) not in seen]
    if not rest:  # A run that is to be measured by what it learns.
        return photos, held
    again = len(photos.images) - len(rest)
    return replace(photos.subset(rest), unwanted=photos.unwanted + again), held


def _pixels(image: NDArray[np.uint8]) -> bytes:
    """What tells a photo from others, in whatever folder it lies and by whatever name."""
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


class Listing:
    """The photos of a recipe's ``key``: names, patterns (``portrait-*``), list files of both.

    A pattern is compared with a photo's name and with ``SOURCE/NAME``, the source being the tar
    file or folder it came from: ``train-03.tar/*`` is a whole shard. Raises SettingsError when an
    entry is neither a list file nor a pattern.
    """

    def __init__(self, entries: Iterable[str], key: str) -> None:
        names: set[str] = set()
        for entry in entries:
            path = Path(entry)
            if _WILD.isdisjoint(entry):
                try:
                    lines = path.read_text(encoding="utf-8-sig").splitlines()
                except (OSError, UnicodeDecodeError) as error:
                    raise SettingsError(
                        f"{key}: {entry!r} is neither a list file that can be read nor a pattern "
                        "with * or ?"
                    ) from error
                names.update(line.strip() for line in lines if line.strip())
            else:
                names.add(entry)
        self._patterns = [name for name in names if not _WILD.isdisjoint(name)]
        self._names = names.difference(self._patterns)

    def holds(self, name: str, source: str) -> bool:
        """Whether a photo is one of them."""
        place = f"{source}/{name}"
        if name in self._names or place in self._names:
            return True
        return any(
            fnmatchcase(name, pattern) or fnmatchcase(place, pattern) for pattern in self._patterns
        )
