"""A publisher and a subscriber of a number, both named `it`."""

from __future__ import annotations

import queue
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sf_actors.testing import running
from tests.support.bare_sockets import packed
from tests.support.models import Sender, at, into, publisher, service, subscriber
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors import Service

N = {"n": int}


@contextmanager
def publishing(address: str, name: str = "publishing", **creation: Any) -> Iterator[Sender]:
    sender = Sender()
    module = service(name, outbound={"it": publisher(N, **creation)}, init_function=sender.__call__)
    with running(module, addresses=at(outbound={"it": address})) as sender.service:
        yield sender


@contextmanager
def subscribing(address: str, got: queue.Queue[Any], **creation: Any) -> Iterator[Service]:
    models = {"it": subscriber(into(got), N, **creation)}
    with running(service("subscribing", models), addresses=at({"it": address})) as served:
        yield served


def join(sender: Sender, got: queue.Queue[Any]) -> None:
    """Publish -1 until one arrives, and then a mark: no message is lost after it."""

    def arrived() -> bool:
        sender.connection("it", {"n": -1})
        try:
            got.get(timeout=0.02)
        except queue.Empty:
            return False
        return True

    until(arrived, "the subscription")
    sender.connection("it", {"n": -2})
    while got.get(timeout=PATIENCE_S) != {"n": -2}:
        pass


def drained(got: queue.Queue[Any]) -> bool:
    """Empty a queue; returns True if nothing more came for a moment."""
    count = 0
    while True:
        try:
            got.get(timeout=0.05)
        except queue.Empty:
            return not count
        count += 1


def numbered(n: int, epoch: int, number: int) -> bytes:
    return packed({"args": {"n": n}, "workflow_id": "w", "epoch": epoch, "number": number})
