"""A probe: one plain connection that finds out whether a ZeroMQ peer lives at an address.

Every peer sends the first byte of its greeting as soon as it takes a connection (RFC 23, ZMTP 3.0;
RFC 15 for those before). The kernel takes connections for a process that is frozen as well, but
nobody greets then. It needs nothing of the peer but that, sends it nothing, and is over before a
mechanism or an authenticator is asked.
"""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from sf_actors.sockets.transport import KEEPALIVE_COUNT, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S

if TYPE_CHECKING:
    from sf_actors.sockets.endpoint import Endpoint

#: Family and address as `socket.connect` takes them.
Target = tuple[int, str | tuple[str, int]]

#: First byte of a greeting, and how long that part of it is which comes unasked.
_SIGNATURE: Final = 0xFF
_SIGNATURE_BYTES: Final = 10

_KEEPALIVE: Final = {
    "TCP_KEEPIDLE": KEEPALIVE_IDLE_S,
    "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_S,
    "TCP_KEEPCNT": KEEPALIVE_COUNT,
}

#: What keeps us from asking, and says nothing of the peer.
_OURS: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}

_REASONS: Final = {
    errno.ECONNREFUSED: "refused: nobody listens there",
    errno.ENOENT: "refused: nobody listens there",
    errno.EAGAIN: "frozen: too many connections wait for it already",
    errno.ECONNRESET: "it ends the connection without a greeting",
}
_FROZEN: Final = "frozen: connections are taken, but nobody greets"
_UNREACHABLE: Final = "unreachable, or frozen with too many connections that wait for it"
_FOREIGN: Final = "what answers there speaks no ZMTP"


class CannotAsk(Exception):
    """Something of ours is missing, such as a descriptor: nothing is known of the peer."""


class NoPeer(Exception):
    """Nobody greets there; the text says why."""


def target_of(endpoint: Endpoint) -> Target | None:
    """Return where to probe, None where that is not known without waiting.

    To look up a name may take long, and libzmq may have found another host by it: only an address
    that was given as one is probed, and `localhost`, which for libzmq is IPv4 like every name.
    """
    if endpoint.scheme == "ipc":
        path = endpoint.path
        return socket.AF_UNIX, "\0" + path[1:] if path.startswith("@") else path
    if endpoint.scheme != "tcp":
        return None
    host = "127.0.0.1" if endpoint.host == "localhost" else endpoint.host
    try:
        version = ip_address(host).version
    except ValueError:
        return None
    return (socket.AF_INET6 if version == 6 else socket.AF_INET), (host, endpoint.port)


class Probe:
    """A connection that waits for a greeting; used by one thread, which is never blocked.

    :raises CannotAsk: there is no descriptor or port left for it
    :raises NoPeer: it is refused at once
    """

    def __init__(self, target: Target) -> None:
        family, address = target
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise _read(error) from None
        try:
            self._socket.setblocking(False)
            if family != socket.AF_UNIX:
                self._keep_alive()
            self._socket.connect(address)
        except BlockingIOError as error:
            if error.errno != errno.EINPROGRESS:
                self.close()
                raise _read(error) from None
        except OSError as error:
            self.close()
            raise _read(error) from None

    @property
    def fd(self) -> int:
        """The descriptor, which is readable when `has_greeted` has something to tell."""
        return self._socket.fileno()

    @property
    def is_connected(self) -> bool:
        """Whether the connection is there, greeting or not, and another is at its end.

        Where nobody listens on a port, TCP may connect a socket to itself by giving it that port,
        which must not be held: the publisher could not have it any more.
        """
        try:
            return bool(self._socket.getpeername() != self._socket.getsockname())
        except OSError:
            return False

    def has_greeted(self) -> bool:
        """Return whether the peer has greeted by now.

        :raises NoPeer: nobody will
        :raises CannotAsk: it cannot be told, for want of memory
        """
        try:
            # all that came is read: to close with something unread would be a reset for the peer
            came = self._socket.recv(_SIGNATURE_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            raise _read(error) from None
        if not came:
            raise NoPeer(_REASONS[errno.ECONNRESET])
        if came[0] != _SIGNATURE:
            raise NoPeer(_FOREIGN)
        return True

    def silence(self) -> str:
        """Return what it means that no greeting has come."""
        return _FROZEN if self.is_connected else _UNREACHABLE

    def close(self) -> None:
        """Free the descriptor; may be called twice."""
        self._socket.close()

    def _keep_alive(self) -> None:
        """Have the kernel notice when the host of a peer that is waited for long is gone."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            option = getattr(socket, name, None)
            if option is not None:
                self._socket.setsockopt(socket.IPPROTO_TCP, option, value)


def _read(error: OSError) -> CannotAsk | NoPeer:
    """Return what an error of the system says of the peer."""
    number = error.errno or 0
    if number in _OURS:
        return CannotAsk(os.strerror(number))
    return NoPeer(_REASONS.get(number) or str(error.strerror or error))
