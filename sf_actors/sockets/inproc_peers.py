"""Connects sockets again to inproc addresses whose bound socket was replaced.

libzmq makes such a connection once: when the socket at the other side is closed, nothing connects
to its successor. So the owner of the connected socket is told and connects again; in libzmq that
connection waits for the next socket that binds the address.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sf_actors.sockets import inproc

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket
    from sf_actors.sockets.transport import Transport


class Freed(NamedTuple):
    """A message: an inproc address that a socket was connected to is free again.

    :ivar lock: held while the socket is used, if other threads use it too
    """

    socket: Socket
    endpoint: Endpoint
    lock: AbstractContextManager[Any]


class InprocPeers:
    """Connects sockets again to inproc addresses; for the thread that may use them.

    :param on_freed: called with a `Freed` in another thread; must bring it to `take`
    """

    def __init__(self, transport: Transport, on_freed: Callable[[Freed], Any]) -> None:
        self._transport = transport
        self._on_freed = on_freed
        self._callbacks: list[tuple[Freed, Callable[[], Any]]] = []

    def follow(
        self, socket: Socket, endpoint: Endpoint, lock: AbstractContextManager[Any] | None
    ) -> None:
        """Follow the inproc addresses that a socket is connected to."""
        for one in endpoint.all:
            if one.scheme == "inproc":
                freed = Freed(socket, one, nullcontext() if lock is None else lock)
                callback = partial(self._on_freed, freed)
                inproc.add_callback(one.path, callback)
                self._callbacks.append((freed, callback))

    def take(self, freed: Freed) -> None:
        """Connect a socket again, unless it was closed meanwhile."""
        with freed.lock:
            if not freed.socket.closed:
                self._transport.reconnect(freed.socket, freed.endpoint)

    def forget(self, socket: Socket) -> None:
        """Stop following the addresses of a socket, before it is closed."""
        for entry in [entry for entry in self._callbacks if entry[0].socket is socket]:
            self._callbacks.remove(entry)
            inproc.remove_callback(entry[0].endpoint.path, entry[1])

    def close(self) -> None:
        """Stop following the addresses of all sockets."""
        for freed, _ in list(self._callbacks):
            self.forget(freed.socket)
