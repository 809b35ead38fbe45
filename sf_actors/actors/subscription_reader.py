"""The base of actors that read a SUB socket."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Final

import zmq

from sf_actors.actors.socket_actor import SocketActor
from sf_actors.errors import OversizedMessage
from sf_actors.sockets.frames import NOBLOCK, receive_frame
from sf_actors.wire.msgpack import SHORT_MAPS
from sf_actors.wire.topic import pack, payload
from sf_actors.wording import over_limit

if TYPE_CHECKING:
    from sf_actors.actors.inbox import SocketSource


#: First bytes of a message without a topic, as long as it has few entries.
_NO_TOPIC: Final = frozenset(bytes((first,)) for first in SHORT_MAPS)

#: Bytes from which on reading a message takes far longer than taking the handler lock again.
LONG: Final = 10_000


class SubscriptionReader(SocketActor):
    """Reads a SUB socket.

    Subclasses override `take`, which gets each message without its topic.
    """

    subscription: SocketSource | None = None

    @abstractmethod
    def take(self, message: bytes | memoryview) -> None:
        """Handle one message.

        :raises MessageError: it cannot be taken; it is counted and logged
        """

    def open_subscription(self, *, is_binder: bool) -> None:
        """Connect the socket, or bind it if many publishers send to one subscriber."""
        self._topic = pack(self.model.creation["topic"])
        self._max_bytes: int = self.model.creation["max_message_bytes"]
        self._longest = min(LONG, self._max_bytes)
        if is_binder:
            self.socket = self.bind(zmq.SUB, "subscriber")
            self.socket.setsockopt(zmq.SUBSCRIBE, self._topic)
        else:
            self.socket = self.connect(zmq.SUB, "subscriber", self._topic)

    def follow_subscription(self) -> None:
        """Wait for messages from now on."""
        receive = partial(receive_frame, self.socket, NOBLOCK)
        self.subscription = self.watch(self.socket, receive=receive, take=self._take_frame)

    def before_long_read(self) -> None:
        """Prepare for a message that takes long to read."""

    def _take_frame(self, frame: bytes) -> None:
        self.counters.received += 1
        if len(frame) > self._longest:
            self.before_long_read()
            if len(frame) > self._max_bytes:
                raise OversizedMessage(over_limit("the message", len(frame), self._max_bytes))
        self.take(frame if frame[:1] in _NO_TOPIC else payload(frame))
