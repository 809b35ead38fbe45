"""parts: where the time of a to_send is spent, for a publisher and a delta.

It runs in one process without a subscriber, to measure the sender alone: the whole call, and each
part of it alone, in thread CPU time, best of many groups. A part that runs alone finds its data in
the caches, so the whole takes more than the sum of the parts. With a subscriber, libzmq must also
wake its own thread for each message, unless the next one comes before that is asleep again.
"""

from __future__ import annotations

import threading
from time import perf_counter, thread_time_ns
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from benchmarks.contender import Contender, side
from benchmarks.delta import KEYS
from benchmarks.figures import Answer, Settings
from benchmarks.pubsub import Trade
from benchmarks.raw import raw_socket
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contender import Running
    from benchmarks.link import Link

RAW, SEND, DELTA = "encode + raw send", "to_send of a publisher", "to_send of a delta"

#: How many calls are timed together.
GROUP = 500

TRADE = {"symbol": "BTC-EUR", "price": 30_000.5, "size": 5}


def measure(link: Link) -> None:
    """Measure every part as often as the harness asks."""
    # imported here, so that the processes of other contenders do not load the package
    from sf_actors import Service  # noqa: PLC0415

    given: dict[str, Any] = {}
    module = ModuleType("parts")
    vars(module).update(
        connection_models={"out": {"trades": {
            "connection_type": "publisher",
            "required_arguments": {"symbol": str, "price": float, "size": int},
        }}},
        state_models={"out": {"book": {
            "state_type": "delta_update_out",
            "required_arguments": {"levels": {str: float}},
        }}},
        init_function=lambda to_send: given.update(to_send=to_send),
    )  # fmt: skip
    here = "127.0.0.1:0"
    addresses = {
        "connections": {"out": {"trades": {"publisher": here}}},
        "states": {"out": {"book": {"publisher": here, "replyer": here}}},
    }
    with Service(module, addresses=addresses):
        measured = {RAW: _raw(), **_parts(given["to_send"])}
        for command in link.commands():
            seconds = command["seconds"] / len(measured)
            link.answer(**{part: best(call, seconds) for part, call in measured.items()})


def _raw() -> Callable[[], object]:
    encode, socket = msgspec.msgpack.encode, raw_socket(zmq.PUB)
    socket.bind_to_random_port("tcp://127.0.0.1")
    return lambda: socket.send(encode(Trade("BTC-EUR", 30_000.5, 5)), zmq.NOBLOCK)


def _parts(to_send: Any) -> dict[str, Callable[[], object]]:
    from sf_actors.replication.values.patch import merge  # noqa: PLC0415
    from sf_actors.sockets.frames import NOBLOCK, send_frame  # noqa: PLC0415
    from sf_actors.wire.envelope import encode_delta, encode_published  # noqa: PLC0415

    levels = {str(key): float(key) for key in range(KEYS)}
    to_send("state", "book", {"is_snapshot": True, "levels": levels})
    # private: what sends behind the bound `__call__`
    outbounds = to_send.__self__._outbounds  # noqa: SLF001
    trades, book = outbounds["connection", "trades"], outbounds["state", "book"]
    trade_fields = trades.model.arguments
    socket, lock = trades.out.socket, threading.Lock()
    frame = encode_published(TRADE, "0x123456789abcdef", 2**60, 5)
    change = {"levels": {"777": 0.5}}
    update = book.fields.checked(change)
    value, shape = book.log.value, book.model.arguments.shape

    def take_lock() -> None:
        with lock:
            return

    return {
        SEND: lambda: to_send("connection", "trades", TRADE),
        "an id for the workflow": to_send.__self__._new_workflow_id,  # noqa: SLF001
        "check": lambda: trade_fields.checked(TRADE),
        "a lock": take_lock,
        "encode, with epoch and number": lambda: encode_published(TRADE, "0x12", 2**60, 5),
        "libzmq's send": lambda: send_frame(socket, frame, NOBLOCK),
        DELTA: lambda: to_send("state", "book", change),
        "delta: check, copy": lambda: book.fields.checked(change),
        "delta: encode": lambda: encode_delta(5, False, update.content, "0x12", 2**60),
        f"delta: change one of {KEYS:,} keys": lambda: merge(value, change, shape),
        "a call of nothing": lambda: None,
    }


def best(call: Callable[[], object], seconds: float) -> float:
    """Return the nanoseconds of one call."""
    best = float("inf")
    until = perf_counter() + seconds
    while perf_counter() < until:
        began = thread_time_ns()
        for _ in range(GROUP):
            call()
        best = min(best, thread_time_ns() - began)
    return best / GROUP


def answer(settings: Settings) -> Answer:
    """Measure."""
    found = Answer("parts", "where the time of a to_send goes")
    parts: list[str] = []

    def burst(running: Running) -> dict[str, float]:
        figures = running.ask(seconds=settings.burst_s)
        parts[:] = figures
        return figures

    rounds = interleaved([Contender("parts", (side(measure),))], burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for part in parts:
        found.add(part, rounds.samples("parts", part), "ns", is_ours=part != RAW)
    for whole in (SEND, DELTA) if parts else ():
        found.compare(whole, RAW)
    return found
