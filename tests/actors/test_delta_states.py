"""Delta update states over real sockets."""

from __future__ import annotations

import queue
import threading
from contextlib import ExitStack
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from sf_actors import InvalidArguments, MessageTooLarge
from sf_actors.actors.out_state import GREETING_PAUSE_S, SubscriptionWaits
from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.actors.bare import subscribed
from tests.actors.state_pair import (
    PATIENCE_S,
    bus,
    following,
    kill,
    leading,
    lose,
    model,
    towards,
    wait_until,
)

if TYPE_CHECKING:
    from pathlib import Path

OUT, IN = "delta_update_out", "delta_update_in"
ONE = {"title": "one", "bids": {Decimal("1.50"): Decimal(2)}}


@pytest.mark.parametrize("scheme", ["tcp", "ipc", "inproc"])
@pytest.mark.parametrize("topic", [None, "books"])
def test_a_replica_follows(scheme: str, topic: str | None, tmp_path: Path) -> None:
    addresses = {
        "tcp": {"publisher": "127.0.0.1:0", "replyer": "tcp://127.0.0.1:0"},
        "ipc": {"publisher": f"ipc://{tmp_path}/p", "replyer": f"ipc://{tmp_path}/r"},
        "inproc": {"publisher": "inproc://book-p", "replyer": "inproc://book-r"},
    }[scheme]
    with (
        leading(model(OUT, topic=topic), addresses=addresses) as leader,
        following(model(IN, topic=topic), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        leader.send(**ONE)
        leader.send(bids={Decimal("1.50"): None, Decimal(2): Decimal("3.10")})
        assert follower.next_update() == (ONE, ONE)
        args, value = follower.next_update()
        assert args == {"bids": {Decimal("1.50"): None, Decimal(2): Decimal("3.10")}}
        assert value == {"title": "one", "bids": {Decimal(2): Decimal("3.10")}}
        assert str(value["bids"][Decimal(2)]) == "3.10"


def test_a_topic_is_not_heard_by_those_of_another() -> None:
    with leading(model(OUT, topic="a")) as leader:
        heard = towards(leader.addresses)
        with (
            following(model(IN, topic="a"), heard) as same,
            following(model(IN, topic="ab"), heard) as other,
        ):
            same.wait_for_phase(Phase.LIVE)
            other.wait_for_phase(Phase.LIVE)  # by its own request: snapshots have no topic
            received = other.stats["received"]
            leader.send(**ONE)
            same.wait_for(ONE)
            assert other.stats["received"] == received


def test_a_late_replica_gets_the_value_before_any_delta() -> None:
    with leading(model(OUT)) as leader:
        leader.send(**ONE)
        leader.send(bids={Decimal(3): Decimal(4)})
        with following(model(IN), towards(leader.addresses)) as follower:
            whole = {**ONE, "bids": {**ONE["bids"], Decimal(3): Decimal(4)}}
            assert follower.next_update() == (whole, whole)
            leader.send(title="two")
            assert follower.next_update().args == {"title": "two"}
            assert follower.status.number == 2
            assert (follower.status.gaps, follower.status.resyncs) == (0, 0)


def test_replicas_that_join_while_updates_rush_miss_none_and_double_none() -> None:
    chain = {"n": int, "last": int}
    with leading(model(OUT, chain, high_water_mark=1_000_000)) as leader:
        leader.send(n=0, last=-1)
        ends = threading.Event()

        def publish() -> None:
            n = 0
            while not ends.is_set():
                n += 1
                leader.send(n=n, last=n - 1)

        publishing = threading.Thread(target=publish)
        publishing.start()
        try:
            for _ in range(10):
                with following(
                    model(IN, chain, high_water_mark=1_000_000), towards(leader.addresses)
                ) as follower:
                    first = follower.next_update().value["n"]
                    for n in range(first + 1, first + 200):
                        args, value = follower.next_update()
                        assert args == value == {"n": n, "last": n - 1}
                    assert follower.status.gaps == 0
        finally:
            ends.set()
            publishing.join()


def test_updates_of_many_threads_leave_in_the_order_of_their_numbers() -> None:
    with (
        leading(model(OUT, {"by": {str: int}}, high_water_mark=100_000)) as leader,
        following(
            model(IN, {"by": {str: int}}, high_water_mark=100_000), towards(leader.addresses)
        ) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)

        def publish(name: str) -> None:
            for n in range(300):
                leader.send(by={name: n})

        threads = [threading.Thread(target=publish, args=(str(i),)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        follower.wait_for({"by": {str(i): 299 for i in range(4)}})
        status = follower.status
        assert (status.number, status.gaps, status.resyncs) == (1199, 0, 0)


def test_a_state_goes_through_a_bus() -> None:
    with (
        bus() as between,
        leading(
            model(OUT, is_x_pub=True),
            addresses={"publisher": between.xsub, "replyer": "127.0.0.1:0"},
        ) as leader,
    ):
        leader.send(**ONE)
        addresses = {"subscriber": between.xpub, "requester": leader.addresses["replyer"]}
        with following(model(IN, is_x_sub=True), addresses) as follower:
            assert follower.next_update().value == ONE
            follower.wait_for_phase(Phase.LIVE)
            leader.send(title="two")
            follower.wait_for({**ONE, "title": "two"})


def test_a_second_replica_on_a_bus_hears_the_heartbeat() -> None:
    with (
        bus() as between,
        leading(
            model(OUT, is_x_pub=True),
            addresses={"publisher": between.xsub, "replyer": "127.0.0.1:0"},
        ) as leader,
    ):
        leader.send(**ONE)
        addresses = {"subscriber": between.xpub, "requester": leader.addresses["replyer"]}
        with (
            following(model(IN), addresses) as first,
            following(model(IN, stale_after_s=0.3), addresses) as second,
        ):
            first.wait_for_phase(Phase.LIVE)
            second.wait_for_phase(Phase.LIVE)
            # the bus does not tell of the second one's subscription, but forwards heartbeats
            received = second.stats["received"]
            wait_until(lambda: second.stats["received"] > received + 5)
            assert second.phases.empty()


def test_a_publisher_that_starts_again_is_another_epoch_and_the_value_is_fetched(
    tmp_path: Path,
) -> None:
    addresses = {"publisher": f"ipc://{tmp_path}/p", "replyer": f"ipc://{tmp_path}/r"}
    with ExitStack() as replicas:
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="old", bids={Decimal(1): Decimal(1)})
            follower = replicas.enter_context(following(model(IN), towards(addresses)))
            follower.wait_for({"title": "old", "bids": {Decimal(1): Decimal(1)}})
            follower.wait_for_phase(Phase.LIVE)
            before = follower.status.epoch
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="new", bids={})
            args, value = follower.wait_for({"title": "new", "bids": {}})[-1]
            assert args == value
            status = follower.wait_for_phase(Phase.LIVE)
            # the number is the same as before: only the epoch tells
            assert (status.number, status.resyncs) == (0, 1)
            assert status.epoch not in (before, None)


def test_a_publisher_within_the_process_can_start_again() -> None:
    addresses = {"publisher": "inproc://again-p", "replyer": "inproc://again-r"}
    with ExitStack() as replicas:
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="old", bids={})
            follower = replicas.enter_context(
                following(model(IN, stale_after_s=0.3), towards(addresses))
            )
            follower.wait_for({"title": "old", "bids": {}})
        follower.wait_for_phase(Phase.STALE)
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="new", bids={})
            follower.wait_for({"title": "new", "bids": {}})
            follower.wait_for_phase(Phase.LIVE)


def test_silence_makes_a_replica_stale_and_a_sign_of_life_live_again() -> None:
    with (
        leading(model(OUT, heartbeat_s=0.6)) as leader,
        following(model(IN, stale_after_s=0.2), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        status = follower.wait_for_phase(Phase.STALE)
        assert status.age_s is not None
        assert status.age_s >= 0.2
        assert follower.value == ONE
        status = follower.wait_for_phase(Phase.LIVE)
        assert (status.resyncs, status.gaps) == (0, 0)


def test_a_publisher_gives_signs_of_life() -> None:
    with (
        leading(model(OUT, heartbeat_s=0.05)) as leader,
        following(model(IN, stale_after_s=0.4), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        begun = monotonic()
        received = follower.stats["received"]
        wait_until(lambda: follower.stats["received"] >= received + 20)
        assert monotonic() - begun > 0.4
        assert follower.status.age_s is not None
        assert follower.status.age_s < 0.4
        assert follower.phases.empty()


def test_the_last_update_lost_is_noticed_by_the_heartbeat() -> None:
    with (
        leading(model(OUT)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        follower.wait_for_phase(Phase.LIVE)
        lose(leader, title="lost")
        args, value = follower.next_update()
        # the publisher's log has it still, so it comes as the delta that it was
        assert (args, value) == ({"title": "lost"}, {**ONE, "title": "lost"})
        assert follower.wait_for_phase(Phase.LIVE).gaps == 1
        assert follower.status.resyncs == 0


def test_a_short_gap_is_filled_without_a_snapshot_and_each_update_is_handled() -> None:
    with (
        leading(model(OUT, heartbeat_s=5.0)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        lose(leader, title="a")
        lose(leader, title="b")
        leader.send(title="c")
        titles = [follower.next_update().args["title"] for _ in range(3)]
        assert titles == ["a", "b", "c"]
        status = follower.wait_for_phase(Phase.LIVE)
        while status.number < 3:
            status = follower.wait_for_phase(Phase.LIVE)
        assert (status.gaps, status.resyncs) == (1, 0)


def test_a_long_gap_takes_one_resync_and_all_fields_are_handed_on() -> None:
    with (
        leading(model(OUT, heartbeat_s=5.0)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        for n in range(1030):  # more than the log keeps
            lose(leader, title=str(n))
        leader.send(bids={Decimal(7): Decimal(7)})
        whole = {"title": "1029", "bids": {**ONE["bids"], Decimal(7): Decimal(7)}}
        assert follower.next_update() == (whole, whole)
        assert (follower.status.gaps, follower.status.resyncs) == (1, 1)


def test_a_replica_whose_value_is_wrong_is_found_by_the_digest_within_two_heartbeats() -> None:
    with (
        leading(model(OUT, digest=True, heartbeat_s=0.5)) as leader,
        following(model(IN, heartbeat_s=0.5), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        leader.send(title="two")
        right = {**ONE, "title": "two"}
        follower.wait_for(right)
        replica = follower.actor._replica
        wait_until(lambda: replica._comparison.digest is not None)
        replica.value = replica.value.set("title", "wrong")
        flipped = monotonic()
        args, value = follower.next_update()
        assert monotonic() - flipped < 2 * 0.5
        assert args == value == right
        assert follower.status.resyncs == 1
        leader.send(title="three")
        follower.wait_for({**right, "title": "three"})
        assert follower.status.error is None


@pytest.mark.parametrize("declared", [{"state": {str: int}}, {"a": int}])
def test_the_digests_of_an_empty_state_agree(declared: dict[str, Any]) -> None:
    with (
        leading(model(OUT, declared, digest=True, heartbeat_s=0.05)) as leader,
        following(model(IN, declared), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        received = follower.stats["received"]
        wait_until(lambda: follower.stats["received"] >= received + 4)
        leader.to_send("state", "book", {})
        received = follower.stats["received"]
        wait_until(lambda: follower.stats["received"] >= received + 4)
        assert (follower.status.error, follower.status.resyncs) == (None, 0)


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


RECORDS = {"title": str, "legs": {str: {"price": Decimal, "size": int}}, "limits": {"low": int}}
RECORDS_WHOLE = {
    "title": "x",
    "legs": {"a": {"price": Decimal(1), "size": 1}},
    "limits": {"low": 0},
}


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


NUMBERED = {"state": {str: int}}


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
        {"state": {"a": 1}, "current_num": -2, "is_snapshot": False},
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
        wait_until(lambda: follower.stats["received"] >= received + 4)
        assert (follower.status.error, follower.status.resyncs) == (None, 0)


def test_a_publisher_pauses_after_binding_if_it_is_told_to() -> None:
    begun = monotonic()
    with leading(model(OUT, wait_after_creation_s=0.3)):
        assert monotonic() - begun >= 0.3


def test_fifty_replicas_come_back_together_when_the_publisher_starts_again(
    tmp_path: Path,
) -> None:
    addresses = {"publisher": f"ipc://{tmp_path}/p", "replyer": f"ipc://{tmp_path}/r"}
    names = [f"book{i}" for i in range(50)]
    live: queue.Queue[Any] = queue.Queue()
    values: queue.Queue[Any] = queue.Queue()

    def on_update(args: Any) -> None:
        values.put(args["title"])

    module = module_of(
        "fifty",
        state_models={"in": {n: model(IN, on_update=on_update, on_status=live.put) for n in names}},
    )
    with ExitStack() as replicas:
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="old", bids={})
            replicas.enter_context(
                running(
                    module,
                    addresses={"states": {"in": dict.fromkeys(names, towards(addresses))}},
                    console_loglevel=None,
                )
            )
            assert [values.get(timeout=PATIENCE_S) for _ in names] == ["old"] * 50
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="new", bids={})
            for n in range(200):  # deltas go on meanwhile
                leader.send(bids={Decimal(n): Decimal(n)})
            leader.send(title="last")
            ended = 0
            while ended < 50:
                ended += values.get(timeout=PATIENCE_S) == "last"


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


def test_a_snapshot_above_the_limit_is_an_error_in_the_status() -> None:
    with leading(model(OUT, max_message_bytes=1000)) as leader:
        for n in range(300):
            leader.send(title="", bids={Decimal(n): Decimal(n)})
        with following(model(IN), towards(leader.addresses)) as follower:
            wait_until(lambda: follower.status.error is not None)
            assert "max_message_bytes allows 1000" in str(follower.status.error)
            assert follower.status.phase is Phase.SYNCING


def test_deltas_that_would_fill_a_gap_but_are_too_large_together_come_as_a_snapshot() -> None:
    with (
        leading(model(OUT, max_message_bytes=1000, heartbeat_s=5.0)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        for _ in range(3):
            lose(leader, title="x" * 500)
        leader.send(title="end")
        follower.wait_for({**ONE, "title": "end"})
        assert follower.status.resyncs == 1


def test_an_in_state_whose_actor_dies_is_restarted_and_its_value_stays_and_goes_on() -> None:
    with (
        leading(model(OUT)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        dead = follower.actor
        kill(dead)
        wait_until(lambda: follower.stats["restarts"] == 1)
        assert follower.value == ONE
        follower.wait_for(ONE)
        leader.send(title="two")
        follower.wait_for({**ONE, "title": "two"})
        assert follower.actor is not dead
        assert follower.status.phase is Phase.LIVE


def test_an_out_state_whose_actor_dies_is_restarted_and_its_value_survives() -> None:
    with (
        leading(model(OUT)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        follower.wait_for_phase(Phase.LIVE)
        epoch = follower.status.epoch
        kill(leader.actor)
        leader.send(title="meanwhile")  # whether or not there is a socket just now
        wait_until(lambda: leader.stats["restarts"] == 1)
        leader.send(bids={Decimal(5): Decimal(5)})
        follower.wait_for({"title": "meanwhile", "bids": {**ONE["bids"], Decimal(5): Decimal(5)}})
        follower.wait_for_phase(Phase.LIVE)
        assert follower.status.epoch != epoch
        with following(model(IN), towards(leader.addresses)) as late:
            late.wait_for({"title": "meanwhile", "bids": {**ONE["bids"], Decimal(5): Decimal(5)}})


def test_updates_while_the_actor_is_replaced_are_kept() -> None:
    with leading(model(OUT)) as leader:
        leader.send(**ONE)
        publication = leader.actor.publication
        socket = publication._socket
        publication.detach()
        leader.send(title="kept")
        assert leader.stats["sent"] == 1
        with publication.lock:
            publication._socket = socket
        with following(model(IN), towards(leader.addresses)) as follower:
            follower.wait_for({**ONE, "title": "kept"})


def test_fifty_replicas_are_served_with_few_encodings_while_updates_go_on() -> None:
    with leading(model(OUT)) as leader:
        leader.send(**ONE)
        fields = leader.actor.publication.fields
        encodings = 0
        encode = fields.encoded

        def counted(value: Any) -> bytes:
            nonlocal encodings
            encodings += 1
            leader.send(title=str(encodings))  # deltas go on: each encoding is old at once
            return bytes(encode(value))

        fields.encoded = counted
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        asking = [context.socket(zmq.DEALER) for _ in range(50)]
        for dealer in asking:
            dealer.connect(f"tcp://{leader.addresses['replyer']}")
            dealer.send_multipart([b"", msgpack.packb({"args": {}})])
        replies = []
        for dealer in asking:
            assert dealer.poll(PATIENCE_S * 1000)
            replies.append(msgpack.unpackb(dealer.recv_multipart()[1]))
            dealer.close(0)
        context.term()
        assert len(replies) == 50
        assert encodings < 25


def test_many_that_subscribe_at_once_are_greeted_together() -> None:
    with leading(model(OUT, heartbeat_s=30.0)) as leader:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        joined = [context.socket(zmq.SUB) for _ in range(100)]
        begun = monotonic()
        for subscriber in joined:
            subscriber.subscribe(b"")
            subscriber.connect(f"tcp://{leader.addresses['publisher']}")
        for subscriber in joined:
            assert subscriber.poll(PATIENCE_S * 1000), "not greeted"
        greetings = 0
        while joined[0].poll(0):
            joined[0].recv()
            greetings += 1
        for subscriber in joined:
            subscriber.close(0)
        context.term()
        assert greetings <= (monotonic() - begun) / GREETING_PAUSE_S + 2


def test_subscriptions_are_read_though_they_are_more_than_one_batch() -> None:
    with leading(model(OUT, heartbeat_s=30.0)) as leader:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        subscriber = context.socket(zmq.SUB)
        for topic in range(1000):
            subscriber.subscribe(b"topic %d" % topic)
        publication = leader.actor.publication

        def is_any_unread() -> bool:
            return bool(publication._socket.getsockopt(zmq.EVENTS) & zmq.POLLIN)

        with publication.lock:
            subscriber.connect(f"tcp://{leader.addresses['publisher']}")
            wait_until(is_any_unread)
        leader.actor.tell(SubscriptionWaits())  # to look has eaten the signal

        def is_all_read() -> bool:
            with publication.lock:
                return not is_any_unread()

        wait_until(is_all_read)
        subscriber.close(0)
        context.term()


def test_what_a_replica_cannot_apply_is_fetched_once_and_then_an_error() -> None:
    declared = {"n": int}
    with (
        leading(model(OUT, {"n": object}, heartbeat_s=0.2)) as leader,
        following(model(IN, declared), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        leader.send(n=1)
        follower.wait_for({"n": 1})
        leader.send(n="poison")
        wait_until(lambda: follower.status.error is not None)
        assert "n" in str(follower.status.error)
        assert follower.value == {"n": 1}
        asked = leader.stats["received"]
        received = follower.stats["received"]
        wait_until(lambda: follower.stats["received"] >= received + 5)
        assert leader.stats["received"] <= asked + 3
        leader.send(n=2)
        follower.wait_for({"n": 2})
        assert follower.wait_for_phase(Phase.LIVE).error is None


def test_a_slow_handler_loses_nothing_silently() -> None:
    gate = threading.Event()

    def slowly(_args: Any, _states: Any) -> None:
        gate.wait(PATIENCE_S)

    with (
        leading(model(OUT, {"n": int}, high_water_mark=10)) as leader,
        following(
            model(IN, {"n": int}, high_water_mark=10, stale_after_s=60.0),
            towards(leader.addresses),
            handler=slowly,
        ) as follower,
    ):
        leader.send(n=-1)
        for n in range(20_000):
            leader.send(n=n)
        gate.set()
        seen = follower.wait_for({"n": 19_999})
        numbers = [update.value["n"] for update in seen]
        assert numbers == sorted(set(numbers))
        wait_until(lambda: follower.status.phase is Phase.LIVE)
        assert follower.status.number == 20_000
        assert follower.status.gaps >= 1
        assert follower.status.resyncs >= 1
