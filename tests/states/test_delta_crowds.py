"""Many replicas of one delta state at once."""

from __future__ import annotations

import queue
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from sf_actors.replication.values.fields import StateFields
from sf_actors.states.out_state import GREETING_PAUSE_S, SubscriptionWaits
from sf_actors.testing import module_of, running
from tests.support.state_pair import leading, model, towards
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

OUT, IN = "delta_update_out", "delta_update_in"
ONE = {"title": "one", "bids": {Decimal("1.50"): Decimal(2)}}


class Hundred:
    """A hundred replicas in one service, and the titles that their handlers are called with."""

    names = tuple(f"book{i}" for i in range(100))

    def __init__(self) -> None:
        self.titles: queue.Queue[Any] = queue.Queue()

    def following(self, addresses: dict[str, str]) -> Any:
        def on_update(args: Any) -> None:
            if "title" in args:
                self.titles.put(args["title"])

        module = module_of(
            "a hundred",
            state_models={"in": {name: model(IN, on_update=on_update) for name in self.names}},
        )
        states = {"states": {"in": dict.fromkeys(self.names, towards(addresses))}}
        return running(module, addresses=states, console_loglevel=None)

    def wait_for_all(self, title: str) -> None:
        """Wait until each of them has been called with a title."""
        count = 0
        while count < len(self.names):
            count += self.titles.get(timeout=PATIENCE_S) == title


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[Any, ...]]:
    """How often each value was encoded, by what its title and bids are."""
    counts: Counter[tuple[Any, ...]] = Counter()
    packing_of = StateFields.packing

    def counted(fields: StateFields, value: Any) -> Any:
        counts[value.get("title"), len(value.get("bids", ()))] += 1
        return packing_of(fields, value)

    monkeypatch.setattr(StateFields, "packing", counted)
    return counts


@pytest.mark.slow
def test_a_hundred_replicas_come_back_together_when_the_publisher_starts_again(
    tmp_path: Path,
) -> None:
    addresses = {"publisher": f"ipc://{tmp_path}/p", "replyer": f"ipc://{tmp_path}/r"}
    hundred = Hundred()
    with ExitStack() as replicas:
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="old", bids={})
            service = replicas.enter_context(hundred.following(addresses))
            hundred.wait_for_all("old")
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="new", bids={})
            for n in range(200):  # deltas go on meanwhile
                leader.send(bids={Decimal(n): Decimal(n)})
            leader.send(title="last")
            hundred.wait_for_all("last")
            asked = leader.stats["received"]
            statuses = [state["status"] for state in service.stats()["states"]["in"].values()]
        assert {status["resyncs"] for status in statuses} == {1}
        assert 100 <= asked <= 200


@pytest.mark.slow
def test_a_hundred_replicas_of_a_quiet_publisher_that_starts_again_take_one_encoding(
    tmp_path: Path, encoded: Counter[tuple[Any, ...]]
) -> None:
    addresses = {"publisher": f"ipc://{tmp_path}/p", "replyer": f"ipc://{tmp_path}/r"}
    hundred = Hundred()
    with ExitStack() as replicas:
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="old", bids={})
            replicas.enter_context(hundred.following(addresses))
            hundred.wait_for_all("old")
        encoded.clear()
        with leading(model(OUT), addresses=addresses) as leader:
            leader.send(title="new", bids={})
            hundred.wait_for_all("new")
            asked = leader.stats["received"]
        assert encoded["new", 0] == 1
        # some may have asked before the first update, and waited no longer than for it
        assert set(encoded) <= {("new", 0), (None, 0)}
        assert 100 <= asked <= 200


def test_a_hundred_replicas_are_served_with_few_encodings_while_updates_go_on() -> None:
    with leading(model(OUT)) as leader:
        leader.send(**ONE)
        fields = leader.actor.publication.fields
        encodings = 0
        packing_of = fields.packing

        def counted(value: Any) -> Any:
            nonlocal encodings
            encodings += 1
            leader.send(title=str(encodings))  # deltas go on: each encoding is old at once
            return packing_of(value)

        fields.packing = counted
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        asking = [context.socket(zmq.DEALER) for _ in range(100)]
        for dealer in asking:
            dealer.connect(f"tcp://{leader.addresses['replyer']}")
            dealer.send_multipart([b"", msgpack.packb({"args": {}})])
        replies = []
        for dealer in asking:
            assert dealer.poll(PATIENCE_S * 1000)
            replies.append(msgpack.unpackb(dealer.recv_multipart()[1]))
            dealer.close(0)
        context.term()
        assert len(replies) == 100
        assert encodings < 50


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
            return bool(publication.out.socket.getsockopt(zmq.EVENTS) & zmq.POLLIN)

        with publication.out.lock:
            subscriber.connect(f"tcp://{leader.addresses['publisher']}")
            until(is_any_unread)
        leader.actor.tell(SubscriptionWaits())  # to look has eaten the signal

        def is_all_read() -> bool:
            with publication.out.lock:
                return not is_any_unread()

        until(is_all_read)
        subscriber.close(0)
        context.term()
