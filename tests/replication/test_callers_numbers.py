"""Numbers that the publisher's user gives, beside the publisher's own count."""

from __future__ import annotations

import pytest

from sf_actors.replication.status import Phase
from tests.replication.follower import WHOLE, Follower


@pytest.fixture
def live() -> Follower:
    """A follower in step at the caller's number 5, the publisher's second update."""
    follower = Follower()
    follower.heartbeat(1)
    follower.snapshot(5, count=1)
    follower.updates.clear()
    follower.asked.clear()
    return follower


def test_the_callers_number_is_shown_and_the_count_orders(live: Follower) -> None:
    assert (live.status.phase, live.status.number, live.replica.count) == (Phase.LIVE, 5, 1)
    live.delta(6, count=2)
    live.heartbeat(2)
    assert (live.status.phase, live.status.number, live.replica.count) == (Phase.LIVE, 6, 2)
    assert live.numbers == [6]


@pytest.mark.parametrize("number", [-100, -2, -1, 0, 4, 5, 99])
def test_a_whole_value_counts_from_its_own_number_on(live: Follower, number: int) -> None:
    live.whole_delta(number, {**WHOLE, "price": 9}, count=2)
    assert (live.status.phase, live.status.number, live.price) == (Phase.LIVE, number, 9)
    assert live.updates[-1].is_whole
    live.delta(number + 1, {"price": 10}, count=3)
    assert (live.status.phase, live.status.number, live.price) == (Phase.LIVE, number + 1, 10)
    assert (live.status.gaps, live.numbers, live.asked) == (0, [number, number + 1], [])


@pytest.mark.parametrize("number", [-100, -2, 0, 5])
def test_a_delta_whose_number_is_not_above_that_of_the_value_is_skipped(
    live: Follower, number: int
) -> None:
    live.delta(number, {"price": 77}, count=2)
    live.heartbeat(2)
    assert (live.status.phase, live.status.number, live.price) == (Phase.LIVE, 5, 5)
    assert (live.status.skipped, live.updates, live.asked) == (1, [], [])
    live.delta(6, count=3)
    assert (live.status.number, live.price) == (6, 6)


def test_a_number_above_the_next_is_a_gap_and_costs_a_snapshot(live: Follower) -> None:
    live.delta(7, count=2)
    assert (live.status.phase, live.status.number, live.price) == (Phase.SYNCING, 5, 5)
    assert live.phases[-1][1] == "a gap: the caller numbered an update 7 after 5"
    assert live.status.gaps == 1
    live.wait(0.5)
    assert [(ask.epoch, ask.after) for ask in live.asked] == [(None, None)]
    live.delta(8, count=3)
    live.snapshot(7, count=2)
    assert (live.status.phase, live.status.number, live.price) == (Phase.LIVE, 8, 8)


def test_a_duplicate_is_one_by_its_count_whatever_its_number(live: Follower) -> None:
    live.whole_delta(1, {**WHOLE, "price": 1}, count=2)
    live.delta(6, {"price": 6}, count=1)
    live.whole_delta(1, {**WHOLE, "price": 7}, count=2)
    assert (live.price, live.replica.duplicates, live.status.skipped) == (1, 2, 0)


def test_what_came_before_the_snapshot_follows_it_by_the_count() -> None:
    follower = Follower()
    follower.whole_delta(-1, WHOLE, count=7)
    follower.delta(0, {"price": 3}, count=8)
    follower.delta(-5, {"price": 4}, count=9)
    follower.snapshot(100, count=6)
    assert (follower.status.phase, follower.status.number) == (Phase.LIVE, 0)
    assert (follower.price, follower.status.skipped, follower.replica.count) == (3, 1, 9)


def test_deltas_in_an_answer_are_counted_back_from_the_last(live: Follower) -> None:
    live.heartbeat(4)
    live.wait(0.5)
    assert (live.asked[-1].epoch, live.asked[-1].after) == (111, 1)
    live.fill(6, 2, 7, count=4)
    assert (live.status.phase, live.status.number, live.price) == (Phase.LIVE, 7, 7)
    assert (live.status.skipped, live.replica.count) == (1, 4)


def test_a_first_delta_that_is_skipped_leaves_no_number() -> None:
    follower = Follower()
    follower.heartbeat(-1)
    follower.snapshot(-1, {})
    follower.delta(-1, {"price": 3}, count=0)
    assert (follower.status.number, follower.status.phase) == (-1, Phase.LIVE)
    follower.delta(0, {"price": 3}, count=1)
    assert (follower.status.number, follower.price) == (0, 3)


def test_numbers_of_another_run_may_be_the_publishers_own(live: Follower) -> None:
    live.heartbeat(0, epoch=222)
    live.wait(0.5)
    live.snapshot(0, epoch=222)
    live.delta(1, epoch=222)
    assert (live.status.phase, live.status.number, live.price) == (Phase.LIVE, 1, 1)
