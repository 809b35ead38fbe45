"""Keeps an actor's sockets connected: reads their monitors, to follow host names and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import zmq

from sf_actors.actors.inbox import Pollable
from sf_actors.sockets.given_up import GivenUp
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


class Connections(NamedTuple):
    """A message: something may have happened to a socket's connections."""

    peers: NamedPeers


class NamedSources:
    """Keeps sockets of an actor connected; in the actor's thread.

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
        self._given_up = GivenUp(run_context.log, model.where)
        self._open: list[tuple[NamedPeers, Pollable]] = []

    def connect(
        self, socket: Socket, endpoint: Endpoint, lock: AbstractContextManager[Any] | None
    ) -> None:
        """Follow a socket's connections; before it is connected to its numeric addresses.

        It is connected to the names among its addresses once they are looked up.
        """
        followed = [one for one in endpoint.all if one.scheme != "inproc"]
        if not followed:
            return
        peers = NamedPeers(
            self._transport,
            socket,
            followed,
            self._tell,
            self._unresolved,
            where=self._where,
            given_up=self._given_up,
            lock=lock,
        )
        # by its descriptor: nobody else uses the monitor, and it is read until nothing is left
        source = Pollable(int(peers.events.getsockopt(zmq.FD)), Connections(peers))
        self._inbox.watch(source)
        self._open.append((peers, source))

    def at(self, endpoint: Endpoint) -> Endpoint | None:
        """Return the numeric form of an address; None while its host is not looked up."""
        if not endpoint.is_name:
            return endpoint
        return next((peers.at(endpoint) for peers, _ in self._open if peers.at(endpoint)), None)

    def restore(self) -> None:
        """Connect again what libzmq has given up, since the alarm of the inbox has come."""
        for peers, _ in self._open:
            peers.restore()
            self._set_alarm(peers)

    def read(self, connections: Connections) -> None:
        """Read what there is of a socket's connections."""
        for peers, source in self._open:
            if peers is connections.peers:
                peers.read_events()
                source.drained()
                self._set_alarm(peers)

    def _set_alarm(self, peers: NamedPeers) -> None:
        due = peers.next_deadline
        if due is not None:
            set_for = self._inbox.alarm
            self._inbox.alarm = due if set_for is None else min(set_for, due)

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
