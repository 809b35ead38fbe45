"""Monitors: no end of theirs holds up libzmq's thread, and with it all other sockets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import zmq

from sf_actors.errors import BindError
from sf_actors.sockets import monitors, transport
from sf_actors.sockets.contexts import no_descriptor_left
from sf_actors.sockets.endpoint import parse
from sf_actors.sockets.transport import Transport
from tests.support.bare_sockets import bare
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

CREATION = {"high_water_mark": 10, "max_message_bytes": 1000, "topic": None}
ANY = parse("tcp://127.0.0.1:0", where="test")
ROUNDS = 200


@pytest.fixture
def ours() -> Iterator[Transport]:
    opened = Transport()
    has_ended = threading.Event()
    yield opened
    opened.shut(has_ended.set)
    assert has_ended.wait(PATIENCE_S)


def test_a_socket_whose_end_is_not_told_in_time_holds_up_no_other(
    ours: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "UNBIND_MS", 0)
    for _ in range(ROUNDS):
        opened, _ = ours.bound(zmq.ROUTER, ANY, CREATION, where="test")
        ours.unbind(opened)
    require_answers(ours)
    until(lambda: not waiting(), "the end of what waits for events")


def test_no_descriptor_for_the_events_of_a_connection_holds_up_no_other(
    ours: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **_more: object) -> None:
        raise no_descriptor_left("test")

    with bare(zmq.ROUTER, bind="tcp://127.0.0.1:0") as server:
        there = parse(server.last_endpoint.decode(), where="test")
        with monkeypatch.context() as patched:
            patched.setattr(Transport, "events_of", refuse)
            for _ in range(ROUNDS):
                with pytest.raises(BindError, match="no descriptor"):
                    ours.asking(there, CREATION, where="test", server="connections/x")
    require_answers(ours)


def test_events_are_read_from_before_the_first_one_on(ours: Transport) -> None:
    with bare(zmq.ROUTER, bind="tcp://127.0.0.1:0") as server:
        there = parse(server.last_endpoint.decode(), where="test")
        asking, events = ours.asking(there, CREATION, where="test", server="connections/x")
        assert events is not None
        found = []
        for _ in range(2):
            assert events.poll(PATIENCE_S * 1000)
            found.append(int.from_bytes(events.recv_multipart()[0][:2], "little"))
        assert found == [zmq.EVENT_CONNECTED, zmq.EVENT_HANDSHAKE_SUCCEEDED]
        monitors.stop(asking)
        ours.close(events)
        ours.close(asking)


def require_answers(ours: Transport) -> None:
    opened, address = ours.bound(zmq.ROUTER, ANY, CREATION, where="test")
    with bare(zmq.REQ, connect=address) as client:
        client.send(b"hello")
        assert opened.poll(PATIENCE_S * 1000)
        opened.send_multipart(opened.recv_multipart())
        assert client.recv() == b"hello"
    ours.unbind(opened)


def waiting() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "monitor"]
