"""The subscriber: passes published messages to its handler, and checks if its publisher lives."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from sf_actors.actors.deliveries import ResumeReading, deliveries_of
from sf_actors.actors.injected import InjectedMessage
from sf_actors.actors.subscription_reader import SubscriptionReader
from sf_actors.actors.taps import MessageNote
from sf_actors.connections.liveness import ProbeGreeted, PublisherLiveness
from sf_actors.errors import MessageError
from sf_actors.schema.one_pass import published_decoder
from sf_actors.sockets.named_peers import Found
from sf_actors.wire.envelope import decode_published, encode_failure, encode_reply

if TYPE_CHECKING:
    from sf_actors.actors.inbox import SocketSource

#: Publishers whose numbering is remembered; the one heard longest ago is forgotten first.
MAX_PUBLISHERS = 1_000


#: Most messages that can be missed between two that are read.
MAX_MISSED = 2**32


class Subscriber(SubscriptionReader):
    """Owns a SUB socket, with the topic as its subscription."""

    counted = (
        "received",
        "handled",
        "failed",
        "refused",
        "dropped",
        "missed",
        "queued",
        "unknown_fields",
        "restarts",
        "last_error",
        "handler_s",
        "peers",
    )

    def open(self) -> None:
        """Open the socket."""
        is_binder = self.model.creation["is_binder"]
        #: None for a binder, whose peers the kernel counts (see `sf_actors.sockets.peers`)
        self._pulse: PublisherLiveness | None = None
        self.open_subscription(is_binder=is_binder)
        self.deliveries = deliveries_of(self)
        if self.endpoints["subscriber"].others:
            # with several publishers there is no way to tell which of them is gone
            self.counters.peers = None
        elif not is_binder:
            self._pulse = PublisherLiveness(
                self.inbox,
                self.endpoints["subscriber"],
                self.counters,
                self.run_context.log,
                where=self.model.where,
                at=self._named.at,
            )
        self._arguments = self.incoming(self.model.arguments)
        self._decoded_at_once = published_decoder(self._arguments)
        #: the last number by the publisher's epoch; that of the newest message is kept beside it
        self._heard: OrderedDict[int, int] = OrderedDict()
        self._epoch: int | None = None
        self._number = 0

    def on_begin(self) -> None:
        """Start reading."""
        self.follow_subscription()
        if self._pulse is not None:
            self._pulse.begin()

    def on_tick(self) -> None:
        """Check whether the publisher was heard."""
        if self._pulse is not None:
            self._pulse.on_tick()

    def follow_subscription(self) -> None:
        """Wait for messages from now on."""
        super().follow_subscription()
        self.deliveries.source = self.subscription

    def on_readable(self, source: SocketSource) -> None:
        """Read a batch; the handler lock of one message is kept for the next; HOT."""
        self.deliveries.keeps_handler_lock = source is self.subscription
        try:
            super().on_readable(source)
        finally:
            self.deliveries.keeps_handler_lock = False
            self.deliveries.let_go()

    def before_long_read(self) -> None:
        """Release the handler lock for the time of the read."""
        self.deliveries.let_go()

    def refuse(self, error: MessageError) -> None:
        """Count a message that cannot be taken, and log a warning."""
        self.deliveries.let_go()
        super().refuse(error)

    def on_message(self, message: Any) -> None:
        """Resume reading, read an answer to a probe, or take a message from inside."""
        if isinstance(message, ResumeReading):
            self.deliveries.resume()
        elif isinstance(message, InjectedMessage):
            self._take_injected(message)
        elif type(message) is not ProbeGreeted:
            super().on_message(message)
            if type(message) is Found and self._pulse is not None:
                self._pulse.on_found()
        elif self._pulse is not None:
            self._pulse.on_greeting()

    def _take_injected(self, message: InjectedMessage) -> None:
        """Take a message as if a publisher had sent it; confirm that before its handler runs."""
        if message.is_moot:
            return
        if self.is_draining or self.subscription is None:
            message.refuse()
            return
        try:
            envelope = decode_published(message.packed)
            self._arguments.decoded(envelope.args)
        except MessageError as error:
            self.refuse(error)
            message.answer(encode_failure(type(error).__name__, str(error), message.workflow_id))
            return
        self.counters.received += 1
        if self._pulse is not None:
            self._pulse.on_inside()
        message.answer(encode_reply({}, envelope.workflow_id))
        self.take(message.packed)

    def on_late(self, message: Any) -> None:
        """Refuse a message from inside that came too late."""
        if isinstance(message, InjectedMessage):
            message.refuse()
        else:
            super().on_late(message)

    def on_drain(self) -> None:
        """Stop reading and probing the publisher."""
        super().on_drain()
        if self._pulse is not None:
            self._pulse.end()

    def close(self) -> None:
        """Stop probing the publisher."""
        if self._pulse is not None:
            self._pulse.end()
            self.counters.peers = 0

    def take(self, message: bytes | memoryview) -> None:
        """Decode a message and have it handled."""
        envelope = self._decoded_at_once(message)
        is_decoded = envelope is not None
        if not is_decoded:
            envelope = decode_published(message)
        epoch, number = envelope.epoch, envelope.number
        if epoch == self._epoch and number == self._number + 1:
            self._number = number
        elif epoch is not None and number is not None:
            self._count_missed(epoch, number)
        args = envelope.args if is_decoded else self._arguments.decoded(envelope.args)
        for tap in self.taps:
            tap.note(MessageNote, message)
        handler, id_ = self.handler, envelope.workflow_id
        if self.tracing is not None and handler is not None:
            id_ = self.run_context.new_workflow_id() if id_ is None else id_
            handler = self.tracing.handler(handler, self.model, id_, envelope.traceparent)
        if handler is not None:
            self.deliveries.deliver(handler, args, id_, size=len(message))

    def _count_missed(self, epoch: int, number: int) -> None:
        if self._epoch is not None:
            self._heard[self._epoch] = self._number
        last = self._heard.pop(epoch, None)
        if last is None:
            if len(self._heard) >= MAX_PUBLISHERS:
                self._heard.popitem(last=False)
        elif number > last + MAX_MISSED:
            # no publisher counts that far while a subscriber is away: the number is made up
            number = last
        elif number > last + 1:
            self.counters.missed += number - last - 1
        elif number <= last:
            number = last
        self._epoch, self._number = epoch, number
