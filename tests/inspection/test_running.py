"""Calls of user code that run: whose they are, and the line where each of them is."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from typing import TYPE_CHECKING, Any

from sf_actors.inspection.running import running_in
from sf_actors.lifecycle.residents import RESIDENTS
from sf_actors.testing import module_of
from tests.support.services import (
    ECHO_ADDRESSES,
    Background,
    Client,
    client_of,
    replying,
    service_of,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors import Service


def running() -> list[dict[str, Any]]:
    """Return what runs in the one service of this process."""
    (resident,) = RESIDENTS.all
    return running_in(resident, 0.0)


def asked(service: Service) -> Client:
    """Return a client that has asked."""
    client = Client(service.addresses["connections"]["in"]["echo"]["replyer"])
    client.send(n=1)
    return client


def line_of(function: Callable[..., Any], text: str) -> str:
    """Return the line of a function that holds a text, as it is told."""
    lines, first = inspect.getsourcelines(function)
    (found,) = (number for number, line in enumerate(lines, first) if text in line)
    return f"{__file__}:{found}"


def test_a_handler_is_told_with_its_model_and_its_line() -> None:
    may_end = threading.Event()

    def handle(args: dict[str, Any]) -> dict[str, Any]:
        assert may_end.wait(PATIENCE_S)
        return args

    with service_of(replying(handle), addresses=ECHO_ADDRESSES, name="svc") as service:
        client = asked(service)
        (call,) = until(running)
        may_end.set()
        client.receive()
        client.close()
        assert running() == []
    # the line of who called, not that of the standard library
    assert (call["model"], call["at"]) == ("echo", line_of(handle, "may_end.wait"))
    assert 0 <= call["since_s"] < PATIENCE_S


def test_each_worker_is_told() -> None:
    may_end = threading.Event()

    def handle(args: dict[str, Any]) -> dict[str, Any]:
        assert may_end.wait(PATIENCE_S)
        return args

    module = replying(handle)
    module.connection_models["in"]["echo"]["optional_creation_arguments"] = {"workers": 2}
    with service_of(module, addresses=ECHO_ADDRESSES, name="svc") as service:
        clients = [asked(service), asked(service)]
        until(lambda: [call["model"] for call in running()] == ["echo", "echo"])
        may_end.set()
        for client in clients:
            client.receive()
            client.close()


def test_a_coroutine_is_told_with_the_line_where_it_waits() -> None:
    may_end = threading.Event()

    async def sleep() -> None:
        while not may_end.is_set():
            await asyncio.sleep(0.01)

    async def handle(args: dict[str, Any]) -> dict[str, Any]:
        await sleep()
        return args

    with service_of(replying(handle), addresses=ECHO_ADDRESSES, name="svc") as service:
        client = asked(service)
        until(lambda: [call["at"] for call in running()] == [line_of(sleep, "await asyncio")])
        may_end.set()
        client.receive()
        client.close()


def test_init_and_main_are_told_by_their_names() -> None:
    may_end, may_begin = threading.Event(), threading.Event()

    def init_function() -> None:
        assert may_begin.wait(PATIENCE_S)

    def main() -> None:
        assert may_end.wait(PATIENCE_S)

    service = service_of(module_of(init_function=init_function, main=main), name="svc")
    background = Background(service.run_service_as_main_blocking)
    until(lambda: RESIDENTS.all and [call["model"] for call in running()] == ["init_function"])
    may_begin.set()
    until(lambda: [call["model"] for call in running()] == ["main"])
    may_end.set()
    assert background.join() is None


def test_a_file_that_is_stuck_as_it_is_loaded_is_told_by_its_line(tmp_path: Any) -> None:
    path = tmp_path / "stuck.py"
    gate = tmp_path / "may-end"
    path.write_text(
        "import os, time\n"
        f"while not os.path.exists({json.dumps(str(gate))}):\n"
        "    time.sleep(0.01)\n"
        "def init_function(): pass\n"
    )
    service = service_of(str(path), name="svc")
    background = Background(service.run_service)
    until(lambda: RESIDENTS.all and running())
    assert service.stats()["phase"] == "STARTING"
    lines = {f"{path}:2", f"{path}:3"}
    until(lambda: running()[0]["at"] in lines, "its line")
    assert running()[0]["model"] == "the service file"
    gate.touch()
    assert background.join() is None
    service.stop_service()


def test_nothing_is_told_of_a_service_that_is_idle() -> None:
    with service_of(replying(), addresses=ECHO_ADDRESSES, name="svc") as service:
        with client_of(service.addresses["connections"]["in"]["echo"]["replyer"]) as client:
            client.send(n=1)
            client.receive()
        assert running() == []
