"""Publishers without epochs: the original's, and programs with plain sockets."""

from __future__ import annotations

from typing import Any

import pytest

from sf_actors.replication.status import Phase
from sf_actors.replication.values.frozen import View
from tests.replication.follower import WHOLE, Follower, damaged


def delta(follower: Follower, number: int, fields: Any = None) -> None:
    follower.delta(number, fields, epoch=None)


def snapshot(follower: Follower, number: int, fields: Any = None) -> None:
    follower.snapshot(number, fields, epoch=None)


@pytest.fixture
def plain() -> Follower:
    """A follower in step at number 5, after a calm while."""
    follower = Follower()
    delta(follower, 5)
    snapshot(follower, 5)
    follower.wait(1.5)
    delta(follower, 6)
    follower.updates.clear()
    follower.asked.clear()
    return follower


@pytest.mark.parametrize("is_asked_before", [True, False])
def test_a_snapshot_is_taken_at_its_own_number_and_no_update_is_lost(
    *, is_asked_before: bool
) -> None:
    follower = Follower()
    delta(follower, 1, {"price": 1})
    snapshot(follower, 1, WHOLE)
    delta(follower, 2, {"price": 2})
    delta(follower, 1, {"price": 1})
    if is_asked_before:
        follower.wait(0.5)
    delta(follower, 3, {"note": 7})
    if not is_asked_before:
        follower.wait(0.5)
    snapshot(follower, 2, {**WHOLE, "price": 2})
    assert (follower.status.phase, follower.status.number) == (Phase.LIVE, 3)
    assert View(follower.replica.value) == {"price": 2, "book": {}, "note": 7}


def test_an_update_that_the_snapshot_lacks_and_that_was_not_kept_is_asked_for(
    plain: Follower,
) -> None:
    delta(plain, 9)
    snapshot(plain, 7)
    assert (plain.status.phase, plain.status.number) == (Phase.SYNCING, 7)
    plain.wait(0.5)
    snapshot(plain, 9)
    assert (plain.status.phase, plain.status.number) == (Phase.LIVE, 9)


@pytest.mark.parametrize("number", [-100, -2, 0, 3, 6])
def test_a_number_not_above_those_heard_changes_nothing_and_is_doubted(
    plain: Follower, number: int
) -> None:
    delta(plain, number, {"price": 77})
    assert (plain.status.phase, plain.status.number, plain.price) == (Phase.SYNCING, 6, 6)
    assert (plain.status.skipped, len(plain.asked)) == (1, 1)
    snapshot(plain, 6)
    assert (plain.status.phase, plain.status.number, plain.price) == (Phase.LIVE, 6, 6)
    delta(plain, 7)
    assert (plain.status.phase, plain.price) == (Phase.LIVE, 7)


def test_a_publisher_that_was_started_again_is_followed_from_its_snapshot_on(
    plain: Follower,
) -> None:
    delta(plain, 1, {"price": 1})
    delta(plain, 2, {"price": 2})
    snapshot(plain, 1, {**WHOLE, "price": 1})
    assert (plain.status.phase, plain.status.number, plain.price) == (Phase.LIVE, 2, 2)


def test_what_was_kept_of_the_run_before_is_not_applied(plain: Follower) -> None:
    delta(plain, 9, {"note": 9})
    delta(plain, 7, {"price": 7})
    plain.wait(0.5)
    snapshot(plain, 8, {**WHOLE, "price": 8})
    assert (plain.status.phase, plain.status.number) == (Phase.LIVE, 8)


def test_two_snapshots_below_the_number_heard_show_a_start_that_was_not_heard(
    plain: Follower,
) -> None:
    delta(plain, 9)
    for _ in range(2):
        assert plain.status.phase is Phase.SYNCING
        plain.wait(0.5)
        snapshot(plain, 2, {**WHOLE, "price": 2})
    assert (plain.status.phase, plain.status.number, plain.price) == (Phase.LIVE, 2, 2)


def test_numbers_that_a_snapshot_has_overtaken_are_no_reason_to_doubt(plain: Follower) -> None:
    delta(plain, 8)
    snapshot(plain, 12)
    for number in (9, 10, 11, 12, 13):
        delta(plain, number)
    assert (plain.status.phase, plain.status.number, plain.price) == (Phase.LIVE, 13, 13)
    assert (plain.status.skipped, plain.replica.duplicates) == (0, 4)


def test_a_snapshot_has_overtaken_no_number_that_comes_long_after_it() -> None:
    follower = Follower()
    follower.wait(1.0)
    snapshot(follower, 12)
    follower.wait(1.1)
    delta(follower, 1)
    assert (follower.status.phase, follower.status.skipped) == (Phase.SYNCING, 1)


@pytest.mark.parametrize("number", [-1, 0, 3, 6, 20])
def test_a_whole_value_counts_from_its_own_number_on(plain: Follower, number: int) -> None:
    plain.whole_delta(number, {**WHOLE, "price": 9}, epoch=None)
    assert (plain.status.phase, plain.status.number, plain.price) == (Phase.LIVE, number, 9)
    delta(plain, number + 1)
    assert (plain.status.phase, plain.status.number) == (Phase.LIVE, number + 1)


def test_a_low_whole_value_that_cannot_be_applied_leaves_no_replica_live(plain: Follower) -> None:
    plain.whole_delta(0, damaged, epoch=None)
    assert (plain.status.phase, plain.price, len(plain.asked)) == (Phase.SYNCING, 6, 1)
    snapshot(plain, 1)
    assert (plain.status.phase, plain.price) == (Phase.LIVE, 1)


def test_a_first_update_that_cannot_be_applied_leaves_no_replica_live() -> None:
    follower = Follower()
    follower.wait(1.0)
    snapshot(follower, 0, {})
    delta(follower, 0, damaged)
    assert follower.status.phase is Phase.SYNCING


def test_a_snapshot_may_have_any_number() -> None:
    follower = Follower()
    follower.wait(1.0)
    snapshot(follower, -5)
    assert (follower.status.phase, follower.status.number) == (Phase.LIVE, -5)
    delta(follower, -4)
    assert (follower.status.phase, follower.status.number) == (Phase.LIVE, -4)


@pytest.mark.parametrize("first", [0, 1])
def test_what_comes_between_an_empty_snapshot_without_a_number_and_the_first_delta_is_asked_for(
    first: int,
) -> None:
    """The subscription may have been made in between: the original numbers its snapshots 0."""
    follower = Follower()
    follower.wait(1.0)
    snapshot(follower, 0, {})
    assert (follower.status.phase, follower.status.number) == (Phase.LIVE, -1)
    follower.asked.clear()
    delta(follower, first + 1, {"note": first + 1})
    assert (follower.status.phase, dict(View(follower.replica.value))) == (Phase.SYNCING, {})
    follower.wait(1.0)
    assert follower.asked
    snapshot(follower, 0, {**WHOLE, "note": first + 1})
    assert (follower.status.phase, follower.status.number) == (Phase.LIVE, first + 1)
    assert View(follower.replica.value) == {**WHOLE, "note": first + 1}
