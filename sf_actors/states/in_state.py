"""What delta and full update in-states have in common: their value, handler and status."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from sf_actors.actors.subscription_reader import Delivery, Reader
from sf_actors.log.throttle import Throttle
from sf_actors.replication.values.frozen import thaw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.actors.run_context import RunContext
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model
    from sf_actors.replication.full import FullReplica
    from sf_actors.replication.replica import Replica
    from sf_actors.replication.status import Status
    from sf_actors.replication.values.persistent_map import Map
    from sf_actors.sockets.endpoint import Endpoint
    from sf_actors.user_code.states_view import StateSlot


class InState(Reader):
    """An actor that follows a state and shows its value in `states`.

    :param on_status: takes the status, to_send, states, config; called when the phase changes
    """

    counted = (
        "received",
        "handled",
        "failed",
        "dropped",
        "queued",
        "restarts",
        "last_error",
        "handler_s",
    )

    def __init__(  # noqa: PLR0917 - as pykka's `start` hands them on
        self,
        world: RunContext,
        model: Model,
        endpoints: Mapping[str, Endpoint],
        counters: Counters,
        handler: Callable[..., Any] | None,
        on_status: Callable[..., Any] | None,
    ) -> None:
        super().__init__(world, model, endpoints, counters, handler)
        self.restart_arguments = (world, model, endpoints, counters, handler, on_status)
        self._on_status = on_status
        self._phase_lines = Throttle(burst=20)
        self._cell: StateSlot | None = None
        #: calls that came before the service was ready; None from then on
        self._held: list[Delivery] | None = []

    def show(self, replica: Replica | FullReplica) -> None:
        """Show a replica in `states`; a successor of an actor that died keeps the last value."""
        self._followed = replica
        self._shown = (replica.epoch, replica.number, replica.phase)
        self._cell = self.world.states.cell(self.model.name, replica.value, self.status)

    def status(self) -> Status:
        """Return the status, which is never ahead of the value that `states` shows; any thread."""
        epoch, number, phase = self._shown
        status = self._followed.status(monotonic())
        return replace(status, epoch=epoch, number=number, phase=phase)

    def update(
        self,
        number: int,
        value: Map[str, Any],
        fields: Mapping[str, Any],
        workflow_id: object,
        *,
        is_last: bool = True,
        is_update: bool = True,
    ) -> None:
        """Show another value and call the handler for what changed.

        :param fields: what the handler gets: a dict that it may change, or all fields, frozen
        :param is_update: False when the publisher has published nothing yet: no handler is called
        :param is_last: it is the last of those that the replica took at once, so that its phase is
            that of this value
        """
        if self._cell is not None:
            self._cell.value = value
        phase = self._followed.phase if is_last else self._shown[2]
        self._shown = (self._followed.epoch, number, phase)
        if self.handler is not None and is_update:
            plain = thaw(fields)
            self.deliver(self.handler, plain, workflow_id, {self.model.name: value})

    def deliver(
        self,
        handler: Callable[..., Any],
        args: Any,
        workflow_id: object,
        pinned: Mapping[str, Any] | None = None,
    ) -> None:
        """Have a handler called, but none before `init_function` has returned."""
        if self._held is None:
            super().deliver(handler, args, workflow_id, pinned)
            return
        if workflow_id is None:
            workflow_id = self.world.new_workflow_id()
        self._held.append(Delivery(self, handler, args, workflow_id, pinned))
        self.backlog.bring()

    def start_to_follow(self) -> None:
        """Watch the subscription, and the silence where libzmq does not connect again itself.

        A connection within the process is gone for good when the publisher's socket is closed.
        """
        self.subscription = self.watch(self.socket)
        is_binder = self.model.creation.get("is_binder", False)
        self._is_renewed = self.endpoints["subscriber"].scheme == "inproc" and not is_binder
        self._longest_silence_s: float = self.model.creation["stale_after_s"]
        self._renew_at = monotonic() + self._longest_silence_s

    def wait_until(self, deadline: float | None) -> None:
        """Have `on_tick` called at a time of `time.monotonic`, or before."""
        if self._is_renewed:
            deadline = self._renew_at if deadline is None else min(deadline, self._renew_at)
        self.inbox.deadline = deadline

    def renew_if_silent(self, age_s: float | None) -> bool:
        """Subscribe again if the publisher was not heard for long.

        :param age_s: how long ago it was, None if never
        """
        now = monotonic()
        if not self._is_renewed or now < self._renew_at:
            return False
        self._renew_at = now + self._longest_silence_s
        if self.subscription.paused:
            return False
        if age_s is not None and age_s < self._longest_silence_s:
            self._renew_at -= age_s
            return False
        self.subscription = self.subscribe_again()
        return True

    def on_begin(self) -> None:
        """Have the handler called for what came until now."""
        held, self._held = self._held or [], None
        for delivery in held:
            self.world.router.enqueue(delivery)

    def on_drain(self) -> None:
        """Stop to read, to ask and to watch for silence."""
        super().on_drain()
        self.inbox.deadline = None

    def tell_status(self, status: Status, reason: str) -> None:
        """Show and log a change of phase and call the function that wants to know."""
        self._shown = (status.epoch, status.number, status.phase)
        self.let_go_of_turn()
        # whoever reaches the publisher's bus can make it change as often as he likes
        left_out = self._phase_lines.admit("phase", monotonic())
        if left_out is not None:
            self.world.log.info(
                "state changed phase",
                state=self.model.name,
                phase=str(status.phase),
                number=status.number,
                reason=reason,
                **({"left_out": left_out} if left_out else {}),
            )
        if self._on_status is not None:
            self.deliver(self._on_status, status, None)
