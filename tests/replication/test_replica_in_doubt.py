from __future__ import annotations

from typing import Any

import pytest

from sf_actors.replication.status import Phase
from sf_actors.replication.values.digest import digest_of, packed
from sf_actors.replication.values.frozen import View
from sf_actors.replication.values.patch import snapshot
from tests.replication.follower import NEW, OLD, OTHER, WHOLE, Follower, damaged
from tests.replication.shapes import SHAPE


def test_another_epoch_means_a_resync_even_where_the_numbers_match(live: Follower) -> None:
    live.delta(6, {"price": 99}, epoch=NEW)
    assert (live.price, live.updates) == (5, [])
    assert live.phases == [(Phase.SYNCING, "another epoch: the publisher was started again")]
    assert [(ask.epoch, ask.after) for ask in live.asked] == [(OLD, 5)]
    live.snapshot(6, epoch=NEW)
    assert (live.status.phase, live.status.epoch, live.status.number) == (Phase.LIVE, NEW, 6)
    assert live.status.resyncs == 1


def test_late_messages_of_the_old_epoch_are_dropped_and_counted(live: Follower) -> None:
    live.heartbeat(2, epoch=NEW)
    assert live.delta(6) == []
    live.snapshot(2, epoch=NEW)
    assert live.delta(3, {"price": 99}) == []
    assert live.heartbeat(3) == []
    assert live.replica.status(0.0).late == 3
    assert (live.price, live.status.phase) == (2, Phase.LIVE)
    live.delta(3, epoch=NEW)
    assert live.price == 3


def test_messages_of_the_old_epoch_are_no_sign_of_life(live: Follower) -> None:
    live.heartbeat(2, epoch=NEW)
    live.snapshot(2, epoch=NEW)
    for _ in range(2):
        live.wait(1.0)
        live.heartbeat(9)
    live.wait(1.0)
    assert live.status.phase is Phase.STALE


def test_an_answer_to_what_was_asked_before_the_epoch_changed_is_dropped(live: Follower) -> None:
    live.delta(9)
    live.heartbeat(2, epoch=NEW)
    live.wait(0.5)
    live.snapshot(9, ask=0)
    assert (live.price, live.replica.status(0.0).late) == (5, 1)
    live.snapshot(2, epoch=NEW)
    assert live.price == 2


def test_the_answer_decides_when_a_late_message_looked_like_a_new_epoch(live: Follower) -> None:
    live.delta(40, epoch=OTHER)
    assert live.status.phase is Phase.SYNCING
    live.fill()
    assert (live.status.phase, live.status.epoch, live.price) == (Phase.LIVE, OLD, 5)
    assert live.delta(41, epoch=OTHER) == []
    live.delta(6)
    assert (live.price, live.status.gaps, live.status.resyncs) == (6, 0, 0)


def test_what_was_dropped_while_in_doubt_about_the_epoch_is_not_forgotten(live: Follower) -> None:
    live.delta(40, epoch=OTHER)
    live.delta(6)
    live.fill()
    assert (live.status.phase, live.price) == (Phase.SYNCING, 5)
    live.wait(0.5)
    live.fill(6)
    assert (live.status.phase, live.price) == (Phase.LIVE, 6)


def test_requests_grow_no_rarer_while_anything_is_heard(live: Follower) -> None:
    live.delta(40)
    for _ in range(20):
        live.wait(1.0)
        live.heartbeat(5)
    assert len(live.asked) >= 12


def test_an_answer_may_be_the_first_to_come_from_a_new_epoch(live: Follower) -> None:
    live.delta(9)
    live.wait(3.5)
    live.snapshot(2, epoch=NEW)
    assert (live.status.phase, live.status.epoch, live.price) == (Phase.LIVE, NEW, 2)
    live.heartbeat(2, epoch=NEW)
    assert live.delta(10) == []


# what cannot be applied


@pytest.mark.parametrize("fields", [damaged, {"price": None}, {"owner": {"age": 1}}])
def test_a_delta_that_cannot_be_applied_leaves_the_value_and_costs_one_resync(
    live: Follower, fields: Any
) -> None:
    live.delta(6, fields)
    assert (live.price, live.status.phase) == (5, Phase.SYNCING)
    assert live.phases[0][1].startswith("number 6 cannot be applied: field ")
    assert [(ask.epoch, ask.after) for ask in live.asked] == [(None, None)]
    assert live.status.error is None
    live.delta(7)
    live.snapshot(6)
    assert (live.numbers, live.status.phase, live.status.resyncs) == ([6, 7], Phase.LIVE, 1)


def test_the_same_number_failing_again_is_an_error_and_no_loop(live: Follower) -> None:
    live.delta(6, damaged)
    live.snapshot(6, damaged)
    live.heartbeat(6)
    live.wait(2.0)
    live.heartbeat(6)
    live.snapshot(6, damaged)
    asked = len(live.asked)
    for _ in range(30):
        live.heartbeat(6)
        live.wait(1.0)
    assert len(live.asked) == asked
    assert live.status.error is not None
    assert live.status.error.startswith("number 6 cannot be applied: field 'price'")
    assert (live.status.phase, live.price) == (Phase.SYNCING, 5)


def test_a_higher_number_is_reason_to_ask_again_after_an_error(live: Follower) -> None:
    live.delta(6, damaged)
    live.snapshot(6, damaged)
    for number in range(7, 12):
        live.wait(2.0)
        live.delta(number)
    assert len(live.asked) > 1
    live.wait(2.0)
    live.snapshot(11)
    assert (live.status.phase, live.status.error, live.price) == (Phase.LIVE, None, 11)


def test_snapshots_that_cannot_be_taken_are_asked_for_ever_more_rarely(live: Follower) -> None:
    live.delta(6, damaged)
    asked = 0
    for number in range(7, 207):
        if len(live.asked) > asked:
            asked = len(live.asked)
            live.snapshot(number, damaged)
        live.delta(number)
        live.wait(0.5)
    assert 3 < asked < 12


def test_a_whole_value_repairs_what_could_not_be_applied(live: Follower) -> None:
    live.delta(6, damaged)
    live.whole_delta(7, {**WHOLE, "price": 7})
    live.snapshot(6)
    assert (live.status.phase, live.price) == (Phase.LIVE, 7)


# digests


def digest(fields: dict[str, Any]) -> bytes:
    return packed(digest_of(snapshot(fields, SHAPE)))


def test_the_right_digest_changes_nothing(live: Follower) -> None:
    assert live.heartbeat(5, digest({**WHOLE, "price": 5})) == []
    live.delta(6, {"book": {"a": 1}})
    assert live.heartbeat(6, digest({"price": 5, "book": {"a": 1}})) == []
    assert live.status.mismatches == 0


def test_another_digest_is_counted_told_and_costs_a_resync(live: Follower) -> None:
    live.heartbeat(5, digest({**WHOLE, "price": 4}))
    assert live.phases == [(Phase.SYNCING, "the digest differs at number 5")]
    assert [(ask.epoch, ask.after) for ask in live.asked] == [(None, None)]
    live.delta(6, {"book": {"a": 1}})
    assert live.updates == []
    live.snapshot(5, {**WHOLE, "price": 4})
    assert View(live.replica.value) == {"price": 4, "book": {"a": 1}}
    assert (live.status.phase, live.status.resyncs) == (Phase.LIVE, 1)
    assert live.status.mismatches == 1
    assert live.heartbeat(6, digest({"price": 4, "book": {"a": 1}})) == []


def test_a_digest_that_differs_after_a_snapshot_too_is_an_error_and_no_loop(live: Follower) -> None:
    for _ in range(5):
        live.heartbeat(5, b"x" * 16)
        if live.status.phase is Phase.SYNCING:
            live.snapshot(5)
        live.wait(1.0)
    assert (live.status.resyncs, live.status.mismatches) == (1, 2)
    assert live.status.error is not None
    assert "the digest differs at number 5" in live.status.error


def test_a_digest_of_another_number_is_not_compared(live: Follower) -> None:
    live.heartbeat(4, b"x" * 16)
    assert (live.status.phase, live.status.mismatches) == (Phase.LIVE, 0)


# a peer without epochs


def test_a_peer_that_numbers_all_its_snapshots_0_can_be_followed(fresh: Follower) -> None:
    fresh.delta(41, epoch=None)
    fresh.snapshot(0, {**WHOLE, "price": 41}, epoch=None)
    assert (fresh.status.phase, fresh.status.number) == (Phase.LIVE, 41)
    fresh.delta(42, epoch=None)
    fresh.delta(44, epoch=None)
    assert (fresh.asked[-1].epoch, fresh.asked[-1].after) == (None, None)
    fresh.wait(0.5)
    fresh.snapshot(0, {**WHOLE, "price": 44}, epoch=None)
    assert (fresh.status.phase, fresh.status.number, fresh.price) == (Phase.LIVE, 44, 44)


def test_the_first_update_of_such_a_peer_is_not_taken_for_its_empty_snapshot(
    fresh: Follower,
) -> None:
    fresh.wait(1.0)
    fresh.snapshot(0, {}, epoch=None)
    assert fresh.status.phase is Phase.LIVE
    fresh.delta(0, {"price": 3}, epoch=None)
    assert (fresh.price, fresh.status.number) == (3, 0)
    fresh.delta(0, {"price": 4}, epoch=None)
    assert (fresh.price, fresh.status.skipped) == (3, 1)


def test_a_whole_value_with_a_low_number_is_how_such_a_peer_starts_again(fresh: Follower) -> None:
    fresh.delta(41, epoch=None)
    fresh.snapshot(0, {**WHOLE, "price": 41}, epoch=None)
    fresh.whole_delta(0, {**WHOLE, "price": 7}, epoch=None)
    fresh.delta(1, epoch=None)
    assert (fresh.status.phase, fresh.status.number, fresh.price) == (Phase.LIVE, 1, 1)


def test_a_status_cannot_be_changed(live: Follower) -> None:
    status: Any = live.status
    with pytest.raises(AttributeError):
        status.number = 6


def test_a_low_number_of_such_a_peer_is_doubted_once_and_then_followed(fresh: Follower) -> None:
    fresh.delta(41, epoch=None)
    fresh.snapshot(0, {**WHOLE, "price": 41}, epoch=None)
    fresh.delta(3, epoch=None)
    assert fresh.status.phase is Phase.SYNCING
    fresh.wait(0.5)
    fresh.snapshot(0, {**WHOLE, "price": 3}, epoch=None)
    assert (fresh.status.phase, fresh.status.number, fresh.price) == (Phase.LIVE, 3, 3)
    asked = len(fresh.asked)
    fresh.delta(4, epoch=None)
    assert (fresh.status.phase, fresh.status.number, fresh.price) == (Phase.LIVE, 4, 4)
    assert len(fresh.asked) == asked
