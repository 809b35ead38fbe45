"""Durations that users give, and how long a poll may wait."""

from __future__ import annotations

import select

import pytest

from sf_actors.sync.seconds import LONGEST_POLL_MS, LONGEST_S, poll_ms


def test_a_wait_is_rounded_up_since_zero_would_be_a_busy_loop() -> None:
    assert poll_ms(-1.0) == 1
    assert poll_ms(0.0001) == 1
    assert poll_ms(1.5) == 1501


@pytest.mark.parametrize("left_s", [LONGEST_POLL_MS / 1000, 3e6, LONGEST_S, float("inf")])
def test_a_wait_of_years_begins_with_the_longest_that_a_poll_takes(left_s: float) -> None:
    assert poll_ms(left_s) == LONGEST_POLL_MS
    with pytest.raises(OverflowError):
        select.poll().poll(LONGEST_POLL_MS + 1)
