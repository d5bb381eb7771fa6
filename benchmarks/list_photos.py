"""List photos by where they were collected, to leave them out of a training run.

    python benchmarks/list_photos.py index.csv "coco-*" portraits > exclude.txt
    vidcolor train RECIPE …                       # with exclude = ["exclude.txt"] in the recipe

``index.csv`` has a line for each photo, with its name in the column ``file`` and its collection in
the column ``source_set``; ``--name`` and ``--set`` name other columns.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path


def photos_of(index: Path, patterns: Sequence[str], name: str, collection: str) -> list[str]:
    """The names of photos whose collection fits one of the patterns, in the index's order.

    Raises ValueError for a pattern that fits none, and for a column that is not there.
    """
    found: list[str] = []
    unused = set(patterns)
    with index.open(encoding="utf-8", newline="") as handle:
        lines = csv.DictReader(handle)
        missing = {name, collection}.difference(lines.fieldnames or ())
        if missing:
            raise ValueError(f"{index}: no column {', '.join(sorted(missing))}")
        for line in lines:
            fitting = [text for text in patterns if fnmatchcase(line[collection], text)]
            if fitting:
                found.append(line[name])
                unused.difference_update(fitting)
    if unused:
        raise ValueError(f"{index}: no collection is called {', '.join(sorted(unused))}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("patterns", nargs="+", metavar="COLLECTION", help="name or pattern")
    parser.add_argument("--name", default="file", help="column of the photo's name")
    parser.add_argument("--set", dest="collection", default="source_set", help="its collection's")
    chosen = parser.parse_args()
    try:
        names = photos_of(chosen.index, chosen.patterns, chosen.name, chosen.collection)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print("\n".join(names))


if __name__ == "__main__":
    main()
