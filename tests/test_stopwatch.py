from __future__ import annotations

import time
from collections.abc import Iterator

from vidcolor.stopwatch import Stopwatch


def test_a_stage_is_not_charged_for_the_stage_it_pulls_from() -> None:
    watch = Stopwatch()

    def slow() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.03)
            yield number

    def quick(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            yield item + 1

    found = list(watch.timed("quick", quick(watch.timed("slow", slow()))))
    seconds = watch.seconds()
    assert found == [1, 2, 3]
    assert seconds["slow"] >= 0.09
    assert seconds["quick"] < seconds["slow"] / 3


def test_closing_reaches_the_source() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    items = Stopwatch().timed("stage", source())
    next(items)
    items.close()
    assert closed == [True]
