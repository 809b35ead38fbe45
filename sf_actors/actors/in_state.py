"""What delta and full update in-states have in common: their value, handler and status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sf_actors.actors.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immutables import Map

    from sf_actors.actors.states import Cell
    from sf_actors.actors.world import World
    from sf_actors.addresses import Endpoint
    from sf_actors.counters import Counters
    from sf_actors.definition.models import Model
    from sf_actors.replication.status import Status


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

    def __init__(
        self,
        world: World,
        model: Model,
        endpoints: Mapping[str, Endpoint],
        counters: Counters,
        handler: Callable[..., Any] | None,
        on_status: Callable[..., Any] | None,
    ) -> None:
        super().__init__(world, model, endpoints, counters, handler)
        self.construction = (world, model, endpoints, counters, handler, on_status)
        self._on_status = on_status
        self._cell: Cell | None = None

    def show(self, value: Map[str, Any], status: Callable[[], Status]) -> None:
        """Show a value in `states`; a successor of an actor that died keeps showing the last."""
        self._cell = self.world.states.cell(self.model.name, value, status)

    def update(
        self,
        value: Map[str, Any],
        fields: Mapping[str, Any],
        workflow_id: object,
        *,
        has_news: bool = True,
    ) -> None:
        """Show another value and call the handler for what changed."""
        if self._cell is not None:
            self._cell.value = value
        if self.handler is not None and has_news:
            self.deliver(self.handler, fields, workflow_id, {self.model.name: value})

    def tell_status(self, status: Status, reason: str) -> None:
        """Log a change of phase and call the function that wants to know."""
        self.world.log.info(
            "state changed phase",
            state=self.model.name,
            phase=str(status.phase),
            number=status.number,
            reason=reason,
        )
        if self._on_status is not None:
            self.deliver(self._on_status, status, None)
