"""Subscriptions from outside: those who ask for too much are refused, nobody else notices."""

from __future__ import annotations

import os
import queue
import random
import select
import socket as sockets
import struct
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from msgspec.structs import replace

from sf_actors.sockets import publishing_socket
from sf_actors.sockets.subscriptions import _disconnect
from sf_actors.sockets.topic_limits import OF_STRANGERS
from sf_actors.testing import running
from sf_actors.wire.topic import pack
from tests.support.models import (
    Sender,
    at,
    counters,
    endpoint_of,
    into,
    publisher,
    service,
    subscriber,
)
from tests.support.services import Background
from tests.support.state_pair import leading, model
from tests.support.waiting import PATIENCE_S
from tests.support.waiting import until as wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.bare_sockets import Socket

pytestmark = pytest.mark.slow

TOPIC = "prices"
SEED = random.SystemRandom().randrange(2**32)

PEER_BYTES, ALL_BYTES = OF_STRANGERS.peer_bytes, OF_STRANGERS.all_bytes

#: More than libzmq takes in between two looks.
FLOOD = 20_000


class Publishing:
    """Something that publishes, whatever its kind."""

    def __init__(
        self,
        endpoint: str,
        publish: Callable[[], None],
        numbers: Callable[[], dict[str, Any]],
        held: Callable[[], int],
    ) -> None:
        self.endpoint = endpoint
        self.publish = publish
        self.numbers = numbers
        #: how many bytes of topics are held at the moment
        self.held = held

    @property
    def refused(self) -> int:
        return int(self.numbers()["dropped"].get("too_many_topics", 0))


@contextmanager
def a_publisher(address: str, **creation: Any) -> Iterator[Publishing]:
    sender = Sender()
    out = {"it": publisher({"n": int}, **creation)}
    module = service(outbound=out, init_function=sender.__call__)
    with running(module, addresses=at(outbound={"it": address})) as served:
        yield Publishing(
            endpoint_of(served, "it", "out"),
            lambda: sender.connection("it", {"n": 1}),
            lambda: counters(served, "it", "out"),
            lambda: (
                served._run.state.assembly.outbounds["connection", "it"].out.subscriptions._bytes
            ),  # type: ignore[union-attr]
        )


@contextmanager
def a_state(kind: str, **creation: Any) -> Iterator[Publishing]:
    with leading(model(kind, {"n": int}, **creation)) as leader:

        def publish() -> None:
            leader.send(n=1)

        yield Publishing(
            f"tcp://{leader.addresses['publisher']}",
            publish,
            lambda: leader.stats,
            lambda: leader.actor.publication.out.subscriptions._bytes,
        )


@pytest.fixture(params=["publisher", "publisher over ipc", "delta_update_out", "full_update_out"])
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Publishing]:
    if request.param == "publisher":
        made: Any = a_publisher("127.0.0.1:0", topic=TOPIC)
    elif request.param == "publisher over ipc":
        made = a_publisher(f"ipc://{tmp_path}/it", topic=TOPIC)
    else:
        made = a_state(request.param, topic=TOPIC)
    with made as published:
        yield published


def resident_mb() -> float:
    with Path("/proc/self/status").open(encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


RANDOM = random.Random(SEED)


def random_topics(count: int, size: int) -> list[bytes]:
    return [b"\xff" + RANDOM.randbytes(size) for _ in range(count)]


class Flooder:
    """A connection that speaks just enough ZMTP 3.0 to subscribe, and remembers nothing."""

    def __init__(self, endpoint: str) -> None:
        scheme, _, rest = endpoint.partition("://")
        if scheme == "tcp":
            host, _, port = rest.rpartition(":")
            self._wire = sockets.create_connection((host, int(port)))
        else:
            self._wire = sockets.socket(sockets.AF_UNIX)
            self._wire.connect(rest)
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 3) + b"SUB"
        self._wire.settimeout(PATIENCE_S)
        self._wire.sendall(greeting + b"\x04" + bytes([len(ready)]) + ready)
        answer = b""
        while b"READY" not in answer:
            answer += self._wire.recv(65_536)

    def subscribe(self, topics: list[bytes], patience_s: float = PATIENCE_S) -> int:
        """Ask for topics until the other end takes no more; return for how many bytes."""
        sent = 0
        self._wire.settimeout(patience_s)
        try:
            for topic in topics:
                frame = b"\x01" + topic
                self._wire.sendall(b"\x02" + struct.pack(">Q", len(frame)) + frame)
                sent += len(frame)
        except OSError:
            return sent
        return sent

    def is_cut_off(self) -> bool:
        """Whether the other end has closed the connection."""
        try:
            while select.select([self._wire], [], [], 0)[0]:
                if not self._wire.recv(65_536):
                    return True
        except ConnectionError:
            return True
        return False

    def shut(self) -> None:
        """End the connection."""
        with suppress(OSError):
            self._wire.shutdown(sockets.SHUT_RDWR)

    def close(self) -> None:
        self._wire.close()


@contextmanager
def flooding(endpoint: str, topics: list[bytes]) -> Iterator[Flooder]:
    """Ask for topics from a thread of its own."""
    flooder = Flooder(endpoint)
    sending = Background(flooder.subscribe, topics)
    try:
        yield flooder
    finally:
        flooder.shut()
        assert sending.join() is None
        flooder.close()


def arrives(published: Publishing, sub: Socket) -> bool:
    """Whether a message gets through, published again and again."""
    sub.rcvtimeo = 20

    def came() -> bool:
        published.publish()
        try:
            return bool(sub.recv())
        except zmq.Again:
            return False

    return bool(wait_for(came, "a message"))


@contextmanager
def bus_of(endpoint: str) -> Iterator[Socket]:
    """Give an XSUB socket, with which a bus subscribes; it may ask for as much as it likes."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    bus = context.socket(zmq.XSUB)
    bus.linger, bus.sndhwm = 0, 0
    bus.connect(endpoint)
    try:
        yield bus
    finally:
        bus.close()
        context.term()


@contextmanager
def subscriber_of(endpoint: str, topic: bytes) -> Iterator[Socket]:
    with bus_of(endpoint) as bus:
        bus.send(b"\x01" + topic)
        yield bus


def test_a_flood_of_subscriptions_costs_its_sender_the_connection_and_hardly_any_memory(
    published: Publishing,
) -> None:
    topics = random_topics(FLOOD, 50)
    with subscriber_of(published.endpoint, pack(TOPIC)) as sub:
        assert arrives(published, sub)
        before_mb = resident_mb()
        with flooding(published.endpoint, topics) as flooder:
            wait_for(lambda: published.publish() or published.refused, f"a refusal; seed {SEED}")
            wait_for(flooder.is_cut_off, f"the end of the connection; seed {SEED}")
        # for this 1 MB of topics libzmq takes 60 MB; how many it takes before it lets us look is
        # a race between its threads
        assert resident_mb() - before_mb < 30
        assert arrives(published, sub)


def test_who_comes_again_and_again_makes_nothing_grow(tmp_path: Path) -> None:
    topics = random_topics(2 * PEER_BYTES // 50, 50)
    with a_publisher(f"ipc://{tmp_path}/it", topic=TOPIC) as published:
        grown: list[float] = []
        for _ in range(15):
            with flooding(published.endpoint, topics) as flooder:
                wait_for(lambda: published.publish() or flooder.is_cut_off(), "the end")
            grown.append(resident_mb())
        assert published.refused >= 15
        assert grown[-1] - grown[4] < 10, grown


def test_who_subscribes_as_one_does_is_never_disconnected(published: Publishing) -> None:
    topics = [pack(f"topic {number}") for number in range(200)]
    with bus_of(published.endpoint) as bus:
        for topic in [*topics, pack(TOPIC)]:
            bus.send(b"\x01" + topic)
        assert arrives(published, bus)
    assert published.refused == 0


def test_our_own_topic_is_welcome_though_all_room_is_taken(
    published: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    none_left = replace(OF_STRANGERS, all_bytes=0)
    monkeypatch.setattr(publishing_socket, "topic_limits", lambda **_: none_left)
    with (
        subscriber_of(published.endpoint, pack(TOPIC)) as exact,
        subscriber_of(published.endpoint, b"") as everything,
        subscriber_of(published.endpoint, pack(TOPIC)[:3]) as prefix,
    ):
        for sub in (exact, everything, prefix):
            assert arrives(published, sub)
    assert published.refused == 0


def test_the_topics_of_a_peer_that_left_count_no_more(published: Publishing) -> None:
    """As many as fit, eight times in a row: more than all peers together may ask for."""
    count = PEER_BYTES // 61 - 1
    assert 8 * count * 61 > ALL_BYTES
    for _ in range(8):
        with flooding(published.endpoint, random_topics(count, 44)) as flooder:
            wait_for(lambda: published.publish() or published.held() == count * 61, "the topics")
            assert not flooder.is_cut_off()
        wait_for(lambda: published.publish() or not published.held(), "the end")
    assert published.refused == 0


def test_cancelling_makes_room(published: Publishing) -> None:
    count = PEER_BYTES // 61 - 1
    with bus_of(published.endpoint) as bus:
        bus.send(b"\x01" + pack(TOPIC))
        for _ in range(3):
            topics = random_topics(count, 44)
            for topic in topics:
                bus.send(b"\x01" + topic)
            for topic in topics:
                bus.send(b"\x00" + topic)
            assert arrives(published, bus)
    wait_for(lambda: published.publish() or not published.held(), "the cancellations")
    assert published.refused == 0


def test_many_peers_together_are_bounded_too(published: Publishing) -> None:
    count = PEER_BYTES // 61 - 1
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(flooding(published.endpoint, random_topics(count, 44)))
        wait_for(lambda: published.publish() or published.refused, "a refusal")
        for _ in range(100):
            published.publish()
            assert published.held() <= ALL_BYTES


def test_a_subscription_of_enormous_size_is_not_even_read(published: Publishing) -> None:
    with (
        subscriber_of(published.endpoint, pack(TOPIC)) as sub,
        flooding(published.endpoint, [b"\xff" * (OF_STRANGERS.frame_bytes + 100)]) as flooder,
    ):
        wait_for(flooder.is_cut_off, "the end of the connection")
        assert arrives(published, sub)


def test_a_topic_of_ours_may_be_longer_than_that(tmp_path: Path) -> None:
    topic = "x" * (2 * OF_STRANGERS.frame_bytes)
    with (
        a_publisher(f"ipc://{tmp_path}/it", topic=topic) as published,
        subscriber_of(published.endpoint, pack(topic)) as sub,
    ):
        assert arrives(published, sub)


def test_subscriptions_within_the_process_are_taken() -> None:
    got: queue.Queue[Any] = queue.Queue()
    address = at({"it": "inproc://it"})
    ours, another = (
        service("in", {"it": subscriber(into(got), {"n": int}, topic=topic)})
        for topic in (TOPIC, "another")
    )
    with (
        a_publisher("inproc://it", topic=TOPIC) as published,
        running(another, addresses=address),
        running(ours, addresses=address),
    ):
        wait_for(lambda: published.publish() or not got.empty(), "a message")


def test_what_is_no_subscription_is_left_alone(published: Publishing) -> None:
    with bus_of(published.endpoint) as bus:
        for frames in ([b""], [b"\x02" * 100], [b"x", b"y", b"z"], [b"\x00never asked for"]):
            bus.send_multipart(frames)
        bus.send(b"\x01" + pack(TOPIC))
        assert arrives(published, bus)
    assert published.refused == 0


def connection(number: int) -> tuple[int, int]:
    return number, os.fstat(number).st_ino


def test_a_descriptor_that_is_of_something_else_by_now_is_left_alone() -> None:
    near, far = sockets.socketpair()
    with near, far, Path(os.devnull).open("rb") as file:
        of_file = connection(file.fileno())
        assert not _disconnect(connection(near.fileno()), "tcp://127.0.0.1:7")
        assert not _disconnect(of_file, "tcp://127.0.0.1:7")
        file.close()
        assert not _disconnect(of_file, "tcp://127.0.0.1:7")
        near.send(b"still there")
        assert far.recv(100) == b"still there"


def test_the_next_connection_with_the_descriptor_of_one_that_left_is_left_alone() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
        name = listening.getsockname()
        _first, far = (stack.enter_context(sockets.create_connection(name)) for _ in range(2))
        left, near = (stack.enter_context(listening.accept()[0]) for _ in range(2))
        of_left = connection(left.fileno())
        os.dup2(near.fileno(), left.fileno())
        assert not _disconnect(of_left, f"tcp://127.0.0.1:{name[1]}")
        near.send(b"still there")
        assert far.recv(100) == b"still there"
        assert _disconnect(connection(left.fileno()), f"tcp://127.0.0.1:{name[1]}")
        assert far.recv(100) == b""


def test_while_a_publisher_sends_nothing_nothing_is_taken_in(tmp_path: Path) -> None:
    with (
        a_publisher(f"ipc://{tmp_path}/it", high_water_mark=100) as published,
        flooding(published.endpoint, []) as flooder,
    ):
        before_mb = resident_mb()
        assert flooder.subscribe(random_topics(FLOOD, 50), patience_s=0.3) < FLOOD * 200
        assert resident_mb() - before_mb < 20
