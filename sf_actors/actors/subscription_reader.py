"""An actor that reads a SUB socket and has handled what comes, no more than may wait."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import zmq

from sf_actors.actors.deliveries import Deliveries, ResumeReading
from sf_actors.actors.socket_actor import SocketActor
from sf_actors.errors import MessageError, OversizedMessage
from sf_actors.sockets.frames import NOBLOCK, receive_frame
from sf_actors.wire.msgpack import SHORT_MAPS
from sf_actors.wire.topic import pack, payload
from sf_actors.wording import over_limit

if TYPE_CHECKING:
    from sf_actors.actors.inbox import SocketSource


#: First bytes of a message without a topic, as long as it has few entries.
_NO_TOPIC: Final = frozenset(bytes((first,)) for first in SHORT_MAPS)

#: Bytes of a message that takes long to read, far longer than to take the handler lock again.
LONG: Final = 10_000


class Reader(SocketActor):
    """Reads a SUB socket as long as there is room for the calls that this brings.

    Subclasses override `take`, which gets each message without its topic.
    """

    deliveries: Deliveries

    @abstractmethod
    def take(self, message: bytes | memoryview) -> None:
        """Act on one message.

        :raises MessageError: it cannot be taken; it is counted and warned of
        """

    def open_subscription(self, *, is_binder: bool) -> None:
        """Connect the socket, or bind it where many publishers send to one subscriber."""
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
        self.deliveries.source = self.watch(self.socket, receive=receive, take=self._take_frame)

    def subscribe_again(self) -> None:
        """Replace a connected socket by another one; what it had not read is lost."""
        if self.deliveries.source is not None:
            self.disconnect(self.deliveries.source)
        self.socket = self.connect(zmq.SUB, "subscriber", self._topic)
        self.follow_subscription()

    def on_readable(self, source: SocketSource) -> None:
        """Read a batch; the handler lock of one message is kept for the next; HOT."""
        deliveries = self.deliveries
        deliveries.keeps_turn = source is deliveries.source
        try:
            super().on_readable(source)
        finally:
            deliveries.keeps_turn = False
            deliveries.let_go()

    def _take_frame(self, frame: bytes) -> None:
        self.counters.received += 1
        if len(frame) > self._longest:
            # others have the handler lock while it is read
            self.deliveries.let_go()
            if len(frame) > self._max_bytes:
                raise OversizedMessage(over_limit("the message", len(frame), self._max_bytes))
        self.take(frame if frame[:1] in _NO_TOPIC else payload(frame))

    def refuse(self, error: MessageError) -> None:
        """Count a message that cannot be taken, and warn of it."""
        self.deliveries.let_go()
        super().refuse(error)

    def on_message(self, message: Any) -> None:
        """Read on when there is room."""
        if isinstance(message, ResumeReading):
            self.deliveries.resume()
