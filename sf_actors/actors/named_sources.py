"""Connects an actor's sockets to host names, and reads their monitors to follow them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.actors.inbox import SocketSource
from sf_actors.sockets.named_peers import Found, NamedPeers
from sf_actors.sockets.names import Unresolved

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sf_actors.actors.inbox import SocketInbox
    from sf_actors.actors.run_context import RunContext
    from sf_actors.definition.models import Model
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket


class NamedSources:
    """Connects sockets of an actor to the names among their addresses; in the actor's thread.

    :param tell: brings the actor a `Found`; called in another thread
    """

    def __init__(
        self,
        run_context: RunContext,
        model: Model,
        inbox: SocketInbox,
        tell: Callable[[Found], Any],
    ) -> None:
        self._transport = run_context.transport
        self._where = model.where
        self._unresolved = Unresolved(run_context.log, model.where)
        self._inbox = inbox
        self._tell = tell
        self._open: list[tuple[NamedPeers, SocketSource]] = []

    def connect(
        self, socket: Socket, endpoint: Endpoint, lock: AbstractContextManager[Any] | None
    ) -> None:
        """Connect a socket to the names among its addresses, once they are looked up."""
        named = [one for one in endpoint.all if one.is_name]
        if not named:
            return
        peers = NamedPeers(
            self._transport,
            socket,
            named,
            self._tell,
            self._unresolved,
            where=self._where,
            lock=lock,
        )
        source = SocketSource(peers.events, receive=peers.read_event, take=peers.take_event)
        self._inbox.watch(source)
        self._open.append((peers, source))

    def at(self, endpoint: Endpoint) -> Endpoint | None:
        """Return the numeric form of an address; None while its host is not looked up."""
        if not endpoint.is_name:
            return endpoint
        return next((peers.at(endpoint) for peers, _ in self._open if peers.at(endpoint)), None)

    def forget(self, socket: Socket) -> None:
        """Stop following the names of a socket, before it is closed."""
        for entry in [entry for entry in self._open if entry[0].socket is socket]:
            self._open.remove(entry)
            self._inbox.forget(entry[1])
            entry[0].close()

    def close(self) -> None:
        """Stop following the names of all sockets."""
        for peers, _ in list(self._open):
            self.forget(peers.socket)
