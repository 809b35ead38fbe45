"""A bare pyzmq REQ that asks inspectors, as anybody's program could."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Asker:
    """A REQ socket at one inspector."""

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.REQ)
        self.socket.linger = 0
        self.socket.connect(address)

    def send(self, verb: str, **arguments: Any) -> None:
        self.socket.send(msgspec.msgpack.encode({"args": {"verb": verb, **arguments}}))

    def receive(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        assert self.socket.poll(int(timeout_s * 1000)), f"no answer within {timeout_s} s"
        answer: dict[str, Any] = msgspec.msgpack.decode(self.socket.recv())
        return answer

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Return the arguments of the reply."""
        self.send(verb, **arguments)
        answer = self.receive()
        assert "error" not in answer, answer["error"]
        found: dict[str, Any] = answer["return_args"]
        return found

    def error_of(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Return the error of the reply."""
        self.send(verb, **arguments)
        error: dict[str, Any] = self.receive()["error"]
        return error

    def close(self) -> None:
        self.socket.close()
        self._context.term()


@contextmanager
def asker_of(address: str | None) -> Iterator[Asker]:
    """Give one, and close it."""
    assert address is not None
    asker = Asker(address)
    try:
        yield asker
    finally:
        asker.close()


def sockets_in(folder: Path) -> list[Path]:
    """Return the inspectors' sockets."""
    return sorted(folder.glob("*.sock")) if folder.exists() else []


def address_in(folder: Path) -> str:
    """Return the address of the one inspector, once it is there."""
    found: list[Path] = until(lambda: sockets_in(folder), "an inspector's socket")
    assert len(found) == 1, found
    return f"ipc://{found[0]}"
