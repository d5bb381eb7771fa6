from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

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


def test_work_in_a_pool_is_charged_where_it_is_done() -> None:
    watch = Stopwatch()
    with ThreadPoolExecutor(1) as threads:
        pool = watch.charged("network", threads)
        with watch.running("wait"):
            found = [pool.submit(time.sleep, 0.03) for _ in range(2)]
            assert [item.result() for item in found] == [None, None]
    assert watch.seconds()["network"] >= 0.06
    assert watch.seconds()["wait"] >= 0.06
