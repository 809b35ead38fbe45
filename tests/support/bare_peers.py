"""Plain ZeroMQ sockets with plain MessagePack, as in a program in another language."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgpack
import zmq

from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

HEARTBEAT = -2


class Subscriber:
    """A SUB socket that reads the messages of states."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket

    def next(self) -> Any:
        """Return the next message, unpacked; a list of topic and message if there is a topic."""
        assert self.socket.poll(PATIENCE_S * 1000), "nothing came"
        unpacker = msgpack.Unpacker(strict_map_key=False)
        unpacker.feed(self.socket.recv())
        parts = list(unpacker)
        return parts[0] if len(parts) == 1 else parts

    def until_heard(self) -> Any:
        """Return the first message; no message is missed after it."""
        return self.next()

    def next_delta(self) -> Any:
        """Return the next message that is not a heartbeat."""
        while True:
            message = self.next()
            if message["args"]["current_num"] != HEARTBEAT:
                return message


@contextmanager
def subscribed(address: str, prefix: bytes = b"") -> Iterator[Subscriber]:
    """Open a SUB socket, connected to `host:port`."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.subscribe(prefix)
    socket.connect(f"tcp://{address}")
    try:
        yield Subscriber(socket)
    finally:
        socket.close(0)
        context.term()


def asked(address: str, message: object) -> Any:
    """Return the unpacked answer to a request over a plain REQ socket."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.connect(f"tcp://{address}")
    try:
        socket.send(msgpack.packb(message))
        assert socket.poll(PATIENCE_S * 1000), "no answer came"
        return msgpack.unpackb(socket.recv(), strict_map_key=False)
    finally:
        socket.close(0)
        context.term()
