"""Damaged copies of good films, the same ones each time: a seed, a kind, a number."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

SEED = 6
PER_FILM = 10


def flipped_bits(content: bytes, chance: Random) -> bytes:
    """One bit in some of its bytes, as on a worn tape."""
    return _flip(content, chance, range(len(content)), max(1, len(content) // 500))


def flipped_head(content: bytes, chance: Random) -> bytes:
    """Bits in the first kilobyte, where headers are."""
    return _flip(content, chance, range(min(1024, len(content))), 8)


def cut_short(content: bytes, chance: Random) -> bytes:
    """An end that is missing, as after a download that broke off."""
    return content[: chance.randrange(1, len(content))]


def junk_behind(content: bytes, chance: Random) -> bytes:
    """Random bytes after the end."""
    return content + chance.randbytes(chance.randrange(1, 5000))


def zeroed(content: bytes, chance: Random) -> bytes:
    """A stretch of zeros, as of a bad sector."""
    start, size = _stretch(content, chance)
    return content[:start] + bytes(size) + content[start + size :]


def torn_out(content: bytes, chance: Random) -> bytes:
    """A stretch that is missing from the middle."""
    start, size = _stretch(content, chance)
    return content[:start] + content[start + size :]


KINDS: tuple[Callable[[bytes, Random], bytes], ...] = (
    flipped_bits,
    cut_short,
    junk_behind,
    flipped_head,
    zeroed,
    torn_out,
)


def kind_of(number: int) -> Callable[[bytes, Random], bytes]:
    """Which kind the mutation of this number is."""
    return KINDS[number % len(KINDS)]


def mutate(content: bytes, name: str, number: int) -> bytes:
    """Mutation ``number`` of the film ``name``, which has this content."""
    return kind_of(number)(content, Random(f"{SEED}/{name}/{number}"))


def _flip(content: bytes, chance: Random, where: range, count: int) -> bytes:
    damaged = bytearray(content)
    for place in chance.choices(where, k=count):
        damaged[place] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _stretch(content: bytes, chance: Random) -> tuple[int, int]:
    size = chance.randrange(1, max(2, len(content) // 8))
    return chance.randrange(0, len(content)), size
