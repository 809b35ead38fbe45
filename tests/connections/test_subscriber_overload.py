"""A subscriber that cannot keep up: bounded, counted, and well again afterwards."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.testing import running
from tests.support.actor_faults import Stubborn
from tests.support.bare_sockets import bare, packed
from tests.support.models import Sender, at, counters, into, publisher, service, subscriber
from tests.support.numbered_news import N, drained, numbered, subscribing
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("came", "missed"),
    [
        ([(1, 0), (1, 1), (1, 2)], 0),
        ([(1, 5), (1, 6)], 0),
        ([(1, 0), (1, 3)], 2),
        ([(1, 0), (1, 3), (1, 1), (1, 4)], 2),
        ([(1, 5), (2, 0), (1, 6), (2, 3)], 2),
        ([(1, 5), (1, 5)], 0),
        ([(1, 7), (9, 0), (9, 1)], 0),
    ],
    ids=["all came", "joined late", "a gap", "reordered", "two publishers", "twice", "restarted"],
)
def test_what_is_missing_in_a_publishers_numbers_is_counted(
    came: list[tuple[int, int]], missed: int, tmp_path: Path
) -> None:
    got: queue.Queue[Any] = queue.Queue()
    address = f"ipc://{tmp_path}/it"
    with (
        subscribing(address, got, is_binder=True) as served,
        bare(zmq.XPUB, connect=address) as pub,
    ):
        pub.recv()
        for epoch, number in came:
            pub.send(numbered(number, epoch, number))
        for _ in came:
            got.get(timeout=PATIENCE_S)

        assert counters(served, "it")["missed"] == missed


def test_a_stalled_subscriber_knows_how_much_it_missed_and_its_publisher_counts_it(
    tmp_path: Path,
) -> None:
    address = f"ipc://{tmp_path}/it"
    count = 3_000
    entered, may_go = threading.Event(), threading.Event()
    got: list[int] = []
    last = threading.Event()

    def handler(args: dict[str, Any]) -> None:
        got.append(args["n"])
        if args["n"] == 0:
            entered.set()
            assert may_go.wait(PATIENCE_S)
        if args["n"] == count:
            last.set()

    models = {"it": subscriber(handler, {"n": int, "pad": bytes}, high_water_mark=5)}
    out = {"it": publisher({"n": int, "pad": bytes}, high_water_mark=5)}
    sender = Sender()
    with (
        running(
            service("out", outbound=out, init_function=sender.__call__),
            addresses=at(outbound={"it": address}),
        ) as publishing,
        running(service("in", models), addresses=at({"it": address})) as served,
    ):

        def send(n: int) -> None:
            sender.connection("it", {"n": n, "pad": bytes(20_000)})

        until(lambda: send(0) or entered.wait(0.02), "the subscription")
        for n in range(1, count):
            send(n)
        may_go.set()
        until(lambda: send(count) or last.wait(0.02), "the last message")

        numbers = counters(served, "it")
        assert numbers["missed"] > count / 2
        assert numbers["received"] < count / 2
        assert counters(publishing, "it", "out")["dropped"]["queue_full"] > 0
        assert counters(publishing, "it", "out")["sent"] >= count


@pytest.mark.slow
def test_no_more_than_the_high_water_mark_waits_at_the_router(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    entered, may_go = threading.Event(), threading.Event()
    got: queue.Queue[Any] = queue.Queue()

    def hold(args: dict[str, Any]) -> None:
        entered.set()
        assert may_go.wait(PATIENCE_S)

    models = {
        "hold": subscriber(hold, is_binder=True),
        "it": subscriber(into(got), N, is_binder=True, high_water_mark=20),
    }
    addresses = at({"hold": f"ipc://{tmp_path}/hold", "it": address})
    with (
        running(service("in", models), addresses=addresses) as served,
        bare(zmq.XPUB, connect=f"ipc://{tmp_path}/hold") as holding,
        bare(zmq.XPUB, connect=address) as pub,
    ):
        pub.set_hwm(0)
        holding.recv()
        pub.recv()
        holding.send(packed({"args": {}}))
        assert entered.wait(PATIENCE_S)
        for n in range(1000):
            pub.send(numbered(n, 1, n))
        until(lambda: counters(served, "it")["queued"] == 20, "a full queue")
        assert not threading.Event().wait(0.1)
        assert counters(served, "it")["received"] == 20, "the socket is left unread"
        may_go.set()

        # it reads on once there is room
        first = [got.get(timeout=PATIENCE_S)["n"] for _ in range(20)]
        assert first == list(range(20))
        until(lambda: counters(served, "it")["received"] > 20, "reading on")
        until(lambda: drained(got) and not counters(served, "it")["queued"], "the rest")


def test_pausing_and_resuming_under_load_loses_no_message(tmp_path: Path) -> None:
    """The queue of one call makes the socket pause at each message; 5 times over."""
    address = f"ipc://{tmp_path}/it"
    got: queue.Queue[Any] = queue.Queue()
    models = {
        "it": subscriber(into(got), N, is_binder=True, high_water_mark=1),
        "other": subscriber(lambda args: None, N, is_binder=True),
    }
    addresses = at({"it": address, "other": f"ipc://{tmp_path}/other"})
    with (
        running(service("in", models), addresses=addresses) as served,
        bare(zmq.XPUB, connect=address) as pub,
        bare(zmq.XPUB, connect=f"ipc://{tmp_path}/other") as other,
    ):
        pub.recv()
        other.recv()
        for n in range(2_000):
            other.send(numbered(n, 2, n))  # takes the handler lock away now and then
            pub.send(numbered(n, 1, n))
            assert got.get(timeout=PATIENCE_S) == {"n": n}
        until(lambda: not counters(served, "it")["queued"], "an empty queue")


def test_what_the_stop_leaves_unhandled_is_counted(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    stubborn = Stubborn()
    models = {
        "hold": subscriber(stubborn, N, is_binder=True),
        "it": subscriber(lambda args: None, N, is_binder=True),
    }
    addresses = at({"hold": f"ipc://{tmp_path}/hold", "it": address})
    with (
        running(service("in", models), addresses=addresses, stop_timeout_s=0.4) as served,
        bare(zmq.XPUB, connect=f"ipc://{tmp_path}/hold") as holding,
        bare(zmq.XPUB, connect=address) as pub,
    ):
        holding.recv()
        pub.recv()
        holding.send(numbered(0, 1, 0))
        assert stubborn.entered.wait(PATIENCE_S)
        for n in range(5):
            pub.send(numbered(n, 1, n))
        until(lambda: counters(served, "it")["queued"] == 5, "5 queued messages")
        stop = threading.Thread(target=served.stop_service)
        stop.start()
        until(lambda: counters(served, "it")["dropped"] == {"stopped": 5}, "the count")
        assert counters(served, "it")["queued"] == 0
        stubborn.release.set()
        stop.join(PATIENCE_S)
