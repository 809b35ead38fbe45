"""A timer's moments: a grid, what is left out of it, and no clock of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sf_actors.connections.timer import CallEnded, Timer
from sf_actors.counters import Counters


def timer(every_s: float = 1.0, *, at_start: bool = False) -> Timer:
    model: Any = SimpleNamespace(
        where="the model", creation={"every_s": every_s, "at_start": at_start}
    )
    return Timer(model, lambda *_offered: None, Counters(*Timer.counted))


def missed_by(one: Timer, now: float) -> int:
    """Have a timer's call begin, and return how many it says were left out."""
    args: dict[str, int] = one.call(now, "w").args
    return args["missed"]


def test_the_first_call_is_due_after_the_interval() -> None:
    one = timer(2.5)
    assert one.due_at is None
    one.wait(100.0)

    assert one.due_at == 102.5


def test_with_at_start_it_is_due_at_once() -> None:
    one = timer(2.5, at_start=True)
    one.wait(100.0)

    assert one.due_at == 100.0
    assert missed_by(one, 100.01) == 0
    one.end()
    one.wait(100.02)
    assert one.due_at == 102.5


def test_nothing_is_due_while_a_call_is_under_way() -> None:
    one = timer()
    one.wait(0.0)
    one.call(1.0, "w")
    one.wait(5.0)

    assert one.due_at is None


def test_a_quick_call_leaves_nothing_out() -> None:
    one = timer()
    one.wait(0.0)
    for moment in range(1, 50):
        assert one.due_at == moment
        assert missed_by(one, moment + 0.1) == 0
        one.end()
        one.wait(moment + 0.2)

    assert one.counters.missed == 0


def test_what_passes_during_a_call_is_left_out_and_told_to_the_next() -> None:
    one = timer()
    one.wait(0.0)
    assert missed_by(one, 1.0) == 0
    one.end()
    one.wait(4.5)

    assert one.due_at == 5.0
    assert missed_by(one, 5.0) == 3
    one.end()
    one.wait(5.5)
    assert missed_by(one, 6.0) == 0
    assert one.counters.missed == 3


def test_a_process_that_stood_still_calls_once_for_all_moments() -> None:
    one = timer()
    one.wait(0.0)

    assert missed_by(one, 10.5) == 9
    one.end()
    one.wait(10.6)
    assert one.due_at == 11.0


def test_it_does_not_drift() -> None:
    one = timer(0.1)
    one.wait(1000.0)
    for _ in range(10_000):
        assert one.due_at is not None
        one.call(one.due_at + 0.03, "w")
        one.end()
        one.wait(one._last * 0.1 + 1000.04)

    assert one.due_at == pytest.approx(1000.0 + 10_001 * 0.1, abs=1e-9)
    assert one.counters.missed == 0


def test_an_actor_that_takes_over_keeps_the_grid() -> None:
    one = timer()
    one.wait(0.0)
    missed_by(one, 1.0)
    one.wait(1.5)
    one.end()
    one.wait(3.5)

    assert one.due_at == 4.0


def test_the_end_of_a_call_is_told_to_the_actor_that_waits_now() -> None:
    told: list[Any] = []
    one = timer()
    one.wait(0.0)
    call = one.call(1.0, "w")
    one.actor = SimpleNamespace(tell=told.append)
    call.settle()

    [message] = told
    assert isinstance(message, CallEnded)
    assert message.timer is one
    assert len(one.backlog) == 0


def test_a_timer_that_is_finer_than_the_clock_counts_without_an_end() -> None:
    one = timer(5e-324)
    one.wait(0.0)

    assert missed_by(one, 1.0) > 10**8


def test_a_call_that_the_stop_cancels_is_counted() -> None:
    one = timer()
    one.wait(0.0)
    one.call(1.0, "w").cancel()

    assert one.counters.dropped == {"stopped": 1}
    assert len(one.backlog) == 0
