"""Keeps a socket connected: looks host names up, and connects again where libzmq gives up.

libzmq itself repeats a connection, to the numeric address that it was given. Each time, the name is
looked up again, and the connection moves if the name points elsewhere or has another address that
was not tried yet.

A connection that libzmq has closed itself it does not repeat: the peer sent what is no ZMTP 3, as
another program that had the port for a while, or a message of more than the socket takes. It is
lost without a `CONNECT_RETRIED`, and is made again here.
"""

from __future__ import annotations

from contextlib import nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import zmq

from sf_actors.sockets import monitors, names
from sf_actors.sockets.frames import NOBLOCK
from sf_actors.sockets.names import HostsInTurn, LookUp, Unresolved
from sf_actors.sockets.transport import RECONNECT_MAX_MS, RECONNECT_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket
    from sf_actors.sockets.given_up import GivenUp
    from sf_actors.sockets.transport import Transport

_CONNECTED: Final = int(zmq.EVENT_CONNECTED)
_SUCCEEDED: Final = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
_DISCONNECTED: Final = int(zmq.EVENT_DISCONNECTED)

#: How long after a loss libzmq may take to say that it connects again, in seconds; also the pause
#: before it is done here.
GIVEN_UP_S: Final = RECONNECT_MAX_MS / 1000


class Found:
    """The answer of a look-up, for `NamedPeers.take`.

    :param hosts: none if there is a problem
    """

    __slots__ = ("hosts", "peer", "peers", "problem")

    def __init__(
        self, peers: NamedPeers, peer: _Peer, hosts: tuple[str, ...], problem: str
    ) -> None:
        self.peers = peers
        self.peer = peer
        self.hosts = hosts
        self.problem = problem


class _Peer:
    """One address as it was given, and the numeric one that it is connected to.

    :ivar is_connected: whether it was connected at the last event
    :ivar given_up_at: when its lost connection counts as given up; None: it is not lost
    :ivar is_given_up: libzmq does not connect it again
    :ivar is_to_itself: the last connection was one to itself: see `monitors.read`
    """

    __slots__ = (
        "at",
        "endpoint",
        "given_up_at",
        "is_connected",
        "is_given_up",
        "is_to_itself",
        "look_up",
        "pause_ms",
        "turns",
    )

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.at: Endpoint | None = None if endpoint.is_name else endpoint
        self.given_up_at: float | None = None
        self.is_given_up = False
        self.is_to_itself = False
        self.turns = HostsInTurn()
        self.look_up: LookUp | None = None
        self.is_connected = False
        self.pause_ms = RECONNECT_MS


class NamedPeers:
    """Keeps a socket connected; for the thread that may use the socket.

    It must be made before the socket is connected to numeric addresses, whose events it needs all.

    :param endpoints: its addresses; names are connected here, the others by the caller
    :param found: called with a `Found` in another thread; must bring it to `take`
    :param lock: held while the socket is used, if other threads use it too
    :ivar events: the monitor, for `read_events` when it is readable
    """

    def __init__(
        self,
        transport: Transport,
        socket: Socket,
        endpoints: Sequence[Endpoint],
        found: Callable[[Found], Any],
        unresolved: Unresolved,
        *,
        where: str,
        given_up: GivenUp,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._transport = transport
        self.socket = socket
        self._found = found
        self._unresolved = unresolved
        self._given_up = given_up
        self._lock = lock or nullcontext()
        self._is_closed = False
        self._peers = [_Peer(endpoint) for endpoint in endpoints]
        if any(endpoint.is_name for endpoint in endpoints):
            socket.setsockopt(zmq.CONNECT_TIMEOUT, monitors.CONNECT_TIMEOUT_MS)
        self.events = transport.events_of(socket, "names", monitors.RETRY_EVENTS, where=where)
        for peer in self._peers:
            if peer.at is None:
                self._look_up(peer)

    def read_event(self) -> list[bytes]:
        """Read an event.

        :raises zmq.Again: there is none
        """
        return self.events.recv_multipart(NOBLOCK)

    def take_event(self, event: list[bytes]) -> None:
        """Handle an event: look a name up again if its connection was lost or could not be made."""
        address = event[1].decode(errors="replace")
        number, is_to_itself = monitors.read(event[0])
        for peer in self._peers:
            if peer.at is None or peer.at.zmq_endpoint != address:
                continue
            if number == _CONNECTED:
                peer.is_to_itself = is_to_itself
                if is_to_itself:
                    with self._lock:
                        self._transport.reconnect(self.socket, peer.at)
                continue
            if number == _SUCCEEDED and peer.is_to_itself:
                continue
            if number == _DISCONNECTED:
                peer.given_up_at = monotonic() + GIVEN_UP_S
                continue
            peer.given_up_at = None
            if number == _SUCCEEDED:
                peer.is_connected = True
                peer.pause_ms = RECONNECT_MS
                peer.turns.succeeded()
                continue
            if not peer.is_connected:
                peer.turns.failed()
            peer.is_connected = False
            if peer.endpoint.is_name and peer.look_up is None:
                self._look_up(peer)

    @property
    def next_deadline(self) -> float | None:
        """When `restore` has something to do, in seconds of `time.monotonic`; None: never."""
        return min(
            (peer.given_up_at for peer in self._peers if peer.given_up_at is not None),
            default=None,
        )

    def restore(self) -> None:
        """Connect again what libzmq has given up."""
        now = monotonic()
        for peer in self._peers:
            if self._is_closed or peer.given_up_at is None or now < peer.given_up_at:
                continue
            peer.given_up_at = None
            self._given_up.note(peer.endpoint, has_greeted=peer.is_connected)
            peer.is_connected = False
            if peer.endpoint.is_name:
                peer.is_given_up = True
                if peer.look_up is None:
                    self._look_up(peer)
            elif peer.at is not None:
                with self._lock:
                    self._transport.reconnect(self.socket, peer.at)

    def read_events(self) -> None:
        """Read and handle all waiting events."""
        while not self._is_closed:
            try:
                event = self.read_event()
            except zmq.Again:
                return
            self.take_event(event)

    def take(self, found: Found) -> None:
        """Connect to the address that a name resolves to now, unless it is connected there."""
        peer = found.peer
        if self._is_closed:
            return
        self._unresolved.note(peer.endpoint.host, found.problem)
        if not found.hosts:
            return
        peer.look_up = None
        if peer.is_connected:
            return
        host = peer.turns.choose(found.hosts)
        if peer.at is not None and peer.at.host == host and not peer.is_given_up:
            return
        peer.is_given_up = False
        before, peer.at = peer.at, peer.endpoint.at(host)
        with self._lock:
            # applies to this connection alone; it doubles until one is made
            self.socket.setsockopt(zmq.RECONNECT_IVL, peer.pause_ms)
            self._transport.reconnect(self.socket, peer.at, before)
        peer.pause_ms = min(2 * peer.pause_ms, RECONNECT_MAX_MS)

    def at(self, endpoint: Endpoint) -> Endpoint | None:
        """Return the numeric address that a name resolves to now, or None if it is unknown."""
        return next((peer.at for peer in self._peers if peer.endpoint == endpoint), None)

    def close(self) -> None:
        """Cancel the look-ups and close the monitor; before the socket is closed."""
        if self._is_closed:
            return
        self._is_closed = True
        for peer in self._peers:
            if peer.look_up is not None:
                names.NAMES.cancel(peer.look_up)
        monitors.stop(self.socket)
        self._transport.close(self.events, linger_ms=0)

    def _look_up(self, peer: _Peer) -> None:
        def on_found(hosts: tuple[str, ...], problem: str) -> None:
            self._found(Found(self, peer, hosts, problem))

        peer.look_up = names.NAMES.look_up(peer.endpoint.host, on_found)
