"""The base of delta and full update in-states: their value, handler and status."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from sf_actors.actors.subscription_reader import SubscriptionReader
from sf_actors.actors.taps import FieldsNote, ValueNote
from sf_actors.actors.tracing import Traced
from sf_actors.definition.signature import WithUpdate
from sf_actors.log.throttle import Throttle
from sf_actors.replication.reasons import Reason
from sf_actors.replication.status import Phase
from sf_actors.replication.values.pieces import Packing
from sf_actors.states.update_calls import UpdateCall, UpdateCalls
from sf_actors.user_code.state_slot import StateSlot
from sf_actors.user_code.update import Update
from sf_actors.wire.envelope import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.actors.inbox import SocketSource
    from sf_actors.actors.run_context import RunContext
    from sf_actors.actors.taps import Note, Packer, Tap
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model
    from sf_actors.replication.actions import Updated
    from sf_actors.replication.full import FullReplica
    from sf_actors.replication.replica import Replica
    from sf_actors.replication.status import Status
    from sf_actors.replication.values.persistent_map import Map
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.user_code.state_slot import Version

#: The fields of a delta with only unknown fields, for which no handler is called.
NO_KNOWN: Final[dict[str, Any]] = {}


class InState(SubscriptionReader):
    """An actor that follows a state and shows its value in `states`.

    :param on_status: takes the status, to_send, states, config; called when the phase changes
    """

    counted = (
        "received",
        "handled",
        "failed",
        "refused",
        "dropped",
        "queued",
        "conflated",
        "skipped",
        "unknown_fields",
        "restarts",
        "last_error",
        "handler_s",
    )

    def __init__(  # noqa: PLR0917 - as pykka's `start` hands them on
        self,
        run_context: RunContext,
        model: Model,
        endpoints: Mapping[str, Endpoint],
        counters: Counters,
        handler: Callable[..., Any] | None,
        on_status: Callable[..., Any] | None,
    ) -> None:
        super().__init__(run_context, model, endpoints, counters, handler)
        self.restart_arguments = (run_context, model, endpoints, counters, handler, on_status)
        self._on_status = on_status
        #: the handler takes the update as its last argument
        self._takes_update = isinstance(handler, WithUpdate)
        self._call = handler.function if isinstance(handler, WithUpdate) else handler
        self.calls = UpdateCalls(self)
        #: returns what `states` shows of a value
        self.content: Callable[[Map[str, Any]], Map[str, Any]] = _as_it_is
        #: packs a value as `states` shows it, for taps
        self.packing: Callable[[Map[str, Any]], Packer] = partial(
            Packing, shape=model.arguments.shape
        )
        self._phase_lines = Throttle(burst=20)
        #: number of updates in the value that `states` shows
        self._count_shown = -1
        #: the reasons that were logged since the state was last LIVE
        self._logged_reasons: set[Reason] = set()
        self._is_interval_logged = False

    def show(self, replica: Replica | FullReplica) -> None:
        """Show a replica in `states`; a successor of an actor that died keeps the last value."""
        self._followed = replica
        self._visible = (replica.epoch, replica.number, replica.phase)
        states, name = self.run_context.states, self.model.name
        slot = states.slot(name)
        before = replica.phase if slot is None else slot.told().phase
        if slot is None:
            version = (replica.value, None, -1)
            slot = StateSlot(version, self.status, replica, monotonic())
            states.add(name, slot)
        else:
            slot.renew(self.status, replica, monotonic())
        self._slot = slot
        if before is not replica.phase:
            self.show_status(self.status(), "the replica begins anew")

    def status(self) -> Status:
        """Return the status, which is never ahead of the value that `states` shows; any thread."""
        epoch, number, phase = self._visible
        status = self._followed.status(monotonic())
        self.counters.skipped = status.skipped
        if status.phase is Phase.STALE:
            phase = Phase.STALE
        conflated = self.counters.conflated
        return replace(status, epoch=epoch, number=number, phase=phase, conflated=conflated)

    def update(
        self, updated: Updated, workflow_id: object, *, size: int = 0, is_last: bool = True
    ) -> None:
        """Show a new value and have the handler called for the change; HOT.

        :param size: bytes of the message that brought it
        :param is_last: it is the last of a batch, so that the phase of the replica is that of this
            value
        """
        traceparent = None
        if self.tracing is not None and isinstance(workflow_id, Traced):
            traced = workflow_id
            workflow_id, traceparent = traced.workflow_id, traced.traceparent
        number, epoch = updated.number, self._followed.epoch
        version = self.content(updated.value), epoch, updated.count
        self._show(number, version, is_last=is_last)
        if self.taps and updated.fields is not NO_KNOWN:
            for tap in self.taps:
                tap.add(self._note_of(updated, workflow_id, size))
        if self._call is not None and not updated.is_empty and updated.fields is not NO_KNOWN:
            is_whole = updated.is_whole
            workflow_id = workflow_id or self.run_context.new_workflow_id()
            call = self._call
            if self.tracing is not None:
                call = self.tracing.handler(call, self.model, workflow_id, traceparent)
            self.calls.add(
                UpdateCall(
                    self.calls,
                    call,
                    updated.fields,
                    workflow_id=workflow_id,
                    pinned={self.model.name: version},
                    whole=updated.value,
                    update=Update(number, epoch, is_whole) if self._takes_update else None,
                    size=size,
                )
            )

    def on_taps(self, new: Tap | None) -> None:
        """Copy the value to a new tap; it gets all updates from then on."""
        if new is not None:
            new.add_value(lambda: self.packing(self._followed.value), self._visible[1])

    def _note_of(self, updated: Updated, workflow_id: object, size: int) -> Note:
        """Return a copy of an update for taps, packed before the handler may change its fields."""
        if updated.is_whole or updated.is_resync:
            packing = self.packing(updated.value)
            return ValueNote(
                packing, updated.number, is_first=False, size=size, workflow_id=workflow_id
            )
        fields = updated.fields
        if self.model.single_state:
            fields = fields.get("state", {})
        return FieldsNote(encode(fields), updated.number, workflow_id)

    def _show(self, number: int, version: Version, *, is_last: bool = True) -> None:
        self._slot.version = version
        self._count_shown = version[2]
        phase = self._followed.phase if is_last else self._visible[2]
        self._visible = (self._followed.epoch, number, phase)

    def on_readable(self, source: SocketSource) -> None:
        """Read a batch, and have the handler called for it."""
        super().on_readable(source)
        self.read()

    def read(self) -> None:
        """Notify those who wait for the state of what was read, and have the handler called."""
        self.run_context.states.changes.notify()
        self.calls.flush()

    def on_begin(self) -> None:
        """Have the handler called for all updates so far, since `init_function` has returned."""
        self.calls.begin()

    def on_drain(self) -> None:
        """Stop reading, asking for snapshots and watching for silence."""
        super().on_drain()
        self.calls.drain()
        self.inbox.deadline = None

    def log_trouble(self) -> None:
        """Log why the state is not LIVE, each reason once until it is LIVE again."""
        trouble = self._followed.trouble
        if trouble is None:
            if self._logged_reasons and self._followed.phase is Phase.LIVE:
                self._logged_reasons.clear()
        elif trouble[0] not in self._logged_reasons:
            self._logged_reasons.add(trouble[0])
            # throttled, since any peer on the publisher's bus can cause it as often as it likes
            left_out = self.throttle.admit("not followed", monotonic())
            if left_out is not None:
                log = self.run_context.log
                (log.info if trouble[0] is Reason.LOADING else log.warning)(
                    "state cannot be followed",
                    state=self.model.name,
                    number=self._visible[1],
                    reason=trouble[1],
                    **({"left_out": left_out} if left_out else {}),
                )
        if self._followed.is_stale_after_raised and not self._is_interval_logged:
            self._is_interval_logged = True
            self.run_context.log.warning(
                "stale_after_s is less than two heartbeats of the publisher: raised",
                state=self.model.name,
                stale_after_s=self.model.creation["stale_after_s"],
                in_force_s=self._followed.stale_after_s,
            )

    def show_status(self, status: Status, reason: str) -> None:
        """Show and log a change of phase, and have `on_status` called."""
        self._visible = (status.epoch, status.number, status.phase)
        # throttled, since any peer on the publisher's bus can cause it as often as it likes
        left_out = self._phase_lines.admit("phase", monotonic())
        if left_out is not None:
            self.run_context.log.info(
                "state changed phase",
                state=self.model.name,
                phase=str(status.phase),
                number=status.number,
                reason=reason,
                **({"left_out": left_out} if left_out else {}),
            )
        if self._on_status is not None:
            workflow_id = self.run_context.new_workflow_id()
            self.calls.add(UpdateCall(self.calls, self._on_status, status, workflow_id=workflow_id))


def _as_it_is(value: Map[str, Any]) -> Map[str, Any]:
    return value
