"""A context whose sockets detect use by two threads at once."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.sockets import contexts as context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

#: The parts of the package that use sockets.
PARTS = tuple(f"sf_actors.{part}" for part in ("actors", "connections", "sockets", "states"))

_GUARDED = ("send", "recv", "recv_multipart", "send_multipart", "close", "bind", "setsockopt")


class GuardedSocket(zmq.Socket[bytes]):
    """A socket that records each call from one thread during a call from another."""

    violations: list[str] = []  # noqa: RUF012 - shared on purpose, the fixture empties it
    calls = 0

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        here = threading.get_ident()
        inside = self.__dict__.setdefault("_inside", [])
        if any(thread != here for thread, _ in inside):
            self.violations.append(f"{name} beside {inside} in {threading.current_thread().name}")
        entry = (here, name)
        inside.append(entry)
        GuardedSocket.calls += 1
        try:
            yield
        finally:
            inside.remove(entry)


def _guarded(name: str) -> Callable[..., Any]:
    plain = getattr(zmq.Socket, name)

    def call(self: GuardedSocket, *args: Any, **kwargs: Any) -> Any:
        with self.alone(name):
            return plain(self, *args, **kwargs)

    return call


for _name in _GUARDED:
    setattr(GuardedSocket, _name, _guarded(_name))


def _guarded_call(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    def call(socket: GuardedSocket, *args: Any) -> Any:
        with socket.alone(name):
            return plain(socket, *args)

    return call


@contextmanager
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Make services open guarded sockets; yields the list of violations."""
    plain = context._new

    def new(**chosen: bool) -> Any:
        made = plain(**chosen)
        made._socket_class = GuardedSocket
        return made

    monkeypatch.setattr(context, "_new", new)
    modules = [module for name, module in sys.modules.items() if name.startswith(PARTS)]
    for module in modules:
        # direct calls of libzmq, which bypass the methods above
        for name in {"send_frame", "receive_frame"} & set(vars(module)):
            monkeypatch.setattr(module, name, _guarded_call(name, getattr(module, name)))
    GuardedSocket.violations = []
    GuardedSocket.calls = 0
    yield GuardedSocket.violations
    assert GuardedSocket.calls, "no guarded socket was used"
