"""Chapters as every container takes them: in order, each with an end and a number of its own."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # It exists in the stubs only.
    from av.container.core import Chapter


def part_of(
    chapters: Sequence[Chapter],
    start: Fraction | None,
    end: Fraction | None,
    film_end: Fraction | None,
) -> list[Chapter]:
    """Those within ``start`` … ``end`` seconds, moved to start at 0; None, None: all, unmoved.

    An end that is missing or not after its start becomes the start of the next chapter, or
    ``film_end``. Numbers are made anew where two chapters share one.
    """
    placed = [(c, c["time_base"]) for c in chapters if c["time_base"]]
    ordered = sorted(placed, key=lambda entry: entry[0]["start"] * (entry[1] or 1))
    kept: list[Chapter] = []
    for number, (chapter, base) in enumerate(ordered):
        assert base is not None
        begins, ends = max(0, chapter["start"]), chapter["end"]
        if ends <= begins:
            following = ordered[number + 1 :]
            starts = [other["start"] * (unit or 1) for other, unit in following]
            after = next((at for at in starts if at > begins * base), film_end)
            ends = max(begins + 1, begins if after is None else round(after / base))
        if start is not None:
            first, last = round(start / base), None if end is None else round(end / base)
            ends = ends if last is None else min(ends, last)
            if ends <= first or begins >= ends:
                continue
            begins, ends = max(0, begins - first), ends - first
        kept.append({**chapter, "start": begins, "end": ends})
    if len({chapter["id"] for chapter in kept}) < len(kept):
        kept = [{**chapter, "id": number} for number, chapter in enumerate(kept, 1)]
    return kept
