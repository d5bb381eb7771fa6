from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from vidcolor.prefetch import Prefetch


def _alive() -> list[str]:
    return [item.name for item in threading.enumerate() if item.name.startswith("vidcolor-")]


def test_items_come_in_order_from_another_thread() -> None:
    seen: list[str] = []

    def stage() -> Iterator[int]:
        for number in range(100):
            seen.append(threading.current_thread().name)
            yield number

    with Prefetch(stage, 3, "test") as items:
        assert list(items) == list(range(100))
    assert set(seen) == {"vidcolor-test"}
    assert _alive() == []


def test_it_runs_ahead_by_its_depth_and_no_more() -> None:
    made: list[int] = []
    started = threading.Event()

    def stage() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 4:
                started.set()
            yield number

    with Prefetch(stage, 3, "test") as items:
        assert next(items) == 0
        assert started.wait(5)
        # One handed out, three in the queue, one in the stage's hand.
        assert len(made) == 5


def test_an_error_of_the_stage_is_raised_where_its_items_are_read() -> None:
    def stage() -> Iterator[int]:
        yield 1
        raise ValueError("broken film")

    with Prefetch(stage, 2, "test") as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken film"):
            next(items)
    assert _alive() == []


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_leaving_early_closes_the_stage_in_its_own_thread(taken: int) -> None:
    closed: list[str] = []

    def stage() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.append(threading.current_thread().name)

    with Prefetch(stage, 2, "test") as items:
        for _ in range(taken):
            next(items)
        while not taken and items._queue.empty():
            pass
    assert closed == ["vidcolor-test"]
    assert _alive() == []


def test_leaving_through_an_error_joins_the_thread() -> None:
    def stage() -> Iterator[int]:
        yield from range(1000)

    def read() -> None:
        with Prefetch(stage, 2, "test") as items:
            next(items)
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        read()
    assert _alive() == []


@pytest.mark.parametrize("in_stack", [True, False])
def test_an_interruption_while_it_starts_leaves_no_thread(
    monkeypatch: pytest.MonkeyPatch, in_stack: bool
) -> None:
    closed = threading.Event()

    def stage() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.set()

    def start(thread: threading.Thread) -> None:
        usual(thread)
        raise KeyboardInterrupt

    usual = threading.Thread.start
    prefetch = Prefetch(stage, 1, "test")
    monkeypatch.setattr(threading.Thread, "start", start)

    def begin(stack: ExitStack) -> object:
        return prefetch.run_in(stack) if in_stack else stack.enter_context(prefetch)

    with pytest.raises(KeyboardInterrupt), ExitStack() as stack:
        begin(stack)
    assert closed.is_set()
    assert _alive() == []
