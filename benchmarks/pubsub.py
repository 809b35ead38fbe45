"""pubsub: how many messages of three fields per second get from `to_send` to the handler.

A publisher sends as fast as it can to one subscriber. The figure is the rate of the handler's
calls, from the first to the last message of a burst. All settings are defaults, so a slow
subscriber may miss messages. The limit is a PUB and a SUB socket with msgspec and typed decoding.

The other rows show the cost of one `to_send` of a publisher: only the sends are timed, to a
subscriber that discards everything, in groups of messages small enough that none is dropped.
"""

from __future__ import annotations

import threading
from time import perf_counter, sleep
from typing import TYPE_CHECKING

import msgspec
import zmq

from benchmarks import ours
from benchmarks.contender import Contender, ContenderFailed, side
from benchmarks.counting import TALLY, count_messages
from benchmarks.figures import Answer, Settings, Target
from benchmarks.peers import service_framework, zenoh, zerorpc
from benchmarks.raw import raw_socket
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from benchmarks.contender import Running
    from benchmarks.link import Link

RAW, OURS = "raw PUB/SUB", "sf_actors"
RAW_SEND, OUR_SEND = "encode + raw send", "sf_actors to_send"
PEERS: dict[str, ModuleType] = {
    "service_framework": service_framework,
    "zerorpc": zerorpc,
    "zenoh": zenoh,
}

#: The number of messages in the first burst, and the greatest number.
FEWEST, MOST = 500, 300_000

#: The messages in a group of timed sends, below the high-water mark, and the pause after it (s).
GROUP, PAUSE_S = 500, 0.005


class Trade(msgspec.Struct):
    """The published message."""

    symbol: str
    price: float
    size: int


def publish(link: Link) -> None:
    """Publish by a bare PUB socket."""
    encode = msgspec.msgpack.encode
    socket = raw_socket(zmq.PUB)
    link.ready(port=socket.bind_to_random_port("tcp://127.0.0.1"))
    for command in link.commands():
        group, pause = command.get("group", command["count"]), command.get("pause", 0.0)
        seconds = 0.0
        for _ in range(command["count"] // group):
            began = perf_counter()
            for number in range(group):
                socket.send(encode(Trade("BTC-EUR", 30_000.5, number)), zmq.NOBLOCK)
            seconds += perf_counter() - began
            sleep(pause)
        link.answer(sent=command["count"], seconds=seconds)


def subscribe(link: Link, port: int) -> None:
    """Decode messages from a bare SUB socket."""
    decode = msgspec.msgpack.Decoder(Trade).decode

    def take(frame: bytes) -> None:
        decode(frame)
        TALLY.add()

    _receive(link, port, take)


def throw_away(link: Link, port: int) -> None:
    """Discard messages from a bare SUB socket."""
    _receive(link, port, lambda _frame: None)


def _receive(link: Link, port: int, take: Callable[[bytes], object]) -> None:
    socket = raw_socket(zmq.SUB)
    socket.subscribe(b"")
    socket.connect(f"tcp://127.0.0.1:{port}")
    threading.Thread(target=count_messages, args=(link,), daemon=True).start()
    while True:
        take(socket.recv())


def received(running: Running, burst_s: float) -> dict[str, float]:
    """Measure one burst with a number of messages that takes about `burst_s` seconds."""
    if "count" not in running.notes:
        running.notes["count"] = _right_count(running, burst_s)
    return _burst(running, running.notes["count"])


def _right_count(running: Running, burst_s: float) -> int:
    count = FEWEST
    for _ in range(5):
        per_s = _burst(running, count)["per_s"]
        wanted = max(FEWEST, min(MOST, int(per_s * burst_s)))
        if per_s and wanted < 2 * count:
            return wanted
        count = min(wanted, 20 * count) if per_s else count
    return count


def _burst(running: Running, count: int) -> dict[str, float]:
    running.ask()
    running.ask(0, count=count)
    figures = running.ask(expected=count)
    figures["share"] = figures["count"] / count
    return figures


def sent(running: Running, burst_s: float) -> dict[str, float]:
    """Measure sends for about `burst_s` seconds."""
    groups = running.notes.get("groups", 2)
    figures = running.ask(0, count=groups * GROUP, group=GROUP, pause=PAUSE_S)
    per_s = figures["sent"] / figures["seconds"]
    running.notes["groups"] = max(2, min(100, int(burst_s / (GROUP / per_s + PAUSE_S))))
    return {"per_s": per_s}


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    found = Answer("pubsub", "messages of three fields a second, publisher to handler")
    through = [
        Contender(RAW, (side(publish), side(subscribe))),
        Contender(OURS, (side(ours.publish), side(ours.subscribe))),
        *(
            Contender(name, (side(peer.publish), side(peer.subscribe)), needs=name)
            for name, peer in PEERS.items()
        ),
    ]
    out = [
        Contender(RAW_SEND, (side(publish), side(throw_away))),
        Contender(OUR_SEND, (side(ours.publish), side(throw_away))),
    ]

    def burst(running: Running) -> dict[str, float]:
        measure = sent if running.name in (RAW_SEND, OUR_SEND) else received
        figures = measure(running, settings.burst_s)
        if not figures["per_s"]:
            raise ContenderFailed("no message came")
        return figures

    rounds = interleaved([*through, *out], burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for name in (RAW, OURS, *PEERS, RAW_SEND, OUR_SEND):
        samples = rounds.samples(name, "per_s")
        is_ours = name in (OURS, OUR_SEND)
        found.add(name, samples, "/s", less_is_better=False, is_ours=is_ours)
        shares = [share for share in rounds.samples(name, "share") if share is not None]
        if shares and min(shares) < 1:
            found.notes.append(f"{name}: at worst {min(shares):.0%} of a burst arrived")
    found.compare(OURS, RAW, Target(0.35, 0.6))
    found.compare(OURS, "service_framework", Target(30, 60))
    found.compare(OURS, "zerorpc")
    found.compare(OURS, "zenoh")
    found.compare(OUR_SEND, RAW_SEND, Target(0.4, 0.6))
    found.left_out["RPyC, Pyro5, gRPC"] = "they have no publish and subscribe"
    found.left_out["zero"] = "its publish and subscribe are not part of what it exports"
    return found
