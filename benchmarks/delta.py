"""delta: how many changes of one key per second a replica of 10,000 keys can follow.

The publisher first sends the whole value, then changes one key after the other as fast as it can.
The figure is the rate from its first change until the replica has the last one. High-water marks
are raised on both sides, so that nothing is dropped. The limit is a PUB and a SUB socket with
msgspec, typed decoding and `dict.update`: no numbers, no snapshots, no detection of losses.
"""

from __future__ import annotations

import threading
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
import zmq

from benchmarks import ours
from benchmarks.contender import Contender, ContenderFailed, side
from benchmarks.figures import Answer, Settings, Target
from benchmarks.peers import service_framework
from benchmarks.raw import raw_socket
from benchmarks.rounds import interleaved
from benchmarks.timing import reached

if TYPE_CHECKING:
    from benchmarks.contender import Running
    from benchmarks.link import Link

RAW, OURS, ORIGINAL = "raw PUB/SUB + dict", "sf_actors", "service_framework"
KEYS = 10_000
HIGH_WATER_MARK = 1_000_000

#: The number of changes in the first burst, and the greatest number.
FEWEST, MOST = 500, 200_000


class Change(msgspec.Struct):
    """The published message."""

    levels: dict[str, float]
    number: int


def publish(link: Link) -> None:
    """Publish changes by a bare PUB socket."""
    encode = msgspec.msgpack.encode
    socket = raw_socket(zmq.PUB)
    socket.set_hwm(HIGH_WATER_MARK)
    link.ready(publisher=socket.bind_to_random_port("tcp://127.0.0.1"))
    number, keys = -1, 1
    for command in link.commands():
        began = perf_counter()
        if "keys" in command:
            keys = command["keys"]
            number += 1
            socket.send(encode(Change({str(key): float(key) for key in range(keys)}, number)))
        for change in range(command.get("count", 0)):
            number += 1
            socket.send(encode(Change({str(change % keys): change + 0.5}, number)))
        link.answer(number=number, began=began, ended=perf_counter())


def follow(link: Link, publisher: int) -> None:
    """Apply changes to a dict."""
    decode = msgspec.msgpack.Decoder(Change).decode
    socket = raw_socket(zmq.SUB)
    socket.set_hwm(HIGH_WATER_MARK)
    socket.subscribe(b"")
    socket.connect(f"tcp://127.0.0.1:{publisher}")
    levels: dict[str, float] = {}
    number = -1

    def answer_followed() -> None:
        for command in link.commands():
            link.answer(at=reached(lambda: number, command["number"], command["patience_s"]))

    threading.Thread(target=answer_followed, daemon=True).start()
    while True:
        change = decode(socket.recv())
        levels.update(change.levels)
        number = change.number


def fill(running: Running, keys: int) -> None:
    """Publish the whole value until the replica has it, since a bare SUB may join too late.

    :raises ContenderFailed: the replica never gets it
    """
    for tries in range(1, 21):
        number = running.ask(0, keys=keys)["number"]
        # longer each time: on a busy machine a large value may take longer than the first patience
        if running.ask(number=number, patience_s=0.5 * tries)["at"] is not None:
            return
    raise ContenderFailed("the replica never got the first value")


def followed(running: Running, burst_s: float) -> dict[str, float]:
    """Measure one burst with a number of changes that takes about `burst_s` seconds."""
    if "count" not in running.notes:
        fill(running, KEYS)
        running.notes["count"] = FEWEST
        for _ in range(2):
            per_s = _burst(running)["per_s"]
            running.notes["count"] = max(FEWEST, min(MOST, int(per_s * burst_s)))
    return _burst(running)


def _burst(running: Running) -> dict[str, float]:
    count = running.notes["count"]
    published = running.ask(0, count=count)
    at = running.ask(number=published["number"], patience_s=20.0)["at"]
    if at is None:
        raise ContenderFailed("the replica did not get the last change")
    return {
        "per_s": count / (at - published["began"]),
        "sent_per_s": count / (published["ended"] - published["began"]),
    }


def contenders() -> list[Contender]:
    """Return the contenders."""
    original = (side(service_framework.publish_deltas), side(service_framework.follow))
    return [
        Contender(RAW, (side(publish), side(follow))),
        Contender(OURS, (side(ours.publish_deltas), side(ours.follow))),
        Contender(ORIGINAL, original, needs=ORIGINAL),
    ]


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    found = Answer("delta", f"changes of one key of {KEYS:,} a second, to_send to replica")

    def burst(running: Running) -> dict[str, float]:
        return followed(running, settings.burst_s)

    rounds = interleaved(contenders(), burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for name in (RAW, OURS, ORIGINAL):
        samples = rounds.samples(name, "per_s")
        found.add(name, samples, "/s", less_is_better=False, is_ours=name == OURS)
    if OURS not in rounds.left_out:
        sends = rounds.samples(OURS, "sent_per_s")
        found.add("sf_actors to_send alone", sends, "/s", less_is_better=False, is_ours=True)
    found.compare(OURS, RAW, Target(0.25, 0.5))
    found.compare(OURS, ORIGINAL)
    found.left_out["RPyC, Pyro5, zero, zerorpc"] = "they replicate no state"
    return found
