"""A bare pyzmq SUB that watches a model, as anybody's program could."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.inspection.asking import Asker


class Watcher:
    """A SUB socket at the stream of one tap."""

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.SUB)
        self.socket.subscribe(b"")
        self.socket.connect(address)

    def next(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Return the next record."""
        assert self.socket.poll(int(timeout_s * 1000)), f"no record within {timeout_s} s"
        record: dict[str, Any] = msgspec.msgpack.decode(self.socket.recv())
        return record

    def close(self) -> None:
        self.socket.close()
        self._context.term()


@contextmanager
def watcher_of(asker: Asker, service: str, model: str) -> Iterator[Watcher]:
    """Give one whose stream has begun."""
    watcher = Watcher(asker.ask("tap", service=service, model=model)["address"])
    try:
        assert watcher.next()["kind"] == "tap"
        yield watcher
    finally:
        watcher.close()
