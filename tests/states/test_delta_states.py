"""Delta update states over real sockets: who follows, from when on, over what."""

from __future__ import annotations

import threading
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from sf_actors.replication.status import Phase
from tests.support.state_pair import bus, following, leading, model, towards
from tests.support.waiting import stalls, until

if TYPE_CHECKING:
    from pathlib import Path

OUT, IN = "delta_update_out", "delta_update_in"
ONE = {"title": "one", "bids": {Decimal("1.50"): Decimal(2)}}

#: How far a publisher may be ahead of who reads: half of what a joining replica keeps.
LEAD = 5_000


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


@pytest.mark.parametrize("original", ["local_variable_delta_update", "delta_update"])
def test_a_replica_follows_under_the_originals_name_of_its_type(original: str) -> None:
    with (
        leading(model(original)) as leader,
        following(model(original), towards(leader.addresses)) as follower,
    ):
        leader.send(**ONE)
        follower.wait_for(ONE)
        leader.send(bids={Decimal("1.50"): None})
        follower.wait_for({"title": "one", "bids": {}})


def test_fields_are_of_their_declared_types_in_a_value_and_in_the_handler() -> None:
    declared = {"fixed": frozenset[int], "free": {int}}
    with (
        leading(model(OUT, required=declared)) as leader,
        following(model(IN, required=declared), towards(leader.addresses)) as follower,
    ):
        follower.wait_for_phase(Phase.LIVE)
        leader.send(fixed=frozenset({1}), free={2})
        for seen in (*follower.next_update(), leader.service.states["book"]):
            assert (type(seen["fixed"]), type(seen["free"])) == (frozenset, set)


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


@pytest.mark.slow
def test_replicas_that_join_while_updates_rush_miss_none_and_double_none() -> None:
    chain = {"n": int, "last": int}
    with leading(model(OUT, chain, high_water_mark=1_000_000)) as leader:
        leader.send(n=0, last=-1)
        ends = threading.Event()
        seen = 0

        def publish() -> None:
            n = 0
            while not ends.is_set():
                # flat out, but not beyond what a replica that joins can keep meanwhile
                if n - seen > LEAD:
                    ends.wait(0.001)
                    continue
                n += 1
                leader.send(n=n, last=n - 1)

        publishing = threading.Thread(target=publish)
        publishing.start()
        try:
            for _ in range(10):
                with following(
                    model(IN, chain, high_water_mark=1_000_000), towards(leader.addresses)
                ) as follower:
                    first = seen = follower.next_update().value["n"]
                    for n in range(first + 1, first + 200):
                        args, value = follower.next_update()
                        assert args == value == {"n": n, "last": n - 1}
                        seen = n
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


@pytest.mark.slow
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
            with stalls() as stalled:
                until(lambda: second.stats["received"] > received + 5)
                is_as_before = second.phases.empty()
            # a machine that lets this process stand still makes it stale
            assert is_as_before or stalled.total_s > 0.2


def test_a_publisher_pauses_after_binding_if_it_is_told_to() -> None:
    begun = monotonic()
    with leading(model(OUT, wait_after_creation_s=0.3)):
        assert monotonic() - begun >= 0.3
