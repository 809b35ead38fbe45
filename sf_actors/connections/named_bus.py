"""The name of a bus that a publisher connects to: followed also while nothing is published."""

from __future__ import annotations

import select
import threading
from typing import TYPE_CHECKING

import zmq

from sf_actors.errors import ServiceStopped
from sf_actors.sockets.named_peers import Found, NamedPeers
from sf_actors.sockets.names import Unresolved
from sf_actors.sync.wakeup import Wakeup

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.definition.models import Model
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.publishing_socket import PublishingSocket


class NamedBus:
    """Connects a publishing socket to a bus by its name, and again where the name points elsewhere.

    A publisher has no thread, and one that is silent for long would notice a bus that has moved
    with its next message, which would be lost. So a thread waits for news of the connection.

    :param out: whose socket is connected; its lock must be free
    :raises RuntimeError: no thread is left
    :raises ServiceStopped: there is no socket any more
    """

    def __init__(
        self, run_context: RunContext, model: Model, endpoint: Endpoint, out: PublishingSocket
    ) -> None:
        self._out = out
        # what is found is told to another thread, perhaps at once
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
            )
        self._end = Wakeup()
        self._thread = threading.Thread(target=self._follow, name="sf_actors/bus", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._close()
            raise

    def close(self) -> None:
        """Follow the name no longer; the lock must be free, and the socket open still."""
        self._end.set()
        self._thread.join()
        self._close()

    def _close(self) -> None:
        with self._out.lock:
            self._peers.close()
        self._end.close()

    def _take(self, found: Found) -> None:
        """Connect to what the name stands for; the thread that looked it up."""
        with self._out.lock:
            if self._out.socket is not None:
                found.peers.take(found)

    def _follow(self) -> None:
        poll = select.poll()
        poll.register(self._end.fd, select.POLLIN)
        poll.register(int(self._peers.events.getsockopt(zmq.FD)), select.POLLIN)
        while True:
            with self._out.lock:
                # first: the descriptor signals a change, not a state
                self._peers.read_events()
            if self._end.fd in (fd for fd, _ in poll.poll()):
                return
