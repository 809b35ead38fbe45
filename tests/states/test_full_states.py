"""Full update states over real sockets."""

from __future__ import annotations

import queue
from contextlib import ExitStack
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from sf_actors import InvalidArguments, MessageTooLarge
from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.support.bare_peers import subscribed
from tests.support.state_pair import bus, following, kill, leading, model, towards
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

OUT, IN = "full_update_out", "full_update_in"
ONE = {"title": "one", "bids": {Decimal("1.50"): Decimal(2)}}
TWO = {"title": "two", "bids": {}}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["tcp", "ipc", "inproc"])
@pytest.mark.parametrize("topic", [None, "books"])
def test_a_replica_takes_each_value_whole(scheme: str, topic: str | None, tmp_path: Path) -> None:
    address = {
        "tcp": "127.0.0.1:0",
        "ipc": f"ipc://{tmp_path}/p",
        "inproc": "inproc://full-p",
    }[scheme]
    with (
        leading(model(OUT, topic=topic), addresses=address) as leader,
        following(model(IN, topic=topic), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        assert follower.next_update() == (ONE, ONE)
        leader.send(**TWO)
        args, value = follower.next_update()
        assert args == value == TWO
        status = follower.status
        assert (status.phase, status.number, status.gaps, status.resyncs) == (Phase.LIVE, 1, 0, 0)


@pytest.mark.parametrize("original", ["local_variable_full_update", "full_update"])
def test_a_replica_follows_under_the_originals_name_of_its_type(original: str) -> None:
    with (
        leading(model(original)) as leader,
        following(model(original), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        leader.send(**TWO)
        follower.wait_for(TWO)


def test_fields_are_of_their_declared_types_in_a_value_and_in_the_handler() -> None:
    declared = {"fixed": frozenset[int], "free": {int}}
    with (
        leading(model(OUT, required=declared)) as leader,
        following(model(IN, required=declared), towards(leader.addresses)) as follower,
    ):
        leader.send(fixed=frozenset({1}), free={2})
        for seen in (*follower.next_update(), leader.service.states["book"]):
            assert (type(seen["fixed"]), type(seen["free"])) == (frozenset, set)


def test_a_topic_is_not_heard_by_those_of_another() -> None:
    with leading(model(OUT, topic="a")) as leader:
        heard = towards(leader.addresses)
        with (
            following(model(IN, topic="ab"), heard) as other,
            following(model(IN, topic="a"), heard) as same,
            following(model(IN), heard) as every,
        ):
            leader.send(**ONE)
            same.wait_for(ONE)
            every.wait_for(ONE)
            assert other.stats["received"] == 0
            assert other.value == {}


def test_a_replica_that_joins_after_the_last_update_gets_it_at_once() -> None:
    with leading(model(OUT, heartbeat_s=30.0)) as leader:
        leader.send(**ONE)
        leader.send(**TWO)
        begun = monotonic()
        with following(model(IN), towards(leader.addresses)) as follower:
            assert follower.next_update() == (TWO, TWO)
            assert monotonic() - begun < 5.0


def test_each_of_many_replicas_that_join_gets_the_last_value_without_a_heartbeat() -> None:
    with leading(model(OUT, heartbeat_s=30.0)) as leader, ExitStack() as joined:
        leader.send(**ONE)
        followers = [
            joined.enter_context(following(model(IN), towards(leader.addresses))) for _ in range(8)
        ]
        for follower in followers:
            assert follower.next_update().value == ONE


def test_through_a_bus_a_late_replica_gets_the_last_value_with_the_next_heartbeat() -> None:
    with (
        bus() as between,
        leading(model(OUT, is_x_pub=True), addresses=between.xsub) as leader,
        following(model(IN, is_x_sub=True), {"subscriber": between.xpub}) as first,
    ):
        leader.send(**ONE)
        first.wait_for(ONE)
        # the bus forwards the first subscription only: nobody tells of this one
        with following(model(IN, is_x_sub=True), {"subscriber": between.xpub}) as late:
            assert late.next_update() == (ONE, ONE)


def test_nothing_is_heard_before_the_first_value() -> None:
    with (
        leading(model(OUT, heartbeat_s=0.02)) as leader,
        subscribed(leader.addresses["publisher"]) as bare,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        assert not bare.socket.poll(100)
        assert follower.value == {}
        assert follower.status.phase is Phase.SYNCING
        assert (follower.status.number, follower.status.age_s) == (-1, None)


@pytest.mark.slow
def test_heartbeats_repeat_the_value_and_the_handler_is_called_once() -> None:
    with (
        leading(model(OUT, heartbeat_s=0.1)) as leader,
        following(model(IN, stale_after_s=1.2), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        received = follower.stats["received"]
        until(lambda: follower.stats["received"] > received + 12)
        assert follower.updates.empty()
        assert follower.status.phase is Phase.LIVE
        assert follower.wait_for_phase(Phase.LIVE).number == 0
        assert follower.phases.empty()


def test_silence_makes_a_replica_stale_and_a_heartbeat_live_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        leading(model(OUT, heartbeat_s=0.05)) as leader,
        following(model(IN, stale_after_s=0.2), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for_phase(Phase.LIVE)
        with monkeypatch.context() as silenced:
            silenced.setattr(leader.actor.publication, "send_sign_of_life", lambda: None)
            status = follower.wait_for_phase(Phase.STALE)
        assert status.age_s is not None
        assert status.age_s >= 0.2
        assert follower.value == ONE
        follower.wait_for_phase(Phase.LIVE)


def test_many_publishers_send_to_one_replica_that_binds() -> None:
    got: queue.Queue[tuple[int, int]] = queue.Queue()
    statuses: queue.Queue[object] = queue.Queue()
    declared = {"by": int, "n": int}
    bound = {
        **model(IN, declared, is_binder=True),
        "required_creation_arguments": {
            "on_update": lambda args: got.put((args["by"], args["n"])),
            "on_status": statuses.put,
        },
    }
    module = module_of("many", state_models={"in": {"book": bound}})
    addresses = {"states": {"in": {"book": {"subscriber": "127.0.0.1:0"}}}}
    with (
        running(module, addresses=addresses, console_loglevel=None) as service,
        ExitStack() as all_,
    ):
        address = service.addresses["states"]["in"]["book"]["subscriber"]
        leaders = [
            all_.enter_context(leading(model(OUT, declared, is_x_pub=True), addresses=address))
            for _ in range(5)
        ]
        for n in range(3):
            for by, leader in enumerate(leaders):
                leader.send(by=by, n=n)
        # the connection may come later than the first values, never later than the last
        last = dict.fromkeys(range(5), -1)
        while set(last.values()) != {2}:
            by, n = got.get(timeout=10.0)
            assert n > last[by]
            last[by] = n


def test_a_publisher_that_starts_again_is_taken_though_its_numbers_are_low(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/p"
    with ExitStack() as replicas:
        with leading(model(OUT), addresses=address) as leader:
            follower = replicas.enter_context(following(model(IN), towards({"publisher": address})))
            for n in range(5):
                leader.send(title=str(n), bids={})
            follower.wait_for({"title": "4", "bids": {}})
            epoch = follower.status.epoch
        with leading(model(OUT), addresses=address) as leader:
            leader.send(**ONE)
            follower.wait_for(ONE)
            assert follower.status.number == 0
            assert follower.status.epoch != epoch


def test_a_publisher_within_the_process_can_start_again() -> None:
    address = "inproc://full-again"
    with ExitStack() as replicas:
        with leading(model(OUT), addresses=address) as leader:
            leader.send(**ONE)
            follower = replicas.enter_context(
                following(model(IN, stale_after_s=0.2), towards({"publisher": address}))
            )
            follower.wait_for(ONE)
        follower.wait_for_phase(Phase.STALE)
        with leading(model(OUT), addresses=address) as leader:
            leader.send(**TWO)
            follower.wait_for(TWO)


@pytest.mark.parametrize("update", [{"title": "x"}, {**ONE, "more": 1}, {**ONE, "title": None}, {}])
def test_a_value_that_is_not_whole_is_refused_and_nothing_is_sent(
    update: dict[str, object],
) -> None:
    with leading(model(OUT)) as leader:
        leader.send(**ONE)
        with pytest.raises(InvalidArguments):
            leader.to_send("state", "book", update)
        assert leader.stats["sent"] == 1
        with following(model(IN), towards(leader.addresses)) as follower:
            assert follower.next_update().value == ONE


def test_a_replica_that_refuses_a_value_says_so_and_counts_it() -> None:
    with (
        leading(model(OUT, {"n": object})) as leader,
        following(model(IN, {"n": int}), towards(leader.addresses)) as follower,
    ):
        leader.send(n=1)
        follower.wait_for({"n": 1})
        follower.wait_for_phase(Phase.LIVE)
        leader.send(n="poison")
        status = follower.wait_for_phase(Phase.SYNCING)
        assert "expected int" in str(status.error)
        assert follower.value == {"n": 1}
        assert follower.stats["dropped"] == {"invalid": 1}
        leader.send(n=2)
        follower.wait_for({"n": 2})
        assert follower.wait_for_phase(Phase.LIVE).error is None


def test_a_value_above_the_limit_is_refused_and_the_last_one_stays() -> None:
    with leading(model(OUT, max_message_bytes=1000)) as leader:
        leader.send(**ONE)
        with pytest.raises(MessageTooLarge, match="max_message_bytes allows 1000"):
            leader.send(title="x" * 1000, bids={})
        with following(model(IN), towards(leader.addresses)) as follower:
            assert follower.next_update().value == ONE
            assert follower.status.number == 0


def test_nothing_that_was_sent_is_shared_with_the_sender() -> None:
    declared = {"items": list}
    items = [1]
    with leading(model(OUT, declared)) as leader:
        leader.send(items=items)
        items.append(2)
        with following(model(IN, declared), towards(leader.addresses)) as follower:
            assert follower.next_update().value == {"items": [1]}


def test_an_in_state_whose_actor_dies_is_restarted_and_its_value_stays() -> None:
    with (
        leading(model(OUT, heartbeat_s=30.0)) as leader,
        following(model(IN), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        kill(follower.actor)
        until(lambda: follower.stats["restarts"] == 1)
        assert follower.value == ONE
        follower.wait_for(ONE)  # it is greeted like one that joins
        leader.send(**TWO)
        follower.wait_for(TWO)


def test_an_out_state_whose_actor_dies_is_restarted_and_its_value_survives() -> None:
    with leading(model(OUT)) as leader:
        leader.send(**ONE)
        with following(model(IN), towards(leader.addresses)) as follower:
            follower.wait_for(ONE)
            kill(leader.actor)
            until(lambda: leader.stats["restarts"] == 1)
            with following(model(IN), towards(leader.addresses)) as late:
                late.wait_for(ONE)
                leader.send(**TWO)
                late.wait_for(TWO)
                follower.wait_for(TWO)


def test_a_value_is_readable_in_any_language() -> None:
    declared = {"price": Decimal, "tags": {str}}
    with (
        leading(model(OUT, declared, topic="t")) as leader,
        subscribed(leader.addresses["publisher"], b"\xa1t") as bare,
    ):
        leader.send(price=Decimal("1.10"), tags={"x"})
        topic, message = bare.next()
        again = bare.next()[1]
        assert topic == "t"
        assert message["args"] == {"price": "1.10", "tags": ["x"]}
        assert "workflow_id" in message
        assert again == message
