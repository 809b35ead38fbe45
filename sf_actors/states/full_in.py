"""The full update in-state: an actor that follows the last value of one publisher, or of many."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.actors.tracing import Traced
from sf_actors.replication.actions import PhaseChanged, Updated, UpdateRefused
from sf_actors.replication.full import MAX_PUBLISHERS, FullReplica
from sf_actors.states.in_state import InState
from sf_actors.wire.envelope import decode_published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.replication.actions import Action


class FullIn(InState):
    """Owns the SUB socket on which whole values arrive."""

    def open(self) -> None:
        """Open the subscription."""
        creation = self.model.creation
        self.open_subscription(is_binder=creation["is_binder"])
        self._arguments = self.incoming(self.model.arguments)
        self._replica = FullReplica(
            now=monotonic(), stale_after_s=creation["stale_after_s"], many=creation["is_binder"]
        )
        self.show(self._replica)
        self.follow_subscription()
        self.inbox.deadline = self._replica.next_deadline

    def on_tick(self) -> None:
        """Handle a deadline of the replica."""
        self._act(self._replica.on_tick(monotonic()), None)
        self.log_trouble()
        self.read()
        self.inbox.deadline = self._replica.next_deadline

    def take(self, message: bytes | memoryview) -> None:
        """Hand a value to the replica."""
        envelope = decode_published(message)
        actions = self._replica.on_value(
            monotonic(),
            envelope.epoch,
            envelope.number,
            lambda: self._arguments.decoded(envelope.args),
            interval_s=envelope.interval_s,
        )
        id_: object = envelope.workflow_id
        if self.tracing is not None:
            id_ = Traced(id_, envelope.traceparent)
        self._act(actions, id_, len(message))
        if self._logged_reasons or self._replica.trouble is not None:
            self.log_trouble()

    def _note_run(self, count: int) -> None:
        """Note how far one of many publishers is, for when another one's value is shown."""
        others, epoch = self._slot.others, self._replica.epoch
        if epoch is not None:
            others.pop(epoch, None)
            others[epoch] = count
            if len(others) > MAX_PUBLISHERS:
                del others[next(iter(others))]

    def _act(self, actions: Sequence[Action], workflow_id: object, size: int = 0) -> None:
        for action in actions:
            if isinstance(action, Updated):
                self.update(action, workflow_id, size=size)
                if self._replica.has_many:
                    self._note_run(action.count)
            elif isinstance(action, PhaseChanged):
                self.show_status(action.status, action.reason)
                # within a phase, the deadline is only put off, and waking up too early costs little
                self.inbox.deadline = self._replica.next_deadline
            elif isinstance(action, UpdateRefused):
                self.refuse(action.problem)
