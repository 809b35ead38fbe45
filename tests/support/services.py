"""Models, addresses and a plain client for tests that run services."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from queue import Queue
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from sf_actors import Service
from sf_actors.testing import module_of
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

#: A service file with a replyer that returns a number.
REPLYER_FILE = """
def on_request(args): return {'n': args['n']}
connection_models = {'in': {'echo': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_new_request': on_request},
    'required_arguments': {'n': int},
    'required_return_arguments': {'n': int},
}}}
"""
ECHO_ADDRESSES = {"connections": {"in": {"echo": {"replyer": "127.0.0.1:0"}}}}


def echo(args: dict[str, Any]) -> dict[str, Any]:
    """Return the number."""
    return {"n": args["n"]}


def replyers(**handlers: Callable[..., Any]) -> dict[str, Any]:
    """Return connection models: a replyer of a number for each handler."""
    return {
        "in": {
            name: {
                "connection_type": "replyer",
                "required_creation_arguments": {"on_new_request": handler},
                "required_arguments": {"n": int},
                "required_return_arguments": {"n": int},
            }
            for name, handler in handlers.items()
        }
    }


def replying(handler: Callable[..., Any] = echo, **definitions: Any) -> ModuleType:
    """Return a service with one replyer, `echo`, and the given definitions."""
    return module_of(connection_models=replyers(echo=handler), **definitions)


def service_of(source: Any, stop_timeout_s: float = 5.0, **arguments: Any) -> Service:
    """Return a service that logs nothing."""
    return Service(source, console_loglevel=None, stop_timeout_s=stop_timeout_s, **arguments)


def echo_service(**definitions: Any) -> Service:
    """Return a service with one replyer, `echo`, on a free port."""
    return service_of(replying(**definitions), addresses=ECHO_ADDRESSES)


def has_queued(service: Service, count: int) -> bool:
    """Return True if `count` or more calls are queued."""
    return bool(service.stats()["router"]["queued"] >= count)


class Gate:
    """A handler that signals when it begins, and waits until it may end."""

    def __init__(self) -> None:
        self.entered: Queue[int] = Queue()
        self.may_end = threading.Event()

    def __call__(self, args: dict[str, Any]) -> dict[str, Any]:
        self.entered.put(args["n"])
        assert self.may_end.wait(PATIENCE_S)
        return {"n": args["n"]}


def requester(**creation: Any) -> dict[str, Any]:
    """Return a requester that sends a number and gets a number."""
    return {
        "connection_type": "requester",
        "optional_creation_arguments": creation,
        "required_arguments": {"n": int},
        "required_return_arguments": {"n": int},
    }


TARGET: dict[str, Any] = {
    "connection_type": "external_target",
    "required_creation_arguments": {"target": dict},
}


def main_until_stopped(to_send: Callable[..., Any]) -> None:
    """Run until the service, which has `TARGET`, is stopped."""
    while True:
        to_send("connection", "target", {})


def looping(main: Callable[..., Any] = main_until_stopped, **definitions: Any) -> ModuleType:
    """Return a service whose main runs until it is stopped, with the given definitions."""
    models = {"out": {"target": TARGET}}
    return module_of(main=main, connection_models=models, **definitions)


class Client:
    """A plain REQ socket: `send` sends a request, `receive` waits for the reply."""

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.linger = 0
        self._socket.connect(f"tcp://{address}")

    def send(self, **args: Any) -> None:
        self._socket.send(msgspec.msgpack.encode({"args": args, "workflow_id": None}))

    def receive(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        if not self._socket.poll(int(timeout_s * 1000)):
            raise AssertionError(f"no reply came within {timeout_s} s")
        reply: dict[str, Any] = msgspec.msgpack.decode(self._socket.recv())
        return reply

    def close(self) -> None:
        self._socket.close()
        self._context.term()


@contextmanager
def client_of(address: str) -> Iterator[Client]:
    """Yield a client, and close it."""
    client = Client(address)
    try:
        yield client
    finally:
        client.close()


def ask(address: str, n: int = 1) -> dict[str, Any]:
    """Send one request and return the reply."""
    with client_of(address) as client:
        client.send(n=n)
        return client.receive()


class Background:
    """Runs a function in a thread, so that a test can wait for its end and its error."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(function, *args))
        self._thread.start()

    def _run(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    @property
    def is_over(self) -> bool:
        """True once it has ended."""
        return not self._thread.is_alive()

    def join(self, timeout_s: float = PATIENCE_S) -> BaseException | None:
        """Wait for its end; returns the exception that it raised, if any."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the thread has not ended"
        return self.error
