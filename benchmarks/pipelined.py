"""rpc-pipelined: how many echoes per second, with 64 calls in flight.

Two rows are ours. In one, both ends are services, and 64 threads of one service call `to_send`. In
the other, only the server is ours, and the client is the same bare DEALER socket that floods the
raw ROUTER loop, so that the client costs the same on both sides of the ratio. Peers keep 64 calls
in flight by their own means: asynchronous results (RPyC), threads (Pyro5), tasks (zero), greenlets
(zerorpc). service_framework has no such means, so the bare socket floods it too.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
import zmq

from benchmarks import ours
from benchmarks.contender import Contender, side
from benchmarks.figures import Answer, Settings, Target
from benchmarks.peers import grpc, pyro5, rpyc, service_framework, zenoh, zero, zerorpc
from benchmarks.raw import raw_socket
from benchmarks.rounds import interleaved

if TYPE_CHECKING:
    from benchmarks.contender import Running
    from benchmarks.link import Link

IN_FLIGHT = 64
RAW, OURS, SERVER = "raw ROUTER loop", "sf_actors", "sf_actors server, raw client"
TARGET = Target(0.5, 0.8)


class Args(msgspec.Struct):
    """The arguments of an echo."""

    n: int


class Request(msgspec.Struct):
    """A request in the form that every ZeroMQ server here understands."""

    args: Args
    workflow_id: str = "flood"


class Reply(msgspec.Struct):
    """The reply."""

    return_args: Args
    workflow_id: str


def serve(link: Link) -> None:
    """Answer echoes by a bare ROUTER socket."""
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(Request).decode
    socket = raw_socket(zmq.ROUTER)
    link.ready(port=socket.bind_to_random_port("tcp://127.0.0.1"))
    while True:
        *address, frame = socket.recv_multipart()
        request = decode(frame)
        socket.send_multipart([*address, encode(Reply(request.args, request.workflow_id))])


def flood(link: Link, port: int) -> None:
    """Keep requests in flight by a bare DEALER socket, and decode the replies."""
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(Reply).decode
    socket = raw_socket(zmq.DEALER)
    socket.connect(f"tcp://127.0.0.1:{port}")

    def send() -> None:
        socket.send_multipart([b"", encode(Request(Args(1)))])

    def receive() -> None:
        decode(socket.recv_multipart()[-1])

    for command in link.commands():
        for _ in range(IN_FLIGHT):
            send()
        count, began = 0, perf_counter()
        until = began + command["seconds"]
        while perf_counter() < until:
            receive()
            send()
            count += 1
        per_s = count / (perf_counter() - began)
        for _ in range(IN_FLIGHT):
            receive()
        link.answer(per_s=per_s)


def contenders() -> list[Contender]:
    """Return the contenders."""
    peers = {
        "RPyC": rpyc,
        "Pyro5": pyro5,
        "zero": zero,
        "zerorpc": zerorpc,
        "gRPC": grpc,
        "zenoh": zenoh,
    }
    return [
        Contender(RAW, (side(serve), side(flood))),
        Contender(SERVER, (side(ours.serve), side(flood))),
        Contender(OURS, (side(ours.serve), side(ours.ask_many, in_flight=IN_FLIGHT))),
        *(
            Contender(
                name, (side(peer.serve), side(peer.ask_many, in_flight=IN_FLIGHT)), needs=name
            )
            for name, peer in peers.items()
        ),
        Contender(
            "service_framework",
            (side(service_framework.serve), side(flood)),
            needs="service_framework",
        ),
    ]


def answer(settings: Settings) -> Answer:
    """Measure, and compare."""
    found = Answer("rpc-pipelined", f"echoes a second with {IN_FLIGHT} in flight")

    def burst(running: Running) -> dict[str, float]:
        return running.ask(seconds=settings.burst_s)

    measured = contenders()
    rounds = interleaved(measured, burst, rounds=settings.rounds)
    found.left_out = rounds.left_out
    for one in measured:
        is_ours = one.name in (OURS, SERVER)
        samples = rounds.samples(one.name, "per_s")
        found.add(one.name, samples, "/s", less_is_better=False, is_ours=is_ours)
    found.compare(OURS, RAW, TARGET)
    found.compare(SERVER, RAW, TARGET)
    for one in measured:
        if one.needs:
            found.compare(OURS, one.name)
    return found
