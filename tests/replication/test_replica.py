from __future__ import annotations

import random
from typing import Any

import pytest

from sf_actors.replication.actions import Updated
from sf_actors.replication.status import Phase, Status
from sf_actors.replication.values.frozen import View
from tests.replication.follower import OLD, WHOLE, Follower, damaged


def test_before_the_first_value_there_is_an_empty_one_and_no_number(fresh: Follower) -> None:
    assert fresh.status == Status(Phase.SYNCING, -1, None, None, 0, 0)
    assert View(fresh.replica.value) == {}


def test_a_snapshot_is_asked_for_when_the_subscription_is_heard_and_not_before(
    fresh: Follower,
) -> None:
    fresh.wait(0.9)
    assert fresh.asked == []
    fresh.heartbeat(-1)
    assert [(ask.epoch, ask.after) for ask in fresh.asked] == [(None, None)]


def test_a_snapshot_is_asked_for_after_a_heartbeat_although_nothing_was_heard(
    fresh: Follower,
) -> None:
    fresh.wait(1.0)
    assert len(fresh.asked) == 1


def test_the_snapshot_makes_the_replica_live(fresh: Follower) -> None:
    fresh.heartbeat(5)
    fresh.snapshot(5)
    assert fresh.status == Status(Phase.LIVE, 5, OLD, 0.0, 0, 0)
    [update] = fresh.updates
    assert (update.number, update.fields, update.is_resync) == (5, {**WHOLE, "price": 5}, True)
    assert update.value is fresh.replica.value


def test_a_publisher_without_updates_makes_a_live_replica_of_an_empty_value(
    fresh: Follower,
) -> None:
    fresh.heartbeat(-1)
    fresh.snapshot(-1, {})
    assert fresh.status == Status(Phase.LIVE, -1, OLD, 0.0, 0, 0)
    fresh.delta(0, {"price": 1})
    assert (fresh.status.number, fresh.status.gaps, fresh.price) == (0, 0, 1)


def test_deltas_that_come_before_the_snapshot_follow_it(fresh: Follower) -> None:
    for number in (5, 6, 7):
        assert not [a for a in fresh.delta(number) if isinstance(a, Updated)]
    fresh.snapshot(5)
    assert fresh.numbers == [5, 6, 7]
    assert [update.is_resync for update in fresh.updates] == [True, False, False]
    assert (fresh.status.phase, fresh.status.gaps, fresh.price) == (Phase.LIVE, 0, 7)


def test_a_snapshot_older_than_the_buffered_deltas_is_not_enough(fresh: Follower) -> None:
    fresh.delta(9)
    fresh.snapshot(5)
    assert (fresh.status.phase, fresh.price) == (Phase.SYNCING, 5)
    fresh.wait(0.5)
    assert [(ask.epoch, ask.after) for ask in fresh.asked] == [(None, None), (OLD, 5)]
    fresh.fill(6, 7, 8, 9)
    assert (fresh.status.phase, fresh.price) == (Phase.LIVE, 9)
    assert fresh.numbers == [5, 6, 7, 8, 9]


def test_one_request_is_under_way_at_a_time(fresh: Follower) -> None:
    for number in range(50):
        fresh.delta(2 * number)
    fresh.wait(0.9)
    assert len(fresh.asked) == 1


def test_an_unanswered_request_is_sent_again_after_its_deadline(fresh: Follower) -> None:
    fresh.heartbeat(5)
    fresh.wait(0.99)
    assert len(fresh.asked) == 1
    fresh.heartbeat(5)
    fresh.wait(0.5)
    assert len(fresh.asked) == 2
    assert fresh.asked[0].token != fresh.asked[1].token


def test_an_answer_over_its_deadline_is_still_taken(fresh: Follower) -> None:
    fresh.heartbeat(5)
    fresh.wait(1.5)
    fresh.snapshot(5, ask=0)
    assert fresh.status.phase is Phase.LIVE


def test_the_first_answer_is_taken_however_many_requests_follow_it(fresh: Follower) -> None:
    fresh.heartbeat(5)
    for _ in range(600):
        fresh.wait(0.5)
        fresh.heartbeat(5)
    assert len(fresh.asked) > 100
    fresh.snapshot(5, ask=0)
    assert fresh.status.phase is Phase.LIVE


def test_requests_to_a_silent_publisher_grow_rare(fresh: Follower) -> None:
    fresh.wait(100)
    assert 10 <= len(fresh.asked) <= 25


def test_a_request_that_waits_is_sent_at_the_first_sign_of_life(fresh: Follower) -> None:
    fresh.wait(100)
    while fresh.replica._asking.deadline is not None:
        fresh.wait(1.0)
    before = len(fresh.asked)
    fresh.heartbeat(-1)
    assert len(fresh.asked) == before + 1


def test_a_replica_that_loses_all_the_time_asks_at_a_bounded_rate(live: Follower) -> None:
    number = 5
    answered = 0
    for _ in range(1000):
        live.wait(0.01)
        number += 2
        live.delta(number)
        if len(live.asked) > answered:
            answered = len(live.asked)
            live.snapshot(number)
    assert 20 <= len(live.asked) <= 50


def test_replicas_spread_their_requests_by_chance() -> None:
    def second_request_at(seed: int) -> float:
        follower = Follower()
        follower.replica._asking._rng = random.Random(seed)
        follower.delta(9)
        follower.snapshot(5)
        due = follower.replica.next_deadline
        assert due is not None
        return due

    assert len({second_request_at(seed) for seed in range(50)}) > 40


def test_an_answer_that_is_an_error_is_told_and_asked_again(fresh: Follower) -> None:
    fresh.heartbeat(5)
    fresh.replica.on_failure(fresh.now, fresh.asked[0].token, "not today")
    assert fresh.status.error == "not today"
    fresh.wait(0.1)
    assert len(fresh.asked) == 2
    fresh.snapshot(5)
    assert fresh.status.error is None


# deltas


def test_the_next_delta_is_applied_and_given_with_the_value_after_it(live: Follower) -> None:
    [update] = live.delta(6, {"book": {"a": 1}})
    assert update == Updated(6, {"book": {"a": 1}}, live.replica.value, False, count=6)
    assert View(live.replica.value) == {"price": 5, "book": {"a": 1}}


def test_a_replica_that_need_not_tell_of_each_update_has_its_value_all_the_same() -> None:
    quiet = Follower(reports_all=False)
    quiet.heartbeat(5)
    quiet.snapshot(5)
    assert quiet.delta(6, {"book": {"a": 1}}) == []
    assert quiet.delta(7, lambda: {"book": {"b": 2}}) == []
    assert quiet.status.number == 7
    assert View(quiet.replica.value)["book"] == {"a": 1, "b": 2}
    assert quiet.delta(7, {"book": {"b": 3}}) == []
    assert quiet.replica.duplicates == 1


def test_a_replica_that_need_not_tell_of_each_update_tells_what_goes_wrong() -> None:
    quiet = Follower(reports_all=False)
    quiet.heartbeat(5)
    quiet.snapshot(5)
    quiet.delta(6, {"book": {"a": 1}})
    quiet.delta(7, damaged)
    assert (quiet.status.phase, quiet.status.number) == (Phase.SYNCING, 6)
    quiet.wait(1.0)
    quiet.snapshot(7, {"price": 7, "book": {}})
    assert (quiet.status.phase, quiet.price) == (Phase.LIVE, 7)
    assert View(quiet.replica.value)["book"] == {}


def test_fields_may_be_decoded_when_they_are_needed(live: Follower) -> None:
    live.delta(6, lambda: {"price": 66})
    live.delta(6, damaged)
    assert live.price == 66
    assert live.replica.duplicates == 1


def test_what_is_done_to_the_fields_of_an_update_does_not_reach_the_value(live: Follower) -> None:
    live.delta(6, {"book": {"a": [1]}})
    fields: Any = live.updates[0].fields
    fields["book"]["a"].append(2)
    assert View(live.replica.value)["book"] == {"a": [1]}


@pytest.mark.parametrize("number", [5, 3])
def test_a_delta_that_the_value_has_is_skipped_and_counted(live: Follower, number: int) -> None:
    assert live.delta(number, {"price": 99}) == []
    assert (live.price, live.status.duplicates, live.status.phase) == (5, 1, Phase.LIVE)


def test_deltas_in_the_wrong_order_are_applied_in_the_right_one(live: Follower) -> None:
    live.delta(7)
    live.delta(8)
    assert live.updates == []
    live.delta(6)
    assert live.numbers == [6, 7, 8]
    assert (live.status.phase, live.status.resyncs, live.status.gaps) == (Phase.LIVE, 0, 1)


def test_a_gap_is_counted_told_and_asked_to_be_filled(live: Follower) -> None:
    live.delta(8)
    assert live.phases == [(Phase.SYNCING, "a gap: heard of number 8 after 5")]
    assert [(ask.epoch, ask.after) for ask in live.asked] == [(OLD, 5)]
    assert (live.price, live.status.gaps) == (5, 1)


def test_a_gap_can_be_filled_without_a_snapshot(live: Follower) -> None:
    live.delta(8)
    live.fill(6, 7)
    assert live.numbers == [6, 7, 8]
    assert not any(update.is_resync for update in live.updates)
    assert (live.status.phase, live.status.resyncs) == (Phase.LIVE, 0)


def test_a_gap_can_be_closed_by_a_snapshot_which_is_counted(live: Follower) -> None:
    live.delta(8)
    live.snapshot(7)
    assert live.numbers == [7, 8]
    assert (live.status.phase, live.status.resyncs, live.status.gaps) == (Phase.LIVE, 1, 1)


def test_each_gap_is_counted_also_while_syncing(live: Follower) -> None:
    live.delta(8)
    live.delta(11)
    live.heartbeat(15)
    assert live.status.gaps == 3


def test_a_fill_with_a_hole_is_applied_up_to_it_and_a_snapshot_asked_for(live: Follower) -> None:
    live.delta(9)
    live.fill(6, 8)
    assert live.numbers == [6]
    live.wait(0.5)
    assert (live.asked[-1].epoch, live.asked[-1].after) == (None, None)
    live.snapshot(9)
    assert live.status.phase is Phase.LIVE


def test_a_snapshot_older_than_the_value_is_dropped_and_asked_for_again(live: Follower) -> None:
    live.delta(8)
    live.snapshot(4)
    assert (live.price, live.updates, live.status.phase) == (5, [], Phase.SYNCING)
    live.wait(0.5)
    assert len(live.asked) == 2


def test_an_answer_nobody_waits_for_any_more_is_dropped(live: Follower) -> None:
    live.delta(7)
    live.delta(6)
    assert live.status.phase is Phase.LIVE
    assert live.snapshot(7, {**WHOLE, "price": 99}) == []
    assert (live.price, live.status.late) == (7, 1)


def test_a_whole_value_across_a_gap_waits_for_the_publisher_to_bear_it_out(live: Follower) -> None:
    live.whole_delta(9, {**WHOLE, "price": 9})
    assert (live.status.phase, live.status.number, live.status.gaps) == (Phase.SYNCING, 5, 1)
    live.snapshot(8)
    assert live.numbers == [8, 9]
    assert (live.status.phase, live.price) == (Phase.LIVE, 9)


def test_a_whole_value_of_a_peer_without_epochs_is_a_new_base_across_a_gap() -> None:
    follower = Follower()
    follower.delta(5, epoch=None)
    follower.snapshot(5, epoch=None)
    follower.whole_delta(9, {**WHOLE, "price": 9}, epoch=None)
    assert (follower.status.phase, follower.status.number) == (Phase.LIVE, 9)
    assert len(follower.asked) == 1


def test_a_whole_value_that_was_kept_is_applied_in_its_turn(live: Follower) -> None:
    live.delta(8)
    live.delta(10)
    live.whole_delta(9, {**WHOLE, "price": 9})
    live.fill(6, 7)
    assert live.numbers == [6, 7, 8, 9, 10]
    assert live.status.phase is Phase.LIVE


def test_a_full_buffer_is_emptied_and_the_value_repaired_nonetheless() -> None:
    follower = Follower(buffer_size=10)
    for number in range(25):
        follower.delta(number)
        assert len(follower.replica._buffer) <= 10
    follower.snapshot(5)
    assert follower.status.phase is Phase.SYNCING
    follower.wait(0.5)
    follower.snapshot(24)
    assert (follower.status.phase, follower.price) == (Phase.LIVE, 24)


# heartbeats and silence


def test_a_heartbeat_reveals_that_the_last_updates_were_lost(live: Follower) -> None:
    live.heartbeat(7)
    assert live.phases == [(Phase.SYNCING, "a gap: heard of number 7 after 5")]
    live.fill(6, 7)
    assert (live.status.phase, live.status.gaps, live.price) == (Phase.LIVE, 1, 7)


def test_a_heartbeat_that_says_nothing_new_does_nothing(live: Follower) -> None:
    assert live.heartbeat(5) == []
    assert live.heartbeat(4) == []


def test_silence_makes_a_replica_stale_and_a_heartbeat_live_without_a_snapshot(
    live: Follower,
) -> None:
    live.wait(2.9)
    assert live.status.phase is Phase.LIVE
    live.wait(0.1)
    assert (live.status.phase, live.status.age_s) == (Phase.STALE, 3.0)
    live.wait(100)
    live.heartbeat(5)
    assert live.phases == [
        (Phase.STALE, "nothing heard for 3.0 s"),
        (Phase.LIVE, "in step at number 5"),
    ]
    assert live.asked == []


def test_the_next_delta_makes_a_stale_replica_live(live: Follower) -> None:
    live.wait(4)
    live.delta(6)
    assert (live.status.phase, live.price) == (Phase.LIVE, 6)


def test_a_stale_replica_that_is_behind_syncs_when_it_hears_again(live: Follower) -> None:
    live.wait(4)
    live.heartbeat(9)
    assert [phase for phase, _ in live.phases] == [Phase.STALE, Phase.SYNCING]
    assert len(live.asked) == 1


def test_a_replica_without_a_value_is_never_stale(fresh: Follower) -> None:
    fresh.heartbeat(5)
    fresh.wait(100)
    assert fresh.status.phase is Phase.SYNCING


def test_a_live_replica_needs_a_tick_only_when_it_would_be_stale(live: Follower) -> None:
    assert live.replica.next_deadline == live.now + 3.0
    live.wait(3.0)
    assert live.replica.next_deadline is None


def test_a_status_is_never_live_after_a_silence_that_no_tick_has_noticed(live: Follower) -> None:
    live.now += 2.9
    assert live.status.phase is Phase.LIVE
    live.now += 0.1
    assert live.status.phase is Phase.STALE
    live.delta(6)
    assert (live.status.phase, live.phases) == (Phase.LIVE, [])


def test_a_replica_without_a_value_is_syncing_however_long_nothing_is_heard(
    fresh: Follower,
) -> None:
    fresh.heartbeat(5)
    fresh.now += 9.0
    assert fresh.status.phase is Phase.SYNCING
