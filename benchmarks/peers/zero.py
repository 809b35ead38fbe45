"""zero (on PyPI `zeroapi`): a proxy in front of worker processes, one a core, defaults."""

from __future__ import annotations

import asyncio
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.ports import free_port
from benchmarks.timing import latencies

if TYPE_CHECKING:
    from benchmarks.link import Link

HOST = "127.0.0.1"


def echo(n: int) -> int:
    """Return the number; zero reads the types from the annotations."""
    return n


# zero needs the classes, while this module's annotations are deferred
echo.__annotations__ = {"n": int, "return": int}


def serve(link: Link) -> None:
    """Answer echoes; clients wait until the workers run."""
    server = import_module("zero").ZeroServer(host=HOST, port=(port := free_port()))
    server.register_rpc(echo)
    link.ready(port=port)
    server.run()


def ask(link: Link, port: int) -> None:
    """Call through one client."""
    client = import_module("zero").ZeroClient(HOST, port)
    for command in link.commands():
        link.answer(**latencies(lambda: client.call("echo", 1), command["seconds"]))


def ask_many(link: Link, port: int, in_flight: int) -> None:
    """Keep calls in flight from as many tasks of the asynchronous client.

    Each burst has its own client: one that received nothing for five seconds, as when it is stopped
    between bursts, never receives anything again.
    """
    make_client = import_module("zero").AsyncZeroClient

    async def flood(seconds: float) -> float:
        client = make_client(HOST, port)
        await client.call("echo", 1)  # connects; 64 first calls would make 64 connections
        count, began = 0, perf_counter()
        until = began + seconds

        async def work() -> None:
            nonlocal count
            while perf_counter() < until:
                await client.call("echo", 1)
                count += 1

        await asyncio.gather(*(work() for _ in range(in_flight)))
        per_s = count / (perf_counter() - began)
        client.close()
        return per_s

    loop = asyncio.new_event_loop()
    for command in link.commands():
        link.answer(per_s=loop.run_until_complete(flood(command["seconds"])))
