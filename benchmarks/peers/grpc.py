"""gRPC: a server with its thread pool, one channel, defaults, MessagePack messages."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.timing import latencies

if TYPE_CHECKING:
    from benchmarks.link import Link

METHOD, SERVICE = "Ask", "benchmarks.Echo"
ENCODE = msgspec.msgpack.Encoder().encode
DECODE = msgspec.msgpack.Decoder(int).decode


def serve(link: Link) -> None:
    """Answer echoes."""
    grpc = import_module("grpc")
    handler = grpc.unary_unary_rpc_method_handler(
        lambda n, _context: n, request_deserializer=DECODE, response_serializer=ENCODE
    )
    server = grpc.server(ThreadPoolExecutor())
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    link.ready(port=port)
    server.wait_for_termination()


def _echo(port: int) -> Any:
    channel = import_module("grpc").insecure_channel(f"127.0.0.1:{port}")
    return channel.unary_unary(
        f"/{SERVICE}/{METHOD}", request_serializer=ENCODE, response_deserializer=DECODE
    )


def ask(link: Link, port: int) -> None:
    """Call through one channel."""
    echo = _echo(port)
    for command in link.commands():
        link.answer(**latencies(lambda: echo(1), command["seconds"]))


def ask_many(link: Link, port: int, in_flight: int) -> None:
    """Keep futures in flight on one channel."""
    begin = _echo(port).future
    for command in link.commands():
        waiting = deque(begin(1) for _ in range(in_flight))
        count, began = 0, perf_counter()
        until = began + command["seconds"]
        while perf_counter() < until:
            waiting.popleft().result()
            waiting.append(begin(1))
            count += 1
        per_s = count / (perf_counter() - began)
        for result in waiting:
            result.result()
        link.answer(per_s=per_s)
