"""What a delta state says to programs in other languages: plain sockets, plain MessagePack."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import msgpack
import pytest
import zmq

from sf_actors.replication.status import Phase
from tests.support.bare_peers import HEARTBEAT, asked, subscribed
from tests.support.state_pair import following, leading, model
from tests.support.waiting import PATIENCE_S, stalls, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.state_pair import Follower

OUT, IN = "delta_update_out", "delta_update_in"


def test_a_delta_is_a_map_of_args_and_workflow_id() -> None:
    with leading(model(OUT)) as leader, subscribed(leader.addresses["publisher"]) as bare:
        bare.until_heard()
        leader.send(title="x", bids={Decimal("1.50"): Decimal(2)})
        leader.send(bids={Decimal("1.50"): None})
        first, second = bare.next_delta(), bare.next_delta()
        assert first["args"] == {
            "current_num": 0,
            "is_snapshot": False,
            "state": {"title": "x", "bids": {"1.50": "2"}},
        }
        assert second["args"] == {
            "current_num": 1,
            "is_snapshot": False,
            "state": {"bids": {"1.50": None}},
        }
        assert isinstance(first["workflow_id"], str)
        assert first["epoch"] == second["epoch"]


def test_with_a_topic_its_text_is_in_front() -> None:
    with (
        leading(model(OUT, topic="books")) as leader,
        subscribed(leader.addresses["publisher"], msgpack.packb("books")) as bare,
    ):
        topic, message = bare.next()
        assert (topic, message["args"]["current_num"]) == ("books", HEARTBEAT)
        leader.send(title="x")
        while message["args"]["current_num"] == HEARTBEAT:
            topic, message = bare.next()
        assert (topic, message["args"]["state"]) == ("books", {"title": "x"})


def test_a_heartbeat_looks_like_a_delta_that_is_long_past() -> None:
    with leading(model(OUT, digest=True)) as leader:
        leader.send(title="x")
        with subscribed(leader.addresses["publisher"]) as bare:
            greeting, beat = bare.next(), bare.next()
            assert greeting == beat
            assert beat["args"] == {"current_num": -2, "is_snapshot": False, "state": {}}
            assert (beat["head"], len(beat["digest"])) == (0, 16)
            assert "workflow_id" in beat


def test_a_snapshot_is_the_reply_to_empty_args() -> None:
    with leading(model(OUT)) as leader:
        reply = asked(leader.addresses["replyer"], {"args": {}})
        assert reply["return_args"] == {"state": {}, "current_num": -1}
        leader.send(title="x", bids={Decimal("1.50"): Decimal(2)})
        reply = asked(leader.addresses["replyer"], {"args": {}, "workflow_id": ["any", 1]})
        assert reply["return_args"] == {
            "state": {"title": "x", "bids": {"1.50": "2"}},
            "current_num": 0,
        }
        assert reply["workflow_id"] == ["any", 1]


def test_what_is_no_snapshot_request_is_answered_with_an_error_and_counted() -> None:
    with leading(model(OUT)) as leader:
        reply = asked(leader.addresses["replyer"], [1, 2])
        assert reply["error"]["type"] == "Undecodable"
        assert "return_args" not in reply
        assert leader.stats["dropped"] == {"undecodable": 1}
        assert "return_args" in asked(leader.addresses["replyer"], {"args": {}})


def test_a_frame_without_delimiter_is_dropped_and_the_next_request_answered() -> None:
    with leading(model(OUT)) as leader:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        dealer = context.socket(zmq.DEALER)
        dealer.connect(f"tcp://{leader.addresses['replyer']}")
        dealer.send(msgpack.packb({"args": {}}))
        dealer.send_multipart([b"", msgpack.packb({"args": {}})])
        assert dealer.poll(PATIENCE_S * 1000)
        assert b"return_args" in dealer.recv_multipart()[1]
        assert not dealer.poll(50)
        dealer.close(0)
        context.term()
        assert sum(leader.stats["dropped"].values()) == 1


class Original:
    """A publisher as the original is one: a PUB and a REP socket, no epochs, no heartbeats."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.publisher = self.context.socket(zmq.XPUB)
        self.replyer = self.context.socket(zmq.REP)
        port = self.publisher.bind_to_random_port("tcp://127.0.0.1")
        reply_port = self.replyer.bind_to_random_port("tcp://127.0.0.1")
        self.addresses = {
            "subscriber": f"127.0.0.1:{port}",
            "requester": f"127.0.0.1:{reply_port}",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.publisher.close(0)
        self.replyer.close(0)
        self.context.term()

    def wait_for_subscriber(self) -> None:
        assert self.publisher.poll(PATIENCE_S * 1000)
        self.publisher.recv()

    def publish(self, number: int, state: Any, *, is_snapshot: bool = False) -> None:
        args = {"current_num": number, "is_snapshot": is_snapshot, "state": state}
        workflow_id = {"__uuid__": True, "as_str": "b4"}
        self.publisher.send(msgpack.packb({"args": args, "workflow_id": workflow_id}))

    def beat(self) -> None:
        """Publish a heartbeat, which the original has none of."""
        args = {"current_num": HEARTBEAT, "is_snapshot": False, "state": {}}
        self.publisher.send(msgpack.packb({"args": args, "epoch": 7, "head": 0}))

    def answer(self, state: Any, number: int = 0) -> Any:
        assert self.replyer.poll(PATIENCE_S * 1000), "nobody asked"
        request = msgpack.unpackb(self.replyer.recv())
        reply = {
            "return_args": {"state": state, "current_num": number},
            "workflow_id": request.get("workflow_id"),
        }
        self.replyer.send(msgpack.packb(reply))
        return request


def test_a_replica_asks_a_plain_publisher_for_its_snapshot_and_follows() -> None:
    declared = {"a": int, "b": int}
    with Original() as peer, following(model(IN, declared), peer.addresses) as follower:
        peer.wait_for_subscriber()
        assert peer.answer({"a": 1})["args"] == {}
        follower.wait_for({"a": 1})
        peer.publish(1, {"b": 2})
        follower.wait_for({"a": 1, "b": 2})
        peer.publish(2, {"b": 3})
        assert follower.next_update() == ({"b": 3}, {"a": 1, "b": 3})


def test_after_a_gap_a_plain_publisher_is_asked_again() -> None:
    declared = {"a": int, "b": int}
    with (
        Original() as peer,
        following(model(IN, declared, stale_after_s=60.0), peer.addresses) as follower,
    ):
        peer.wait_for_subscriber()
        peer.answer({"a": 1})
        follower.wait_for({"a": 1})
        peer.publish(1, {"a": 2})
        follower.wait_for({"a": 2})
        peer.publish(7, {"b": 7})
        peer.answer({"a": 6, "b": 7})
        follower.wait_for({"a": 6, "b": 7})
        assert follower.status.gaps == 1
        assert follower.status.phase is Phase.LIVE


def test_a_plain_publisher_that_starts_again_at_a_low_number_is_asked_for_its_value() -> None:
    declared = {"a": int, "b": int}
    with Original() as peer, following(model(IN, declared), peer.addresses) as follower:
        peer.wait_for_subscriber()
        peer.answer({"a": 1})
        follower.wait_for({"a": 1})
        for number in range(1, 6):
            peer.publish(number, {"a": number})
        follower.wait_for({"a": 5})
        peer.publish(0, {"b": 0})
        peer.publish(1, {"b": 1})
        peer.answer({"b": 1})
        follower.wait_for({"b": 1})
        assert follower.status.resyncs == 1


@pytest.mark.slow
def test_a_snapshot_that_is_lost_is_asked_for_again() -> None:
    with Original() as peer:
        router = peer.context.socket(zmq.ROUTER)
        port = router.bind_to_random_port("tcp://127.0.0.1")
        addresses = {**peer.addresses, "requester": f"127.0.0.1:{port}"}
        with following(model(IN, {"a": int}), addresses) as follower:
            assert router.poll(PATIENCE_S * 1000)
            router.recv_multipart()  # and never answered
            assert router.poll(PATIENCE_S * 1000)
            *address, request = router.recv_multipart()
            reply = {
                "return_args": {"state": {"a": 1}, "current_num": 0},
                "workflow_id": msgpack.unpackb(request)["workflow_id"],
            }
            router.send_multipart([*address, msgpack.packb(reply)])
            follower.wait_for({"a": 1})
        router.close(0)


@pytest.mark.slow
def test_what_cannot_be_read_is_dropped_counted_and_the_replica_goes_on() -> None:
    with Original() as peer, following(model(IN, {"a": int}), peer.addresses) as follower:
        peer.wait_for_subscriber()
        peer.answer({"a": 1})
        follower.wait_for({"a": 1})
        for junk in (b"\xc1", b"\x80", msgpack.packb([1]), b"\x93" * 5000, b"", b"\xd9\xff"):
            peer.publisher.send(junk)
        peer.publish(1, {"a": 2})
        follower.wait_for({"a": 2})
        assert follower.stats["dropped"] == {"undecodable": 6}
        assert follower.stats["restarts"] == 0


@pytest.mark.slow
def test_a_fault_in_an_answer_is_an_error_in_the_status_until_one_can_be_read() -> None:
    with Original() as peer, following(model(IN, {"a": int}), peer.addresses) as follower:
        peer.wait_for_subscriber()
        peer.answer({"a": "text"})
        until(lambda: follower.status.error is not None)
        assert follower.value == {}
        peer.answer({"a": 1})
        follower.wait_for({"a": 1})
        assert follower.status.error is None


@contextmanager
def asked_slowly(
    peer: Original, declared: dict[str, Any]
) -> Iterator[tuple[zmq.Socket[bytes], Follower]]:
    """Give a ROUTER that a replica asks; the replica has heard the peer once."""
    router = peer.context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    addresses = {**peer.addresses, "requester": f"127.0.0.1:{port}"}
    try:
        # it asks when it hears the peer, and only much later if it does not
        replica = model(IN, declared, stale_after_s=60.0, heartbeat_s=1.0)
        with following(replica, addresses) as follower:
            peer.wait_for_subscriber()
            peer.beat()
            yield router, follower
    finally:
        router.close(0)


def next_request(router: zmq.Socket[bytes]) -> tuple[list[bytes], Any]:
    assert router.poll(PATIENCE_S * 1000), "nobody asked"
    *address, request = router.recv_multipart()
    return address, msgpack.unpackb(request)


@pytest.mark.slow
def test_a_publisher_that_answers_later_than_the_deadline_syncs_its_replica() -> None:
    with Original() as peer, asked_slowly(peer, {"a": int}) as (router, follower):
        address, request = next_request(router)
        next_request(router)  # the first is over its deadline by now
        reply = {
            "return_args": {"state": {"a": 1}, "current_num": 0},
            "workflow_id": request["workflow_id"],
            "epoch": 7,
        }
        router.send_multipart([*address, msgpack.packb(reply)])
        follower.wait_for({"a": 1})


def test_a_fill_that_cannot_be_read_is_told_and_asked_for_again_at_once() -> None:
    with Original() as peer, asked_slowly(peer, {"a": int}) as (router, follower):
        address, request = next_request(router)
        reply = {"workflow_id": request["workflow_id"], "epoch": 7, "deltas": [{"a": "delta"}]}
        with stalls() as stalled:
            begun = monotonic()
            router.send_multipart([*address, msgpack.packb(reply)])
            next_request(router)
            took_s = monotonic() - begun
        assert took_s < 0.8 + stalled.total_s  # the deadline is 1 s
        assert "the args of deltas" in str(follower.status.error)
        assert follower.stats["dropped"] == {"undecodable": 1}
