"""Pack photos into tar shards of a bounded size, to carry them to a machine that trains.

    python benchmarks/stage_photos.py --photos photos/ --photos more.tar --out staged --megabytes 60

The files go in as they are, byte for byte, under the names they have in training; nothing is
encoded again. ``--exclude`` takes what a recipe's ``exclude`` takes: list files and patterns.
"""

from __future__ import annotations

import argparse
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from vidcolor.train.photos import encoded_photos
from vidcolor.train.sets import Listing

Photo = tuple[str, bytes]
"""Its name, and the file's content."""
_BLOCK = 512
_RECORD = 20 * _BLOCK
"""A tar file's length is a multiple of this; its end is two empty blocks."""


def pack(
    photos: Iterable[Path], out: Path, most_bytes: int, exclude: Iterable[str] = ()
) -> list[Path]:
    """Write ``shard-000.tar`` and so on into ``out``, none larger than ``most_bytes``.

    Raises ValueError for a photo that alone is larger than that.
    """
    left_out = Listing(exclude, "exclude").holds
    out.mkdir(parents=True, exist_ok=True)
    chosen = (
        (name, data) for name, source, data in encoded_photos(photos) if not left_out(name, source)
    )
    shards = []
    for number, members in enumerate(_groups(chosen, most_bytes - _RECORD)):
        shards.append(out / f"shard-{number:03}.tar")
        with tarfile.open(shards[-1], "w", format=tarfile.GNU_FORMAT) as archive:
            for name, data in members:
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return shards


def _groups(photos: Iterator[Photo], most_bytes: int) -> Iterator[list[Photo]]:
    group: list[Photo] = []
    used = 0
    for name, data in photos:
        # A header and the content in whole blocks; a long name has a header and blocks of its own.
        size = _BLOCK + _blocks(len(data))
        if len(name.encode()) > 99:
            size += _BLOCK + _blocks(len(name.encode()) + 1)
        if size > most_bytes:
            raise ValueError(f"{name}: {len(data)} bytes do not fit into one shard")
        if used + size > most_bytes:
            yield group
            group, used = [], 0
        group.append((name, data))
        used += size
    if group:
        yield group


def _blocks(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=60, help="most, in units of 2**20 bytes")
    parser.add_argument("--exclude", action="append", default=[])
    chosen = parser.parse_args()
    shards = pack(chosen.photos, chosen.out, int(chosen.megabytes * 2**20), chosen.exclude)
    for path in shards:
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
