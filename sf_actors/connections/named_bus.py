"""Keeps a publisher connected to a bus that is given by its host name, even while it is silent."""

from __future__ import annotations

import select
import threading
from time import monotonic
from typing import TYPE_CHECKING

import zmq

from sf_actors.errors import ServiceStopped
from sf_actors.sockets.given_up import GivenUp
from sf_actors.sockets.named_peers import Found, NamedPeers
from sf_actors.sockets.names import Unresolved
from sf_actors.sync.wakeup import Wakeup

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.definition.models import Model
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.publishing_socket import PublishingSocket


class NamedBus:
    """Connects a publishing socket to a bus by name, and again when the name resolves elsewhere.

    A publisher has no thread: after a long silence it would notice that the bus has moved only with
    its next message, and lose it. So a thread waits for events of the connection.

    :param out: whose socket is connected; its lock must be free
    :raises RuntimeError: no thread is left
    :raises ServiceStopped: there is no socket any more
    """

    def __init__(
        self, run_context: RunContext, model: Model, endpoint: Endpoint, out: PublishingSocket
    ) -> None:
        self._out = out
        # the result comes in another thread, perhaps at once
        with out.lock:
            if out.socket is None:
                raise ServiceStopped(f"{model.where}: the service has stopped")
            self._peers = NamedPeers(
                run_context.transport,
                out.socket,
                [endpoint],
                self._take,
                Unresolved(run_context.log, model.where),
                where=model.where,
                given_up=GivenUp(run_context.log, model.where),
            )
        self._end = Wakeup()
        self._thread = threading.Thread(target=self._follow, name="sf_actors/bus", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._close()
            raise

    def close(self) -> None:
        """Stop following the name; the lock must be free, and the socket still open."""
        self._end.set()
        self._thread.join()
        self._close()

    def _close(self) -> None:
        with self._out.lock:
            self._peers.close()
        self._end.close()

    def _take(self, found: Found) -> None:
        """Connect to an address that the name resolves to; runs in the thread that looked it up."""
        with self._out.lock:
            if self._out.socket is not None:
                found.peers.take(found)

    def _follow(self) -> None:
        poll = select.poll()
        poll.register(self._end.fd, select.POLLIN)
        poll.register(int(self._peers.events.getsockopt(zmq.FD)), select.POLLIN)
        while True:
            with self._out.lock:
                # before waiting: the descriptor signals a change, not a state
                self._peers.read_events()
                self._peers.restore()
            due = self._peers.next_deadline
            # rounded up: zero until then would be a busy loop
            wait_ms = None if due is None else int(max(0.0, due - monotonic()) * 1000) + 1
            if self._end.fd in (fd for fd, _ in poll.poll(wait_ms)):
                return
