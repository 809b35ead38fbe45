from __future__ import annotations

from typing import Any

import pytest

from sf_actors.errors import InvalidMessage
from sf_actors.replication.actions import PhaseChanged, Updated, UpdateRefused
from sf_actors.replication.full import FullReplica
from sf_actors.replication.reasons import Reason
from sf_actors.replication.status import Phase, Status
from sf_actors.replication.values.frozen import View, thaw

OLD, NEW = 111, 222


def taken(actions: Any) -> list[int]:
    return [action.number for action in actions if isinstance(action, Updated)]


def test_the_first_value_makes_a_replica_live() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    assert replica.status(1.0) == Status(Phase.SYNCING, -1, None, None, 0, 0)
    assert replica.next_deadline == 3.0
    updated, changed = replica.on_value(1.0, OLD, 4, {"x": 1})
    assert updated == Updated(4, {"x": 1}, replica.value, False, True, count=4)
    assert isinstance(changed, PhaseChanged)
    assert replica.status(2.0) == Status(Phase.LIVE, 4, OLD, 1.0, 0, 0)
    assert View(replica.value) == {"x": 1}


def test_a_replica_that_has_never_heard_anything_says_so_until_it_does() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    assert replica.status(2.9).error is None
    assert replica.status(3.0).error == "nothing has been heard for 3 s"
    assert replica.on_tick(3.0) == []
    assert replica.trouble == (Reason.SILENT, "nothing has been heard for 3 s")
    assert replica.status(4.0).phase is Phase.SYNCING
    assert replica.next_deadline is None
    replica.on_value(5.0, OLD, 4, {"x": 1})
    assert (replica.trouble, replica.status(5.0).error) == (None, None)


def test_a_value_replaces_the_one_before_whole() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    replica.on_value(0.0, OLD, 0, {"x": 1, "y": 1})
    replica.on_value(0.0, OLD, 1, {"x": 2})
    assert View(replica.value) == {"x": 2}


def test_a_value_repeated_by_heartbeats_is_taken_once_and_not_decoded_again() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)

    def never() -> Any:
        pytest.fail("decoded again")

    assert taken(replica.on_value(0.0, OLD, 4, lambda: {"x": 1})) == [4]
    for now in (2.0, 4.0, 6.0):
        assert replica.on_tick(now) == []
        assert replica.on_value(now, OLD, 4, never) == []
    assert replica.on_value(6.0, OLD, 3, never) == []
    assert (replica.duplicates, replica.phase) == (4, Phase.LIVE)
    assert replica.status(6.0).late == 1  # the one that was older


def test_a_value_that_is_refused_is_told_and_its_heartbeats_make_no_replica_live() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)

    def poison() -> Any:
        raise InvalidMessage("field 'x': expected int, got str")

    [refused] = replica.on_value(0.0, OLD, 0, poison)
    assert isinstance(refused, UpdateRefused)
    assert str(refused.problem) == "field 'x': expected int, got str"
    assert replica.on_value(1.0, OLD, 0, poison) == []
    status = replica.status(1.0)
    assert (status.phase, status.number, status.age_s) == (Phase.SYNCING, -1, 0.0)
    assert status.error == "field 'x': expected int, got str"
    replica.on_value(2.0, OLD, 1, lambda: {"x": 1})
    assert replica.status(2.0) == Status(Phase.LIVE, 1, OLD, 0.0, 0, 0)


def test_a_live_replica_that_refuses_a_value_is_live_no_more_until_it_has_taken_one() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    replica.on_value(0.0, OLD, 0, {"x": 1})

    def poison() -> Any:
        raise InvalidMessage("field 'x': expected int, got str")

    refused, changed = replica.on_value(1.0, OLD, 1, poison)
    assert isinstance(refused, UpdateRefused)
    assert isinstance(changed, PhaseChanged)
    assert (changed.status.phase, changed.status.number) == (Phase.SYNCING, 0)
    assert "expected int" in changed.reason
    assert replica.on_value(2.0, OLD, 1, poison) == []  # the heartbeat that repeats it
    assert View(replica.value) == {"x": 1}
    [changed] = replica.on_tick(5.0)
    assert isinstance(changed, PhaseChanged)
    assert changed.status.phase is Phase.STALE
    [changed] = replica.on_value(6.0, OLD, 1, poison)
    assert isinstance(changed, PhaseChanged)
    assert changed.status.phase is Phase.SYNCING
    assert taken(replica.on_value(7.0, OLD, 2, {"x": 2})) == [2]
    assert replica.status(7.0) == Status(Phase.LIVE, 2, OLD, 0.0, 0, 0)


def test_silence_makes_a_replica_stale_and_any_sign_of_life_live() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    replica.on_value(0.0, OLD, 4, {"x": 1})
    assert replica.next_deadline == 3.0
    assert replica.on_tick(2.9) == []
    [changed] = replica.on_tick(3.0)
    assert isinstance(changed, PhaseChanged)
    assert changed.status.phase is Phase.STALE
    assert not replica.next_deadline
    [changed] = replica.on_value(9.0, OLD, 4, {"x": 1})
    assert isinstance(changed, PhaseChanged)
    assert changed.status.phase is Phase.LIVE


def test_a_status_is_never_live_after_a_silence_that_no_tick_has_noticed() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    assert replica.status(9.0).phase is Phase.SYNCING
    replica.on_value(0.0, OLD, 4, {"x": 1})
    assert replica.status(2.9).phase is Phase.LIVE
    assert replica.status(3.0).phase is Phase.STALE
    replica.on_value(6.0, OLD, 5, {"x": 1})
    assert replica.status(6.0).phase is Phase.LIVE


def test_values_left_out_are_counted_as_a_gap() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    for number in (4, 5, 8, 9):
        replica.on_value(0.0, OLD, number, {"x": number})
    assert replica.status(0.0).gaps == 1


def test_a_publisher_that_was_started_again_is_followed_and_its_past_dropped() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    replica.on_value(0.0, OLD, 9, {"x": 9})
    assert taken(replica.on_value(0.0, NEW, 0, {"x": 0})) == [0]
    assert replica.on_value(0.0, OLD, 10, {"x": 10}) == ()
    assert (thaw(replica.value), replica.epoch, replica.late) == ({"x": 0}, NEW, 1)


def test_a_smaller_epoch_is_followed_when_the_larger_one_is_silent() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    replica.on_value(0.0, NEW, 0, {"x": 0})
    replica.on_value(1.0, NEW, 0, {"x": 0})
    for now in (0.1, 2.0, 3.9):
        assert replica.on_value(now, OLD, 9, {"x": 9}) == ()
    assert taken(replica.on_value(4.0, OLD, 9, {"x": 9})) == [9]
    assert (thaw(replica.value), replica.phase, replica.late) == ({"x": 9}, Phase.LIVE, 3)
    assert taken(replica.on_value(4.1, NEW, 0, {"x": 0})) == [0]


def test_of_many_publishers_the_value_that_came_last_stands() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0, many=True)
    assert taken(replica.on_value(0.0, OLD, 5, {"x": "old"})) == [5]
    assert taken(replica.on_value(0.0, NEW, 2, {"x": "new"})) == [2]
    assert replica.on_value(1.0, OLD, 5, {"x": "old"}) == []
    assert View(replica.value) == {"x": "new"}
    assert taken(replica.on_value(1.0, OLD, 6, {"x": "older"})) == [6]


def test_messages_without_epoch_and_number_are_taken_as_they_come() -> None:
    replica = FullReplica(now=0.0, stale_after_s=3.0)
    assert taken(replica.on_value(0.0, None, None, {"x": 1})) == [0]
    assert taken(replica.on_value(0.0, None, None, {"x": 1})) == [1]
    assert replica.status(0.0).number == 1
