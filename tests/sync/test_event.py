"""What a flag does for those who wait for it."""

from __future__ import annotations

import math
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from sf_actors.sync.event import LightEvent, set_event

if TYPE_CHECKING:
    from types import FrameType

DEADLINE_S = 10.0


def waiting(flag: LightEvent, found: list[bool], longest_s: float = DEADLINE_S) -> threading.Thread:
    """Return a thread that waits for the flag already."""
    thread = threading.Thread(target=lambda: found.append(flag.wait(longest_s)))
    count = len(flag._waiting) + 1
    thread.start()
    while len(flag._waiting) < count:
        assert thread.is_alive()
    return thread


def test_it_is_set_from_then_on() -> None:
    flag = LightEvent()
    assert not flag.is_set()

    flag.set()

    assert flag.is_set()
    assert flag.wait()
    assert flag.wait(0)


def test_it_can_be_made_set_and_be_cleared() -> None:
    flag = set_event()
    assert flag.wait(0)

    flag.clear()

    assert not flag.is_set()
    assert not flag.wait(0)


def test_who_waits_in_vain_is_told_so_and_forgotten() -> None:
    flag = LightEvent()

    assert not flag.wait(0.001)
    assert not flag.wait(-1)
    assert not flag._waiting


@pytest.mark.parametrize("longest_s", [math.inf, 1e12, pytest.param(10**400, id="huge")])
def test_who_may_wait_longer_than_a_lock_waits_until_it_is_set(longest_s: float) -> None:
    flag, found = LightEvent(), list[bool]()
    thread = waiting(flag, found, longest_s)

    flag.set()

    thread.join(DEADLINE_S)
    assert found == [True]


def test_all_who_wait_go_on() -> None:
    flag, found = LightEvent(), list[bool]()
    threads = [waiting(flag, found) for _ in range(5)]

    flag.set()

    for thread in threads:
        thread.join(DEADLINE_S)
    assert found == [True] * 5
    assert not flag._waiting


def test_who_waited_goes_on_though_it_is_cleared_at_once() -> None:
    flag, found = LightEvent(), list[bool]()
    thread = waiting(flag, found)

    flag.set()
    flag.clear()

    thread.join(DEADLINE_S)
    assert found == [True]


def test_nobody_is_left_waiting_when_many_set_and_many_wait_at_once() -> None:
    for _ in range(200):
        flag, found = LightEvent(), list[bool]()
        together = threading.Barrier(6)

        def wait(flag: LightEvent = flag, barrier: threading.Barrier = together) -> None:
            barrier.wait(DEADLINE_S)
            found.append(flag.wait(DEADLINE_S))  # noqa: B023 - all have ended before the next

        def set_it(flag: LightEvent = flag, barrier: threading.Barrier = together) -> None:
            barrier.wait(DEADLINE_S)
            flag.set()

        threads = [threading.Thread(target=target) for target in (wait, set_it) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
        assert found == [True] * 3


def test_a_signal_handler_may_set_it_for_the_thread_that_it_interrupts() -> None:
    flag = LightEvent()

    def set_it(_signum: int, _frame: FrameType | None) -> None:
        flag.set()

    before = signal.signal(signal.SIGALRM, set_it)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert flag.wait(DEADLINE_S)
    finally:
        signal.signal(signal.SIGALRM, before)
