"""Handlers and actors that block or fail on demand."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.actors.inbox import TICK
from sf_actors.testing import running
from tests.support.bare_sockets import bare
from tests.support.models import ANY_PORT, at, endpoint_of, replyer, service
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from sf_actors import Service


def serving(handler: Callable[..., Any], *fields: Any, **creation: Any) -> Any:
    models = {"it": replyer(handler, *fields, **creation)}
    return running(service("served", models), addresses=at({"it": ANY_PORT}), stop_timeout_s=3)


def asking(served: Service) -> Any:
    return bare(zmq.REQ, connect=endpoint_of(served, "it"))


class Slow:
    """A handler that waits until the test releases it."""

    def __init__(self) -> None:
        self.entered: queue.Queue[Any] = queue.Queue()
        self.may_go = threading.Semaphore(0)

    def __call__(self, args: dict[str, Any]) -> dict[str, Any]:
        self.entered.put(args)
        assert self.may_go.acquire(timeout=PATIENCE_S)
        return {}

    def wait_for_call(self) -> Any:
        return self.entered.get(timeout=PATIENCE_S)

    def release(self, count: int) -> None:
        for _ in range(count):
            self.may_go.release()


class Stubborn:
    """A handler that ends only when the test says so, and ignores all exceptions."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self, args: dict[str, Any]) -> None:
        self.entered.set()
        while not self.release.is_set():
            try:
                self.release.wait(0.05)
            except BaseException:  # noqa: BLE001 - nothing else may end it
                continue


def with_two_actors(slow: Slow, **creation: Any) -> Any:
    """Serve one handler with two replyers: while one holds the lock, calls of the other queue."""
    models = {
        "first": replyer(slow, {"n": int}),
        "second": replyer(lambda args: {"n": args["n"]}, {"n": int}, {"n": int}, **creation),
    }
    addresses = at({"first": ANY_PORT, "second": ANY_PORT})
    return running(service("two", models), addresses=addresses, stop_timeout_s=3)


def kill(served: Service, name: str = "connections/in/it") -> None:
    """Make an actor raise in its own thread."""
    actor = served._run.state.actors[name]  # type: ignore[union-attr]
    actor.on_tick = explode  # type: ignore[method-assign]
    actor.tell(TICK)


def explode() -> None:
    raise ZeroDivisionError("the actor's own fault")
