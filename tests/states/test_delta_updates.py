"""Updates of delta states: merge patches, whole values, numbers, limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from sf_actors import InvalidArguments, MessageTooLarge
from sf_actors.replication.status import Phase
from tests.support.bare_peers import subscribed
from tests.support.state_pair import following, leading, model, towards
from tests.support.waiting import until

OUT, IN = "delta_update_out", "delta_update_in"
ONE = {"title": "one", "bids": {Decimal("1.50"): Decimal(2)}}


RECORDS = {"title": str, "legs": {str: {"price": Decimal, "size": int}}, "limits": {"low": int}}
RECORDS_WHOLE = {
    "title": "x",
    "legs": {"a": {"price": Decimal(1), "size": 1}},
    "limits": {"low": 0},
}


NUMBERED = {"state": {str: int}}


def test_an_update_is_whole_with_is_snapshot() -> None:
    with (
        leading(model(OUT)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        leader.send(**ONE)
        leader.send(is_snapshot=True, title="two", bids={})
        follower.wait_for(ONE)
        assert follower.next_update() == (
            {"title": "two", "bids": {}},
            {"title": "two", "bids": {}},
        )
        leader.send(is_snapshot=False, title="three")
        assert follower.next_update().value == {"title": "three", "bids": {}}


@pytest.mark.parametrize(
    ("update", "named"),
    [
        ({"title": None}, "title"),
        ({"legs": None}, "legs"),
        ({"legs": {"a": {"price": None}}}, "legs.a.price"),
        ({"limits": {"low": None}}, "limits.low"),
        ({"legs": {"b": {"price": Decimal(1)}}}, "legs.b.size"),
        ({"title": 1}, "title"),
        ({"titel": "y"}, "did you mean 'title'?"),
        ({"legs": {"a": {"size": True}}}, "legs.a.size"),
        ({"is_snapshot": True, "title": "y"}, "legs"),
        ({"is_snapshot": 1, "title": "y"}, "is_snapshot"),
        ({"current_num": 4, "title": "y"}, "current_num"),
    ],
)
def test_an_update_that_does_not_fit_is_refused_and_nothing_is_sent(
    update: dict[str, Any], named: str
) -> None:
    with leading(model(OUT, RECORDS)) as leader:
        leader.send(**RECORDS_WHOLE)
        with pytest.raises(InvalidArguments, match=named.replace(".", r"\.").replace("?", r"\?")):
            leader.to_send("state", "book", update)
        assert leader.stats["sent"] == 1
        with following(model(IN, RECORDS), towards(leader.addresses)) as follower:
            assert follower.next_update().value == RECORDS_WHOLE
            assert follower.status.number == 0


def test_the_rules_of_a_merge_patch_hold_on_the_other_side() -> None:
    optional = {"note": str, "any": dict}
    with (
        leading(model(OUT, RECORDS, optional)) as leader,
        following(model(IN, RECORDS, optional), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        leader.send(**RECORDS_WHOLE, note="n", any={"x": {"y": 1, "z": 2}, "l": [1, 2]})
        leader.send(note=None, any={"x": {"y": None}, "l": [3], "nowhere": None})
        leader.send(note=None, legs={"nowhere": None, "b": {"price": Decimal(2), "size": 2}})
        leader.send(legs={"a": None, "b": {"size": 3}}, limits={"low": -1})
        expected = {
            "title": "x",
            "legs": {"b": {"price": Decimal(2), "size": 3}},
            "limits": {"low": -1},
            "any": {"x": {"z": 2}, "l": [3]},
        }
        assert len(follower.wait_for(expected)) == 4


def test_a_document_comes_out_as_it_was_sent_or_its_sender_is_told() -> None:
    declared = {"document": dict}
    with (
        leading(model(OUT, declared)) as leader,
        following(model(IN, declared), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        with pytest.raises(InvalidArguments, match=r"document\.a\.b"):
            leader.send(document={"a": {"b": None}}, is_snapshot=True)
        leader.send(document={"a": {}}, is_snapshot=True)
        with pytest.raises(InvalidArguments, match=r"document\.new\.b"):
            leader.send(document={"new": {"b": None}})
        with pytest.raises(InvalidArguments, match="NaN"):
            leader.send(document={"a": {float("nan"): 1}})
        leader.send(document={"a": {"b": None}, "list": [None, {"c": None}]})
        expected = {"document": {"a": {}, "list": [None, {"c": None}]}}
        assert len(follower.wait_for(expected)) == 2
        assert leader.service.states["book"] == expected


@pytest.mark.slow
def test_deltas_build_the_value_before_any_snapshot() -> None:
    with (
        leading(model(OUT)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        assert follower.value == {}
        assert follower.status.number == -1
        follower.wait_for_phase(Phase.LIVE)
        leader.send(title="one")
        follower.wait_for({"title": "one"})
        with following(model(IN), towards(leader.addresses)) as late:
            late.wait_for({"title": "one"})


def test_nothing_that_was_sent_is_shared_with_the_sender() -> None:
    sent = {"title": "one", "any": {"list": [1], "map": {"a": 1}}}
    declared = {"title": str, "any": dict}
    with leading(model(OUT, declared)) as leader:
        leader.to_send("state", "book", sent)
        sent["any"]["list"].append(2)  # type: ignore[index]
        sent["any"]["map"]["b"] = 2  # type: ignore[index]
        with following(model(IN, declared), towards(leader.addresses)) as follower:
            assert follower.next_update().value == {
                "title": "one",
                "any": {"list": [1], "map": {"a": 1}},
            }


def test_an_update_can_be_numbered_by_its_caller() -> None:
    with (
        leading(model(OUT, NUMBERED, numbered=True)) as leader,
        following(model(IN, NUMBERED, numbered=True), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        leader.send(current_num=0, is_snapshot=True, state={"a": 1, "b": 2})
        assert follower.next_update() == ({"state": {"a": 1, "b": 2}}, {"a": 1, "b": 2})
        leader.send(current_num=1, is_snapshot=False, state={"a": None, "c": 3})
        assert follower.next_update() == ({"state": {"a": None, "c": 3}}, {"b": 2, "c": 3})
        assert follower.status.number == 1


def test_a_callers_whole_value_counts_from_its_own_number_on_whatever_it_is() -> None:
    with (
        leading(model(OUT, NUMBERED, numbered=True)) as leader,
        following(model(IN, NUMBERED, numbered=True), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        leader.send(current_num=7, is_snapshot=True, state={"a": 7})
        follower.wait_for({"a": 7})
        for number in (-1, -2, -50):
            leader.send(current_num=number, is_snapshot=True, state={"a": number})
            follower.wait_for({"a": number})
            assert follower.status.number == number
        leader.send(current_num=-49, is_snapshot=False, state={"b": 1})
        leader.send(current_num=-100, is_snapshot=False, state={"b": 2})
        leader.send(current_num=-48, is_snapshot=False, state={"c": 3})
        follower.wait_for({"a": -50, "b": 1, "c": 3})
        assert (follower.status.number, follower.status.skipped) == (-48, 1)
        assert (follower.status.gaps, follower.status.phase) == (0, Phase.LIVE)


def test_a_callers_lower_number_is_skipped_and_a_gap_takes_a_resync() -> None:
    with (
        leading(model(OUT, NUMBERED, numbered=True)) as leader,
        following(model(IN, NUMBERED, numbered=True), towards(leader.addresses)) as follower,
        subscribed(leader.addresses["publisher"]) as bare,
    ):
        follower.wait_for_phase(Phase.LIVE)
        bare.until_heard()
        leader.send(current_num=0, is_snapshot=False, state={"a": 0})
        leader.send(current_num=1, is_snapshot=False, state={"a": 1})
        leader.send(current_num=0, is_snapshot=False, state={"a": 2})
        leader.send(current_num=5, is_snapshot=False, state={"b": 5})
        follower.wait_for({"a": 1, "b": 5})
        assert (follower.status.number, follower.status.gaps, follower.status.resyncs) == (5, 1, 1)
        leader.send(current_num=6, is_snapshot=False, state={"b": 6})
        follower.wait_for({"a": 1, "b": 6})
        assert (follower.status.gaps, follower.status.resyncs) == (1, 1)
        assert [bare.next_delta()["args"]["current_num"] for _ in range(5)] == [0, 1, 0, 5, 6]


@pytest.mark.parametrize(
    "update",
    [
        {"state": {"a": 1}},
        {"state": {"a": 1}, "current_num": 1},
        {"state": {"a": 1}, "current_num": True, "is_snapshot": False},
        {"state": {"a": 1}, "current_num": 1, "is_snapshot": 0},
        {"current_num": 1, "is_snapshot": True},
        None,
    ],
)
def test_a_callers_number_must_be_there_and_be_one(update: Any) -> None:
    with leading(model(OUT, NUMBERED, numbered=True)) as leader:
        with pytest.raises(InvalidArguments):
            leader.to_send("state", "book", update)
        assert leader.stats["sent"] == 0


def test_the_content_of_a_single_field_called_state_is_the_value() -> None:
    with (
        leading(model(OUT, {"state": dict})) as leader,
        following(model(IN, {"state": dict}), towards(leader.addresses)) as follower,
        subscribed(leader.addresses["publisher"]) as bare,
    ):
        follower.wait_for_phase(Phase.LIVE)
        bare.until_heard()
        leader.send(state={"a": {"b": 1, "c": 2}})
        leader.send(state={"a": {"b": None}})
        follower.wait_for({"a": {"c": 2}})
        assert bare.next_delta()["args"]["state"] == {"a": {"b": 1, "c": 2}}
        assert bare.next_delta()["args"]["state"] == {"a": {"b": None}}


@pytest.mark.slow
def test_a_single_state_that_is_a_record_can_be_followed_before_it_is_there() -> None:
    declared = {"state": {"low": int, "high": int}}
    with (
        leading(model(OUT, declared, digest=True, heartbeat_s=0.05)) as leader,
        following(model(IN, declared), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        assert follower.value == {}
        leader.to_send("state", "book", {})
        with pytest.raises(InvalidArguments, match="low"):
            leader.send(state={"high": 1})
        leader.send(state={"low": 0, "high": 1})
        follower.wait_for({"low": 0, "high": 1})
        leader.send(state={"high": 2})
        follower.wait_for({"low": 0, "high": 2})
        received = follower.stats["received"]
        until(lambda: follower.stats["received"] >= received + 4)
        assert (follower.status.error, follower.status.resyncs) == (None, 0)


def test_an_update_above_the_limit_is_refused_and_numbers_stay_together() -> None:
    with (
        leading(model(OUT, max_message_bytes=1000)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        with pytest.raises(MessageTooLarge, match="max_message_bytes allows 1000"):
            leader.send(title="x" * 1000)
        leader.send(**ONE)
        follower.wait_for(ONE)
        assert follower.status.number == 0
