"""Bare pyzmq sockets that speak the wire with the `msgpack` package, as another language would."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgpack
import zmq

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long a bare socket waits for a frame, in milliseconds; far longer than necessary.
PATIENCE_MS = 10_000

Socket = zmq.Socket[bytes]


@contextmanager
def bare(kind: int, *, connect: str = "", bind: str = "") -> Iterator[Socket]:
    """Open a socket in a context of its own."""
    context = zmq.Context()
    socket = context.socket(kind)
    socket.linger = 0
    socket.rcvtimeo = socket.sndtimeo = PATIENCE_MS
    try:
        if kind == zmq.SUB:
            socket.subscribe(b"")
        if bind:
            socket.bind(bind)
        if connect:
            socket.connect(connect)
        yield socket
    finally:
        socket.close()
        context.term()


def packed(message: Any) -> bytes:
    """Return a message as MessagePack."""
    return bytes(msgpack.packb(message))


def unpacked(frame: bytes) -> Any:
    """Return the content of a frame."""
    return msgpack.unpackb(frame)


def ask(socket: Socket, message: Any) -> Any:
    """Send a request through a REQ socket and return the reply."""
    socket.send(message if isinstance(message, bytes) else packed(message))
    return unpacked(socket.recv())


def nested(depth: int) -> bytes:
    """Return a packed list that is nested `depth` levels deep."""
    return b"\x91" * depth + b"\xc0"


#: Since Python 3.12 the decoder accepts such a depth, and our own limit refuses it.
TOO_DEEP = "undecodable" if sys.version_info < (3, 12) else "invalid"
