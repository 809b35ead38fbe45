"""RPyC: a threaded server on a plain socket, one connection, defaults."""

from __future__ import annotations

from collections import deque
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.timing import latencies

if TYPE_CHECKING:
    from benchmarks.link import Link


def make_server() -> Any:
    """Return a server on a free port, which `start` runs until `close`."""
    rpyc = import_module("rpyc")
    service = type("Echo", (rpyc.Service,), {"exposed_echo": lambda _self, n: n})
    server = import_module("rpyc.utils.server").ThreadedServer
    return server(service, hostname="127.0.0.1", port=0)


def serve(link: Link) -> None:
    """Answer echoes."""
    server = make_server()
    link.ready(port=server.port)
    server.start()


def ask(link: Link, port: int) -> None:
    """Call the bound remote method, which is one round trip."""
    echo = import_module("rpyc").connect("127.0.0.1", port).root.echo
    for command in link.commands():
        link.answer(**latencies(lambda: echo(1), command["seconds"]))


def ask_many(link: Link, port: int, in_flight: int) -> None:
    """Keep asynchronous calls in flight on one connection."""
    rpyc = import_module("rpyc")
    echo = rpyc.async_(rpyc.connect("127.0.0.1", port).root.echo)
    for command in link.commands():
        waiting = deque(echo(1) for _ in range(in_flight))
        count, began = 0, perf_counter()
        until = began + command["seconds"]
        while perf_counter() < until:
            waiting.popleft().wait()
            waiting.append(echo(1))
            count += 1
        per_s = count / (perf_counter() - began)
        for result in waiting:
            result.wait()
        link.answer(per_s=per_s)
