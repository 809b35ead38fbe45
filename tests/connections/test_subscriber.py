"""The subscriber: what is published reaches the handler, in order, and what did not is counted."""

from __future__ import annotations

import json
import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.actors.subscription_reader import LONG
from sf_actors.connections.subscriber import Subscriber
from sf_actors.testing import running
from sf_actors.user_code.call import OneOffCall
from tests.support.actor_faults import kill
from tests.support.bare_sockets import bare, packed
from tests.support.models import (
    Sender,
    at,
    counters,
    endpoint_of,
    publisher,
    replyer,
    service,
    subscriber,
)
from tests.support.numbered_news import N, drained, join, numbered, publishing, subscribing
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(params=["ipc", "inproc", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path, new_address: Callable[[], str]) -> str:
    if request.param == "ipc":
        return f"ipc://{tmp_path}/it"
    return "inproc://it" if request.param == "inproc" else new_address()


class Burst:
    """Messages that are all sent before the handler is done with the first."""

    def __init__(self) -> None:
        self.all_sent, self.done = threading.Event(), threading.Event()

    def send(self, handler: Any, fields: Any, tmp_path: Path, *frames: bytes, **run: Any) -> None:
        """Send to a subscriber of its own, whose handler waits for the one and sets the other."""
        address = f"ipc://{tmp_path}/it"
        module = service("subscribed", {"it": subscriber(handler, fields, is_binder=True)})
        with (
            running(module, addresses=at({"it": address}), **run),
            bare(zmq.XPUB, connect=address) as pub,
        ):
            pub.recv()
            for frame in frames:
                pub.send(frame)
            self.all_sent.set()
            assert self.done.wait(PATIENCE_S)


@pytest.mark.slow
@pytest.mark.parametrize("wait_s", [-1.0, 10.0])
def test_what_comes_behind_a_message_is_read_whether_or_not_it_was_expected(
    wait_s: float, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inbox takes every message for a lonely one, or none."""
    monkeypatch.setattr("sf_actors.actors.inbox._LEAST_WAIT_S", wait_s)
    got: queue.Queue[Any] = queue.Queue()
    with publishing(address) as sender, subscribing(address, got):
        join(sender, got)
        for n in range(300):
            sender.connection("it", {"n": n})
        assert [got.get(timeout=PATIENCE_S)["n"] for _ in range(300)] == list(range(300))


def test_messages_arrive_in_order(address: str) -> None:
    got: queue.Queue[Any] = queue.Queue()
    with publishing(address) as sender, subscribing(address, got) as served:
        join(sender, got)
        for n in range(500):
            sender.connection("it", {"n": n})

        assert [got.get(timeout=PATIENCE_S)["n"] for _ in range(500)] == list(range(500))
        numbers = counters(served, "it")
        assert numbers["missed"] == 0
        assert numbers["dropped"] == {}
        until(lambda: counters(served, "it")["handled"] == numbers["received"], "the last count")
        assert counters(served, "it")["queued"] == 0


def test_a_subscriber_may_come_first(address: str) -> None:
    got: queue.Queue[Any] = queue.Queue()
    with subscribing(address, got), publishing(address) as sender:
        join(sender, got)


def test_only_its_topic_arrives(address: str) -> None:
    """A topic is not a prefix: neither 'eu' nor 'euro' is 'eur'."""
    got: queue.Queue[Any] = queue.Queue()
    with subscribing(address, got, topic="eur", is_binder=True) as served:
        topics = ["eu", "eur", "euro", None, "x" * 40]
        senders = []
        for number, topic in enumerate(topics):
            sender = Sender()
            senders.append(sender)
            module = service(
                f"p{number}",
                outbound={"it": publisher(N, topic=topic, is_x_pub=True)},
                init_function=sender.__call__,
            )
            sender.running = running(module, addresses=at(outbound={"it": address}))
            sender.running.__enter__()
        try:
            join(senders[1], got)
            for number in (0, 2, 3, 4, 1):
                for _ in range(20):
                    senders[number].connection("it", {"n": number})
            came = {got.get(timeout=PATIENCE_S)["n"] for _ in range(20)}
            assert came == {1}
            assert got.empty()
            assert counters(served, "it")["dropped"] == {}
        finally:
            for sender in senders:
                sender.running.__exit__(None, None, None)


def test_without_a_topic_everything_arrives_whatever_its_topic(address: str) -> None:
    got: queue.Queue[Any] = queue.Queue()
    topic = "a long topic, longer than 31 bytes"
    with publishing(address, topic=topic) as sender, subscribing(address, got):
        join(sender, got)


def test_many_publishers_reach_one_binder_each_in_its_order(address: str) -> None:
    got: queue.Queue[Any] = queue.Queue()
    count, each = 5, 100
    with subscribing(address, got, is_binder=True) as served:
        senders = []
        opened = []
        try:
            for number in range(count):
                context = publishing(address, f"p{number}", is_x_pub=True)
                senders.append(context.__enter__())
                opened.append(context)
            for sender in senders:
                join(sender, got)
            until(lambda: drained(got), "quiet")

            def publish(number: int) -> None:
                for n in range(each):
                    senders[number].connection("it", {"n": number * each + n})

            threads = [threading.Thread(target=publish, args=(n,)) for n in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE_S)
            came = [got.get(timeout=PATIENCE_S)["n"] for _ in range(count * each)]
        finally:
            for context in opened:
                context.__exit__(None, None, None)

        for number in range(count):
            mine = [n for n in came if n // each == number]
            assert mine == list(range(number * each, (number + 1) * each))
        assert counters(served, "it")["missed"] == 0


@contextmanager
def bus(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Run an XSUB/XPUB proxy in a thread; give the addresses of both sides."""
    context = zmq.Context()
    publishers, subscribers = f"ipc://{tmp_path}/xsub", f"ipc://{tmp_path}/xpub"
    stop = context.socket(zmq.PAIR)
    stop.bind("inproc://stop")
    is_open = threading.Event()

    def run() -> None:
        front, back = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
        control = context.socket(zmq.PAIR)
        front.bind(publishers)
        back.bind(subscribers)
        control.connect("inproc://stop")
        is_open.set()
        zmq.proxy_steerable(front, back, None, control)
        for socket in (front, back, control):
            socket.close(linger=0)

    thread = threading.Thread(target=run)
    thread.start()
    assert is_open.wait(PATIENCE_S)
    try:
        yield publishers, subscribers
    finally:
        stop.send(b"TERMINATE")
        thread.join(PATIENCE_S)
        stop.close(linger=0)
        context.term()


def test_messages_pass_a_bus(tmp_path: Path) -> None:
    got: queue.Queue[Any] = queue.Queue()
    with (
        bus(tmp_path) as (publishers, subscribers),
        publishing(publishers, is_x_pub=True, topic="eur") as sender,
        publishing(publishers, "other", is_x_pub=True, topic="usd") as other,
        subscribing(subscribers, got, is_x_sub=True, topic="eur") as served,
    ):
        join(sender, got)
        other.connection("it", {"n": 1000})
        for n in range(50):
            sender.connection("it", {"n": n})

        assert [got.get(timeout=PATIENCE_S)["n"] for _ in range(50)] == list(range(50))
        assert counters(served, "it")["missed"] == 0


def test_a_handler_that_raises_is_counted_logged_and_the_next_is_handled(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    address = f"ipc://{tmp_path}/it"
    got: queue.Queue[Any] = queue.Queue()

    def handler(args: dict[str, Any]) -> None:
        if args["n"] == 0:
            raise ValueError("no zero here")
        got.put(args["n"])

    models = {"it": subscriber(handler, N, is_binder=True)}
    with (
        running(service("in", models), addresses=at({"it": address})) as served,
        bare(zmq.XPUB, connect=address) as pub,
    ):
        pub.recv()
        for n in range(2):
            pub.send(numbered(n, 1, n))

        assert got.get(timeout=PATIENCE_S) == 1
        numbers = counters(served, "it")
        assert (numbers["failed"], numbers["last_error"]) == (1, "ValueError: no zero here")
    logged = capfd.readouterr().err
    assert "no zero here" in logged
    assert "in handler" in logged


def test_a_subscriber_that_died_reads_on(tmp_path: Path) -> None:
    got: queue.Queue[Any] = queue.Queue()
    address = f"ipc://{tmp_path}/it"
    with publishing(address) as sender, subscribing(address, got) as served:
        join(sender, got)
        kill(served)
        until(lambda: counters(served, "it")["restarts"] == 1, "the restart")
        join(sender, got)
        assert served.failure is None


def test_a_workflow_id_travels_with_the_message(tmp_path: Path) -> None:
    from sf_actors.log import WORKFLOW_ID

    ids: queue.Queue[Any] = queue.Queue()
    address = f"ipc://{tmp_path}/it"
    models = {"it": subscriber(lambda args: ids.put(WORKFLOW_ID.get()), N, is_binder=True)}
    with (
        running(service("in", models), addresses=at({"it": address})),
        bare(zmq.XPUB, connect=address) as pub,
    ):
        pub.recv()
        pub.send(packed({"args": {"n": 1}, "workflow_id": ["any", 1]}))
        pub.send(packed({"args": {"n": 1}}))

        assert repr(ids.get(timeout=PATIENCE_S)) == "['any', 1]"
        assert isinstance(ids.get(timeout=PATIENCE_S), str)


def test_the_bound_address_of_a_binder_is_shown() -> None:
    got: queue.Queue[Any] = queue.Queue()
    with subscribing("127.0.0.1:0", got, is_binder=True) as served:
        assert not endpoint_of(served, "it").endswith(":0")


def test_a_call_that_waits_for_the_turn_comes_before_the_rest_of_a_burst(tmp_path: Path) -> None:
    news, asked = f"ipc://{tmp_path}/news", f"ipc://{tmp_path}/asked"
    order: list[object] = []
    entered, done = threading.Event(), threading.Event()

    def on_news(args: dict[str, Any]) -> None:
        if args["n"] == 0:
            entered.set()
            until(lambda: served.stats()["router"]["queued"], "a request that waits")
        order.append(args["n"])
        if args["n"] == 20:
            done.set()

    def on_request() -> dict[str, Any]:
        order.append("request")
        return {}

    inbound = {"news": subscriber(on_news, N, is_binder=True), "asked": replyer(on_request)}
    module = service("busy", inbound)
    with (
        running(module, addresses=at({"news": news, "asked": asked})) as served,
        bare(zmq.XPUB, connect=news) as pub,
        bare(zmq.REQ, connect=asked) as req,
    ):
        pub.recv()
        for n in range(21):
            pub.send(numbered(n, 1, n))
        assert entered.wait(PATIENCE_S)
        req.send(packed({"args": {}, "workflow_id": "r"}))
        req.recv()
        assert done.wait(PATIENCE_S)
    assert order == [0, "request", *range(1, 21)]


def test_a_call_that_queues_between_two_messages_of_a_burst_comes_before_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[object] = []
    burst = Burst()

    def on_news(args: dict[str, Any]) -> None:
        if args["n"] == 0:
            assert burst.all_sent.wait(PATIENCE_S)
        order.append(args["n"])
        if args["n"] == 1:
            burst.done.set()

    take = Subscriber.take

    def queue_and_take(reader: Subscriber, message: bytes) -> None:
        if order == [0]:
            reader.run_context.router.enqueue(
                OneOffCall(lambda *_: order.append("queued"), label="it")
            )
        take(reader, message)

    monkeypatch.setattr(Subscriber, "take", queue_and_take)
    burst.send(on_news, N, tmp_path, *(numbered(n, 1, n) for n in range(2)))
    assert order == [0, "queued", 1]


def test_others_may_have_the_turn_while_a_long_message_of_a_burst_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_taken: list[bool] = []
    burst = Burst()

    def on_news(args: dict[str, Any]) -> None:
        assert burst.all_sent.wait(PATIENCE_S)
        if args["text"]:
            burst.done.set()

    take = Subscriber.take

    def note_and_take(reader: Subscriber, message: bytes) -> None:
        is_taken.append(reader.run_context.handler_lock._lock.locked())
        take(reader, message)

    monkeypatch.setattr(Subscriber, "take", note_and_take)
    frames = [packed({"args": {"text": text}, "workflow_id": "w"}) for text in ("", "x" * LONG)]
    burst.send(on_news, {"text": str}, tmp_path, *frames)
    assert is_taken == [False, False]


def test_what_is_refused_within_a_burst_is_not_told_under_the_workflow_before_it(
    tmp_path: Path,
) -> None:
    log = tmp_path / "svc.log"
    burst = Burst()

    def on_news(args: dict[str, Any]) -> None:
        if args["n"] == 0:
            assert burst.all_sent.wait(PATIENCE_S)
        else:
            burst.done.set()

    frames = (numbered(0, 1, 0), b"\xc1", numbered(1, 1, 1))
    burst.send(on_news, N, tmp_path, *frames, log_path=str(log))
    (line,) = (line for line in map(json.loads, log.read_text().splitlines()) if "reason" in line)
    assert line["reason"] == "undecodable"
    assert "workflow_id" not in line
