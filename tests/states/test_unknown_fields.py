"""States whose publisher has more fields than its replicas."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest

from sf_actors.replication.status import Phase
from sf_actors.replication.values.pieces import LARGE
from tests.support.state_pair import Follower, following, leading, model, towards
from tests.support.waiting import until

CLIENT = {"name": str}
WIDE = {"name": str, "age": int}
ENDS = ("out", "in")


class Wide(TypedDict):
    name: str
    age: int


class Client(TypedDict):
    name: str


class Note(TypedDict, total=False):
    text: str
    size: int


class OldNote(TypedDict, total=False):
    text: str


def pair(kind: str, **creation: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the models of a newer publisher and an older replica."""
    newer = model(f"{kind}_out", {"n": int, "client": WIDE}, {"extra": int, "rows": {int: WIDE}})
    older = model(f"{kind}_in", {"n": int, "client": CLIENT}, {"rows": {int: CLIENT}}, **creation)
    return newer, older


WHOLE: dict[str, Any] = {"n": 1, "client": {"name": "x", "age": 3}, "extra": 4}
KNOWN = {"n": 1, "client": {"name": "x"}}


def dropped(follower: Follower) -> int:
    count: int = follower.stats["unknown_fields"]
    return count


def test_a_replica_follows_the_fields_that_it_knows() -> None:
    newer, older = pair("delta_update")
    with leading(newer) as leader, following(older, towards(leader.addresses)) as follower:
        follower.wait_for_phase(Phase.LIVE)
        leader.send(**WHOLE)
        assert follower.next_update() == (KNOWN, KNOWN)
        leader.send(n=2, extra=5)
        args, value = follower.next_update()
        assert (args, value) == ({"n": 2}, {**KNOWN, "n": 2})
        assert dropped(follower) == 2
        assert follower.status.phase is Phase.LIVE


def test_a_delta_of_unknown_fields_alone_calls_no_handler() -> None:
    newer, older = pair("delta_update")
    with leading(newer) as leader, following(older, towards(leader.addresses)) as follower:
        follower.wait_for_phase(Phase.LIVE)
        leader.send(**WHOLE, rows={1: {"name": "r", "age": 1}})
        follower.next_update()
        leader.send(extra=5)
        leader.send(client={"age": 4})
        leader.send(rows={1: {"age": 2}})
        leader.send(n=2)
        assert follower.next_update().args == {"n": 2}
        assert follower.status.number == 4
        assert dropped(follower) == 4


def test_a_large_delta_of_unknown_fields_alone_calls_no_handler() -> None:
    newer = model("delta_update_out", {"n": int}, {"many": {int: int}})
    older = model("delta_update_in", {"n": int})
    with leading(newer) as leader, following(older, towards(leader.addresses)) as follower:
        follower.wait_for_phase(Phase.LIVE)
        many = dict.fromkeys(range(2 * LARGE), 1)
        leader.send(n=1, many=many)
        leader.send(many=many)
        leader.send(n=2)
        assert [follower.next_update().args for _ in range(2)] == [{"n": 1}, {"n": 2}]
        assert dropped(follower) == 2


def test_it_calls_none_either_where_a_record_is_one_of_several_types() -> None:
    newer = model("delta_update_out", {"rows": {int: Wide | int}})
    older = model("delta_update_in", {"rows": {int: Client | int}})
    with leading(newer) as leader, following(older, towards(leader.addresses)) as follower:
        follower.wait_for_phase(Phase.LIVE)
        leader.send(rows={1: {"name": "r", "age": 1}, 2: 2})
        follower.next_update()
        leader.send(rows={1: {"age": 2}})
        leader.send(rows={2: 3})
        args, value = follower.next_update()
        assert (args, value) == ({"rows": {2: 3}}, {"rows": {1: {"name": "r"}, 2: 3}})
        assert dropped(follower) == 2


def test_a_record_that_is_made_of_unknown_fields_alone_is_there() -> None:
    newer = model("delta_update_out", {"rows": {int: Note | int}}, {"note": Note})
    older = model("delta_update_in", {"rows": {int: OldNote | int}}, {"note": OldNote})
    with leading(newer) as leader, following(older, towards(leader.addresses)) as follower:
        follower.wait_for_phase(Phase.LIVE)
        leader.send(rows={1: 1})
        leader.send(rows={1: {"size": 1}})
        leader.send(rows={2: {"size": 1}})
        leader.send(note={"size": 1})
        value = {"rows": {1: {}, 2: {}}, "note": {}}
        updates = follower.wait_for(value)
        assert [update.args for update in updates[1:]] == [
            {"rows": {1: {}}},
            {"rows": {2: {}}},
            {"note": {}},
        ]


@pytest.mark.slow
def test_a_late_replica_takes_the_snapshot_of_what_it_knows() -> None:
    newer, older = pair("delta_update")
    with leading(newer) as leader:
        leader.send(**WHOLE)
        with following(older, towards(leader.addresses)) as follower:
            follower.wait_for(KNOWN)
            assert dropped(follower) == 1


@pytest.mark.slow
def test_a_large_snapshot_counts_once() -> None:
    newer, older = pair("delta_update")
    with leading(newer) as leader:
        leader.send(**WHOLE, rows={n: {"name": "r", "age": n} for n in range(3_000)})
        with following(older, towards(leader.addresses)) as follower:
            rows = {n: {"name": "r"} for n in range(3_000)}
            follower.wait_for({**KNOWN, "rows": rows})
            assert dropped(follower) == 1


def test_a_replica_that_dropped_fields_compares_no_digests() -> None:
    newer, older = pair("delta_update")
    newer["optional_creation_arguments"]["digest"] = True
    with leading(newer) as leader, following(older, towards(leader.addresses)) as follower:
        follower.wait_for_phase(Phase.LIVE)
        leader.send(**WHOLE)
        follower.wait_for(KNOWN)
        received = follower.stats["received"]
        until(lambda: follower.stats["received"] >= received + 4)
        status = follower.status
        assert (status.mismatches, status.resyncs, status.error) == (0, 0, None)


def test_a_full_state_is_followed_by_the_fields_that_are_known() -> None:
    newer, older = pair("full_update")
    with leading(newer) as leader, following(older, towards(leader.addresses)) as follower:
        leader.send(**WHOLE)
        follower.wait_for(KNOWN)
        assert dropped(follower) == 1


@pytest.mark.parametrize("kind", ["delta_update", "full_update"])
def test_a_replica_that_refuses_them_says_so(kind: str) -> None:
    newer, older = pair(kind, unknown_fields="refuse")
    with leading(newer) as leader, following(older, towards(leader.addresses)) as follower:
        leader.send(**WHOLE)
        until(lambda: "unknown field" in str(follower.status.error))
        assert dropped(follower) == 0


def test_the_content_of_the_only_field_may_have_more() -> None:
    newer = model("delta_update_out", {"state": {"n": int, "extra": int}})
    older = model("delta_update_in", {"state": {"n": int}})
    with leading(newer) as leader, following(older, towards(leader.addresses)) as follower:
        follower.wait_for_phase(Phase.LIVE)
        leader.send(state={"n": 1, "extra": 2})
        follower.wait_for({"n": 1})
        leader.send(state={"extra": 3})
        leader.send(state={"n": 2})
        assert follower.next_update().args == {"state": {"n": 2}}
