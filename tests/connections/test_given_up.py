"""A connection that libzmq has given up is made again: its peer broke the protocol for a while."""

from __future__ import annotations

import queue
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.sockets import named_peers
from sf_actors.testing import module_of, running
from tests.support.bare_sockets import bare, packed
from tests.support.models import at, into, publisher, service, subscriber
from tests.support.ports import held_port
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

N = {"n": int}

#: What other programs say when they are not asked for it in ZMTP 3.
STRANGERS = {
    "a web server": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "ZMTP 1.0": b"\x01\x00",
    "another mechanism": b"\xff" + bytes(8) + b"\x7f\x03\x01PLAIN" + bytes(47),
}


class Stranger:
    """A program that has the port, says its sentence to all that connect, and ends them."""

    def __init__(self, port: int, sentence: bytes) -> None:
        self._sentence = sentence
        self._met = threading.Condition()
        self.count = 0
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def meet(self, count: int) -> None:
        """Wait until so many have connected."""
        with self._met:
            assert self._met.wait_for(lambda: self.count >= count, PATIENCE_S)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                peer.sendall(self._sentence)
                # until it leaves, as it does at the first byte that is no ZMTP 3
                peer.settimeout(PATIENCE_S)
                try:
                    while peer.recv(1000):
                        pass
                except OSError:
                    pass
            with self._met:
                self.count += 1
                self._met.notify()


@contextmanager
def strange(port: int, sentence: bytes) -> Iterator[Stranger]:
    stranger = Stranger(port, sentence)
    try:
        yield stranger
    finally:
        stranger.close()


def publish_until_heard(port: int, heard: queue.Queue[Any]) -> None:
    """Publish on the port until a message has come."""
    with bare(zmq.PUB, bind=f"tcp://127.0.0.1:{port}") as news:

        def has_heard() -> bool:
            news.send(packed({"args": {"n": 1}, "workflow_id": "w"}))
            return not heard.empty()

        until(has_heard, "a message after the stranger had left")


@pytest.mark.parametrize("sentence", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_subscriber_hears_its_publisher_after_a_stranger_had_the_port(
    host: str, sentence: bytes
) -> None:
    heard: queue.Queue[Any] = queue.Queue()
    listener = service("it", {"news": subscriber(into(heard), N)})
    with held_port() as port:
        given = at({"news": f"{host}:{port}"})
        with running(listener, addresses=given, console_loglevel=None):
            with strange(port, sentence) as stranger:
                # one is the probe of whether a publisher is there
                stranger.meet(2)
            publish_until_heard(port, heard)


def test_one_that_stays_is_met_no_faster_than_libzmq_would_and_told_of(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with held_port() as port, strange(port, STRANGERS["ssh"]) as stranger:
        listener = service("it", {"news": subscriber(lambda args: None, N)})
        given = at({"news": f"127.0.0.1:{port}"})
        with running(listener, addresses=given, console_loglevel="WARNING"):
            began = named_peers.monotonic()
            stranger.meet(4)
            assert named_peers.monotonic() - began > named_peers.GIVEN_UP_S
    lines = [line for line in capfd.readouterr().err.splitlines() if "given up" in line]
    assert lines
    assert "no ZeroMQ peer" in lines[0]


def test_a_message_far_too_large_costs_a_subscriber_no_later_one(
    capfd: pytest.CaptureFixture[str],
) -> None:
    heard: queue.Queue[Any] = queue.Queue()
    listener = service("it", {"news": subscriber(into(heard), N, max_message_bytes=1000)})
    with bare(zmq.XPUB, bind="tcp://127.0.0.1:0") as news:
        there = news.last_endpoint.decode()
        with running(listener, addresses=at({"news": there}), console_loglevel="WARNING"):
            news.recv()
            news.send(bytes(10_000))
            # it has left, and subscribes again
            assert [news.recv()[:1] for _ in range(2)] == [b"\x00", b"\x01"]
            news.send(packed({"args": {"n": 2}, "workflow_id": "w"}))
            assert heard.get(timeout=PATIENCE_S) == {"n": 2}
    assert "max_message_bytes" in capfd.readouterr().err


def test_a_replica_follows_again_after_an_update_far_too_large_for_it() -> None:
    model = {"state_type": "full_update", "required_arguments": {"text": str}}
    large = {**model, "required_creation_arguments": {"heartbeat_s": 0.2}}
    small = {**model, "required_creation_arguments": {"max_message_bytes": 1000}}
    owner = module_of(state_models={"out": {"book": large}})
    given: dict[str, Any] = {"states": {"out": {"book": "127.0.0.1:0"}}}
    with running(owner, addresses=given, console_loglevel=None) as publishing:
        there = {"states": {"in": publishing.addresses["states"]["out"]}}
        follower = module_of(state_models={"in": {"book": small}})
        with running(follower, addresses=there, console_loglevel=None) as following:
            publishing.to_send("book", {"text": "first"})
            assert following.states.wait("book", timeout_s=PATIENCE_S)
            publishing.to_send("book", {"text": "x" * 10_000})
            publishing.to_send("book", {"text": "last"})
            until(lambda: following.states["book"] == {"text": "last"}, "the last value")


def test_a_publisher_reaches_its_bus_after_a_stranger_had_the_port() -> None:
    sender = service("it", None, {"news": publisher(N, is_x_pub=True)})
    with held_port() as port:
        given = at(None, {"news": f"127.0.0.1:{port}"})
        with running(sender, addresses=given, console_loglevel=None) as sending:
            with strange(port, STRANGERS["ssh"]) as stranger:
                stranger.meet(1)
            with bare(zmq.SUB, bind=f"tcp://127.0.0.1:{port}") as bus:

                def has_reached() -> bool:
                    sending.to_send("news", {"n": 1})
                    return bool(bus.poll(0))

                until(has_reached, "a message after the stranger had left")
