"""Lists the established TCP connections of this machine, by asking the kernel (sock_diag(7)).

The table in /proc also lists recently closed connections, on a busy machine far more of them:
reading it takes long, and gives up the interpreter again and again.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, and the state to ask for
_SOCK_DIAG, _BY_FAMILY, _DUMP = 4, 20, 0x301
_ESTABLISHED = 1 << 1
#: nlmsghdr and inet_diag_req_v2; any address matches
_REQUEST: Final = struct.Struct("=IHHIIBBBBI48x")
_HEADER: Final = struct.Struct("=IHHII")
_PORT: Final = struct.Struct("!H")
#: the types that end an answer: NLMSG_ERROR, NLMSG_DONE
_ERROR, _DONE = 2, 3
#: the offsets of the local port and address in an answer, behind both headers
_PORT_AT, _HOST_AT = 20, 24
_HOST_BYTES = {socket.AF_INET: 4, socket.AF_INET6: 16}

_PIECE: Final = 2**18
#: How long the kernel may take to answer, in seconds; it answers at once.
_PATIENCE_S: Final = 1.0


def established() -> Iterator[tuple[int, bytes]]:
    """Yield the local port and the packed local address of each connection.

    :raises OSError: the kernel does not answer
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError("no netlink here")
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, _SOCK_DIAG) as asking:
        asking.settimeout(_PATIENCE_S)
        for family in _HOST_BYTES:
            asking.send(
                _REQUEST.pack(
                    _REQUEST.size,
                    _BY_FAMILY,
                    _DUMP,
                    family,
                    0,
                    family,
                    socket.IPPROTO_TCP,
                    0,
                    0,
                    _ESTABLISHED,
                )
            )
            yield from _answers(asking, family)


def _answers(asking: socket.socket, family: int) -> Iterator[tuple[int, bytes]]:
    host_bytes = _HOST_BYTES[socket.AddressFamily(family)]
    while True:
        piece = asking.recv(_PIECE)
        at = 0
        while at + _HEADER.size <= len(piece):
            length, kind, *_ = _HEADER.unpack_from(piece, at)
            if kind == _DONE:
                return
            if kind == _ERROR or length < _HOST_AT + host_bytes:
                raise OSError("the kernel does not list its connections")
            (port,) = _PORT.unpack_from(piece, at + _PORT_AT)
            yield port, piece[at + _HOST_AT : at + _HOST_AT + host_bytes]
            # each answer begins at a multiple of four bytes
            at += (length + 3) & ~3
