"""Pyro5: a daemon with its thread pool, a proxy for each thread of the client, defaults."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.timing import in_threads, latencies

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.link import Link


def make_daemon() -> tuple[Any, str]:
    """Return a daemon on a free port, which `requestLoop` runs, and the address of its echo."""
    api = import_module("Pyro5.api")
    echo = api.expose(type("Echo", (), {"echo": lambda _self, n: n}))
    daemon = api.Daemon(host="127.0.0.1", port=0)
    return daemon, str(daemon.register(echo()))


def serve(link: Link) -> None:
    """Answer echoes."""
    daemon, uri = make_daemon()
    link.ready(uri=uri)
    daemon.requestLoop()


def ask(link: Link, uri: str) -> None:
    """Call through one proxy."""
    echo = import_module("Pyro5.api").Proxy(uri).echo
    for command in link.commands():
        link.answer(**latencies(lambda: echo(1), command["seconds"]))


def ask_many(link: Link, uri: str, in_flight: int) -> None:
    """Keep calls in flight from as many threads, each with its own proxy."""
    proxy = import_module("Pyro5.api").Proxy

    def make_call() -> Callable[[], object]:
        echo = proxy(uri).echo
        return lambda: echo(1)

    for command in link.commands():
        link.answer(**in_threads(make_call, threads=in_flight, seconds=command["seconds"]))
