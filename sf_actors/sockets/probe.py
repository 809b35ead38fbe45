"""A probe: a plain connection that finds out whether a live ZeroMQ peer is at an address.

Every peer sends the first byte of its greeting as soon as it accepts a connection (RFC 23, ZMTP
3.0; RFC 15 for older ones). For a frozen process the kernel still accepts connections, but no
greeting comes. The probe sends nothing, and ends before any security handshake.
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

#: First byte of a greeting, and the length of the part that a peer sends first.
_SIGNATURE: Final = 0xFF
_SIGNATURE_BYTES: Final = 10

_KEEPALIVE: Final = {
    "TCP_KEEPIDLE": KEEPALIVE_IDLE_S,
    "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_S,
    "TCP_KEEPCNT": KEEPALIVE_COUNT,
}

#: Errors of our own side, which say nothing about the peer.
_OURS: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}

_REASONS: Final = {
    errno.ECONNREFUSED: "refused: nobody listens there",
    errno.ENOENT: "refused: nobody listens there",
    errno.EAGAIN: "frozen: too many connections wait for it already",
    errno.ECONNRESET: "it ends the connection without a greeting",
}
_FROZEN: Final = "frozen: connections are taken, but nobody greets"
_UNREACHABLE: Final = "unreachable, or frozen with too many connections that wait for it"
_FOREIGN: Final = "the peer there does not speak ZMTP"


class ProbeFailed(Exception):
    """The probe failed on our side, for example without a descriptor; the peer is unknown."""


class NoPeer(Exception):
    """No live peer is there; the text says why."""


def target_of(endpoint: Endpoint) -> Target | None:
    """Return where to probe; None for an address within the process and for a host name.

    Looking a name up may block, so callers pass the numeric address that it is connected to.
    """
    if endpoint.scheme == "ipc":
        path = endpoint.path
        return socket.AF_UNIX, "\0" + path[1:] if path.startswith("@") else path
    if endpoint.scheme != "tcp":
        return None
    try:
        version = ip_address(endpoint.host).version
    except ValueError:
        return None
    return (socket.AF_INET6 if version == 6 else socket.AF_INET), (endpoint.host, endpoint.port)


class Probe:
    """A connection that waits for a greeting; for one thread, which it never blocks.

    :raises ProbeFailed: no descriptor or port is left for it
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
        """The descriptor; when it is readable, `has_greeted` has a result."""
        return self._socket.fileno()

    @property
    def is_connected(self) -> bool:
        """True if the socket is connected, with or without a greeting, and not to itself.

        If nobody listens on a port, TCP may give it to the probe and connect that to itself. Such a
        probe must not be kept: the publisher could no longer bind the port.
        """
        try:
            return bool(self._socket.getpeername() != self._socket.getsockname())
        except OSError:
            return False

    def has_greeted(self) -> bool:
        """Return True if the greeting has arrived, False if not yet.

        :raises NoPeer: none will come
        :raises ProbeFailed: reading failed on our side, for lack of memory
        """
        try:
            # read everything: closing with unread bytes would send the peer a reset
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
        """Return why no greeting has come, as text."""
        return _FROZEN if self.is_connected else _UNREACHABLE

    def close(self) -> None:
        """Free the descriptor; may be called twice."""
        self._socket.close()

    def _keep_alive(self) -> None:
        """Let the kernel notice a dead host during a long wait."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            option = getattr(socket, name, None)
            if option is not None:
                self._socket.setsockopt(socket.IPPROTO_TCP, option, value)


def _read(error: OSError) -> ProbeFailed | NoPeer:
    """Return what an error of the system says about the peer."""
    number = error.errno or 0
    if number in _OURS:
        return ProbeFailed(os.strerror(number))
    return NoPeer(_REASONS.get(number) or str(error.strerror or error))
