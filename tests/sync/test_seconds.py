"""Durations that users give, and how long a poll may wait."""

from __future__ import annotations

import select
import sys
from typing import Any

import pytest

from sf_actors.errors import UsageError
from sf_actors.sync.seconds import LONGEST_POLL_MS, LONGEST_S, longest, poll_ms, seconds


def test_a_wait_is_rounded_up_since_zero_would_be_a_busy_loop() -> None:
    assert poll_ms(-1.0) == 1
    assert poll_ms(0.0001) == 1
    assert poll_ms(1.5) == 1501


@pytest.mark.parametrize("left_s", [LONGEST_POLL_MS / 1000, 3e6, LONGEST_S, float("inf")])
def test_a_wait_of_years_begins_with_the_longest_that_a_poll_takes(left_s: float) -> None:
    assert poll_ms(left_s) == LONGEST_POLL_MS


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="it waits for ever instead")
def test_a_poll_takes_no_longer_wait() -> None:
    with pytest.raises(OverflowError):
        select.poll().poll(LONGEST_POLL_MS + 1)


@pytest.mark.parametrize(
    "value", [-1, float("nan"), float("inf"), True, "1", pytest.param(10**400, id="huge")]
)
def test_what_is_no_time_to_wait_is_refused_by_one_line(value: object) -> None:
    with pytest.raises(UsageError, match="stop_timeout_s: expected seconds from 0 to "):
        seconds("stop_timeout_s", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (0, 0.0),
        (-1, 0.0),
        (1.5, 1.5),
        (float("inf"), LONGEST_S),
        pytest.param(10**400, LONGEST_S, id="huge"),
    ],
)
def test_a_user_may_wait_any_time(value: Any, expected: float | None) -> None:
    assert longest("wait: timeout", value) == expected


@pytest.mark.parametrize("value", ["1", float("nan"), True, [1]])
def test_what_is_no_number_is_no_time_to_wait(value: Any) -> None:
    with pytest.raises(UsageError, match="wait: timeout: expected seconds, or None"):
        longest("wait: timeout", value)
