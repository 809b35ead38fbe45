"""Why a replica is not LIVE, and how long its publisher may be silent."""

from __future__ import annotations

import math

import pytest

from sf_actors.replication.full import FullReplica
from sf_actors.replication.reasons import Reason
from sf_actors.replication.status import Phase
from tests.replication.follower import NEW, Follower, damaged


def reason(follower: Follower) -> Reason | None:
    trouble = follower.replica.trouble
    assert (trouble[1] if trouble else None) == follower.replica.error == follower.status.error
    return trouble[0] if trouble else None


def test_nobody_answers_at_the_snapshot_address(fresh: Follower) -> None:
    fresh.wait(3.9)
    assert reason(fresh) is None
    for _ in range(3):
        fresh.wait(1.0)
        fresh.heartbeat(5)
        assert reason(fresh) is Reason.UNANSWERED
    assert fresh.status.error == "nobody has answered at the snapshot address for 3 s"
    fresh.wait(0.5)
    fresh.snapshot(5)
    assert (reason(fresh), fresh.status.phase) == (None, Phase.LIVE)


def test_nobody_answers_any_more(live: Follower) -> None:
    live.delta(9)
    for _ in range(2):
        live.wait(1.0)
        live.heartbeat(9)
    assert reason(live) is None
    live.wait(1.0)
    assert (reason(live), live.status.phase) == (Reason.UNANSWERED, Phase.SYNCING)


def test_who_is_in_step_lacks_no_answer_but_says_that_it_hears_nothing(live: Follower) -> None:
    live.wait(60.0)
    assert (reason(live), live.status.phase) == (Reason.SILENT, Phase.STALE)
    assert live.status.error == "nothing has been heard for 3 s"
    live.heartbeat(8)
    live.wait(0.1)
    assert reason(live) is not Reason.SILENT


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_full_replica_that_is_stale_says_that_it_hears_nothing(is_noticed: bool) -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    replica.on_value(0.0, 1, 0, {"x": 1})
    if is_noticed:
        replica.on_tick(3.0)
        assert replica.trouble == (Reason.SILENT, "nothing has been heard for 3 s")
    assert replica.status(3.0).error == "nothing has been heard for 3 s"
    replica.on_value(9.0, 1, 0, {"x": 1})
    assert (replica.trouble, replica.status(9.0).error) == (None, None)


def test_any_answer_shows_that_somebody_is_there(fresh: Follower) -> None:
    fresh.wait(1.0)
    for _ in range(8):
        fresh.wait(1.0)
        fresh.replica.on_failure(fresh.now, fresh.asked[-1].token, "the snapshot is too large")
    assert reason(fresh) is Reason.REFUSED
    assert fresh.status.error == "the snapshot is too large"


def test_the_fields_of_a_snapshot_fail_the_model(fresh: Follower) -> None:
    fresh.heartbeat(5)
    fresh.snapshot(5, damaged)
    assert reason(fresh) is Reason.INVALID


def test_the_publishers_model_lacks_a_required_field(fresh: Follower) -> None:
    for _ in range(3):
        fresh.heartbeat(5)
        fresh.wait(0.5)
        fresh.snapshot(5, {"book": {}}, names=["book", "note"])
        fresh.wait(2.0)
        assert (fresh.status.phase, fresh.updates) == (Phase.SYNCING, [])
    assert reason(fresh) is Reason.LACKING
    assert fresh.status.error == "the publisher's model lacks what is required here: 'price'"


@pytest.mark.parametrize("names", [None, ["price", "book"], ["more", "book", "price"]])
def test_fields_that_are_not_told_or_all_there_are_no_trouble(
    fresh: Follower, names: list[str] | None
) -> None:
    fresh.heartbeat(5)
    fresh.snapshot(5, names=names)
    assert (reason(fresh), fresh.status.phase) == (None, Phase.LIVE)


def test_an_upgraded_publisher_has_what_the_one_before_lacked(fresh: Follower) -> None:
    fresh.heartbeat(5)
    fresh.snapshot(5, {"book": {}}, names=["book"])
    fresh.heartbeat(0, epoch=NEW)
    fresh.wait(0.5)
    fresh.snapshot(0, epoch=NEW, names=["book", "price"])
    assert (reason(fresh), fresh.status.phase) == (None, Phase.LIVE)


# the publisher's interval


def test_a_publisher_whose_heartbeats_are_far_apart_may_be_silent_for_two_of_them(
    fresh: Follower,
) -> None:
    assert (fresh.replica.stale_after_s, fresh.replica.is_stale_after_raised) == (3.0, False)
    fresh.heartbeat(5, interval_s=10)
    assert (fresh.replica.stale_after_s, fresh.replica.is_stale_after_raised) == (20.0, True)
    fresh.snapshot(5, interval_s=10)
    fresh.wait(19.0)
    assert fresh.status.phase is Phase.LIVE
    fresh.wait(1.0)
    assert fresh.status.phase is Phase.STALE


@pytest.mark.parametrize("interval_s", [0.1, 1.0, 1.5])
def test_a_shorter_interval_changes_nothing(live: Follower, interval_s: float) -> None:
    live.heartbeat(5, interval_s=interval_s)
    assert (live.replica.stale_after_s, live.replica.is_stale_after_raised) == (3.0, False)


@pytest.mark.parametrize(
    "interval_s", [math.nan, math.inf, -math.inf, -5.0, 0.0, 3600.1, 1e300, 2.0**64]
)
def test_an_interval_that_can_be_none_is_ignored(live: Follower, interval_s: float) -> None:
    live.heartbeat(5, interval_s=interval_s)
    assert live.replica.stale_after_s == 3.0
    live.wait(3.0)
    assert live.status.phase is Phase.STALE


def test_a_heartbeat_does_not_change_what_an_answer_has_told(fresh: Follower) -> None:
    fresh.heartbeat(5, interval_s=1.0)
    fresh.snapshot(5, interval_s=1.0)
    fresh.heartbeat(5, interval_s=3600.0)
    assert fresh.replica.stale_after_s == 3.0
    fresh.heartbeat(5, interval_s=4.0, epoch=NEW)
    assert fresh.replica.stale_after_s == 8.0


def test_the_interval_may_come_with_deltas(live: Follower) -> None:
    live.heartbeat(6)
    live.fill(6, interval_s=4.0)
    assert live.replica.stale_after_s == 8.0


def test_a_full_replica_waits_for_two_intervals_as_well() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    replica.on_value(0.0, 1, 0, {"x": 1}, interval_s=5.0)
    assert (replica.stale_after_s, replica.is_stale_after_raised) == (10.0, True)
    assert replica.next_deadline == 10.0
    assert replica.status(9.9).phase is Phase.LIVE
    assert replica.status(10.0).phase is Phase.STALE


def test_a_full_replica_whose_publisher_loads_keeps_its_value_and_becomes_stale() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    replica.on_value(0.0, 1, 7, {"x": 1})
    replica.on_tick(3.0)
    assert (replica.status(3.0).phase, replica.status(3.0).number) == (Phase.STALE, 7)
    replica.on_value(9.0, 2, 0, {"x": 2})
    assert (replica.status(9.0).phase, replica.status(9.0).epoch) == (Phase.LIVE, 2)
