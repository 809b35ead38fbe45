"""The bytes of ZMTP, as a peer writes them that need not keep to it."""

from __future__ import annotations

import itertools
import struct
from functools import cache

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
MORE, LONG, COMMAND = 1, 2, 4

#: The socket types of ZMTP 2.0 by number.
TYPES = ("PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB")


def greeting(
    mechanism: bytes = b"NULL", version: tuple[int, int] = (3, 0), *, as_server: bool = False
) -> bytes:
    """Return the greeting of ZMTP 3."""
    return SIGNATURE + bytes(version) + mechanism.ljust(20, b"\0") + bytes([as_server]) + bytes(31)


def greeting_2(kind: str, identity: bytes) -> bytes:
    """Return the greeting of ZMTP 2.0, which ends with the first frame."""
    return SIGNATURE + bytes([1, TYPES.index(kind)]) + frame(identity)


def frame(
    body: bytes, *, more: bool = False, is_command: bool = False, announced: int | None = None
) -> bytes:
    """Return a frame of ZMTP 2 and 3.

    :param announced: its length according to its head, if that is to be another
    """
    length = len(body) if announced is None else announced
    flags = more * MORE | is_command * COMMAND
    if length > 255:
        return struct.pack("!BQ", flags | LONG, length) + body
    return bytes([flags, length]) + body


def frame_1(body: bytes, *, more: bool = False) -> bytes:
    """Return a frame of ZMTP 1.0."""
    length = len(body) + 1
    head = bytes([length]) if length < 255 else b"\xff" + struct.pack("!Q", length)
    return head + bytes([more]) + body


def message(parts: list[bytes]) -> bytes:
    """Return the frames of a message."""
    return b"".join(frame(part, more=at + 1 < len(parts)) for at, part in enumerate(parts))


def command(name: bytes, body: bytes = b"") -> bytes:
    """Return a command."""
    return frame(bytes([len(name)]) + name + body, is_command=True)


def metadata(properties: list[tuple[bytes, bytes]]) -> bytes:
    """Return properties as a READY command holds them."""
    return b"".join(
        bytes([len(name)]) + name + struct.pack("!I", len(value)) + value
        for name, value in properties
    )


def ready(kind: str, identity: bytes | None = None) -> bytes:
    """Return the READY command of a socket."""
    properties = [(b"Socket-Type", kind.encode())]
    if identity is not None:
        properties.append((b"Identity", identity))
    return command(b"READY", metadata(properties))


def cross_site_post(port: int, frames: bytes) -> bytes:
    """Return what a browser sends for a web page's POST, so that its body is read as ZMTP 1.0.

    Its head is read as frames of ZMTP 1.0 too, by the letters in it; the path is as long as it must
    be for the last of them to end where the body begins.
    """
    return _post_head(port, len(frames)) + frames


@cache
def _post_head(port: int, length: int) -> bytes:
    for padding in itertools.count():
        head = (
            f"POST /{'A' * padding} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
        ).encode()
        at = 0
        while at < len(head):
            at += head[at] + 1
        if at == len(head) or padding > 1_000:
            return head
    raise AssertionError


@cache
def ids_drawn_unseeded(sockets: int) -> tuple[int, ...]:
    """Return where the routing ids begin that ROUTER sockets give, one socket after the other.

    libzmq 4.3.5 draws them from C's `rand()`, which glibc begins alike in each process that does
    not seed it.
    """
    drawn = [1]
    for _ in range(30):
        drawn.append(16807 * drawn[-1] % 2147483647)
    drawn += drawn[:3]
    for at in range(34, 344 + 2 * sockets):
        drawn.append((drawn[at - 31] + drawn[at - 3]) % 2**32)
    pairs = [value >> 1 for value in drawn[344:]]
    return tuple(
        (high << 31 | low) % 2**32
        for low, high in zip(pairs[: 2 * sockets : 2], pairs[1 : 2 * sockets : 2], strict=True)
    )


def routing_id(number: int) -> bytes:
    """Return a routing id of the form that a ROUTER socket gives to whoever names none."""
    return b"\0" + struct.pack("!I", number % 2**32)
