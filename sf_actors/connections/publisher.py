"""The publisher: sends a message to whoever subscribes."""

from __future__ import annotations

import secrets
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.counters import Counters
from sf_actors.errors import MessageTooLarge, ServiceStopped
from sf_actors.sockets.broadcast import send_to_who_has_room
from sf_actors.sockets.descriptors import look_for_descriptors
from sf_actors.sockets.frames import NOBLOCK, send_frame
from sf_actors.sockets.subscriptions import Subscriptions
from sf_actors.wire.envelope import encode_published
from sf_actors.wire.topic import pack
from sf_actors.wording import over_limit

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.definition.models import Model
    from sf_actors.sockets.endpoint import Endpoint


#: How often a publisher looks at what its subscribers said, when it sends, in seconds.
LISTENING_PAUSE_S = 0.01


class Publisher:
    """Owns an XPUB socket that the callers of `to_send` use one at a time, under its lock.

    Every message carries the publisher's epoch, random per start, and its number, so that a
    subscriber can count what it missed.

    :param endpoint: where to bind, or the bus to connect to
    :raises BindError: the socket cannot be opened there
    """

    def __init__(self, world: RunContext, model: Model, endpoint: Endpoint) -> None:
        self.model = model
        self.counters = Counters("sent", "dropped", "last_error")
        self._world = world
        self._checked = model.arguments.checked
        self._topic = pack(model.creation["topic"])
        self._max_bytes: int = model.creation["max_message_bytes"]
        self._lock = threading.Lock()
        self._epoch = secrets.randbits(62) + 1
        self._number = 0
        self._is_closed = False
        if model.creation["is_x_pub"]:
            self._socket = world.transport.connected(
                zmq.XPUB, endpoint, model.creation, where=model.where, server=model.name
            )
        else:
            self._socket, address = world.transport.bound(
                zmq.XPUB, endpoint, model.creation, where=model.where
            )
            world.supervisor.bound(model, "publisher", address)
        # see `send_to_who_has_room`
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._subscriptions = Subscriptions(
            self._socket,
            self._topic,
            self.counters,
            world.log,
            where=model.where,
            is_of_bus=model.creation["is_x_pub"],
        )
        self._listen_at = 0.0
        #: when subscribers have had the time to join, in seconds of `time.monotonic`
        self.ready_at = monotonic() + model.creation["wait_after_creation_s"]

    def send(self, args: Any, workflow_id: object) -> None:
        """Check, encode and publish; any thread.

        :raises InvalidArguments: the arguments fail the model
        """
        checked = self._checked(args)
        with self._lock:
            if self._is_closed:
                raise ServiceStopped(f"{self.model.where}: the service has stopped")
            number = self._number
            frame = self._topic + encode_published(checked, workflow_id, self._epoch, number)
            if len(frame) > self._max_bytes:
                raise MessageTooLarge(
                    over_limit(f"{self.model.where}: the message", len(frame), self._max_bytes)
                )
            try:
                send_frame(self._socket, frame, NOBLOCK)
            except zmq.Again:
                send_to_who_has_room(self._socket, frame, self.counters)
            self._number = self.counters.sent = number + 1
            # only a socket that is used takes subscriptions in, so here is when to look at them
            if monotonic() >= self._listen_at:
                self._listen()

    def _listen(self) -> None:
        self._listen_at = monotonic() + LISTENING_PAUSE_S
        self._subscriptions.read_all()
        look_for_descriptors(self._world.log)

    def close(self, timeout_s: float) -> bool:  # noqa: ARG002 - a send never waits
        """Close the socket; any thread.

        :returns: True, since no caller can hold the socket for long
        """
        with self._lock:
            self._is_closed = True
            if self.model.creation["is_x_pub"]:
                self._world.transport.close(self._socket)
            else:
                self._world.transport.unbind(self._socket)
        return True
