"""rpc: how long one echo of one int takes, with one client making one call after the other.

Both sides are processes of their own, over TCP on the loopback interface. The figure is the median
of the calls of each burst. The limit is a REQ and a REP socket with msgspec and nothing else.
`inproc` runs both services in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import zmq

from benchmarks import ours, peers
from benchmarks.contender import Contender, side
from benchmarks.figures import Answer, Settings, Target
from benchmarks.peers import grpc, pyro5, rpyc, service_framework, zenoh, zero, zerorpc
from benchmarks.raw import raw_socket
from benchmarks.rounds import interleaved
from benchmarks.timing import measured

if TYPE_CHECKING:
    from types import ModuleType

    from benchmarks.contender import Running
    from benchmarks.link import Link

RAW, OURS, INPROC = "raw REQ/REP", "sf_actors", "sf_actors inproc"

PEERS: dict[str, ModuleType] = {
    "RPyC": rpyc,
    "Pyro5": pyro5,
    "zero": zero,
    "service_framework": service_framework,
    "zerorpc": zerorpc,
    "gRPC": grpc,
    "zenoh": zenoh,
}

TARGETS = {
    RAW: Target(1.5, 1.25),
    "RPyC": Target(1.4, 1.0),
    "Pyro5": Target(0.8, 0.65),
    "zero": Target(0.65, 0.5),
    "service_framework": Target(0.45, 0.33),
    "zerorpc": Target(0.3, 0.25),
}


class Echo(msgspec.Struct):
    """The message in both directions."""

    n: int


def serve(link: Link) -> None:
    """Answer echoes by a bare REP socket."""
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(Echo).decode
    socket = raw_socket(zmq.REP)
    link.ready(port=socket.bind_to_random_port("tcp://127.0.0.1"))
    while True:
        socket.send(encode(decode(socket.recv())))


def ask(link: Link, port: int) -> None:
    """Call by a bare REQ socket."""
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(Echo).decode
    socket = raw_socket(zmq.REQ)
    socket.connect(f"tcp://127.0.0.1:{port}")

    def call() -> Echo:
        socket.send(encode(Echo(1)))
        return decode(socket.recv())

    for command in link.commands():
        link.answer(**measured(call, command))


def contenders() -> list[Contender]:
    """Return the contenders."""
    return [
        Contender(RAW, (side(serve), side(ask))),
        Contender(OURS, (side(ours.serve), side(ours.ask))),
        Contender(INPROC, (side(ours.serve_and_ask),)),
        *(
            Contender(name, (side(peer.serve), side(peer.ask)), needs=name)
            for name, peer in PEERS.items()
        ),
    ]


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    found = Answer("rpc", "echo of one int, one call after the other: p50 of a call")

    def burst(running: Running) -> dict[str, float]:
        return running.ask(seconds=settings.burst_s)

    rounds = interleaved(contenders(), burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    found.left_out["nameko"] = peers.WITHOUT_NAMEKO
    for name in (RAW, OURS, INPROC, *PEERS):
        found.add(name, rounds.samples(name, "p50_us"), "µs", is_ours=name in (OURS, INPROC))
    for name in (RAW, *PEERS):
        found.compare(OURS, name, TARGETS.get(name))
    found.compare(INPROC, OURS, Target(0.6, 0.4), "sf_actors: inproc / tcp")
    return found
