"""The publisher: sends a message to whoever subscribes."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.counters import Counters
from sf_actors.errors import ServiceStopped
from sf_actors.sockets.descriptors import look_for_descriptors
from sf_actors.sockets.inproc_peers import Freed, InprocPeers
from sf_actors.sockets.named_peers import Found, NamedPeers
from sf_actors.sockets.names import Unresolved
from sf_actors.sockets.publishing_socket import PublishingSocket
from sf_actors.wire.envelope import encode_published

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.definition.models import Model
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket


#: How often a publisher looks at what its subscribers said, when it sends, in seconds.
LISTENING_PAUSE_S = 0.01


class Publisher:
    """Sends what the callers of `to_send` publish.

    Every message carries the epoch of its socket and its number, so that a subscriber can count
    what it missed.

    :param endpoint: where to bind, or the bus to connect to
    :raises BindError: the socket cannot be opened there
    """

    def __init__(self, run_context: RunContext, model: Model, endpoint: Endpoint) -> None:
        self.model = model
        self.counters = Counters("sent", "dropped", "last_error")
        self._run_context = run_context
        self._checked = model.arguments.checked
        self.out = PublishingSocket(
            model.creation, self.counters, run_context.log, where=model.where, look=self._listen
        )
        self._inproc = InprocPeers(run_context.transport, self._connect_again)
        self._named: NamedPeers | None = None
        if model.creation["is_x_pub"]:
            socket = self._opened(endpoint)
            with self.out.lock:
                self._attach(socket, endpoint)
        else:
            socket, address = run_context.transport.bound(
                zmq.XPUB, endpoint, model.creation, where=model.where
            )
            run_context.supervisor.bound(model, "publisher", address)
            self.out.attach(socket)
        #: when subscribers have had the time to join, in seconds of `time.monotonic`
        self.ready_at = monotonic() + model.creation["wait_after_creation_s"]

    def send(self, args: Any, workflow_id: object) -> None:
        """Check, encode and publish; any thread.

        :raises InvalidArguments: the arguments fail the model
        """
        checked = self._checked(args)
        out, counters = self.out, self.counters
        with out.lock:
            if out.socket is None:
                raise ServiceStopped(f"{self.model.where}: the service has stopped")
            # the number of a message is how many went out before it
            packed = encode_published(checked, workflow_id, out.epoch, counters.sent)
            frame = out.topic + packed
            if len(frame) > out.max_bytes:
                raise out.too_large("message", frame)
            out.send(frame)
            counters.sent += 1

    def connect(self, endpoint: Endpoint) -> None:
        """Send to another bus from now on, as a new epoch; any thread.

        :raises BindError: the socket cannot be opened; all stays as it is
        :raises ServiceStopped: the service has stopped
        """
        transport = self._run_context.transport
        opened = self._opened(endpoint)
        left = opened
        try:
            with self.out.lock:
                if self.out.socket is None:
                    raise ServiceStopped(f"{self.model.where}: the service has stopped")
                left = self.out.socket
                if self._named is not None:
                    self._named.close()
                self._attach(opened, endpoint)
        finally:
            self._inproc.forget(left)
            transport.close(left)

    def _opened(self, endpoint: Endpoint) -> Socket:
        """Open a socket that connects to a bus; to a name not yet."""
        opened = self._run_context.transport.connected(
            zmq.XPUB, endpoint, self.model.creation, where=self.model.where, server=self.model.name
        )
        self._inproc.follow(opened, endpoint, self.out.lock)
        return opened

    def _attach(self, socket: Socket, endpoint: Endpoint) -> None:
        """Send through a socket of a bus, and look its name up; with the lock held.

        What is found is told to another thread, perhaps at once.
        """
        self.out.attach(socket)
        self._named = None
        if endpoint.is_name:
            self._named = NamedPeers(
                self._run_context.transport,
                socket,
                [endpoint],
                self._connect,
                Unresolved(self._run_context.log, self.model.where),
                where=self.model.where,
            )

    def _connect(self, found: Found) -> None:
        """Connect to the bus when its name was looked up; the thread that did so."""
        with self.out.lock:
            if self.out.socket is not None:
                found.peers.take(found)

    def _connect_again(self, freed: Freed) -> None:
        """Connect to a bus of this process whose socket was replaced; the thread that closed it."""
        self._inproc.take(freed)

    def _listen(self, now: float) -> None:
        self.out.look_at = now + LISTENING_PAUSE_S
        if self._named is not None:
            self._named.read_events()
        if self.out.subscriptions is not None:
            self.out.subscriptions.read_all()
        look_for_descriptors(self._run_context.log)

    def close(self, timeout_s: float) -> bool:  # noqa: ARG002 - a send never waits
        """Close the socket; any thread.

        :returns: True, since no caller can hold the socket for long
        """
        with self.out.lock:
            socket, self.out.socket = self.out.socket, None
            if self._named is not None:
                self._named.close()
            self._inproc.close()
            if socket is not None and self.model.creation["is_x_pub"]:
                self._run_context.transport.close(socket)
            elif socket is not None:
                self._run_context.transport.unbind(socket)
        return True
