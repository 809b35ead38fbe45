"""The private channel between `up` and a child: a socketpair, messages as JSON lines."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_LENGTH: Final = struct.Struct("!I")
_PIECE: Final = 65536


class Lines:
    """Splits a stream that arrives in pieces into lines; one thread.

    :param longest: the greatest length of a line, in bytes; a longer one is split
    """

    def __init__(self, longest: int = 1024 * 1024) -> None:
        self._longest = longest
        self._rest = b""

    def add(self, piece: bytes) -> list[bytes]:
        """Return the lines that a piece completes, without newlines."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) >= self._longest:
            lines.append(self._rest)
            self._rest = b""
        return lines

    def end(self) -> list[bytes]:
        """Return the rest without a newline, as a line."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def packed(message: dict[str, Any]) -> bytes:
    """Return the encoded form of a message."""
    return json.dumps(message).encode() + b"\n"


def send(to: socket.socket, message: dict[str, Any]) -> bool:
    """Send a message; returns False if the other side is gone or does not read."""
    try:
        to.sendall(packed(message))
    except OSError:
        return False
    return True


def send_block(to: socket.socket, block: bytes) -> bool:
    """Send bytes of any length before all messages; returns False if the other side is gone."""
    try:
        to.sendall(_LENGTH.pack(len(block)) + block)
    except OSError:
        return False
    return True


def receive_block(of: socket.socket) -> bytes:
    """Receive the bytes that `send_block` sent.

    :raises EOFError: the other side is gone
    """
    (length,) = _LENGTH.unpack(_exactly(of, _LENGTH.size))
    return _exactly(of, length)


def messages(of: socket.socket) -> Iterator[dict[str, Any]]:
    """Yield the messages from a blocking socket until the other side is gone."""
    lines = Lines()
    while True:
        try:
            piece = of.recv(_PIECE)
        except OSError:
            return
        if not piece:
            return
        for line in lines.add(piece):
            yield json.loads(line)


def _exactly(of: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        piece = of.recv(min(_PIECE, count - len(found)))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)
