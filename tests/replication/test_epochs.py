"""Publishers of one state: which one is followed, and what a replica says of two."""

from __future__ import annotations

import pytest

from sf_actors.replication.full import FullReplica
from sf_actors.replication.status import Phase
from tests.replication.follower import NEW, OLD, OTHER, Follower

HUGE = 2**64 - 1


@pytest.fixture
def newer() -> Follower:
    """A follower in step at number 5 of a run after another."""
    follower = Follower()
    follower.heartbeat(5, epoch=NEW)
    follower.snapshot(5, epoch=NEW)
    follower.wait(1.5)
    follower.heartbeat(5, epoch=NEW)
    follower.asked.clear()
    return follower


def go_on(follower: Follower, seconds: int, *epochs: int, head: int = 5) -> None:
    """Have publishers on air for a while, and answer nobody."""
    for _ in range(seconds):
        follower.wait(1.0)
        for epoch in epochs:
            follower.heartbeat(head, epoch=epoch)


def test_of_two_publishers_the_larger_epoch_is_followed_and_two_are_told(newer: Follower) -> None:
    go_on(newer, 5, OLD, NEW)
    assert (newer.status.phase, newer.status.epoch, newer.asked) == (Phase.LIVE, NEW, [])
    assert newer.replica.error is not None
    assert newer.replica.error == newer.status.error
    assert newer.replica.error.startswith(f"there are two publishers: epoch {NEW} is followed")
    newer.wait(1.0)
    newer.heartbeat(5, epoch=NEW)
    newer.wait(2.0)
    newer.heartbeat(5, epoch=NEW)
    assert (newer.status.phase, newer.status.error) == (Phase.LIVE, None)


def test_a_larger_epoch_is_followed_at_once(live: Follower) -> None:
    live.heartbeat(2, epoch=NEW)
    assert live.status.phase is Phase.SYNCING
    live.snapshot(2, epoch=NEW)
    assert (live.status.phase, live.status.epoch) == (Phase.LIVE, NEW)


def test_late_messages_of_a_publisher_that_is_gone_tell_of_no_second_one(live: Follower) -> None:
    live.heartbeat(2, epoch=NEW)
    live.wait(0.5)
    live.delta(6)
    live.snapshot(2, epoch=NEW)
    assert (live.status.phase, live.status.error) == (Phase.LIVE, None)


def test_a_smaller_epoch_alone_is_followed_like_any_other(newer: Follower) -> None:
    go_on(newer, 2, OLD, head=9)
    assert newer.status.epoch == NEW
    assert newer.asked == []
    go_on(newer, 1, OLD, head=9)
    assert newer.status.phase is Phase.SYNCING
    newer.snapshot(9, epoch=OLD)
    assert (newer.status.phase, newer.status.epoch, newer.price) == (Phase.LIVE, OLD, 9)
    newer.heartbeat(5, epoch=NEW)
    assert newer.status.phase is Phase.SYNCING


@pytest.mark.parametrize("forged", [OTHER, HUGE])
def test_a_larger_epoch_that_the_answers_do_not_bear_out_counts_for_nothing(
    live: Follower, forged: int
) -> None:
    for second in range(10):
        live.heartbeat(1000, epoch=forged)
        live.wait(0.5)
        live.heartbeat(5)
        live.wait(0.5)
        if len(live.asked) == 1 and second == 0:
            live.fill()
        assert (live.status.phase, live.status.epoch) == (Phase.LIVE, OLD)
    assert len(live.asked) == 1
    live.delta(6)
    assert (live.status.phase, live.price) == (Phase.LIVE, 6)
    assert live.status.error is not None
    assert f"epoch {forged} is heard as well" in live.status.error


def test_a_larger_epoch_heard_once_and_never_answered_for_is_left_again(live: Follower) -> None:
    live.heartbeat(3, epoch=HUGE)
    assert live.status.phase is Phase.SYNCING
    go_on(live, 3, OLD)
    assert (live.status.phase, live.status.epoch) == (Phase.LIVE, OLD)


def test_a_false_epoch_is_followed_when_it_is_alone(live: Follower) -> None:
    live.heartbeat(3, epoch=OTHER)
    live.fill()
    assert live.status.phase is Phase.LIVE
    go_on(live, 3, OTHER)
    assert live.status.phase is Phase.SYNCING
    live.wait(0.5)
    live.snapshot(5, epoch=OTHER)
    assert (live.status.phase, live.status.epoch) == (Phase.LIVE, OTHER)
    assert live.status.error is None


@pytest.mark.parametrize("answering", [OLD, OTHER])
def test_answers_of_a_publisher_that_is_not_heard_make_no_replica_live_and_are_told(
    answering: int,
) -> None:
    follower = Follower()
    follower.heartbeat(5, epoch=NEW)
    for _ in range(3):
        asked = len(follower.asked)
        follower.snapshot(8, epoch=answering)
        while len(follower.asked) == asked:
            follower.wait(0.5)
            follower.heartbeat(5, epoch=NEW)
            assert follower.status.phase is Phase.SYNCING
    assert follower.status.epoch is None
    assert follower.status.error == (
        f"the answers come from another publisher than the updates: "
        f"epoch {answering} answers for {NEW}"
    )
    follower.snapshot(5, epoch=NEW)
    assert (follower.status.phase, follower.status.error) == (Phase.LIVE, None)


def test_a_stranger_that_answers_counts_for_nothing_while_any_publisher_is_on_air(
    live: Follower,
) -> None:
    live.heartbeat(1000, epoch=OTHER)  # followed, and never heard again
    go_on(live, 2, OLD)
    live.wait(1.5)
    assert live.replica.status(live.now).phase is not Phase.LIVE
    live.snapshot(8, epoch=HUGE)
    assert live.status.epoch == OLD
    live.heartbeat(5)
    live.snapshot(5)
    assert (live.status.phase, live.status.epoch) == (Phase.LIVE, OLD)


def test_when_the_largest_falls_silent_the_largest_of_the_others_takes_its_place(
    newer: Follower,
) -> None:
    go_on(newer, 2, OLD, NEW)
    newer.heartbeat(1000, epoch=HUGE)
    go_on(newer, 2, OLD, NEW)
    newer.wait(1.0)  # the largest is off air now; the smallest speaks first
    late = newer.status.late
    newer.heartbeat(5, epoch=OLD)
    assert newer.status.late == late + 1
    newer.heartbeat(5, epoch=NEW)
    assert (newer.status.phase, newer.status.epoch) == (Phase.LIVE, NEW)


def test_an_answer_of_the_same_moment_does_not_take_a_publisher_off_air(newer: Follower) -> None:
    newer.heartbeat(6, epoch=NEW)
    newer.wait(2.0)
    newer.snapshot(6, epoch=NEW)
    newer.delta(7, epoch=NEW)
    newer.wait(2.0)
    newer.heartbeat(9, epoch=OLD)
    assert (newer.status.phase, newer.status.epoch) == (Phase.LIVE, NEW)


def test_answers_of_a_stranger_put_the_next_request_off_by_a_heartbeat_at_most(
    newer: Follower,
) -> None:
    newer.heartbeat(6, epoch=NEW)
    for _ in range(10):
        newer.snapshot(8, epoch=OTHER)
        asked = len(newer.asked)
        newer.wait(1.0)
        newer.heartbeat(6, epoch=NEW)
        assert len(newer.asked) == asked + 1


def test_an_answer_that_is_ahead_of_the_subscription_is_no_error(live: Follower) -> None:
    live.delta(9)
    live.snapshot(2, epoch=NEW)
    assert (live.status.phase, live.status.error, live.price) == (Phase.SYNCING, None, 5)
    live.heartbeat(2, epoch=NEW)
    live.wait(0.5)
    live.snapshot(2, epoch=NEW)
    assert (live.status.phase, live.status.epoch) == (Phase.LIVE, NEW)


def test_an_answer_makes_a_replica_live_only_until_another_publisher_is_heard() -> None:
    follower = Follower()
    follower.wait(1.0)
    follower.snapshot(8, epoch=NEW)
    assert follower.status.phase is Phase.LIVE
    follower.heartbeat(5, epoch=OLD)
    assert follower.status.phase is Phase.SYNCING


def test_a_full_replica_tells_of_two_publishers_and_follows_the_larger() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    for second in range(6):
        replica.on_value(second + 0.0, NEW, 0, {"x": "new"})
        replica.on_value(second + 0.5, OLD, 5, {"x": "old"})
    assert replica.status(6.0).epoch == NEW
    assert replica.error is not None
    assert replica.error.startswith("there are two publishers")
    replica.on_value(7.0, NEW, 1, {"x": 2})
    replica.on_tick(8.5)
    assert (replica.status(8.5).phase, replica.status(8.5).error) == (Phase.LIVE, None)


def test_many_publishers_to_one_full_replica_are_no_error() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0, many=True)
    for second in range(6):
        for epoch in (OLD, NEW):
            replica.on_value(float(second), epoch, second, {"x": epoch})
    assert (replica.error, replica.late) == (None, 0)
