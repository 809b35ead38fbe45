"""Published messages to and from bare sockets that speak MessagePack."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.testing import running
from tests.support.bare_sockets import TOO_DEEP, bare, nested, packed, unpacked
from tests.support.models import (
    ANY_PORT,
    Sender,
    at,
    counters,
    endpoint_of,
    into,
    publisher,
    service,
    subscriber,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bare_sockets import Socket


# a bare SUB and a bare PUB


def test_a_bare_sub_gets_topic_and_message_in_one_frame() -> None:
    sender = Sender()
    prices = service(
        "p", outbound={"prices": publisher({"x": int}, topic="eur")}, init_function=sender
    )
    with (
        running(prices, addresses=at(outbound={"prices": ANY_PORT})) as served,
        bare(zmq.SUB, connect=endpoint_of(served, "prices", "out")) as sub,
    ):
        frame = heard(sub, lambda: sender.connection("prices", {"x": 1}))

        topic = packed("eur")
        assert frame.startswith(topic)
        message = unpacked(frame[len(topic) :])
        assert message["args"] == {"x": 1}
        assert isinstance(message["workflow_id"], str)


@pytest.mark.slow
def test_without_a_topic_the_frame_is_the_message_alone() -> None:
    sender = Sender()
    prices = service("p", outbound={"prices": publisher({"x": int})}, init_function=sender)
    with (
        running(prices, addresses=at(outbound={"prices": ANY_PORT})) as served,
        bare(zmq.SUB, connect=endpoint_of(served, "prices", "out")) as sub,
    ):
        frame = heard(sub, lambda: sender.connection("prices", {"x": 1}))

        assert unpacked(frame)["args"] == {"x": 1}


def heard(sub: Socket, publish: Any) -> bytes:
    """Publish until the subscription is there; return the first frame."""
    sub.rcvtimeo = 20
    return until(lambda: publish() or receive(sub), "a published frame")


def receive(sub: Socket) -> bytes | None:
    try:
        return sub.recv()
    except zmq.Again:
        return None


BAD_MESSAGES = {
    "not MessagePack": (b"\xc1\xff\x00", "undecodable"),
    "nothing": (b"", "undecodable"),
    "a topic alone": (packed("eur"), "undecodable"),
    "a topic cut off": (b"\xd9\xff" + b"eur", "undecodable"),
    "a map without args": (packed("eur") + packed({}), "undecodable"),
    "a wrong type": (packed({"args": {"x": "1"}}), "invalid"),
    "a field twice": (b"\x81\xa4args\x82\xa1x\x01\xa1x\x02", "invalid"),
    "a field nested 1,000 deep": (b"\x81\xa4args\x81\xa1x" + nested(1000), TOO_DEEP),
    "more bytes than allowed": (packed({"args": {"x": 1}, "p": b"x" * 5000}), "too_large"),
}


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_a_bad_message_is_counted_and_the_next_is_handled(name: str, tmp_path: Path) -> None:
    frame, reason = BAD_MESSAGES[name]
    got: queue.Queue[Any] = queue.Queue()
    models = {"prices": subscriber(into(got), {"x": int}, is_binder=True, max_message_bytes=5000)}
    address = f"ipc://{tmp_path}/prices"
    with (
        running(service("s", models), addresses=at({"prices": address})) as served,
        bare(zmq.XPUB, connect=address) as pub,
    ):
        assert pub.recv() == b"\x01"  # the subscription: from here on nothing is lost
        pub.send(frame)
        pub.send(packed("eur") + packed({"args": {"x": 2}, "colour": "red"}))

        assert got.get(timeout=PATIENCE_S) == {"x": 2}
        assert counters(served, "prices")["dropped"] == {reason: 1}
        assert counters(served, "prices")["received"] == 2


def test_a_bare_pub_that_numbers_nothing_is_not_counted_as_missed(tmp_path: Path) -> None:
    got: queue.Queue[Any] = queue.Queue()
    models = {"prices": subscriber(into(got), {"x": int}, is_binder=True)}
    address = f"ipc://{tmp_path}/prices"
    with (
        running(service("s", models), addresses=at({"prices": address})) as served,
        bare(zmq.XPUB, connect=address) as pub,
    ):
        pub.recv()
        for x in range(3):
            pub.send(packed({"args": {"x": x}}))
        assert [got.get(timeout=PATIENCE_S)["x"] for _ in range(3)] == [0, 1, 2]
        assert counters(served, "prices")["missed"] == 0
