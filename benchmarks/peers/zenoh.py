"""zenoh: two peers, one of which connects to the other; a queryable, a publisher, a subscriber.

Defaults, except that multicast discovery is off, and that the lease is long, since contenders are
stopped between turns. Messages are MessagePack.
"""

from __future__ import annotations

import threading
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.counting import TALLY, count_messages
from benchmarks.ports import free_port
from benchmarks.timing import in_threads, latencies

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.link import Link

KEY = "benchmarks/echo"

#: How long the other side may be silent, in milliseconds.
LEASE_MS = 3_600_000

ENCODE = msgspec.msgpack.Encoder().encode
DECODE = msgspec.msgpack.Decoder().decode


def _session(side: str, port: int) -> Any:
    """Return a session that listens at a port or connects to it."""
    zenoh = import_module("zenoh")
    config = zenoh.Config()
    config.insert_json5("scouting/multicast/enabled", "false")
    config.insert_json5("transport/link/tx/lease", str(LEASE_MS))
    config.insert_json5("listen/endpoints", "[]")
    config.insert_json5(f"{side}/endpoints", f'["tcp/127.0.0.1:{port}"]')
    return zenoh.open(config)


def serve(link: Link) -> None:
    """Answer echoes."""
    session = _session("listen", port := free_port())

    def take(query: Any) -> None:
        query.reply(KEY, ENCODE(DECODE(query.payload.to_bytes())))

    queryable = session.declare_queryable(KEY, take)
    link.ready(port=port)
    threading.Event().wait()
    queryable.undeclare()


def _call(session: Any) -> Callable[[], object]:
    querier = session.declare_querier(KEY)

    def call() -> object:
        (reply,) = querier.get(payload=ENCODE(1))
        return DECODE(reply.ok.payload.to_bytes())

    return call


def ask(link: Link, port: int) -> None:
    """Call through one querier."""
    # keep a reference: a session is closed when it is collected
    session = _session("connect", port)
    call = _call(session)
    for command in link.commands():
        link.answer(**latencies(call, command["seconds"]))


def ask_many(link: Link, port: int, in_flight: int) -> None:
    """Keep calls in flight from as many threads of one session."""
    session = _session("connect", port)
    for command in link.commands():
        seconds = command["seconds"]
        link.answer(**in_threads(lambda: _call(session), threads=in_flight, seconds=seconds))


def publish(link: Link) -> None:
    """Publish messages of three fields."""
    session = _session("listen", port := free_port())
    publisher = session.declare_publisher(KEY)
    link.ready(port=port)
    for command in link.commands():
        began = perf_counter()
        for number in range(command["count"]):
            publisher.put(ENCODE({"symbol": "BTC-EUR", "price": 30_000.5, "size": number}))
        link.answer(sent=command["count"], seconds=perf_counter() - began)


def subscribe(link: Link, port: int) -> None:
    """Count the messages in the handler."""
    session = _session("connect", port)

    def take(sample: Any) -> None:
        DECODE(sample.payload.to_bytes())
        TALLY.add()

    subscriber = session.declare_subscriber(KEY, take)
    count_messages(link)
    subscriber.undeclare()
