"""A publishing socket: its epochs, when it looks, and what the full queue of a subscriber loses."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.counters import Counters
from sf_actors.sockets.publishing_socket import PublishingSocket, send_to_who_has_room
from sf_actors.testing import running
from tests.support.bare_sockets import bare
from tests.support.models import Sender, at, counters, publisher, service
from tests.support.state_pair import leading, model
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAD = {"pad": bytes}
MARK = 5


@contextmanager
def publishing(address: str) -> Iterator[tuple[Callable[[bytes], None], Callable[[], Any]]]:
    sender = Sender()
    out = {"it": publisher(PAD, high_water_mark=MARK)}
    module = service(outbound=out, init_function=sender.__call__)
    with running(module, addresses=at(outbound={"it": address})) as served:
        yield (
            lambda pad: sender.connection("it", {"pad": pad}),
            lambda: counters(served, "it", "out"),
        )


@contextmanager
def updating(
    kind: str, address: str
) -> Iterator[tuple[Callable[[bytes], None], Callable[[], Any]]]:
    addresses = {"publisher": address}
    if kind == "delta_update_out":
        addresses["replyer"] = "127.0.0.1:0"
    with leading(model(kind, PAD, high_water_mark=MARK), addresses=addresses) as leader:
        yield lambda pad: leader.send(pad=pad), lambda: leader.stats


@pytest.fixture(params=["publisher", "delta_update_out", "full_update_out"])
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    address = f"ipc://{tmp_path}/it"
    made = publishing(address) if request.param == "publisher" else updating(request.param, address)
    with made as (publish, numbers):
        yield publish, numbers, address


@pytest.mark.slow
def test_a_queue_that_is_full_is_counted_and_others_get_the_message(published: Any) -> None:
    publish, numbers, address = published
    with bare(zmq.SUB, connect=address) as stalled, bare(zmq.SUB, connect=address) as reading:
        for sub in (stalled, reading):
            sub.rcvtimeo = 20
            until(lambda sub=sub: publish(b"") or came(sub), "the subscription")
        reading.rcvtimeo = 1000 * int(PATIENCE_S)
        sent = 0
        while not numbers()["dropped"].get("queue_full"):
            assert sent < 10_000
            publish(bytes(20_000))
            sent += 1
            assert came(reading)
        until(lambda: publish(b"last") or b"last" in (came(reading) or b""), "the last message")


def test_a_send_that_fails_leaves_the_socket_as_it_was() -> None:
    class Failing:
        """A socket whose second send fails: a signal handler raised in it."""

        def __init__(self) -> None:
            self.options: list[tuple[int, int]] = []
            self.errors: list[Exception] = [zmq.Again(), KeyboardError()]

        def getsockopt(self, _option: int) -> int:
            return 0

        def setsockopt(self, option: int, value: int) -> None:
            self.options.append((option, value))

        def send(self, _frame: bytes, _flags: int) -> None:
            raise self.errors.pop(0)

    class KeyboardError(Exception):
        """What the handler of a user raises."""

    socket: Any = Failing()
    with pytest.raises(KeyboardError):
        send_to_who_has_room(socket, b"", Counters("dropped"))
    assert socket.options == [(int(zmq.XPUB_NODROP), 0), (int(zmq.XPUB_NODROP), 1)]


def came(sub: Any) -> bytes | None:
    try:
        return bytes(sub.recv())
    except zmq.Again:
        return None


def socket_that_looks(look: Callable[[float], None]) -> PublishingSocket:
    creation = {"topic": None, "max_message_bytes": 10, "is_x_pub": False}
    log: Any = None
    return PublishingSocket(
        creation, Counters("dropped"), log, where="here", look=look, has_keys=False
    )


def test_each_socket_is_another_epoch() -> None:
    out = socket_that_looks(lambda now: None)
    epochs = [out.epoch]
    for _ in range(2):
        with bare(zmq.XPUB) as socket:
            out.attach(socket)
            epochs.append(out.epoch)

    assert len(set(epochs)) == 3


def test_a_send_looks_for_subscriptions_when_that_is_due() -> None:
    looks: list[str] = []
    out = socket_that_looks(lambda now: looks.append("look"))
    out.send(b"no socket is there")
    assert looks == []
    with bare(zmq.XPUB) as socket:
        out.attach(socket)
        out.send(b"frame")
        assert looks == ["look"]
        out.look_at = float("inf")
        out.send(b"frame")

    assert looks == ["look"]
