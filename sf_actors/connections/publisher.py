"""The publisher: sends messages to all subscribers."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import zmq
from msgspec import UNSET

from sf_actors.actors.taps import MessageNote
from sf_actors.actors.tracing import TRACEPARENT
from sf_actors.connections.named_bus import NamedBus
from sf_actors.counters import Counters
from sf_actors.errors import ServiceStopped
from sf_actors.sockets.descriptors import look_for_descriptors
from sf_actors.sockets.given_up import GivenUp
from sf_actors.sockets.inproc_peers import Freed, InprocPeers
from sf_actors.sockets.named_peers import NamedPeers
from sf_actors.sockets.names import Unresolved
from sf_actors.sockets.publishing_socket import PublishingSocket
from sf_actors.sync.reentry import reentered
from sf_actors.wire.envelope import encode_published

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.actors.taps import Tap
    from sf_actors.definition.models import Model
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.sockets.frames import Socket


#: Least time between two looks for subscriptions when it sends, in seconds.
LISTENING_PAUSE_S = 0.01


class Publisher:
    """Publishes for the callers of `to_send`.

    Every message carries the epoch of its socket and its number, so that a subscriber can count
    what it missed.

    :param endpoint: where to bind, or the bus to connect to
    :raises BindError: the socket cannot be opened there
    """

    def __init__(self, run_context: RunContext, model: Model, endpoint: Endpoint) -> None:
        self.model = model
        self.counters = Counters("sent", "dropped", "last_error")
        self._run_context = run_context
        self._tracing = run_context.tracing
        self._checked = model.arguments.checked
        self.out = PublishingSocket(
            model.creation,
            self.counters,
            run_context.log,
            where=model.where,
            look=self._listen,
            has_keys=run_context.transport.is_secured,
        )
        self._inproc = InprocPeers(run_context.transport, self._connect_again)
        self._bus: NamedBus | None = None
        #: follows the connection to a bus that is given by its number, whenever it sends; with the
        #: lock held once the socket is attached
        self._followed: dict[Socket | None, NamedPeers] = {}
        self._unresolved = Unresolved(run_context.log, model.where)
        self._given_up = GivenUp(run_context.log, model.where)
        #: they get a copy of each message; changed with the lock held
        self.taps: tuple[Tap, ...] = ()
        if model.creation["is_x_pub"]:
            socket = self._opened(endpoint)
        else:
            socket, address = run_context.transport.bound(
                zmq.XPUB, endpoint, model.creation, where=model.where
            )
            run_context.supervisor.bound(model, "publisher", address)
        self.out.attach(socket)
        if model.creation["is_x_pub"]:
            try:
                self._follow_name(endpoint)
            except BaseException:
                self._unfollow(socket)
                run_context.transport.close(socket)
                raise
        #: when subscribers have had the time to join, in seconds of `time.monotonic`
        self.ready_at = monotonic() + model.creation["wait_after_creation_s"]

    def send(self, args: Any, workflow_id: object) -> None:
        """Check, encode and publish; any thread.

        :raises InvalidArguments: the arguments fail the model
        :raises UsageError: it is called from within itself
        """
        checked = self._checked(args)
        out, counters = self.out, self.counters
        if out.is_held_here():
            raise reentered(self.model.where)
        with out.lock:
            if out.socket is None:
                raise ServiceStopped(f"{self.model.where}: the service has stopped")
            # the number of a message is how many went out before it
            span = UNSET if self._tracing is None else TRACEPARENT.get()
            packed = encode_published(checked, workflow_id, out.epoch, counters.sent, None, span)
            frame = out.topic + packed
            if len(frame) > out.max_bytes:
                raise out.too_large("message", frame)
            counters.sent += 1
            out.send(frame)
            for tap in self.taps:
                tap.note(MessageNote, packed)

    def set_taps(self, taps: tuple[Tap, ...], _new: Tap | None) -> None:
        """Copy messages to these taps from now on; any thread."""
        with self.out.lock:
            self.taps = taps

    def connect(self, endpoint: Endpoint) -> None:
        """Send to another bus from now on, as a new epoch; any thread.

        :raises BindError: the socket cannot be opened; all stays as it is
        :raises ServiceStopped: the service has stopped
        """
        opened = self._opened(endpoint)
        self._leave_name()
        left = opened
        try:
            with self.out.lock:
                if self.out.socket is None:
                    raise ServiceStopped(f"{self.model.where}: the service has stopped")
                left = self.out.socket
                self.out.attach(opened)
        finally:
            self._inproc.forget(left)
            self._unfollow(left)
            self._run_context.transport.close(left)
        self._follow_name(endpoint)

    def _opened(self, endpoint: Endpoint) -> Socket:
        """Open a socket that connects to a bus; a name is connected later, by `_follow_name`."""
        opened = self._run_context.transport.connected(
            zmq.XPUB,
            endpoint,
            self.model.creation,
            where=self.model.where,
            server=f"{self.model.kind}/{self.model.name}",
            prepare=partial(self._follow, endpoint=endpoint),
        )
        self._inproc.follow(opened, endpoint, self.out.lock)
        return opened

    def _follow(self, socket: Socket, *, endpoint: Endpoint) -> None:
        """Follow the connection to a numeric address, before it is made."""
        if endpoint.scheme != "inproc" and not endpoint.is_name:
            self._followed[socket] = NamedPeers(
                self._run_context.transport,
                socket,
                [endpoint],
                lambda _found: None,
                self._unresolved,
                where=self.model.where,
                given_up=self._given_up,
            )

    def _unfollow(self, socket: Socket) -> None:
        followed = self._followed.pop(socket, None)
        if followed is not None:
            followed.close()

    def _follow_name(self, endpoint: Endpoint) -> None:
        """Follow the host of a bus if it is a name."""
        if endpoint.is_name:
            self._bus = NamedBus(self._run_context, self.model, endpoint, self.out)

    def _leave_name(self) -> None:
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.close()

    def _connect_again(self, freed: Freed) -> None:
        """Connect again to a bus of this process; runs in the thread that closed its old socket."""
        self._inproc.take(freed)

    def _listen(self, now: float) -> None:
        self.out.look_at = now + LISTENING_PAUSE_S
        if self.out.subscriptions is not None:
            self.out.subscriptions.read_all()
        followed = self._followed and self._followed.get(self.out.socket)
        if followed:
            followed.read_events()
            followed.restore()
        look_for_descriptors(self._run_context.log)

    def close(self, timeout_s: float) -> bool:  # noqa: ARG002 - a send never waits
        """Close the socket; any thread.

        :returns: True, since no caller can hold the socket for long
        """
        self._leave_name()
        with self.out.lock:
            socket, self.out.socket = self.out.socket, None
            self._inproc.close()
            if socket is not None and self.model.creation["is_x_pub"]:
                self._unfollow(socket)
                self._run_context.transport.close(socket)
            elif socket is not None:
                self._run_context.transport.unbind(socket)
        return True
