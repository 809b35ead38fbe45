"""service_framework, the original: runs the same service files as this package.

It cannot take port 0, has no hook for readiness, and binds to all interfaces, whatever host it is
given.
"""

from __future__ import annotations

import socket
import threading
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from time import sleep
from typing import TYPE_CHECKING, Any

from benchmarks.contender import ROOT
from benchmarks.counting import count_messages
from benchmarks.ports import free_port
from benchmarks.timing import reached

if TYPE_CHECKING:
    from types import ModuleType

    from benchmarks.link import Link

SERVICES = ROOT / "benchmarks" / "services"


def serve(link: Link) -> None:
    """Answer echoes; clients wait until it runs."""
    link.ready(port=(port := free_port()))
    _service("echo", "connections", "in", "echo", replyer=port).run_service_blocking()


def ask(_link: Link, port: int) -> None:
    """Call from the main of a service, one call after the other."""
    _service("ask", "connections", "out", "echo", requester=port).run_service_as_main_blocking()


class BackgroundServer:
    """An echo in a process of its own, which is how the original runs in the background."""

    def __init__(self) -> None:
        self._port = free_port()
        self._service = _service("echo", "connections", "in", "echo", replyer=self._port)

    def start(self) -> None:
        """Start it, and wait until its port accepts a connection: it reports nothing."""
        self._service.run_service()
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
            except ConnectionRefusedError:
                sleep(0.001)
            else:
                return

    def stop(self) -> None:
        """Terminate its process, and wait for it, which the original does not do."""
        process = self._service.process
        self._service.stop_service()
        process.join()


def publish(link: Link) -> None:
    """Publish messages from the main of a service."""
    link.ready(port=(port := free_port()))
    service = _service("publish", "connections", "out", "trades", publisher=port)
    service.run_service_as_main_blocking()


def subscribe(link: Link, port: int) -> None:
    """Count the messages in the handler of a service."""
    threading.Thread(target=count_messages, args=(link,), daemon=True).start()
    _service("subscribe", "connections", "in", "trades", subscriber=port).run_service_blocking()


def publish_deltas(link: Link) -> None:
    """Publish deltas from the main of a service."""
    publisher, replyer = free_port(), free_port()
    link.ready(publisher=publisher, replyer=replyer)
    service = _service(
        "numbered_book_out", "states", "out", "book", publisher=publisher, replyer=replyer
    )
    service.run_service_as_main_blocking()


def follow(_link: Link, publisher: int, replyer: int) -> None:
    """Follow the deltas."""
    service = _service(
        "numbered_book_in", "states", "in", "book", subscriber=publisher, requester=replyer
    )
    service.run_service_blocking()


def answer_followed(link: Link, states: Any) -> None:
    """Answer the harness with the replica's number; in a thread beside the service.

    :param states: the state objects that the original passes to `init_function`
    """
    replica = states["in"]["book"]
    for command in link.commands():
        number, patience_s = command["number"], command["patience_s"]
        link.answer(at=reached(lambda: replica.current_num, number, patience_s))


def _service(file: str, kind: str, direction: str, name: str, **ports: int) -> Any:
    addresses = {socket: f"127.0.0.1:{port}" for socket, port in ports.items()}
    return import_module("service_framework").Service(
        service_module=_module(file), addresses={kind: {direction: {name: addresses}}}
    )


def _module(name: str) -> ModuleType:
    """Load a service file: the original accepts only paths below the working directory."""
    spec = spec_from_file_location(name, SERVICES / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"no service file {name}.py in {SERVICES}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
