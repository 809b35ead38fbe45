"""zerorpc: greenlets over ZeroMQ, defaults; its publisher and subscriber as well."""

from __future__ import annotations

import threading
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.counting import TALLY, count_messages
from benchmarks.ports import free_port
from benchmarks.timing import latencies

if TYPE_CHECKING:
    from benchmarks.link import Link


def serve(link: Link) -> None:
    """Answer echoes."""
    server = import_module("zerorpc").Server({"echo": lambda n: n})
    server.bind(address := f"tcp://127.0.0.1:{free_port()}")
    link.ready(address=address)
    server.run()


def ask(link: Link, address: str) -> None:
    """Call through one client."""
    client = import_module("zerorpc").Client(address)
    for command in link.commands():
        link.answer(**latencies(lambda: client.echo(1), command["seconds"]))


def ask_many(link: Link, address: str, in_flight: int) -> None:
    """Keep calls in flight from as many greenlets of one client."""
    gevent = import_module("gevent")
    client = import_module("zerorpc").Client(address)
    for command in link.commands():
        link.answer(per_s=_flood(gevent, client, in_flight, command["seconds"]))


def _flood(gevent: Any, client: Any, in_flight: int, seconds: float) -> float:
    count, began = 0, perf_counter()
    until = began + seconds

    def work() -> None:
        nonlocal count
        while perf_counter() < until:
            client.echo(1)
            count += 1

    gevent.joinall([gevent.spawn(work) for _ in range(in_flight)], raise_error=True)
    return count / (perf_counter() - began)


def publish(link: Link) -> None:
    """Publish messages of three fields."""
    publisher = import_module("zerorpc").Publisher()
    publisher.bind(address := f"tcp://127.0.0.1:{free_port()}")
    link.ready(address=address)
    gevent = import_module("gevent")
    for command in link.commands():
        began = perf_counter()
        for number in range(command["count"]):
            publisher.trade("BTC-EUR", 30_000.5, number)
        seconds = perf_counter() - began
        gevent.sleep(0.01)  # lets a greenlet send what is still queued
        link.answer(sent=command["count"], seconds=seconds)


def subscribe(link: Link, address: str) -> None:
    """Count the messages in the handler."""
    subscriber = import_module("zerorpc").Subscriber(
        {"trade": lambda symbol, price, size: TALLY.add()}  # noqa: ARG005 - the fields of a message
    )
    subscriber.connect(address)
    threading.Thread(target=count_messages, args=(link,), daemon=True).start()
    subscriber.run()
