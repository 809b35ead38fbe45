"""The publisher: what it sends, numbers, refuses and counts."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from sf_actors import InvalidArguments, MessageTooLarge, UsageError
from sf_actors.testing import running
from tests.support.bare_sockets import bare
from tests.support.models import Sender, at, counters, publisher, requester, service
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.bare_sockets import Socket

N = {"n": int}


@contextmanager
def publishing(address: str, fields: Any = N, **creation: Any) -> Iterator[Sender]:
    sender = Sender()
    out = {"it": publisher(fields, **creation)}
    module = service(outbound=out, init_function=sender.__call__)
    with running(module, addresses=at(outbound={"it": address})) as sender.service:
        yield sender


def joined(sender: Sender, sub: Socket, args: dict[str, Any]) -> int:
    """Publish until the subscription is there; return the number of the last message."""
    sub.rcvtimeo = 20
    came: list[Any] = []
    until(lambda: sender.connection("it", args) or came.extend(received(sub)) or came, "a message")
    sub.rcvtimeo = 1000 * int(PATIENCE_S)
    sent = counters(sender.service, "it", "out")["sent"]
    while came[-1]["number"] < sent - 1:
        came.append(msgpack.unpackb(sub.recv()))
    return sent - 1


def received(sub: Socket) -> list[Any]:
    try:
        return [msgpack.unpackb(sub.recv())]
    except zmq.Again:
        return []


def test_messages_carry_one_epoch_and_rising_numbers(tmp_path: Path) -> None:
    epochs = set()
    for _ in range(2):
        address = f"ipc://{tmp_path}/it"
        with publishing(address) as sender, bare(zmq.SUB, connect=address) as sub:
            last = joined(sender, sub, {"n": 0})
            for n in range(3):
                sender.connection("it", {"n": n})
            messages = [msgpack.unpackb(sub.recv()) for _ in range(3)]
        assert [message["number"] for message in messages] == [last + 1, last + 2, last + 3]
        assert len({message["epoch"] for message in messages}) == 1
        epochs.add(messages[0]["epoch"])
    assert len(epochs) == 2, "random per start"


def test_a_refused_message_takes_no_number(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with (
        publishing(address, {"b": bytes}, max_message_bytes=200) as sender,
        bare(zmq.SUB, connect=address) as sub,
    ):
        last = joined(sender, sub, {"b": b""})
        for b in (b"", "no bytes", bytes(200), b""):
            with suppress(InvalidArguments):
                sender.connection("it", {"b": b})
        assert [msgpack.unpackb(sub.recv())["number"] for _ in range(2)] == [last + 1, last + 2]


def test_a_message_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (
        publishing(f"ipc://{tmp_path}/it", {"b": bytes}, max_message_bytes=300) as sender,
        pytest.raises(MessageTooLarge, match="max_message_bytes allows 300"),
    ):
        sender.connection("it", {"b": bytes(300)})


def test_threads_publish_each_in_its_order(tmp_path: Path) -> None:
    threads, each = 4, 100
    address = f"ipc://{tmp_path}/it"
    with publishing(address) as sender, bare(zmq.SUB, connect=address) as sub:
        last = joined(sender, sub, {"n": -1})

        def publish(offset: int) -> None:
            for n in range(each):
                sender.connection("it", {"n": offset * each + n})

        users = [threading.Thread(target=publish, args=(n,)) for n in range(threads)]
        for user in users:
            user.start()
        messages = [msgpack.unpackb(sub.recv()) for _ in range(threads * each)]
        for user in users:
            user.join(PATIENCE_S)

    numbers = [message["number"] for message in messages]
    assert numbers == list(range(last + 1, last + 1 + threads * each))
    for offset in range(threads):
        mine = [m["args"]["n"] for m in messages if m["args"]["n"] // each == offset]
        assert mine == list(range(offset * each, (offset + 1) * each))


def test_subscribers_have_the_pause_after_creation_to_join(tmp_path: Path) -> None:
    started = monotonic()
    with publishing(f"ipc://{tmp_path}/it", wait_after_creation_s=0.3):
        assert monotonic() - started >= 0.3


def test_a_stalled_subscriber_neither_blocks_nor_grows_the_publisher(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with (
        publishing(address, {"b": bytes}, high_water_mark=5) as sender,
        bare(zmq.SUB, connect=address) as stalled,
    ):
        joined(sender, stalled, {"b": b""})
        before_kb = resident_kb()
        for _ in range(2_000):
            sender.connection("it", {"b": bytes(100_000)})

        numbers = counters(sender.service, "it", "out")
        assert numbers["dropped"]["queue_full"] >= 1
        # the bare subscriber takes up to 1,000 by its own mark; 200 MB were sent
        assert resident_kb() - before_kb < 150_000


def resident_kb() -> int:
    with Path("/proc/self/status").open(encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1])


def free_place(socket: Socket) -> str:
    """Bind it to a free port, and return where."""
    return f"127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"


def test_a_publisher_of_a_bus_can_be_connected_to_another_bus() -> None:
    with bare(zmq.XSUB) as first, bare(zmq.XSUB) as second:
        back = free_place(first)
        with publishing(back, is_x_pub=True) as sender:
            named = back.replace("127.0.0.1", "localhost")
            for bus, place in ((second, free_place(second)), (first, named)):
                bus.send(b"\x01")
                sender.service.connect("connections", "out", "it", place)
                joined(sender, bus, {"n": 1})
            assert counters(sender.service, "it", "out")["dropped"] == {}


def test_a_publisher_that_binds_is_connected_nowhere() -> None:
    with (
        publishing("127.0.0.1:0") as sender,
        pytest.raises(UsageError, match="does not connect: it binds"),
    ):
        sender.service.connect("connections", "out", "it", "127.0.0.1:1")


def test_a_requester_of_the_same_name_does_not_move_with_an_out_state() -> None:
    out = {"it": requester(N)}
    book = {
        "state_type": "full_update_out",
        "required_arguments": N,
        "optional_creation_arguments": {"is_x_pub": True},
    }
    module = service(outbound=out, state_models={"out": {"it": book}})
    with bare(zmq.XSUB) as bus, bare(zmq.REP) as rep:
        asked = free_place(rep)
        addresses = at(outbound={"it": asked}) | {"states": {"out": {"it": {"publisher": asked}}}}
        with running(module, addresses=addresses) as one:
            one.connect("states", "out", "it", free_place(bus))
            bus.send(b"\x01")
            one.to_send("state", "it", {"n": 1})
            assert msgpack.unpackb(bus.recv())["args"] == {"n": 1}
