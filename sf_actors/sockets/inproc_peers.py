"""The addresses of inproc that sockets are connected to.

libzmq makes such a connection once: when the socket at its other side has been closed, nothing
connects to the next one. So whoever owns the connected socket is told, and connects again; libzmq
lets that wait for whoever binds the address next.
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
    """An address of inproc that a socket was connected to is free again.

    :ivar lock: held while the socket is used, where others use it as well
    """

    socket: Socket
    endpoint: Endpoint
    lock: AbstractContextManager[Any]


class InprocPeers:
    """Connects sockets anew to addresses of inproc; for the thread that may use them.

    :param tell: gets a `Freed` in another thread, and sees that it gets to `take`
    """

    def __init__(self, transport: Transport, tell: Callable[[Freed], Any]) -> None:
        self._transport = transport
        self._tell = tell
        self._told: list[tuple[Freed, Callable[[], Any]]] = []

    def follow(
        self, socket: Socket, endpoint: Endpoint, lock: AbstractContextManager[Any] | None
    ) -> None:
        """Have a socket connected anew, from now on, where it is connected to inproc."""
        for one in endpoint.all:
            if one.scheme == "inproc":
                freed = Freed(socket, one, nullcontext() if lock is None else lock)
                tell = partial(self._tell, freed)
                inproc.tell_when_free(one.path, tell)
                self._told.append((freed, tell))

    def take(self, freed: Freed) -> None:
        """Connect a socket anew, unless it was closed meanwhile."""
        with freed.lock:
            if not freed.socket.closed:
                self._transport.reconnect(freed.socket, freed.endpoint)

    def forget(self, socket: Socket) -> None:
        """Follow the addresses of a socket no longer, before it is closed."""
        for entry in [entry for entry in self._told if entry[0].socket is socket]:
            self._told.remove(entry)
            inproc.tell_no_more(entry[0].endpoint.path, entry[1])

    def close(self) -> None:
        """Follow the addresses of no socket any more."""
        for freed, _ in list(self._told):
            self.forget(freed.socket)
