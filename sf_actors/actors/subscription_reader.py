"""An actor that reads a SUB socket and brings calls to the router, no more than may wait."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

import zmq

from sf_actors.actors.socket_actor import SocketActor
from sf_actors.counters import Backlog
from sf_actors.errors import MessageError, OversizedMessage
from sf_actors.sockets.frames import BATCH, NOBLOCK, receive_frame
from sf_actors.user_code.turn import Call
from sf_actors.wire.topic import pack, payload
from sf_actors.wording import over_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.actors.inbox import SocketSource


#: First bytes of a message without a topic: a MessagePack map of at most 15 entries.
_NO_TOPIC: Final = frozenset(bytes((first,)) for first in range(0x80, 0x90))

#: Bytes of a message that takes long to read, far longer than to take the turn again.
LONG: Final = 10_000


class ResumeReading:
    """Enough of what was read is handled: read on."""


class Delivery(Call):
    """One message or update on its way through the handler."""

    __slots__ = ("reader",)

    def __init__(
        self,
        reader: Reader,
        handler: Callable[..., Any],
        args: Any,
        workflow_id: object,
        pinned: Mapping[str, Any] | None = None,
    ) -> None:
        self.handler = handler
        self.args = args
        self.label = reader.label
        self.counters = reader.counters
        self.workflow_id = workflow_id
        self.pinned = pinned
        self.reader = reader

    def settle(self) -> None:
        """Count it; runs in the router's thread."""
        self.reader.settled()

    def cancel(self) -> None:
        """Count what the stop left unhandled."""
        self.counters.drop("stopped")
        self.reader.backlog.cancel()

    def leave_behind(self) -> None:
        """Count what the stop did not wait for."""
        self.counters.drop("stopped")


class Reader(SocketActor):
    """Reads a SUB socket as long as there is room for the calls that this brings.

    Subclasses override `take`, which gets each message without its topic.
    """

    @abstractmethod
    def take(self, message: bytes | memoryview) -> None:
        """Act on one message.

        :raises MessageError: it cannot be taken; it is counted and warned of
        """

    def open_subscription(self, *, is_binder: bool) -> None:
        """Connect the socket, or bind it where many publishers send to one subscriber."""
        creation = self.model.creation
        topic = pack(creation["topic"])
        if is_binder:
            self.socket = self.bind(zmq.SUB, "subscriber")
            self.socket.setsockopt(zmq.SUBSCRIBE, topic)
        else:
            self.socket = self.connect(zmq.SUB, "subscriber", topic)
        self._max_bytes: int = creation["max_message_bytes"]
        self._max_queued: int = creation["high_water_mark"]
        self.backlog = self.counters.queued = Backlog()
        self._waits_for_room = False
        self._is_reading = False
        self._has_turn = False
        self._turn = self.world.turn
        #: the call that runs in this thread, used again for each
        self._at_once = Delivery(self, self.warn, None, None)

    def subscribe_again(self) -> SocketSource:
        """Replace a connected socket by another one; what it had not read is lost."""
        for source in list(self.sources):
            if source.socket is self.socket:
                self.disconnect(source)
        self.socket = self.connect(zmq.SUB, "subscriber", pack(self.model.creation["topic"]))
        return self.watch(self.socket)

    def read_subscription(self, source: SocketSource) -> None:
        """Read until nothing is there, the batch is done, a message comes or too many wait; HOT.

        The turn that the handler of one message had is kept for the next one.
        """
        try:
            self._is_reading = True
            self._read_batch(source)
        finally:
            self._is_reading = False
            self.let_go_of_turn()

    def _read_batch(self, source: SocketSource) -> None:
        socket, backlog, counters = self.socket, self.backlog, self.counters
        waiting, take, longest = self.inbox.waiting, self.take, min(LONG, self._max_bytes)
        for count in range(BATCH):
            if waiting and count:
                # the stop must not wait for slow handlers of what is not read yet
                return
            if backlog.brought != backlog.finished and len(backlog) >= self._max_queued:
                self._wait_for_room(source)
                return
            # from the second message on, to read until EAGAIN is cheaper than to poll each time
            if count == 1 and (source.is_probably_single or not source.has_more()):
                source.drained()
                return
            try:
                frame = receive_frame(socket, NOBLOCK)
            except zmq.Again:
                source.drained()
                return
            counters.received += 1
            try:
                if len(frame) > longest:
                    self._take_note_of_size(len(frame))
                take(frame if frame[:1] in _NO_TOPIC else payload(frame))
            except MessageError as error:
                self.refuse(error)

    def _take_note_of_size(self, size: int) -> None:
        # others have the turn while it is read
        self.let_go_of_turn()
        if size > self._max_bytes:
            raise OversizedMessage(over_limit("the message", size, self._max_bytes))

    def refuse(self, error: MessageError) -> None:
        """Count a message that cannot be taken, and warn of it."""
        self.let_go_of_turn()
        self.counters.drop(error.reason)
        self.warn(error.reason, str(error))

    def let_go_of_turn(self) -> None:
        """Let others have the turn, if it was kept, and log on one's own behalf from now on."""
        if self._has_turn:
            self._has_turn = False
            self._at_once.args = self._at_once.pinned = None
            self._turn.release()

    def deliver(
        self,
        handler: Callable[..., Any],
        args: Any,
        workflow_id: object,
        pinned: Mapping[str, Any] | None = None,
    ) -> None:
        """Have a handler called, now or when its turn comes; HOT."""
        if workflow_id is None:
            workflow_id = self.world.new_workflow_id()
        if self._has_turn and self._turn.queued:
            # what has queued since the call before came before this one
            self.let_go_of_turn()
        if self._is_reading and (self._has_turn or self._turn.try_acquire()):
            self._has_turn = True
            call = self._at_once
            call.handler = handler
            call.args = args
            call.workflow_id = workflow_id
            call.pinned = pinned
            self._turn.run(call)
        elif not self.world.router.submit(Delivery(self, handler, args, workflow_id, pinned)):
            self.backlog.bring()

    def on_message(self, message: Any) -> None:
        """Read on when there is room."""
        if isinstance(message, ResumeReading) and not self.is_draining:
            for source in self.sources:
                self.inbox.resume(source)

    def settled(self) -> None:
        """Take that a queued call is over; runs in the router's thread."""
        self.backlog.finish()
        if self._waits_for_room and len(self.backlog) <= self._max_queued // 2:
            self._waits_for_room = False
            self.tell(ResumeReading())

    def _wait_for_room(self, source: SocketSource) -> None:
        self.inbox.pause(source)
        self._waits_for_room = True
        # the router may have finished the last one between the two lines above
        if len(self.backlog) <= self._max_queued // 2:
            self._waits_for_room = False
            self.inbox.resume(source)
