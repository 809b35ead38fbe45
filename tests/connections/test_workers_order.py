"""`ordered_by`: messages with equal values of a field stay in order, one at a time."""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sf_actors.testing import running
from tests.support.actor_faults import Slow, asking, serving
from tests.support.bare_sockets import ask
from tests.support.models import (
    ANY_PORT,
    Sender,
    at,
    counters,
    into,
    publisher,
    service,
    subscriber,
)
from tests.support.pipelined import answer, dealer, send
from tests.support.waiting import PATIENCE_S, until

KEYED = {"key": str, "n": int}


class Ordered:
    """A handler that notes what it got by key, and whether two of one key ran at once."""

    def __init__(self) -> None:
        self.got: dict[str, list[int]] = defaultdict(list)
        self.overlaps = 0
        self._running: set[str] = set()

    def __call__(self, args: dict[str, Any]) -> dict[str, Any]:
        key = args["key"]
        self.overlaps += key in self._running
        self._running.add(key)
        self.got[key].append(args["n"])
        threading.Event().wait(0.0002)
        self._running.discard(key)
        return {}

    @property
    def count(self) -> int:
        return sum(map(len, self.got.values()))


def test_requests_of_one_key_are_handled_in_order_and_one_at_a_time() -> None:
    handler = Ordered()
    with (
        serving(handler, KEYED, workers=8, ordered_by="key") as served,
        dealer(served) as asked,
    ):
        for n in range(600):
            send(asked, key="abcde"[n % 5], n=n)
        for _ in range(600):
            answer(asked)
    assert handler.overlaps == 0
    assert handler.got == {key: list(range(i, 600, 5)) for i, key in enumerate("abcde")}


def test_published_messages_of_one_key_are_handled_in_order(new_address: Any) -> None:
    handler = Ordered()
    address = new_address()
    sender = Sender()
    inbound = {"it": subscriber(handler, KEYED, workers=4, ordered_by="key")}
    outbound = {"out": publisher(KEYED, wait_after_creation_s=0.3)}
    with (
        running(service("heard", inbound), addresses=at({"it": address})) as heard,
        running(
            service("told", outbound=outbound, init_function=sender),
            addresses=at(outbound={"out": address}),
        ),
    ):
        for n in range(900):
            sender.connection("out", {"key": "abc"[n % 3], "n": n})
        until(lambda: handler.count == 900, "all messages")
        until(lambda: counters(heard, "it")["handled"] == 900, "the counts")
        assert counters(heard, "it")["queued"] == 0
    assert handler.overlaps == 0
    assert handler.got == {key: list(range(i, 900, 3)) for i, key in enumerate("abc")}


def test_different_keys_run_at_once_where_one_of_them_is_slow() -> None:
    slow = Slow()
    with (
        serving(slow, KEYED, workers=2, ordered_by="key") as served,
        dealer(served) as asked,
    ):
        for n, key in enumerate("aab"):
            send(asked, key=key, n=n)
        assert sorted(slow.wait_for_call()["key"] for _ in range(2)) == ["a", "b"]
        slow.release(3)
        for _ in range(3):
            answer(asked)


@dataclass
class Order:
    key: str
    n: int


def test_messages_that_are_instances_have_an_order_too() -> None:
    got: queue.Queue[Any] = queue.Queue()
    model = {
        "connection_type": "replyer",
        "required_creation_arguments": {"on_order": into(got)},
        "optional_creation_arguments": {"workers": 2, "ordered_by": "key"},
        "required_arguments": Order,
    }
    with (
        running(service("served", {"it": model}), addresses=at({"it": ANY_PORT})) as served,
        asking(served) as req,
    ):
        ask(req, {"args": {"key": "a", "n": 1}})
    assert got.get(timeout=PATIENCE_S) == Order("a", 1)


def test_a_value_that_has_no_hash_costs_its_order_and_nothing_else() -> None:
    fields = {"price": Decimal}
    with (
        serving(lambda args: {}, fields, workers=2, ordered_by="price") as served,
        asking(served) as req,
    ):
        for price in ("sNaN", "NaN", "sNaN", "1.0"):
            assert ask(req, {"args": {"price": price}}).get("error") is None
